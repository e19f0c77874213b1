//! What stands between tagd and a database that is far away: a relay that can be told to fall silent or to refuse.

use std::{io, path::PathBuf, str::FromStr, time::Duration};

use sqlx::postgres::PgConnectOptions;
use tagd::store::StoreSettings;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::TestDb;

/// Passes connections on to the server of a test's database, until it is dropped.
pub struct Relay {
    url: String,
    /// How often it fell silent; a connection only lives in the time that it was made in.
    silences: watch::Sender<u32>,
    accepting: watch::Sender<bool>,
    /// Whether new connections are silent too.
    muted: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

/// Where the server is.
#[derive(Clone)]
enum Target {
    Socket(PathBuf),
    Address(String, u16),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

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
    pub async fn to(db: &TestDb) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = db.url();
        let (user, place) = url.rsplit_once('@').expect("a URL with a user");
        let (_, database) = place.split_once('/').expect("a URL with a database");
        let (silences, accepting) = (watch::Sender::new(0), watch::Sender::new(true));
        let muted = watch::Sender::new(false);
        let passing = Passing { target: Target::of(&url), silences: silences.subscribe(), muted: muted.subscribe() };
        let listening = tokio::spawn(listen(listener, passing, accepting.subscribe()));
        Self { url: format!("{user}@{address}/{database}"), silences, accepting, muted, listening }
    }

    /// How tagd reaches the database through it, with deadlines short enough to wait for them.
    pub fn settings(&self) -> StoreSettings {
        let mut settings = StoreSettings::of_url(&self.url).unwrap();
        settings.connections = 4;
        settings.acquire_timeout = Duration::from_secs(2);
        settings.statement_timeout = Duration::from_secs(2);
        settings
    }

    /// From now on no byte passes on the connections there are, in either direction, and neither side is told. New ones
    /// are well.
    pub fn fall_silent(&self) {
        self.silences.send_modify(|times| *times += 1);
    }

    /// The same for new ones, until [`resume`](Self::resume): they are accepted, and then nothing comes.
    pub fn fall_silent_for_all(&self) {
        self.muted.send_replace(true);
        self.fall_silent();
    }

    /// New connections are well again, and those that fell silent with them end.
    pub fn resume(&self) {
        self.muted.send_replace(false);
    }

    /// From now on every new connection is refused; those there are stay.
    pub async fn refuse(&self) {
        self.accepting.send_replace(false);
        // the port is closed once nobody listens to this any more
        self.accepting.closed().await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// What a connection needs to know.
#[derive(Clone)]
struct Passing {
    target: Target,
    silences: watch::Receiver<u32>,
    muted: watch::Receiver<bool>,
}

async fn listen(listener: TcpListener, passing: Passing, mut accepting: watch::Receiver<bool>) {
    // they end with this task
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = accepting.wait_for(|accepting| !accepting) => break,
        };
        connections.spawn(pass_on(accepted, passing.clone()));
    }
    drop(listener);
    drop(accepting);
    std::future::pending::<()>().await;
}

async fn pass_on(mut client: TcpStream, passing: Passing) {
    let Passing { target, mut silences, mut muted } = passing;
    if *muted.borrow_and_update() {
        // what was sent meanwhile is lost
        let _ = muted.wait_for(|muted| !muted).await;
        return;
    }
    let Ok(mut server) = target.connect().await else { return };
    let born = *silences.borrow_and_update();
    let fell_silent = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        waited = silences.wait_for(|now| *now > born) => waited.is_ok(),
    };
    if fell_silent && !*muted.borrow() {
        // both sides stay open
        std::future::pending::<()>().await;
    }
    // as the server does it that hears nothing of its client
    let _ = muted.wait_for(|muted| !muted).await;
}
