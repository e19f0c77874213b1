//! Creates the cluster with `initdb` and writes the server's settings.

use std::{
    fs,
    io::{Error, ErrorKind, Read, Write},
    path::Path,
    process::{Stdio, id},
};

use nix::fcntl::OFlag;

use super::{
    ClusterError, ClusterSettings, SUPERUSER,
    error::{says_full, telling_line},
    folder::Folder,
    place::{PORT, Place},
    programs::Programs,
};

/// The major version that created the cluster, if there is a cluster yet.
pub(super) fn version(place: &Place) -> Result<Option<u32>, ClusterError> {
    let data = place.data();
    if let Some(major) = version_in(&data)? {
        return Ok(Some(major));
    }
    // Removed only if it is empty: a cluster without its version must not be overwritten.
    match fs::remove_dir(&data) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(_) => Err(ClusterError::NotACluster { path: data }),
    }
}

/// The same of a data directory, which is only looked at; none if it has no version.
pub(super) fn version_in(data: &Path) -> Result<Option<u32>, ClusterError> {
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => match text.trim().parse() {
            Ok(major) => Ok(Some(major)),
            Err(_) => Err(ClusterError::NotACluster { path: data.to_path_buf() }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::at(data)(error)),
    }
}

/// Creates a cluster next to its final location and moves it there when it is complete.
pub(super) fn make(place: &Place, programs: &Programs, durable: bool) -> Result<(), ClusterError> {
    tracing::info!(data = %place.data().display(), major = programs.major, "creating a Postgres cluster");
    clear_unfinished(place);
    // An initdb whose tagd was killed may still be writing, so each run uses a name of its own.
    let name = format!("data.new-{}", id());
    let new = place.root().join(&name);
    let mut outcome = Err(String::new());
    let mut made = None;
    for locale in locales(programs.major) {
        let folder = place.folder().make_inner(&name, 0o700)?;
        if !folder.is_empty()? {
            return Err(ClusterError::at(&new)(Error::from(ErrorKind::AlreadyExists)));
        }
        place.hand(&folder, &new)?;
        made = Some(folder);
        outcome = initdb(place, programs, &new, locale, durable)?;
        match &outcome {
            Ok(()) => break,
            Err(output) => {
                let _ = fs::remove_dir_all(&new);
                if !output.contains("invalid locale") {
                    break;
                }
            }
        }
    }
    if let Err(output) = outcome {
        let path = place.data();
        return Err(if says_full(&output) {
            ClusterError::DiskFull { path }
        } else if output.contains("could not look up effective user") {
            ClusterError::Nameless { user: place.runner().name().to_owned() }
        } else {
            ClusterError::Init { path, line: telling_line(&output) }
        });
    }
    if let Some(folder) = made {
        include(place, &folder, &new.join("postgresql.conf"))?;
    }
    place.folder().rename(&name, "data")?;
    if durable { place.folder().sync() } else { Ok(()) }
}

/// Options for UTF-8 with byte order; macOS has no C.UTF-8.
fn locales(major: u32) -> impl Iterator<Item = &'static [&'static str]> {
    let builtin: &[&[&str]] = &[
        &["--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        &["--locale=C", "--lc-ctype=en_US.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    ];
    let libc: &[&[&str]] = &[&["--locale=C.UTF-8"], &["--locale=C", "--lc-ctype=en_US.UTF-8"]];
    let chosen = if major >= 17 { builtin } else { libc };
    chosen.iter().copied()
}

/// Runs `initdb`; the inner error is its output.
fn initdb(
    place: &Place,
    programs: &Programs,
    new: &Path,
    locale: &[&str],
    durable: bool,
) -> Result<Result<(), String>, ClusterError> {
    let program = programs.bin.join("initdb");
    let mut command = place.runner().command(&program, None);
    command
        // Only this user can enter the socket's directory, so no password is needed.
        .args(["--auth=trust", "--encoding=UTF8", "--lc-messages=C"])
        .arg(format!("--username={SUPERUSER}"))
        .args(locale)
        .arg("-D")
        .arg(new)
        .stdin(Stdio::null());
    if !durable {
        command.arg("--no-sync");
    }
    let output = command.output().map_err(ClusterError::at(&program))?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
    log.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(Err(log))
}

/// Removes what an interrupted `initdb` left.
fn clear_unfinished(place: &Place) {
    let Ok(entries) = fs::read_dir(place.root()) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("data.new") {
            // It does no harm: what cannot be removed now is removed next time.
            if let Err(error) = fs::remove_dir_all(entry.path()) {
                tracing::warn!(path = %entry.path().display(), %error, "cannot remove an unfinished cluster");
            }
        }
    }
}

/// Makes `postgresql.conf` include tagd's settings. They are outside of the data directory, so that root never writes in
/// a directory of the server's user; the path is relative, so that the data directory can be moved.
fn include(place: &Place, folder: &Folder, path: &Path) -> Result<(), ClusterError> {
    let mut file = folder.file("postgresql.conf", OFlag::O_WRONLY | OFlag::O_APPEND).map_err(ClusterError::at(path))?;
    let found = file.metadata().map_err(ClusterError::at(path))?;
    if !place.is_own(&found) {
        return Err(ClusterError::at(path)(Error::other("was replaced by another user")));
    }
    file.write_all(b"\ninclude '../tagd.conf'  # written by tagd at each start\n").map_err(ClusterError::at(path))
}

/// Writes the server's settings for this start.
pub(super) fn configure(place: &Place, sockets: &Path, settings: &ClusterSettings) -> Result<(), ClusterError> {
    place.write("tagd.conf", &render(sockets, settings))
}

/// The same, for a server that is only read.
pub(super) fn configure_read_only(
    place: &Place,
    sockets: &Path,
    settings: &ClusterSettings,
) -> Result<(), ClusterError> {
    place.write("tagd.conf", &format!("{}{READ_ONLY}\n", render(sockets, settings)))
}

/// Whether the server was last started to be only read.
pub(super) fn is_read_only(place: &Place) -> Result<bool, ClusterError> {
    let path = place.root().join("tagd.conf");
    let mut text = String::new();
    let read = place.folder().file("tagd.conf", OFlag::O_RDONLY).and_then(|mut file| file.read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text.lines().any(|line| line == READ_ONLY)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(ClusterError::at(&path)(error)),
    }
}

fn render(sockets: &Path, settings: &ClusterSettings) -> String {
    let rest = if settings.durable { DURABLE } else { FLEETING };
    format!(
        "# Written by tagd at each start: changes here are lost. Put yours into data/postgresql.auto.conf.\n\
         listen_addresses = ''\n\
         unix_socket_directories = '\"{}\"'\n\
         unix_socket_permissions = 0700\n\
         port = {PORT}\n\
         max_connections = {}\n\
         {FIXED}{rest}",
        sockets.display(),
        // Postgres reserves three connections for superusers, and the maximum must be larger.
        settings.max_connections.max(8),
    )
}

/// The setting of a server that is only read.
const READ_ONLY: &str = "default_transaction_read_only = on";

/// Settings that are the same for every cluster.
const FIXED: &str = "\
max_wal_size = 2GB
wal_level = minimal
max_wal_senders = 0
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
huge_pages = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
# The log holds no statements and no details: they carry users' values.
logging_collector = off
log_destination = 'stderr'
log_checkpoints = off
log_min_error_statement = panic
log_error_verbosity = terse
";

const DURABLE: &str = "shared_buffers = 256MB\n";

/// For tests: a crash of the machine may lose everything.
const FLEETING: &str = "\
shared_buffers = 64MB
fsync = off
synchronous_commit = off
full_page_writes = off
";
