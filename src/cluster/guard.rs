//! The guard and the keeper: two small shell processes that stop the server when the last holder has exited.
//!
//! Every tagd keeps the write end of one FIFO open, and the guard reads it (guard.sh). To join, a tagd opens the FIFO and
//! sends a greeting: it creates a file and writes its name into the pipe, and the guard removes the file. The removal
//! proves that the guard was still reading while our end was open, so it has not decided to stop. A guard that stops
//! closes its end, and a write to ours then fails.
//!
//! The keeper is the parent of the server (keeper.sh). Neither outlives the other: when the guard ends, however that
//! happened, the keeper stops the server; when the keeper has no server any more, it kills the guard, which breaks the pipe
//! of every holder. Server, keeper and guard are one process group, so that one signal resumes all that are suspended.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    os::{
        fd::AsFd,
        unix::{
            fs::{FileTypeExt, MetadataExt},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Child, ChildStdout, Stdio, id},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, killpg},
        stat::Mode,
    },
    unistd::{Pid, geteuid, getpgid, mkfifo},
};

use super::{
    ClusterError, POLL_INTERVAL,
    error::{says_full, telling_line},
    pidfile::{self, Server, ServerState},
    place::{Place, stat},
    programs::Programs,
};

/// Where /bin/sh is on every system.
const SHELL: &str = "/bin/sh";
const GUARD: &str = include_str!("guard.sh");
const KEEPER: &str = include_str!("keeper.sh");
/// Has the guard's process number.
const GUARD_PID: &str = "guard.pid";
/// A guard answers within milliseconds, or on a busy machine within a second or two.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// A guard that has not answered for this long may be suspended.
const RESUME_AFTER: Duration = Duration::from_secs(3);
/// A guard that still reads after this long has other holders.
const LEAVE_PATIENCE: Duration = Duration::from_millis(500);
/// The server's log.
const LOG: &str = "server.log";
/// Beyond this many bytes the log of earlier runs is dropped.
const LOG_MAX: u64 = 10 << 20;
/// How many bytes at the end of the log are searched for an error message.
const LOG_TAIL: u64 = 64 << 10;
/// Makes glibc keep up to 16 MB of freed memory in a process. By default it derives its limits from the largest block
/// freed so far, so the first statements of a session decide whether later ones allocate the pages of their bitmaps from
/// the kernel and return them each time: at a million resources, that is up to 40 % of their time. Other C libraries
/// ignore these variables.
const MEMORY: [(&str, &str); 2] = [("MALLOC_TRIM_THRESHOLD_", "16777216"), ("MALLOC_MMAP_THRESHOLD_", "16777216")];

static GREETINGS: AtomicU64 = AtomicU64::new(0);

/// Joins a running guard, if there is one.
pub(super) fn join(place: &Place) -> Result<Option<File>, ClusterError> {
    let Some(mut hold) = open_hold(place)? else {
        return Ok(None);
    };
    let word = format!("{}.{}", id(), GREETINGS.fetch_add(1, Ordering::Relaxed));
    let sign = place.run().join(&word);
    let run = place.folder().inner("run")?;
    match run.file(&word, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(ClusterError::at(&sign)(error)),
        _ => {}
    }
    let sent = hold.write_all(format!("{word}\n").as_bytes());
    let begun = Instant::now();
    let mut is_resumed = false;
    let joined = loop {
        if !is_resumed && begun.elapsed() > RESUME_AFTER {
            is_resumed = true;
            resume(place);
        }
        if !sign.exists() {
            break Ok(Some(hold));
        }
        if sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) || broken(&hold, 2) {
            break Ok(None);
        }
        if begun.elapsed() > ANSWER_PATIENCE {
            break Err(ClusterError::Mute { path: place.root().to_path_buf() });
        }
    };
    let _ = run.remove(&word);
    bound_log(place);
    joined
}

/// Ends a guard that has lost its server, and waits until it no longer reads the pipe.
pub(super) fn end(place: &Place, mut hold: File) -> Result<(), ClusterError> {
    // A failure means that it has already exited.
    let _ = hold.write_all(b"end\n");
    resume(place);
    let begun = Instant::now();
    while !broken(&hold, 10) {
        if begun.elapsed() > ANSWER_PATIENCE {
            return Err(ClusterError::Mute { path: place.root().to_path_buf() });
        }
    }
    Ok(())
}

/// Whether a guard reads the pipe, so that a tagd uses the server or a server is running for it.
pub(super) fn is_reading(place: &Place) -> Result<bool, ClusterError> {
    Ok(open_hold(place)?.is_some())
}

/// Releases the server and, if this was the last holder, waits until it has stopped. True if it has stopped.
pub(super) fn leave(place: &Place, hold: File, patience: Duration) -> bool {
    // a suspended guard would read no end of file
    resume(place);
    drop(hold);
    let begun = Instant::now();
    // A check makes us a holder for a moment, so check seldom. A guard without holders closes its end.
    while matches!(open_hold(place), Ok(Some(_))) {
        if begun.elapsed() > LEAVE_PATIENCE.min(patience) {
            return false;
        }
        thread::sleep(POLL_INTERVAL * 2);
    }
    // The keeper is stopping it, but may have been killed. Under the lock no other tagd is starting one.
    match place.lock(LEAVE_PATIENCE.min(patience)) {
        Ok(_lock) if matches!(open_hold(place), Ok(None)) => {
            let has_stopped = pidfile::stop(place, patience).is_ok();
            if has_stopped {
                pidfile::end_orphans(place);
            }
            has_stopped
        }
        _ => false,
    }
}

/// Resumes guard, keeper and server if they are suspended.
fn resume(place: &Place) {
    let mut text = String::new();
    let read = place.folder().file(GUARD_PID, OFlag::O_RDONLY).and_then(|file| file.take(20).read_to_string(&mut text));
    let Some(pid) = read.ok().and_then(|_| text.trim().parse().ok()).filter(|pid| *pid > 1) else { return };
    let group = Pid::from_raw(pid);
    // the number may be in use again; to continue is harmless for any process that is not suspended
    if getpgid(Some(group)) == Ok(group) && place.runner().owns_process(pid) {
        let _ = killpg(group, Signal::SIGCONT);
    }
}

/// Whether the guard has ended, so that nobody restarts or stops the server.
pub(super) fn is_gone(hold: &File) -> bool {
    broken(hold, 0)
}

/// Starts a guard and its server, and waits until the server accepts connections.
pub(super) fn start(place: &Place, programs: &Programs, patience: Duration) -> Result<(File, Server), ClusterError> {
    let (hold, pipe) = open_pipe(place)?;
    let log = open_log(place)?;
    let from = log.metadata().map_err(ClusterError::at(&place.log()))?.len();
    let mut guard = spawn_guard(place, pipe, &log)?;
    let keeper = spawn_keeper(place, programs, &mut guard, log);
    let outcome = match keeper {
        Ok(keeper) => {
            let ready = wait_ready(place, keeper.stdout.as_ref(), from, patience);
            reap(keeper);
            ready
        }
        Err(error) => Err(error),
    };
    // Closing our end is not enough: other processes may have the same pipe open from an earlier server.
    let outcome = match outcome {
        Ok(server) => Ok((hold, server)),
        Err(error) => end(place, hold).and(Err(error)),
    };
    reap(guard);
    outcome
}

fn spawn_guard(place: &Place, pipe: File, log: &File) -> Result<Child, ClusterError> {
    // In a file, so that the script is not shown in the process list.
    place.write("guard.sh", GUARD)?;
    let log = log.try_clone().map_err(ClusterError::at(&place.log()))?;
    let guard = place
        .runner()
        .command(SHELL, None)
        .arg(place.root().join("guard.sh"))
        .arg(place.run())
        .stdin(pipe)
        .stdout(Stdio::piped())
        .stderr(log)
        // Ctrl-C must only reach tagd, which needs its database until it has drained.
        .process_group(0)
        .spawn()
        .map_err(ClusterError::at(Path::new(SHELL)))?;
    Ok(guard)
}

/// Starts the keeper, which starts the server. The guard's stdout becomes the keeper's stdin, and no other process has it.
fn spawn_keeper(place: &Place, programs: &Programs, guard: &mut Child, log: File) -> Result<Child, ClusterError> {
    let guard_pid = i32::try_from(guard.id()).unwrap_or_default();
    let life = guard.stdout.take().map_or_else(Stdio::null, Stdio::from);
    place.write(GUARD_PID, &format!("{guard_pid}\n"))?;
    place.write("keeper.sh", KEEPER)?;
    place
        .runner()
        .command(SHELL, None)
        .envs(MEMORY)
        .arg(place.root().join("keeper.sh"))
        .arg(programs.bin.join("postgres"))
        .arg(place.data())
        .arg(guard_pid.to_string())
        .stdin(life)
        // Only the keeper has it: when it exits, this tagd learns that the start failed.
        .stdout(Stdio::piped())
        .stderr(log)
        .process_group(guard_pid)
        .spawn()
        .map_err(ClusterError::at(Path::new(SHELL)))
}

/// The error for a server that does not become ready; `from` is the offset in the log to read from.
pub(super) fn late(place: &Place, from: u64, patience: Duration) -> ClusterError {
    let log = read_log(place, from);
    let last = log.lines().rfind(|line| !line.trim().is_empty());
    ClusterError::TimedOut {
        seconds: patience.as_secs(),
        line: last.map_or_else(|| "none".to_owned(), |line| line.trim().chars().take(300).collect()),
        log: place.log(),
    }
}

fn wait_ready(
    place: &Place,
    keeper: Option<&ChildStdout>,
    from: u64,
    patience: Duration,
) -> Result<Server, ClusterError> {
    let begun = Instant::now();
    let mut reported = 0;
    loop {
        if let ServerState::Ready(server) = pidfile::state(place) {
            return Ok(server);
        }
        if keeper.is_none_or(|keeper| broken(keeper, 10)) {
            return Err(explain(place, &read_log(place, from)));
        }
        if begun.elapsed() > patience {
            return Err(late(place, from, patience));
        }
        if begun.elapsed().as_secs() >= reported + 10 {
            reported = begun.elapsed().as_secs();
            tracing::info!(seconds = reported, log = %place.log().display(), "Postgres is still starting");
        }
    }
}

/// The error that the last lines of a server's log mean.
fn explain(place: &Place, log: &str) -> ClusterError {
    if says_full(log) {
        return ClusterError::DiskFull { path: place.data() };
    }
    if log.contains("pre-existing shared memory block") {
        return ClusterError::Orphans { data: place.data() };
    }
    ClusterError::Start { line: telling_line(log), log: place.log() }
}

/// Opens our end of the FIFO; `None` if no process reads the other end.
fn open_hold(place: &Place) -> Result<Option<File>, ClusterError> {
    let path = place.holders();
    match place.folder().file("holders", OFlag::O_WRONLY) {
        Ok(hold) => Ok(Some(hold)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => Ok(None),
        Err(error) => Err(ClusterError::at(&path)(error)),
    }
}

/// Opens both ends. The FIFO is reused, so that holders of an earlier server count for this one.
fn open_pipe(place: &Place) -> Result<(File, File), ClusterError> {
    let path = place.holders();
    let is_new = !stat(&path).is_ok_and(|found| found.file_type().is_fifo());
    if is_new {
        let _ = place.folder().remove("holders");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| ClusterError::at(&path)(error.into()))?;
    }
    let mut pipe = place.folder().file("holders", OFlag::O_RDONLY).map_err(ClusterError::at(&path))?;
    let found = pipe.metadata().map_err(ClusterError::at(&path))?;
    if is_new && found.file_type().is_fifo() && found.uid() == geteuid().as_raw() {
        place.keep(&pipe, &path)?;
    }
    let hold = open_hold(place)?.ok_or_else(|| ClusterError::Mute { path: place.root().to_path_buf() })?;
    // Discard what was written to an earlier guard; the loop ends with "would block".
    let _ = pipe.read_to_end(&mut Vec::new());
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::empty())).map_err(|error| ClusterError::at(&path)(error.into()))?;
    Ok((hold, pipe))
}

/// Waits up to `millis` milliseconds. True if the other end of the pipe is closed.
fn broken(pipe: &impl AsFd, millis: u8) -> bool {
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    let ready = poll(&mut fds, PollTimeout::from(millis));
    ready.is_ok_and(|count| count > 0)
}

/// Waits for a shell in the background, so that a long-lived tagd collects no zombies.
fn reap(mut shell: Child) {
    let waiting = thread::Builder::new().name("postgres-guard".to_owned()).spawn(move || shell.wait());
    if let Err(error) = waiting {
        tracing::debug!(%error, "cannot start the thread that waits for the shell");
    }
}

fn open_log(place: &Place) -> Result<File, ClusterError> {
    bound_log(place);
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND;
    let log = place.open_own(LOG, flags)?;
    if place.is_own(&log.metadata().map_err(ClusterError::at(&place.log()))?) {
        return Ok(log);
    }
    // It is not one of ours: another user may have put it here to have it written to.
    place.folder().remove(LOG).map_err(ClusterError::at(&place.log()))?;
    place.open_own(LOG, flags)
}

/// Drops an overgrown log. The server appends, so this is safe while it runs.
fn bound_log(place: &Place) {
    if let Ok(log) = place.folder().file(LOG, OFlag::O_WRONLY)
        && log.metadata().is_ok_and(|found| place.is_own(&found) && found.len() > LOG_MAX)
    {
        // An error with the log must not prevent the start.
        let _ = log.set_len(0);
    }
}

fn read_log(place: &Place, from: u64) -> String {
    let mut output = Vec::new();
    let read = place.folder().file(LOG, OFlag::O_RDONLY).and_then(|mut log| {
        let found = log.metadata()?;
        if !place.is_own(&found) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let length = found.len();
        log.seek(SeekFrom::Start(from.min(length).max(length.saturating_sub(LOG_TAIL))))?;
        log.take(LOG_TAIL).read_to_end(&mut output)
    });
    if read.is_err() {
        return String::new();
    }
    String::from_utf8_lossy(&output).into_owned()
}
