//! An open directory: its entries are created, opened and chowned through its descriptor, never by path.
//!
//! Root may work in a directory of another user, who can replace any path in it between two system calls. So root only
//! changes the owner of what it has just created, and it opens the file of that name in this directory, never the target
//! of a link.

use std::{
    fs::{DirBuilder, File, Metadata, Permissions},
    io::{Error, ErrorKind},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat, renameat},
    sys::stat::{Mode, mkdirat},
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, geteuid, unlinkat},
};

use super::ClusterError;

/// An open directory.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    file: File,
}

impl Folder {
    /// Opens a directory. A link may be followed here; its entries are then reached through the descriptor.
    pub(super) fn open(path: &Path, follow: bool) -> Result<Self, ClusterError> {
        let flags = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let opened = open(path, flags | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
        let opened = opened.map_err(|error| ClusterError::at(path)(error.into()))?;
        Ok(Self { path: path.to_path_buf(), file: opened.into() })
    }

    /// Creates a directory with exactly this mode, or opens an existing one.
    pub(super) fn make(path: &Path, mode: u32, follow: bool) -> Result<Self, ClusterError> {
        let outcome = DirBuilder::new().mode(mode).create(path);
        Self::finish(path, outcome, mode, || Self::open(path, follow))
    }

    /// The same inside this directory, without following links.
    pub(super) fn make_inner(&self, name: &str, mode: u32) -> Result<Self, ClusterError> {
        let bits = Mode::from_bits_truncate(nix::libc::mode_t::try_from(mode).unwrap_or_default());
        let outcome = mkdirat(&self.file, name, bits).map_err(Error::from);
        Self::finish(&self.path.join(name), outcome, mode, || self.inner(name))
    }

    fn finish(
        path: &Path,
        outcome: Result<(), Error>,
        mode: u32,
        open: impl FnOnce() -> Result<Self, ClusterError>,
    ) -> Result<Self, ClusterError> {
        match outcome {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(ClusterError::at(path)(error)),
            Err(_) => return open(),
            Ok(()) => {}
        }
        let folder = open()?;
        if folder.metadata()?.uid() != geteuid().as_raw() {
            return Err(ClusterError::at(path)(Error::other("was replaced by another user")));
        }
        // the umask may have cleared bits
        folder.set_mode(mode)?;
        Ok(folder)
    }

    /// Opens a directory in this one.
    pub(super) fn inner(&self, name: &str) -> Result<Self, ClusterError> {
        let path = self.path.join(name);
        let file = self.file(name, OFlag::O_DIRECTORY).map_err(ClusterError::at(&path))?;
        Ok(Self { path, file })
    }

    /// Opens a file in this directory; a created file is accessible to its owner only.
    pub(super) fn file(&self, name: &str, flags: OFlag) -> std::io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        Ok(openat(&self.file, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into())
    }

    /// Metadata of the directory itself.
    pub(super) fn metadata(&self) -> Result<Metadata, ClusterError> {
        self.file.metadata().map_err(ClusterError::at(&self.path))
    }

    pub(super) fn set_mode(&self, mode: u32) -> Result<(), ClusterError> {
        self.file.set_permissions(Permissions::from_mode(mode)).map_err(ClusterError::at(&self.path))
    }

    pub(super) fn sync(&self) -> Result<(), ClusterError> {
        self.file.sync_all().map_err(ClusterError::at(&self.path))
    }

    /// Removes a file; a link is removed, not its target.
    pub(super) fn remove(&self, name: &str) -> std::io::Result<()> {
        Ok(unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir)?)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), ClusterError> {
        renameat(&self.file, from, &self.file, to).map_err(|error| ClusterError::at(&self.path.join(to))(error.into()))
    }

    /// Moves an entry of this directory into another one of the same file system.
    pub(super) fn move_to(&self, from: &str, other: &Self, to: &str) -> Result<(), ClusterError> {
        renameat(&self.file, from, &other.file, to)
            .map_err(|error| ClusterError::at(&other.path.join(to))(error.into()))
    }

    /// Whether the directory is empty.
    pub(super) fn is_empty(&self) -> Result<bool, ClusterError> {
        Ok(self.names()?.is_empty())
    }

    fn names(&self) -> Result<Vec<std::ffi::CString>, ClusterError> {
        let failed = |error: Errno| ClusterError::at(&self.path)(error.into());
        let mut listed =
            Dir::openat(&self.file, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(failed)?;
        let mut names = Vec::new();
        for entry in listed.iter() {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(names)
    }

    /// Changes the owner of the directory.
    pub(super) fn give(&self, uid: u32, gid: u32) -> Result<(), ClusterError> {
        fchown(&self.file, Some(uid), Some(gid)).map_err(ClusterError::at(&self.path))
    }

    /// Changes the owner of the directory and, recursively, of the entries that root owns. A directory that another user
    /// owns is skipped, since that user may have put anything into it.
    pub(super) fn give_all(&self, uid: u32, gid: u32) -> Result<(), ClusterError> {
        if self.metadata()?.uid() != 0 {
            return Ok(());
        }
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        for name in self.names()? {
            let path = self.path.join(name.to_string_lossy().as_ref());
            let failed = |error: Errno| ClusterError::at(&path)(error.into());
            match openat(&self.file, name.as_c_str(), flags, Mode::empty()) {
                Ok(inner) => Self { path, file: inner.into() }.give_all(uid, gid)?,
                Err(Errno::ENOTDIR | Errno::ELOOP) => {
                    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
                    fchownat(&self.file, name.as_c_str(), uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        self.give(uid, gid)
    }
}
