//! What stands between tagd and a database that is far away: a relay that can be told to fall silent, to refuse, or to end a connection.

use std::{
    io,
    path::PathBuf,
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tagd::store::StoreSettings;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::TestDb;

/// What the server sends to who listens when a credential was revoked: channel and payload.
const NOTIFICATION: &[u8] = b"tagd\0credentials\0";

/// Passes connections on to the server of a test's database, until it is dropped.
pub struct Relay {
    url: String,
    /// Where its socket is, if it has one.
    folder: Option<TempDir>,
    /// How often it fell silent; a connection only lives in the time that it was made in.
    silences: watch::Sender<u32>,
    accepting: watch::Sender<bool>,
    /// What passes on new connections.
    passing: watch::Sender<Pass>,
    cutting: watch::Sender<Cut>,
    listening: JoinHandle<()>,
}

/// What passes on new connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    All,
    /// The question whether the server encrypts connections, and the answer.
    Pings,
    Nothing,
}

/// Whether a connection is to be ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    /// Once it has passed on a notification.
    Armed,
    /// It was. New connections wait.
    Done,
}

/// Where it is reached.
enum Door {
    Port(TcpListener),
    Socket(UnixListener),
}

/// Where the server is.
#[derive(Clone)]
enum Target {
    Socket(PathBuf),
    Address(String, u16),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Door {
    async fn accept(&self) -> Box<dyn Stream> {
        match self {
            Self::Port(listener) => Box::new(listener.accept().await.unwrap().0),
            Self::Socket(listener) => Box::new(listener.accept().await.unwrap().0),
        }
    }
}

impl Target {
    fn of(url: &str) -> Self {
        let options = PgConnectOptions::from_str(url).unwrap();
        let port = options.get_port();
        match options.get_socket() {
            Some(dir) => Self::Socket(dir.join(format!(".s.PGSQL.{port}"))),
            None => Self::Address(options.get_host().to_owned(), port),
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Socket(path) => Box::new(UnixStream::connect(path).await?),
            Self::Address(host, port) => Box::new(TcpStream::connect((host.as_str(), *port)).await?),
        })
    }
}

impl Relay {
    /// A relay with a port.
    pub async fn to(db: &TestDb) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self::start(db, Door::Port(listener), &address, None)
    }

    /// A relay with a socket in a folder, as a server on this machine has it.
    pub fn in_folder(db: &TestDb) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let place = folder.path().to_str().unwrap().replace('/', "%2F");
        Self::start(db, Door::Socket(listener), &place, Some(folder))
    }

    fn start(db: &TestDb, door: Door, place: &str, folder: Option<TempDir>) -> Self {
        let url = db.url();
        let (user, server) = url.rsplit_once('@').expect("a URL with a user");
        let (_, database) = server.split_once('/').expect("a URL with a database");
        let (silences, accepting) = (watch::Sender::new(0), watch::Sender::new(true));
        let (passing, cutting) = (watch::Sender::new(Pass::All), watch::Sender::new(Cut::No));
        let way = Way {
            target: Target::of(&url),
            silences: silences.subscribe(),
            passing: passing.subscribe(),
            cutting: cutting.clone(),
        };
        let listening = tokio::spawn(listen(door, way, accepting.subscribe()));
        Self { url: format!("{user}@{place}/{database}"), folder, silences, accepting, passing, cutting, listening }
    }

    /// How tagd reaches the database through it, with deadlines short enough to wait for them.
    pub fn settings(&self) -> StoreSettings {
        let mut settings = StoreSettings::of_url(&self.url).unwrap();
        settings.connections = 4;
        settings.acquire_timeout = Duration::from_secs(2);
        settings.statement_timeout = Duration::from_secs(2);
        settings
    }

    /// How it is reached in its folder: folder, user, password, database.
    pub fn parts(&self) -> [&str; 4] {
        let folder = self.folder.as_ref().expect("a relay in a folder").path().to_str().unwrap();
        let (login, place) = self.url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).unwrap();
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        [folder, user, password, place.split_once('/').unwrap().1]
    }

    /// From now on no byte passes on the connections there are, in either direction, and neither side is told. New ones
    /// are well.
    pub fn fall_silent(&self) {
        self.silences.send_modify(|times| *times += 1);
    }

    /// The same for new ones, until [`resume`](Self::resume): they are accepted, and then nothing comes.
    pub fn fall_silent_for_all(&self) {
        self.passing.send_replace(Pass::Nothing);
        self.fall_silent();
    }

    /// After that: whether the server is there can be asked, and logins still get no answer.
    pub fn pass_pings(&self) {
        self.passing.send_replace(Pass::Pings);
    }

    /// New connections are well again, and those that fell silent with them end.
    pub fn resume(&self) {
        self.passing.send_replace(Pass::All);
    }

    /// From now on every new connection is refused; those there are stay.
    pub async fn refuse(&self) {
        self.accepting.send_replace(false);
        // the port is closed once nobody listens to this any more
        self.accepting.closed().await;
    }

    /// Ends the connection on which the next notification of a revoked credential was passed on, right after it. New connections then
    /// wait until [`let_in`](Self::let_in).
    pub fn cut_after_notification(&self) {
        self.cutting.send_replace(Cut::Armed);
    }

    /// Waits until that was done.
    pub async fn was_cut(&self) {
        self.cutting.subscribe().wait_for(|cut| *cut == Cut::Done).await.unwrap();
    }

    /// New connections wait no longer.
    pub fn let_in(&self) {
        self.cutting.send_replace(Cut::No);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// What a connection needs to know.
#[derive(Clone)]
struct Way {
    target: Target,
    silences: watch::Receiver<u32>,
    passing: watch::Receiver<Pass>,
    cutting: watch::Sender<Cut>,
}

async fn listen(door: Door, way: Way, mut accepting: watch::Receiver<bool>) {
    // they end with this task
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = door.accept() => accepted,
            _ = accepting.wait_for(|accepting| !accepting) => break,
        };
        connections.spawn(pass_on(accepted, way.clone()));
    }
    drop(door);
    drop(accepting);
    std::future::pending::<()>().await;
}

async fn pass_on(client: Box<dyn Stream>, way: Way) {
    let Way { target, mut silences, mut passing, cutting } = way;
    let is_well = |pass: &Pass| *pass == Pass::All;
    let pass = *passing.borrow_and_update();
    if pass != Pass::All {
        let _pinged = if pass == Pass::Pings { ping(client, &target).await } else { Ok(client) };
        // what was sent meanwhile is lost
        let _ = passing.wait_for(is_well).await;
        return;
    }
    let _ = cutting.subscribe().wait_for(|cut| *cut != Cut::Done).await;
    let Ok(server) = target.connect().await else { return };
    let born = *silences.borrow_and_update();
    // both sides stay open while it is silent
    let mut exchange = std::pin::pin!(exchange(client, server, &cutting));
    let fell_silent = tokio::select! {
        _ = &mut exchange => return,
        waited = silences.wait_for(|now| *now > born) => waited.is_ok(),
    };
    if fell_silent && is_well(&passing.borrow()) {
        std::future::pending::<()>().await;
    }
    // as the server does it that hears nothing of its client
    let _ = passing.wait_for(is_well).await;
}

/// Passes on what comes from either side until both have ended, or one fails, or the connection is to be cut.
async fn exchange(client: Box<dyn Stream>, server: Box<dyn Stream>, cutting: &watch::Sender<Cut>) -> io::Result<()> {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (split(client), split(server));
    let is_cut = AtomicBool::new(false);
    let up = async {
        copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let count = from_server.read(&mut piece).await?;
            if count == 0 {
                return to_client.shutdown().await;
            }
            to_client.write_all(&piece[..count]).await?;
            let has_notified = || piece[..count].windows(NOTIFICATION.len()).any(|part| part == NOTIFICATION);
            if *cutting.borrow() == Cut::Armed && has_notified() {
                is_cut.store(true, Ordering::Relaxed);
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    };
    let ended = tokio::try_join!(up, down);
    // with the streams
    drop((from_client, to_client, from_server, to_server));
    if is_cut.into_inner() {
        cutting.send_replace(Cut::Done);
    }
    ended.map(|_| ())
}

/// Passes on the question whether the server encrypts connections, and its answer. The connection stays open.
async fn ping(mut client: Box<dyn Stream>, target: &Target) -> io::Result<Box<dyn Stream>> {
    let (mut question, mut answer) = ([0; 8], [0; 1]);
    client.read_exact(&mut question).await?;
    let mut server = target.connect().await?;
    server.write_all(&question).await?;
    server.read_exact(&mut answer).await?;
    client.write_all(&answer).await?;
    Ok(client)
}
