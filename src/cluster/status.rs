//! What can be said of a cluster without starting it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ClusterError, ClusterSettings,
    leftovers::{NEXT, is_switching},
    pidfile,
    place::Place,
    programs, setup,
    upgrade::size_of,
};

/// A cluster as it is now.
#[derive(Debug)]
pub struct ClusterStatus {
    /// The data directory.
    pub data: PathBuf,
    /// Whether an upgrade was interrupted while it put the new cluster in place, which the next start does.
    pub is_switching: bool,
    /// The major version that made it.
    pub major: u32,
    /// Bytes on the disk.
    pub size: u64,
    /// The server's process, if it runs.
    pub process: Option<i32>,
    /// The directory of the programs that it is run with, if there is one.
    pub programs: Option<PathBuf>,
    /// The newest programs on this machine, if they are of a newer version.
    pub newer: Option<(u32, PathBuf)>,
    /// Clusters of before an upgrade, with their sizes.
    pub kept: Vec<(PathBuf, u64)>,
}

/// Whether there is a cluster, which is only looked at.
pub fn has_cluster(settings: &ClusterSettings) -> Result<bool, ClusterError> {
    if !is_there(settings)? {
        return Ok(false);
    }
    let place = Place::look(&settings.data_dir)?;
    Ok(setup::version_in(&current(&place))?.is_some())
}

/// Whether the directory of a cluster exists. That of another user may be closed, which does not mean that there is none.
fn is_there(settings: &ClusterSettings) -> Result<bool, ClusterError> {
    let root = settings.data_dir.join("postgres");
    root.try_exists().map_err(|source| ClusterError::Io { path: root, source })
}

/// The data directory, where it is until an interrupted upgrade is finished.
fn current(place: &Place) -> PathBuf {
    if is_switching(place) { place.root().join(NEXT) } else { place.data() }
}

impl ClusterStatus {
    /// Looks at the cluster; none if there is none. Changes nothing.
    pub fn of(settings: &ClusterSettings) -> Result<Option<Self>, ClusterError> {
        if !is_there(settings)? {
            return Ok(None);
        }
        let place = Place::look(&settings.data_dir)?;
        let is_switching = is_switching(&place);
        let data = current(&place);
        let Some(major) = setup::version_in(&data)? else { return Ok(None) };
        let installed = programs::all(settings, place.runner());
        let newest = installed.iter().rev().max_by_key(|found| found.major).filter(|found| found.major > major);
        Ok(Some(Self {
            major,
            size: size_of(&data),
            process: pidfile::process(&place),
            programs: programs::find(settings, &place, Some(major)).ok().map(|found| found.bin),
            newer: newest.map(|found| (found.major, found.bin.clone())),
            kept: kept(place.root()),
            data,
            is_switching,
        }))
    }
}

fn kept(root: &Path) -> Vec<(PathBuf, u64)> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("data.postgres-"))
        .map(|entry| (entry.path(), size_of(&entry.path())))
        .collect();
    found.sort();
    found
}
