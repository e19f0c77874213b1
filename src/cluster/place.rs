//! Location and ownership of the cluster: its directories, its lock, and the user Postgres runs as.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata, Permissions, TryLockError},
    io::{ErrorKind, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, fchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    fcntl::OFlag,
    unistd::{Uid, User, geteuid},
};

use super::{ClusterError, POLL_INTERVAL, folder::Folder};

/// The port number in the socket's name; each private directory has only one socket.
pub(super) const PORT: u16 = 5432;
/// `sun_path` holds 108 bytes on Linux and 104 on macOS, the closing zero included.
const SOCKET_PATH_MAX: usize = 103;

/// The directory of the cluster, and the user that runs its server.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    folder: Folder,
    /// Metadata of the directory; boxed for its size.
    owner: Box<Metadata>,
    runner: Runner,
}

/// The user that owns the data and runs the server.
#[derive(Debug, Clone)]
pub(super) struct Runner {
    uid: u32,
    gid: u32,
    name: String,
    /// Whether this process is root and must become that user first.
    dropped: bool,
}

impl Place {
    /// Creates missing directories and sets their owners.
    pub(super) fn prepare(data_dir: &Path) -> Result<Self, ClusterError> {
        let root_user = geteuid().is_root();
        make_parents(data_dir, root_user)?;
        let data_dir = data_dir.canonicalize().map_err(ClusterError::at(data_dir))?;
        let root = data_dir.join("postgres");
        // The server that root starts runs as another user, who must be able to enter this directory.
        let folder = Folder::make(&root, if root_user { 0o711 } else { 0o700 }, true).map_err(|error| {
            // Another user's directory cannot be opened; the error about its owner is the clearer one.
            let owner = fs::metadata(&root).ok();
            owner.and_then(|owner| Runner::choose(&root, &owner, None).err()).unwrap_or(error)
        })?;
        let owner = Box::new(folder.metadata()?);
        let data = fs::symlink_metadata(root.join("data")).ok();
        let runner = Runner::choose(&root, &owner, data.as_ref())?;
        let place = Self { root, folder, owner, runner };
        if place.runner.dropped {
            if data.is_some_and(|data| data.uid() == 0) {
                place.give_data()?;
            }
            place.check_reachable()?;
        }
        Ok(place)
    }

    /// Only looks at an existing directory: creates nothing and changes no owner.
    pub(super) fn look(data_dir: &Path) -> Result<Self, ClusterError> {
        let root = data_dir.canonicalize().map_err(ClusterError::at(data_dir))?.join("postgres");
        let folder = Folder::open(&root, true)?;
        let owner = Box::new(folder.metadata()?);
        let data = fs::symlink_metadata(root.join("data")).ok();
        let runner = Runner::choose(&root, &owner, data.as_ref())?;
        Ok(Self { root, folder, owner, runner })
    }

    /// The directory of another cluster inside this one, for the same user.
    pub(super) fn within(&self, name: &str) -> Result<Self, ClusterError> {
        let folder = self.folder.make_inner(name, if self.runner.dropped { 0o711 } else { 0o700 })?;
        let owner = Box::new(folder.metadata()?);
        Ok(Self { root: self.root.join(name), folder, owner, runner: self.runner.clone() })
    }

    /// Creates the directory of the socket. Call it under the lock: of two processes that create it and change its owner
    /// at once, one would see a directory of another user.
    pub(super) fn make_run(&self) -> Result<(), ClusterError> {
        self.hand(&self.folder.make_inner("run", 0o700)?, &self.run())
    }

    /// The cluster's own directory, which holds all the rest.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The same directory, open.
    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Postgres's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The private directory for the socket and for greetings to the guard.
    pub(super) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// The pipe whose write end every tagd holds.
    pub(super) fn holders(&self) -> PathBuf {
        self.root.join("holders")
    }

    /// The server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// The user that runs the server.
    pub(super) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Waits until no other tagd is creating, starting or joining this cluster; dropping the file releases the lock.
    pub(super) fn lock(&self, patience: Duration) -> Result<File, ClusterError> {
        let path = self.root.join("lock");
        let file = self.open_own("lock", OFlag::O_WRONLY)?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {
                    thread::sleep(POLL_INTERVAL);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(ClusterError::Locked { path: self.root.clone(), seconds: patience.as_secs() });
                }
                Err(TryLockError::Error(source)) => return Err(ClusterError::at(&path)(source)),
            }
        }
    }

    /// The directory for the socket: `run`, or a short one below /tmp where its path is too long.
    pub(super) fn sockets(&self) -> Result<PathBuf, ClusterError> {
        let run = self.run();
        let name_length = format!("/.s.PGSQL.{PORT}").len();
        // These characters have a meaning in the setting that names the directory.
        let plain =
            run.to_str().is_some_and(|path| !path.contains(['\'', '"', '\\', ',']) && !path.contains(char::is_control));
        if plain && run.as_os_str().len() + name_length <= SOCKET_PATH_MAX {
            return Ok(run);
        }
        let short = PathBuf::from(format!("/tmp/tagd-{:x}-{:x}", self.owner.dev(), self.owner.ino()));
        // Any user can create entries in /tmp: trust the directory only if it is ours and closed to all others.
        let folder = Folder::make(&short, 0o700, false)?;
        if self.runner.dropped && folder.metadata()?.uid() == geteuid().as_raw() {
            folder.give(self.runner.uid, self.runner.gid)?;
        }
        let found = folder.metadata()?;
        if found.uid() == self.runner.uid && found.mode() & 0o777 == 0o700 {
            return Ok(short);
        }
        Err(ClusterError::SocketDir { path: short, user: self.runner.name.clone() })
    }

    /// Writes a file for the server's user to read: atomically, and never through a link.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), ClusterError> {
        let path = self.root.join(name);
        let new = format!("{name}.new");
        // Left by a tagd that was killed here; usually it does not exist.
        let _ = self.folder.remove(&new);
        let mut file = self
            .folder
            .file(&new, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)
            .map_err(ClusterError::at(&path))?;
        file.write_all(text.as_bytes())
            // Readable regardless of the umask.
            .and_then(|()| file.set_permissions(Permissions::from_mode(0o644)))
            .map_err(ClusterError::at(&path))?;
        self.keep(&file, &path)?;
        self.folder.rename(&new, name)
    }

    /// Opens or creates a file of tagd's own.
    ///
    /// Only a file created here changes its owner: an existing one may be a file of root's that another user moved here.
    pub(super) fn open_own(&self, name: &str, flags: OFlag) -> Result<File, ClusterError> {
        let path = self.root.join(name);
        match self.folder.file(name, flags | OFlag::O_CREAT | OFlag::O_EXCL) {
            Ok(file) => {
                self.keep(&file, &path)?;
                Ok(file)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.folder.file(name, flags).map_err(ClusterError::at(&path))
            }
            Err(error) => Err(ClusterError::at(&path)(error)),
        }
    }

    /// Whether an existing file was created by this cluster, when running as root: it belongs to the cluster's owner or
    /// to the server's user, and has only one hard link.
    pub(super) fn is_own(&self, found: &Metadata) -> bool {
        let is_ours = found.uid() == self.owner.uid() || found.uid() == self.runner.uid;
        found.is_file() && (!self.runner.dropped || (is_ours && found.nlink() == 1))
    }

    /// Makes the server's user the owner of a directory. In a directory that does not belong to root, only an empty one
    /// of root's is changed: one with entries may have been moved here.
    pub(super) fn hand(&self, folder: &Folder, path: &Path) -> Result<(), ClusterError> {
        let found = folder.metadata()?;
        if !self.runner.dropped || found.uid() == self.runner.uid {
            return Ok(());
        }
        if self.owner.uid() == 0 || (found.uid() == 0 && folder.is_empty()?) {
            return folder.give(self.runner.uid, self.runner.gid);
        }
        Err(ClusterError::SocketDir { path: path.to_path_buf(), user: self.runner.name.clone() })
    }

    /// Gives a newly created file to the owner of the cluster's directory, when root acts for that user.
    pub(super) fn keep(&self, file: &File, path: &Path) -> Result<(), ClusterError> {
        if self.runner.dropped {
            fchown(file, Some(self.owner.uid()), Some(self.owner.gid())).map_err(ClusterError::at(path))?;
        }
        Ok(())
    }

    /// Makes the server's user the owner of the data, for a cluster that root restored from a backup.
    fn give_data(&self) -> Result<(), ClusterError> {
        let data = self.folder.inner("data")?;
        match data.file("PG_VERSION", OFlag::O_RDONLY) {
            Ok(_) => data.give_all(self.runner.uid, self.runner.gid),
            // setup.rs reports that it is not a cluster, or removes it if it is empty
            Err(_) => Ok(()),
        }
    }

    /// Checks that the server's user can reach the cluster, which mode bits alone do not show.
    fn check_reachable(&self) -> Result<(), ClusterError> {
        let walked = self
            .runner
            .command("/bin/sh", None)
            .args([OsStr::new("-c"), OsStr::new("cd -- \"$1\" 2>/dev/null"), OsStr::new("sh")])
            .arg(&self.root)
            .status()
            .map_err(ClusterError::at(Path::new("/bin/sh")))?;
        if walked.success() {
            return Ok(());
        }
        let mut ancestors: Vec<&Path> = self.root.ancestors().collect();
        ancestors.reverse();
        let blocked = ancestors
            .into_iter()
            .find(|path| stat(path).is_ok_and(|found| !self.runner.may_enter(&found)))
            .unwrap_or(&self.root);
        Err(ClusterError::Unreachable { blocked: blocked.to_path_buf(), user: self.runner.name.clone() })
    }
}

impl Runner {
    /// This user; for root the owner of the data, else `postgres`, else `nobody`.
    fn choose(root: &Path, owner: &Metadata, data: Option<&Metadata>) -> Result<Self, ClusterError> {
        let me = geteuid();
        if !me.is_root() {
            let strange = [Some(owner), data].into_iter().flatten().find(|found| found.uid() != me.as_raw());
            return match strange {
                Some(found) => Err(ClusterError::NotYours {
                    path: root.to_path_buf(),
                    owner: name_of(found.uid()),
                    user: name_of(me.as_raw()),
                }),
                None => Ok(Self {
                    uid: me.as_raw(),
                    gid: nix::unistd::getegid().as_raw(),
                    name: name_of(me.as_raw()),
                    dropped: false,
                }),
            };
        }
        // The owner of the directory can change the script that the server's user runs.
        if owner.uid() != 0
            && let Some(data) = data
            && ![0, owner.uid()].contains(&data.uid())
        {
            return Err(ClusterError::NotYours {
                path: root.to_path_buf(),
                owner: name_of(owner.uid()),
                user: name_of(data.uid()),
            });
        }
        let before = [data, Some(owner)].into_iter().flatten().find(|found| found.uid() != 0);
        if let Some(found) = before {
            return Ok(Self { uid: found.uid(), gid: found.gid(), name: name_of(found.uid()), dropped: true });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), name: user.name, dropped: true })
            .ok_or(ClusterError::NoUser)
    }

    /// The user's name, or its number where it has none.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs as this user, without tagd's environment and the secrets in it.
    pub(super) fn command(&self, program: impl AsRef<OsStr>, path: Option<&OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path.unwrap_or(OsStr::from_bytes(b"/usr/local/bin:/usr/bin:/bin")))
            // English messages, since error.rs parses some of them.
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/");
        if self.dropped {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Whether a process belongs to this user, as far as that can be determined; only used as root.
    pub(super) fn owns_process(&self, pid: i32) -> bool {
        !self.dropped || fs::metadata(format!("/proc/{pid}")).map_or(true, |found| found.uid() == self.uid)
    }

    fn may_enter(&self, directory: &Metadata) -> bool {
        let bit = if directory.uid() == self.uid {
            0o100
        } else if directory.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        directory.mode() & bit != 0
    }
}

/// The server's log below a data directory.
pub fn log_file(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres/server.log")
}

/// A file's metadata; links are not followed.
pub(super) fn stat(path: &Path) -> Result<Metadata, ClusterError> {
    fs::symlink_metadata(path).map_err(ClusterError::at(path))
}

/// Creates the data directory and its parents; as root, with permission for the server's user to enter them.
fn make_parents(data_dir: &Path, root_user: bool) -> Result<(), ClusterError> {
    if data_dir.is_dir() {
        // Change the mode of an empty directory only; one in use keeps its mode.
        if root_user {
            let folder = Folder::open(data_dir, true)?;
            if folder.is_empty()? {
                folder.set_mode((folder.metadata()?.mode() | 0o011) & 0o7777)?;
            }
        }
        return Ok(());
    }
    let missing = data_dir.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
    let mut missing: Vec<&Path> = missing.collect();
    missing.reverse();
    for path in missing {
        Folder::make(path, if root_user { 0o755 } else { 0o700 }, true)?;
    }
    Ok(())
}

fn name_of(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name)
}
