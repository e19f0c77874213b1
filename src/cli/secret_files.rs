//! Warns of files with secrets that other users can read.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::master_key::own_file;
use crate::config::Settings;

/// Bits of the mode by which the group and others may read a file.
const READ_BY_OTHERS: u32 = 0o044;

/// Where engines mount the secrets of a container, readable by every user in it.
const OF_CONTAINERS: &str = "/run/secrets";

/// Warns of each such file. tagd starts all the same: some platforms mount secrets like this.
pub(super) fn warn(settings: &Settings) {
    let own = settings.database_url.is_none().then(|| ("master key", own_file(settings)));
    let files = settings.secret_files.iter().chain(&own);
    for (setting, path) in files.filter(|(_, path)| !path.starts_with(OF_CONTAINERS) && is_readable_by_others(path)) {
        let path = path.display();
        tracing::warn!("{setting}: has secrets, and other users can read it; run chmod 600 {path}");
    }
}

fn is_readable_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & READ_BY_OTHERS != 0)
}
