//! Settings of the private cluster, and constants that its files share.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The superuser that `initdb` creates, the only role of a new cluster.
pub(super) const SUPERUSER: &str = "tagd";
/// How often a waiting loop checks again.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Settings of the private cluster.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// tagd's data directory; the cluster is in its `postgres` directory.
    pub data_dir: PathBuf,
    /// A directory with `postgres` and `initdb`. If given, no other is tried.
    pub programs: Option<PathBuf>,
    /// The value of `PATH`, which is searched first if no directory is given.
    pub path: Option<OsString>,
    /// `false` trades the data's safety for speed: for tests only.
    pub durable: bool,
    /// Maximum number of connections of the server, for all tagd processes together.
    pub max_connections: u16,
}
