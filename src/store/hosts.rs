//! The servers of a database, of which one is used: in the order of the URL, beginning with the last one that was good.
//!
//! `docs/adr/0043-read-replicas-and-failover.md` explains why.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, Executor, PgConnection, Row, postgres::PgConnectOptions};
use tokio::time::timeout;

use super::{
    pooler::SessionCheck,
    url::{self, Wanted},
};
use crate::domain::Outage;

/// An attempt that takes longer and is then dropped is not begun at the same server again. A server that is well answers earlier.
const SLOW: Duration = Duration::from_millis(500);

/// The servers of a database. Clones share which one was good last.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    servers: Vec<Server>,
    wanted: Wanted,
    /// The number of the one that is tried first.
    first: Arc<AtomicUsize>,
    runs: Arc<Runs>,
}

/// Runs of servers that connections have led to: behind one name or address there may be another server than before.
#[derive(Debug, Default)]
struct Runs {
    /// That of the newest connection.
    newest: AtomicI64,
    /// The last in which a server was found to be another one than is wanted.
    unwanted: AtomicI64,
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) options: PgConnectOptions,
    place: String,
    /// Checks that connections keep their sessions; `None` if nothing can be between tagd and the server.
    check: Option<SessionCheck>,
}

/// A server is another one than the URL wants. It is wrapped in [`sqlx::Error::Configuration`], since connecting has the errors of
/// the driver.
#[derive(Debug, thiserror::Error)]
#[error("{place} {is}, and the URL has target_session_attrs={}", .wanted.name())]
pub(super) struct WrongServer {
    place: String,
    is: &'static str,
    wanted: Wanted,
}

impl WrongServer {
    /// Finds it in an error.
    pub(super) fn within(error: &sqlx::Error) -> Option<&Self> {
        match error {
            sqlx::Error::Configuration(source) => source.downcast_ref(),
            _ => None,
        }
    }

    /// What it means for statements.
    pub(super) fn outage(&self) -> Outage {
        match self.wanted {
            Wanted::ReadWrite | Wanted::Primary => Outage::ReadOnly,
            _ => Outage::Unreachable,
        }
    }
}

impl Hosts {
    /// Those of a URL.
    pub(super) fn of_url(url: &str) -> Result<Self, sqlx::Error> {
        let (servers, wanted) = url::read(url)?;
        let of = |server: url::Server| Server {
            options: server.options,
            place: server.place,
            check: Some(SessionCheck::default()),
        };
        Ok(Self { servers: servers.into_iter().map(of).collect(), wanted, first: Arc::default(), runs: Arc::default() })
    }

    /// One server, with nothing between tagd and it.
    pub(super) fn one(options: PgConnectOptions, place: String) -> Self {
        let servers = vec![Server { options, place, check: None }];
        Self { servers, wanted: Wanted::Any, first: Arc::default(), runs: Arc::default() }
    }

    /// The same servers with other options.
    #[must_use]
    pub(super) fn with(mut self, change: impl Fn(PgConnectOptions) -> PgConnectOptions) -> Self {
        for server in &mut self.servers {
            server.options = change(server.options.clone());
        }
        self
    }

    /// Host and port, or the socket, of each.
    pub(super) fn places(&self) -> String {
        let places: Vec<_> = self.servers.iter().map(|server| server.place.as_str()).collect();
        places.join(",")
    }

    /// Whether there are several.
    pub(super) fn are_several(&self) -> bool {
        self.servers.len() > 1
    }

    /// Whether there are several, and any of them will do.
    pub(super) fn are_any(&self) -> bool {
        self.are_several() && self.wanted == Wanted::Any
    }

    /// How each is reached.
    pub(super) fn all(&self) -> impl Iterator<Item = &PgConnectOptions> {
        self.servers.iter().map(|server| &server.options)
    }

    /// How the one is reached that is tried first.
    pub(super) fn first(&self) -> Option<&PgConnectOptions> {
        self.get(self.first.load(Relaxed)).map(|server| &server.options)
    }

    /// A server by its number.
    pub(super) fn get(&self, number: usize) -> Option<&Server> {
        self.servers.get(number)
    }

    /// A connection to the first server that will do, and the number of that server. Each has its share of the time.
    pub(super) async fn connect(&self, time: Duration) -> Result<(PgConnection, usize), sqlx::Error> {
        if let ([server], Wanted::Any) = (self.servers.as_slice(), self.wanted) {
            return Ok((server.options.connect().await?, 0));
        }
        let end = Instant::now() + time;
        let passes: &[Wanted] = match self.wanted {
            Wanted::PreferStandby => &[Wanted::Standby, Wanted::Any],
            _ => std::slice::from_ref(&self.wanted),
        };
        let (count, first) = (self.servers.len(), self.first.load(Relaxed));
        let mut left = u32::try_from(passes.len() * count).unwrap_or(u32::MAX);
        let mut told = None;
        for wanted in passes {
            for number in (first..first + count).map(|number| number % count) {
                let Some(server) = self.servers.get(number) else { continue };
                let share = end.saturating_duration_since(Instant::now()) / left.max(1);
                left = left.saturating_sub(1);
                let attempt = Attempt { hosts: self, number, begun: Instant::now(), is_over: false };
                let connected = timeout(share, server.connect(*wanted)).await;
                attempt.end();
                let late =
                    |_| Err(sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the server did not answer in time")));
                match connected.unwrap_or_else(late) {
                    Ok(connection) => {
                        self.note_good(number);
                        return Ok((connection, number));
                    }
                    Err(error) => {
                        tracing::debug!(place = server.place, %error, "a server of the database cannot be used");
                        if told.as_ref().is_none_or(|told| importance(told) <= importance(&error)) {
                            told = Some(error);
                        }
                    }
                }
            }
        }
        // there is at least one server
        Err(told.unwrap_or(sqlx::Error::PoolTimedOut))
    }

    /// Others begin with this server.
    fn note_good(&self, number: usize) {
        if self.first.swap(number, Relaxed) != number
            && let Some(server) = self.servers.get(number)
        {
            tracing::info!(place = server.place, "using another server of the database");
        }
    }

    /// Whether connections lead to this server: there is no other one, or it was good last.
    pub(super) fn is_first(&self, number: usize) -> bool {
        !self.are_several() || self.first.load(Relaxed) == number
    }

    /// A connection has led to a run of a server.
    pub(super) fn note_run(&self, run: i64) {
        self.runs.newest.store(run, Relaxed);
    }

    /// In this run, a server was found to be another one than is wanted.
    pub(super) fn note_unwanted(&self, run: i64) {
        self.runs.unwanted.store(run, Relaxed);
    }

    /// Whether a session in this run of a server was left: connections lead to another server now, or to another run after this one was
    /// found to be one that is not wanted. What is read there may be old.
    pub(super) fn is_left(&self, number: usize, run: i64) -> bool {
        let Runs { newest, unwanted } = &*self.runs;
        !self.is_first(number) || (unwanted.load(Relaxed) == run && newest.load(Relaxed) != run)
    }

    /// Whether a connection keeps its session; see [`SessionCheck::run`].
    pub(super) async fn check_session(&self, connection: &mut PgConnection, number: usize) -> Result<(), sqlx::Error> {
        match self.get(number) {
            Some(Server { options, check: Some(check), .. }) => check.run(connection, options).await,
            _ => Ok(()),
        }
    }

    /// Whether a connection, which was made in another way, is one to a server that is wanted.
    pub(super) async fn check_kind(&self, connection: &mut PgConnection, number: usize) -> Result<(), sqlx::Error> {
        match self.get(number) {
            Some(server) => server.check_kind(connection, self.wanted).await,
            None => Ok(()),
        }
    }
}

impl Server {
    async fn connect(&self, wanted: Wanted) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        match self.check_kind(&mut connection, wanted).await {
            Ok(()) => Ok(connection),
            Err(error) => {
                let _ = connection.close().await;
                Err(error)
            }
        }
    }

    /// Whether it is one that is wanted.
    async fn check_kind(&self, connection: &mut PgConnection, wanted: Wanted) -> Result<(), sqlx::Error> {
        if wanted == Wanted::Any {
            return Ok(());
        }
        // a simple query: a pooler may confuse prepared statements
        let row = connection
            .fetch_one(
                "select pg_catalog.pg_is_in_recovery()::text, pg_catalog.current_setting('transaction_read_only')",
            )
            .await?;
        let is_standby = row.try_get_unchecked::<String, _>(0)? == "true";
        let is_read_only = is_standby || row.try_get_unchecked::<String, _>(1)? == "on";
        let is = match wanted {
            Wanted::ReadWrite if is_read_only => "is read-only",
            Wanted::ReadOnly if !is_read_only => "is not read-only",
            Wanted::Primary if is_standby => "is a standby",
            Wanted::Standby if !is_standby => "is not a standby",
            _ => return Ok(()),
        };
        Err(sqlx::Error::Configuration(WrongServer { place: self.place.clone(), is, wanted }.into()))
    }
}

/// How much an error says of the database as a whole: what a server answers more than that another one is not there.
fn importance(error: &sqlx::Error) -> u8 {
    match error {
        sqlx::Error::Database(refusal) if !refusal.is_transient_in_connect_phase() => 2,
        other if WrongServer::within(other).is_some() => 1,
        _ => 0,
    }
}

/// An attempt to connect to one of several servers.
struct Attempt<'a> {
    hosts: &'a Hosts,
    number: usize,
    begun: Instant,
    is_over: bool,
}

impl Attempt<'_> {
    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // whoever waited had less time than all servers need, and would never get to the next one
        if !self.is_over && self.begun.elapsed() > SLOW {
            let next = (self.number + 1) % self.hosts.servers.len().max(1);
            let _ = self.hosts.first.compare_exchange(self.number, next, Relaxed, Relaxed);
        }
    }
}
