//! Reads `postmaster.pid`, which has the process and the status of the server, and cleans up after dead servers.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    ClusterError, POLL_INTERVAL,
    place::{PORT, Place},
};

/// A fast shutdown writes one checkpoint.
const STOP_PATIENCE: Duration = Duration::from_mins(2);
/// How long processes of a server that has ended may take to exit.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);
/// A process that is killed ends at once, unless it waits for a disk.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(5);

/// How to reach a server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
}

/// Status of the server.
#[derive(Debug)]
pub(super) enum ServerState {
    /// No server uses the data.
    Absent,
    /// It is starting, recovering or stopping.
    Pending,
    /// It accepts connections.
    Ready(Server),
}

/// The lines of the file that tagd reads: 1 process, 4 port, 5 socket directory, 8 status.
struct Notice {
    pid: i32,
    server: Option<Server>,
    ready: bool,
}

impl Notice {
    fn read(path: &Path) -> Option<Self> {
        let text = fs::read(path).ok()?;
        let text = String::from_utf8_lossy(&text);
        let line = |index: usize| text.lines().nth(index).map(str::trim);
        let server = line(4).zip(line(3)).and_then(|(directory, port)| {
            Some(Server { socket_dir: PathBuf::from(directory), port: port.parse().ok()? })
        });
        Some(Self { pid: line(0)?.parse().ok()?, server, ready: line(7) == Some("ready") })
    }
}

/// Status of the server on this data.
pub(super) fn state(place: &Place) -> ServerState {
    let path = place.data().join("postmaster.pid");
    let Some(notice) = Notice::read(&path) else {
        return ServerState::Absent;
    };
    if notice.ready
        && let Some(server) = &notice.server
        && UnixStream::connect(server.socket_dir.join(format!(".s.PGSQL.{}", server.port))).is_ok()
        // The file of a killed server says "ready" until the next server has replaced it, so read again which one
        // accepted the connection.
        && let Some(Notice { ready: true, server: Some(server), .. }) = Notice::read(&path)
    {
        return ServerState::Ready(server);
    }
    if works_on(place, notice.pid) { ServerState::Pending } else { ServerState::Absent }
}

/// Whether there is a server process on this data; a killed one is none.
pub(super) fn is_running(place: &Place) -> bool {
    process(place).is_some()
}

/// The server process on this data.
pub(super) fn process(place: &Place) -> Option<i32> {
    Notice::read(&place.data().join("postmaster.pid")).map(|notice| notice.pid).filter(|pid| works_on(place, *pid))
}

/// Ensures that no server uses the data and that a dead one has left nothing that would stop the next from starting.
///
/// Call it with the lock held and no guard running: a server found here lost its guard to a kill -9, or is already
/// stopping.
pub(super) fn clear(place: &Place) -> Result<(), ClusterError> {
    stop(place, STOP_PATIENCE)?;
    let sockets = place.sockets()?;
    for name in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
        // Usually the file does not exist; Postgres reports any other problem.
        let _ = fs::remove_file(sockets.join(name));
    }
    Ok(())
}

/// Stops the server on this data, if there is one, under the same conditions.
pub(super) fn stop(place: &Place, patience: Duration) -> Result<(), ClusterError> {
    let data = place.data();
    let path = data.join("postmaster.pid");
    let begun = Instant::now();
    let mut asked: Option<Instant> = None;
    while path.exists() {
        let Some(Notice { pid, .. }) = Notice::read(&path) else {
            // It is written in one call, so an empty file is left from a crash of the machine.
            if begun.elapsed() > Duration::from_secs(1) {
                fs::remove_file(&path).map_err(ClusterError::at(&path))?;
            }
            thread::sleep(POLL_INTERVAL);
            continue;
        };
        // A negative number is a single-user server: an administrator is repairing something by hand.
        if pid < 0 && works_on(place, -pid) {
            return Err(ClusterError::Busy { data, pid: -pid });
        }
        if !works_on(place, pid) {
            // Postgres itself removes the file of a dead process and looks for its orphans; but if the process number is
            // in use again, it takes that process for its predecessor.
            if alive(pid.abs()) && path.exists() {
                tracing::warn!(pid, "removing the postmaster.pid of a Postgres that was killed");
                fs::remove_file(&path).map_err(ClusterError::at(&path))?;
            }
            break;
        }
        if begun.elapsed() > patience {
            return Err(ClusterError::Busy { data, pid });
        }
        if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(1)) {
            tracing::debug!(pid, "waiting for a Postgres without a guard to stop");
            // SIGINT is the fast, clean shutdown; a suspended server has to be resumed. A failure means that it has just
            // exited.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT).and_then(|()| kill(Pid::from_raw(pid), Signal::SIGCONT));
            asked = Some(Instant::now());
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Kills the workers that a killed server has left, if they have not ended soon. They would end by themselves, but one waits for ever
/// if what it waits for is held by a worker that was killed as well. Nothing is lost: the next server recovers whatever was committed.
/// A server that stops removes its file before its process ends, so all are given some time.
///
/// Call it under the conditions of [`clear`], and after it. Finds them only where there is `/proc`.
pub(super) fn end_orphans(place: &Place) {
    let begun = Instant::now();
    let mut told = HashSet::new();
    loop {
        let orphans = workers_on(place);
        if orphans.is_empty() || begun.elapsed() > ORPHAN_PATIENCE {
            return;
        }
        if begun.elapsed() > EXIT_PATIENCE {
            for pid in orphans {
                if told.insert(pid) {
                    tracing::warn!(pid, "ending a worker of a Postgres that was killed");
                }
                // a failure means that it has just exited
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// All processes of Postgres on this data.
fn workers_on(place: &Place) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|process| process.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_postgres(*pid) && works_on(place, *pid)).collect()
}

/// Whether a process runs Postgres, and is not the shell of somebody who looks at the data.
fn is_postgres(pid: i32) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    // Linux adds a word to the name of a program that was replaced
    program.is_ok_and(|program| {
        program.file_name().and_then(OsStr::to_str).is_some_and(|name| name.split(' ').next() == Some("postgres"))
    })
}

fn alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// Whether this process is a Postgres server with this data directory.
fn works_on(place: &Place, pid: i32) -> bool {
    let data = &place.data();
    // The file belongs to the server's user, who may write any number into it; root must not stop a process of another
    // user.
    if pid <= 1 || !alive(pid) || !place.runner().owns_process(pid) {
        return false;
    }
    if Path::new("/proc/self/cwd").exists() {
        // The working directory of a server is its data directory. A process that we may not inspect is another user's,
        // so not ours.
        let cwd = fs::metadata(format!("/proc/{pid}/cwd"));
        return cwd
            .is_ok_and(|cwd| fs::metadata(data).is_ok_and(|data| (cwd.dev(), cwd.ino()) == (data.dev(), data.ino())));
    }
    let shown = Command::new("/bin/ps").args(["-o", "command=", "-p", &pid.to_string()]).output();
    // If that cannot be determined, do not touch a running process.
    shown.map_or(true, |shown| String::from_utf8_lossy(&shown.stdout).contains(&*data.to_string_lossy()))
}
