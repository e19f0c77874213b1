//! Getting back a server that is gone: the same cluster at the same place, and never a new one.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use super::{ClusterError, ClusterSettings, place::Place};

/// What is needed to get the server of a cluster back.
#[derive(Debug, Clone)]
pub struct Revival {
    pub(super) settings: ClusterSettings,
    data: PathBuf,
    socket_dir: PathBuf,
    identifier: [u8; 8],
}

impl Revival {
    pub(super) fn new(settings: &ClusterSettings, place: &Place, socket_dir: &Path) -> Result<Self, ClusterError> {
        let data = place.data();
        let identifier = identifier(&data)?;
        Ok(Self { settings: settings.clone(), data, socket_dir: socket_dir.to_path_buf(), identifier })
    }

    /// Checks that the cluster is still there.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        match identifier(&self.data) {
            Ok(found) if found == self.identifier => Ok(()),
            Ok(_) => Err(self.replaced()),
            Err(ClusterError::Io { source, .. })
                if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) =>
            {
                Err(self.replaced())
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that the server is reached as the one before.
    pub(super) fn check_socket(&self, socket_dir: &Path) -> Result<(), ClusterError> {
        if socket_dir == self.socket_dir { Ok(()) } else { Err(self.replaced()) }
    }

    fn replaced(&self) -> ClusterError {
        ClusterError::Replaced { path: self.data.clone() }
    }
}

/// The number that `initdb` has given the cluster.
fn identifier(data: &Path) -> Result<[u8; 8], ClusterError> {
    let path = data.join("global/pg_control");
    let mut identifier = [0; 8];
    File::open(&path).and_then(|mut file| file.read_exact(&mut identifier)).map_err(ClusterError::at(&path))?;
    Ok(identifier)
}
