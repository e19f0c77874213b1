//! What the private cluster should be like, and what all its files agree on.

use std::{ffi::OsString, path::PathBuf, time::Duration};

/// The superuser that `initdb` makes, and the only role a new cluster has.
pub(super) const SUPERUSER: &str = "tagd";
/// How often a waiting loop looks again.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What the private cluster should be like.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// tagd's data directory; the cluster lives in its `postgres` directory.
    pub data_dir: PathBuf,
    /// A directory with `postgres` and `initdb`. Given, it is the only one tried.
    pub programs: Option<PathBuf>,
    /// The value of `PATH`, the first place searched otherwise.
    pub path: Option<OsString>,
    /// `false` trades the data's safety for speed: for tests only.
    pub durable: bool,
    /// How many connections the server takes, for all tagd processes together.
    pub max_connections: u16,
}
