//! The connection of a client below HTTP: whether the client is still there, and whether it takes what it is sent.
//!
//! actix-web hides the socket from handlers. Its number is noted when the connection begins, and stays valid as long as a
//! request or an answer of the connection lives, since the dispatcher of the connection owns them all.

use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    net::TcpListener,
    os::fd::{AsRawFd, RawFd},
    rc::{Rc, Weak},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    dev::Extensions,
    rt::{
        self,
        net::{TcpStream, UnixStream},
    },
};
use mio::{Events, Interest, Token, unix::SourceFd};
use nix::sys::socket::{Shutdown, shutdown};
use socket2::SockRef;
use tokio::task::JoinHandle;

use super::counts::Counts;

/// Bytes of answers after which it is checked whether the client takes them. actix-http answers all requests that it has read
/// ahead, 128 KiB of them, and more of them with each read, whether or not the client receives the answers.
const CHECKED: usize = 64 * 1024;

/// What an answer takes besides its body.
const HEAD: usize = 512;

/// How often a socket is looked at that takes nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// How often it is checked how long a connection has been idle, at least.
const TICK: Duration = Duration::from_secs(5);

/// The connection of a client.
#[derive(Debug)]
pub(super) struct Connection {
    socket: RawFd,
    /// Bytes of answers since it was last checked whether the client takes them.
    answered: Cell<usize>,
    is_over: Cell<bool>,
    /// Requests that run and answers that are sent.
    active: Cell<usize>,
    /// Since when there are none, if there are none.
    idle_since: Cell<Instant>,
    watcher: OnceCell<JoinHandle<()>>,
    counts: Arc<Counts>,
}

/// Keeps a connection from being idle until it is dropped.
#[derive(Debug)]
pub(super) struct Active(Rc<Connection>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counts.connections.add(-1);
        if let Some(watcher) = self.watcher.get() {
            watcher.abort();
        }
    }
}

/// How the other end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// It sends nothing more: it has closed the connection, or its own direction of it.
    has_ended: bool,
    /// The connection is broken.
    is_broken: bool,
    /// The socket takes more bytes for it.
    takes: bool,
}

/// The client has gone, or takes nothing.
#[derive(Debug)]
pub(super) struct Gone;

/// Notes a connection, for [`actix_web::HttpServer::on_connect`], and has it closed when it has been idle for too long.
///
/// actix-http does that itself only if nothing at all arrives: after the first request of a connection, it waits without end for
/// the rest of the next head, and for the rest of a body in chunks that nobody reads.
pub(super) fn note(stream: &dyn Any, data: &mut Extensions, patience: Duration, counts: &Arc<Counts>) {
    let plain = stream.downcast_ref::<TcpStream>();
    let tcp = plain.or_else(|| stream.downcast_ref::<TlsStream<TcpStream>>().map(|tls| tls.get_ref().0));
    let unix = || stream.downcast_ref::<UnixStream>().map(UnixStream::as_raw_fd);
    if let Some(socket) = tcp.map(TcpStream::as_raw_fd).or_else(unix) {
        counts.connections.add(1);
        let connection = Rc::new(Connection {
            socket,
            answered: Cell::new(0),
            is_over: Cell::new(false),
            active: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            watcher: OnceCell::new(),
            counts: Arc::clone(counts),
        });
        let watcher = rt::spawn(end_if_idle(Rc::downgrade(&connection), patience));
        let _ = connection.watcher.set(watcher);
        data.insert(connection);
    }
}

async fn end_if_idle(connection: Weak<Connection>, patience: Duration) {
    loop {
        rt::time::sleep(TICK.min(patience)).await;
        let Some(connection) = connection.upgrade() else { return };
        if connection.active.get() == 0 && connection.idle_since.get().elapsed() > patience {
            connection.end();
            return;
        }
    }
}

impl Connection {
    /// Begins a request or an answer.
    pub(super) fn activate(self: &Rc<Self>) -> Active {
        self.active.set(self.active.get() + 1);
        Active(Rc::clone(self))
    }

    /// Whether the client of a running request has gone. One that has only closed its own direction counts as gone, as in
    /// nginx, unless it `may_end`: it may have sent all of an import.
    pub(super) fn is_gone(&self, may_end: bool) -> bool {
        let peer = peer_of(self.socket);
        self.is_over.get() || peer.is_broken || (peer.has_ended && !may_end)
    }

    /// Ends the connection of a client that takes or sends too little.
    pub(super) fn end_slow(&self) {
        self.counts.shed.slow_client.increment();
        self.end();
    }

    /// Ends the connection. What is still read ahead of it is not handled.
    pub(super) fn end(&self) {
        self.is_over.set(true);
        // fails if the client was faster
        let _ = shutdown(self.socket, Shutdown::Both);
    }

    /// Counts an answer with a body of some length.
    pub(super) fn count(&self, body: usize) {
        self.answered.set(self.answered.get().saturating_add(body + HEAD));
    }

    /// Waits before a request until the client has received so much of the answers to earlier ones that those that tagd holds
    /// are bounded. It costs nothing unless there were 64 KiB of them.
    pub(super) async fn settle(&self, patience: Duration) -> Result<(), Gone> {
        if self.is_over.get() {
            return Err(Gone);
        }
        if self.answered.get() < CHECKED {
            return Ok(());
        }
        self.answered.set(0);
        // until the dispatcher has tried to send what it has
        let _ = rt::spawn(std::future::ready(())).await;
        let begun = Instant::now();
        loop {
            let peer = peer_of(self.socket);
            if peer.takes && !peer.is_broken {
                // the dispatcher handles what it has read ahead, and forgets that there may be more in its buffer if it never
                // had to wait: have it look again when it is through
                let dispatcher = std::future::poll_fn(|context| Poll::Ready(context.waker().clone())).await;
                rt::spawn(async move { dispatcher.wake() });
                return Ok(());
            }
            if peer.is_broken {
                self.counts.shed.client_gone.increment();
                self.end();
                return Err(Gone);
            }
            if begun.elapsed() > patience {
                self.end_slow();
                return Err(Gone);
            }
            rt::time::sleep(PAUSE).await;
        }
    }
}

thread_local! {
    static POLL: RefCell<Option<(mio::Poll, Events)>> = const { RefCell::new(None) };
}

/// Looks at a socket. If that fails, for want of file descriptors, the client counts as present.
fn peer_of(socket: RawFd) -> Peer {
    POLL.with_borrow_mut(|poll| look(poll, socket).unwrap_or(Peer { has_ended: false, is_broken: false, takes: true }))
}

fn look(slot: &mut Option<(mio::Poll, Events)>, socket: RawFd) -> std::io::Result<Peer> {
    if slot.is_none() {
        *slot = Some((mio::Poll::new()?, Events::with_capacity(4)));
    }
    let Some((poll, events)) = slot else { return Err(std::io::ErrorKind::NotFound.into()) };
    let mut source = SourceFd(&socket);
    // a second registration, beside that of the runtime, of which each thread has its own. It says at once how the socket is
    poll.registry().register(&mut source, Token(0), Interest::READABLE | Interest::WRITABLE)?;
    let polled = poll.poll(events, Some(Duration::ZERO));
    poll.registry().deregister(&mut source)?;
    polled?;
    let mut peer = Peer { has_ended: false, is_broken: false, takes: false };
    for event in &*events {
        peer.has_ended |= event.is_read_closed();
        peer.is_broken |= event.is_error() || event.is_write_closed();
        peer.takes |= event.is_writable();
    }
    Ok(peer)
}

/// Has the kernel send what is written at once, and close connections whose peer acknowledges nothing, or takes nothing, for some
/// time. Accepted sockets inherit both.
///
/// By default the kernel holds the end of an answer of several slices until the client has acknowledged what came before, which
/// takes clients up to 40 ms.
pub(super) fn prepare(listener: &TcpListener, patience: Duration) -> std::io::Result<()> {
    SockRef::from(listener).set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        nix::sys::socket::setsockopt(listener, nix::sys::socket::sockopt::TcpUserTimeout, &millis)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn eventually(server: &TcpStream, has_ended: bool, is_broken: bool, takes: bool) {
        let expected = Peer { has_ended, is_broken, takes };
        let begun = Instant::now();
        while peer_of(server.as_raw_fd()) != expected {
            assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", peer_of(server.as_raw_fd()));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_kernel_sends_the_end_of_an_answer_without_waiting_for_the_client() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        prepare(&listener, Duration::from_secs(30)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(listener.accept().unwrap().0.nodelay().unwrap());
    }

    #[test]
    fn the_end_of_a_client_shows_also_behind_bytes_that_nobody_has_read() {
        let (mut client, server) = pair();
        eventually(&server, false, false, true);
        client.write_all(b"more requests").unwrap();
        eventually(&server, false, false, true);
        client.shutdown(std::net::Shutdown::Write).unwrap();
        eventually(&server, true, false, true);
    }

    #[test]
    fn a_connection_that_was_reset_is_broken() {
        let (client, mut server) = pair();
        // a client that has not read what it was sent resets the connection when it closes it
        server.write_all(b"an answer").unwrap();
        drop(client);
        let begun = Instant::now();
        while !peer_of(server.as_raw_fd()).is_broken {
            assert!(begun.elapsed() < Duration::from_mins(1));
        }
    }

    #[test]
    fn a_full_socket_takes_nothing_until_the_client_reads() {
        let (mut client, mut server) = pair();
        server.set_nonblocking(true).unwrap();
        let bytes = vec![b'x'; 1024 * 1024];
        let mut sent = 0;
        while let Ok(count) = server.write(&bytes) {
            sent += count;
        }
        eventually(&server, false, false, false);
        client.read_exact(&mut vec![0; sent]).unwrap();
        eventually(&server, false, false, true);
    }
}
