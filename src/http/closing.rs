//! Closing the sockets that a server listens on without cutting off clients that have connected already.

use std::{
    io,
    net::Shutdown,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use super::listener::{Listener, ListeningSocket};

/// A server takes a connection within microseconds, unless it has as many as it may have.
const PATIENCE: Duration = Duration::from_secs(1);
/// Meanwhile the workers begin with the connections that were taken last: a worker that stops drops those that it has not
/// begun with.
const SETTLE: Duration = Duration::from_millis(100);

/// The listening sockets of a server.
#[derive(Debug)]
pub(super) struct Closing(Vec<Socket>);

impl Closing {
    /// Of sockets that this process alone listens on. Those that systemd passes go on listening for the next process.
    pub(super) fn of<'l>(listeners: impl Iterator<Item = &'l Listener>) -> io::Result<Self> {
        let own = listeners.filter(|listener| !listener.is_passed);
        let sockets = own.map(|listener| match &listener.socket {
            ListeningSocket::Tcp(socket) => socket.try_clone().map(Socket::from),
            ListeningSocket::Unix(socket) => socket.try_clone().map(Socket::from),
        });
        Ok(Self(sockets.collect::<io::Result<_>>()?))
    }

    /// Refuses new connections. When a socket is closed, the system resets the connections that nobody has accepted yet, so
    /// this waits until there are none.
    pub(super) async fn refuse_connections(self) {
        let begun = Instant::now();
        for socket in &self.0 {
            while has_waiting(socket) && begun.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // where the system cannot do this, the socket is closed with the server
            let _ = socket.shutdown(Shutdown::Both);
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// Whether a connection waits to be accepted.
fn has_waiting(socket: &Socket) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}
