//! Sizes of directories, and the space that a copy of the cluster may need.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use nix::sys::statvfs::statvfs;

use crate::cluster::ClusterError;

/// The write-ahead log grows to about `max_wal_size` while data are copied, but not beyond what is copied.
const WAL_MAX: u64 = 2 << 30;
/// What an empty cluster takes, with its first files of the write-ahead log.
const EMPTY: u64 = 64 << 20;

/// Bytes that the files below a directory occupy; links are not followed, and what cannot be read counts as nothing.
pub(in crate::cluster) fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size_of(&entry.path()),
            // in units of 512 bytes on every system
            Ok(found) => found.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Bytes that a copy of the cluster may need. The old write-ahead log is not copied.
pub(super) fn needed(data: &Path, size: u64) -> u64 {
    of_tables(size.saturating_sub(size_of(&data.join("pg_wal"))))
}

fn of_tables(size: u64) -> u64 {
    size + size.min(WAL_MAX) + EMPTY
}

/// Bytes that a user other than root may still write.
pub(super) fn free(dir: &Path) -> Result<u64, ClusterError> {
    let found = statvfs(dir).map_err(|error| ClusterError::at(dir)(error.into()))?;
    #[allow(clippy::useless_conversion, reason = "the types differ between systems")]
    Ok(u64::from(found.blocks_available()) * u64::from(found.fragment_size()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_may_need_its_own_size_and_a_bounded_log() {
        assert_eq!(of_tables(0), EMPTY);
        assert_eq!(of_tables(1 << 30), (2 << 30) + EMPTY);
        assert_eq!(of_tables(100 << 30), (102 << 30) + EMPTY);
    }

    #[test]
    fn the_size_of_a_directory_is_that_of_all_files_below_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(size_of(dir.path()), 0);
        fs::create_dir(dir.path().join("inner")).unwrap();
        for name in ["a", "inner/b"] {
            fs::write(dir.path().join(name), vec![1; 1 << 20]).unwrap();
        }
        assert!((2 << 20..3 << 20).contains(&size_of(dir.path())), "{}", size_of(dir.path()));
        assert_eq!(size_of(&dir.path().join("none")), 0);
    }
}
