//! The sockets that a server listens on: TCP, Unix, or one that systemd passes.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::stat::{Mode, umask},
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::domain::ListenAddress;

/// Connections that the kernel accepts ahead; it has a limit of its own.
const BACKLOG: i32 = 1024;
/// The owner and the group of a Unix socket may connect.
const CLOSED_TO_OTHERS: Mode = Mode::from_bits_truncate(0o117);

/// A socket that is listening.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: ListeningSocket,
    pub(super) file: Option<SocketFile>,
    /// Whether another process listens on the socket as well: systemd, which has passed it.
    pub(super) is_passed: bool,
}

#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The file of a Unix socket, which is removed with this.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have replaced it meanwhile.
    identity: (u64, u64),
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self { socket: ListeningSocket::Tcp(socket), file: None, is_passed: false }
    }
}

impl Listener {
    /// Listens on an address.
    pub fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => Ok(bind_tcp(*address)?.into()),
            ListenAddress::Unix(path) => {
                let (socket, file) = bind_unix(path)?;
                Ok(Self { socket: ListeningSocket::Unix(socket), file: Some(file), is_passed: false })
            }
        }
    }

    /// Takes the sockets that systemd passes to this process: none, or the one to listen on. The error says what else they
    /// are. A Unix socket is left to systemd in the end.
    pub fn passed(sockets: Vec<OwnedFd>) -> Result<Option<Self>, String> {
        let count = sockets.len();
        let mut sockets = sockets.into_iter();
        let Some(fd) = sockets.next() else { return Ok(None) };
        if count > 1 {
            return Err(format!("{count} sockets"));
        }
        let failed = |error: io::Error| format!("a file descriptor that cannot be used: {error}");
        // systemd passes it open for programs that are started here
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|error| failed(error.into()))?;
        let socket = Socket::from(fd);
        let (kind, address) = (socket.r#type().map_err(failed)?, socket.local_addr().map_err(failed)?);
        if kind != Type::STREAM {
            return Err("a socket that is none for streams".to_owned());
        }
        #[cfg(target_os = "linux")]
        if !socket.is_listener().map_err(failed)? {
            return Err("a socket that is not listening".to_owned());
        }
        let socket = if address.is_unix() {
            ListeningSocket::Unix(OwnedFd::from(socket).into())
        } else if address.as_socket().is_some() {
            ListeningSocket::Tcp(socket.into())
        } else {
            return Err("a socket of another family".to_owned());
        };
        Ok(Some(Self { socket, file: None, is_passed: true }))
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            ListeningSocket::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(ListenAddress::Unix(address.as_pathname().unwrap_or(Path::new("(without a path)")).to_path_buf()))
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // the default depends on the system and its settings: [::] serves IPv4 too, wherever that is possible
        let _ = socket.set_only_v6(false);
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    // of two that replace a stale socket at once, the second would remove that of the first
    let _lock = path.parent().and_then(lock_directory);
    if is_stale(path)? {
        fs::remove_file(path)?;
    }
    // set before, since a socket that is open to all for a moment can be connected to
    let before = umask(CLOSED_TO_OTHERS);
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound?;
    let found = fs::symlink_metadata(path)?;
    Ok((listener, SocketFile { path: path.to_path_buf(), identity: (found.dev(), found.ino()) }))
}

/// `None` where the directory cannot be locked: then binding reports what is wrong with it, or it works without.
fn lock_directory(directory: &Path) -> Option<File> {
    let directory = File::open(directory).ok()?;
    for _ in 0..100 {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
            Err(fs::TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Whether a socket is there that a dead process has left.
fn is_stale(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is not a socket")),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // a live process whose queue is full would not accept it
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
        Ok(()) => Err(io::Error::new(ErrorKind::AddrInUse, "another process is listening on it")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(io::Error::new(ErrorKind::AddrInUse, "another process is listening on it"))
        }
        Err(error) => Err(error),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
