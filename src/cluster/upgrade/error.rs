//! Errors of an upgrade of the private Postgres; each prints as one line that says what to do.

use std::path::PathBuf;

use crate::cluster::ClusterError;

/// Why a cluster was not moved to another major version. The cluster is as it was.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// As for any use of the cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// There is nothing to upgrade.
    #[error("there is no cluster in {} yet; the first `tagd serve` makes one", path.display())]
    NoCluster {
        /// Where it would be.
        path: PathBuf,
    },
    /// The new cluster is not in its place yet.
    #[error("an upgrade of the cluster in {} was interrupted at its end; the next start of tagd finishes it", path.display())]
    Interrupted {
        /// The cluster's directory.
        path: PathBuf,
    },
    /// A tagd serves or imports.
    #[error("a tagd is using the cluster in {}; stop it and run the upgrade again", path.display())]
    InUse {
        /// The cluster's directory.
        path: PathBuf,
    },
    /// A directory that was named cannot be used.
    #[error("the Postgres programs directory {} ({option}) cannot be used: {why}", dir.display())]
    Programs {
        /// The option that names it.
        option: &'static str,
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The server programs of the cluster's own version are not here.
    #[error(
        "to read the cluster in {}, the programs of Postgres {cluster} are needed too, and this machine has {found}; \
         install them (Debian, Ubuntu: apt-get install postgresql-{cluster}) or name their directory with --from-bin",
        path.display()
    )]
    NoOldPrograms {
        /// The cluster's directory.
        path: PathBuf,
        /// The cluster's version.
        cluster: u32,
        /// The versions that were found.
        found: String,
    },
    /// The data directory is elsewhere.
    #[error(
        "{} is a link, and an upgrade replaces the directory; move the cluster to where the link is, or link {} instead",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    Linked {
        /// The link.
        path: PathBuf,
    },
    /// The copy might not fit.
    #[error(
        "the upgrade may need {} beside the cluster in {}, and {} are free; make room and run it again",
        megabytes(*needed),
        path.display(),
        megabytes(*free)
    )]
    NoSpace {
        /// The cluster's directory.
        path: PathBuf,
        /// Bytes that may be needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// One of the two programs failed.
    #[error("{program} failed: {line}")]
    Copy {
        /// The program.
        program: &'static str,
        /// The line of its output that says most.
        line: String,
    },
}

/// Bytes for people.
pub(super) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
