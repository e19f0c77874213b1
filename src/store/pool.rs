//! The connection pool, which runs no statement when a connection is acquired or released.
//!
//! `docs/adr/0007-a-pool-of-our-own.md` explains why it is not sqlx's, `docs/adr/0033-lanes-and-shares.md` who gets a
//! connection and what becomes of one whose statement was dropped.

use std::{
    io::{self, ErrorKind},
    ops::{Deref, DerefMut},
    pin::pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sqlx::PgConnection;
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    breaker::{Breaker, Watcher},
    canceller::{Canceller, Session},
    failure::{NoConnection, crowded, is_refusal, is_stale, outage_of},
    forms::Form,
    hosts::WrongServer,
    idle::{Home, Idle, OpenConnection, close_all},
    metrics::{PoolMetrics, PoolUsage, ShownPool, StoreMetrics},
    needed::Needed,
    positions::NotePosition,
    session::{Connector, Made},
    turns::{Limits, NoTurn, Share, Turn, Turns},
    wait::Wait,
};
use crate::{
    compiler::Cost,
    domain::Outage,
    metrics::{Counter, NotedStatement},
};

/// How long a connection may be idle before it is closed.
const MAX_IDLE: Duration = Duration::from_mins(10);

/// How often idle connections are checked for that.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// Delay before a refused connection is retried, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// The session of a connection younger than this is not considered stale.
const FRESH: Duration = Duration::from_secs(1);

/// How long it may take until a connection whose statement was dropped can be used again.
const RECOVERY: Duration = Duration::from_secs(3);

/// How often that is done with one connection. A statement that is dropped while it is prepared stays prepared at the
/// server, and nobody knows of it.
const MOST_RECOVERIES: u32 = 100;

/// A pool of connections, each opened when it is needed. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connector: Connector,
    canceller: Canceller,
    breaker: Breaker,
    acquire_timeout: Duration,
    max_connections: u32,
    turns: Arc<Turns>,
    idle: Idle,
    /// The runtime that the pool was created on.
    runtime: Handle,
    home: Home,
    metrics: PoolMetrics,
}

/// A pool as one share uses it for statements of one cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lane<'a> {
    pub(super) pool: &'a Pool,
    pub(super) share: Share,
    pub(super) cost: Cost,
    pub(super) form: Form,
    /// If the pool is one of a replica.
    pub(super) replica: Option<OnReplica<'a>>,
    /// What is told up to where it has written.
    pub(super) noting: Option<&'a dyn NotePosition>,
}

/// What a statement on a replica has to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnReplica<'a> {
    /// Where it runs instead if it fails.
    pub(super) primary: &'a Pool,
    /// What its connection must have.
    pub(super) needed: Needed,
    /// Counts those that have failed.
    pub(super) failed: &'a Counter,
}

/// A connection in use. Unless it is [released](PooledConnection::release), it is closed: the next user must not see what
/// an import or export has changed in the session.
#[derive(Debug)]
pub(super) struct PooledConnection {
    open: OpenConnection,
    pool: Pool,
    // dropped after the connection, so that the connection is closed first
    turn: Turn,
}

impl Pool {
    /// A pool of at most `limits.connections` connections; who acquires one waits no longer than `acquire_timeout`.
    pub(super) fn new(
        connector: Connector,
        canceller: Canceller,
        breaker: Breaker,
        limits: Limits,
        acquire_timeout: Duration,
        home: Home,
        metrics: PoolMetrics,
    ) -> Self {
        let shared = Arc::new(Shared {
            connector,
            canceller,
            breaker,
            acquire_timeout,
            max_connections: limits.connections,
            turns: Arc::new(Turns::new(limits)),
            idle: Idle::default(),
            runtime: Handle::current(),
            home,
            metrics,
        });
        let PoolMetrics { store, kind } = &shared.metrics;
        if let Some(kind) = kind {
            let pool = Arc::downgrade(&shared);
            store.show_pool(*kind, pool);
        }
        tokio::spawn(close_idle(Arc::downgrade(&shared)));
        let pool = Arc::downgrade(&shared);
        shared.breaker.on_silence(move || {
            if let Some(pool) = pool.upgrade() {
                pool.close_silent();
            }
        });
        Self(shared)
    }

    /// The pool as one share uses it for statements of one cost.
    pub(super) fn lane(&self, share: Share, cost: Cost, form: Form) -> Lane<'_> {
        Lane { pool: self, share, cost, form, replica: None, noting: None }
    }

    /// Maximum time to wait for a connection.
    pub(super) fn acquire_timeout(&self) -> Duration {
        self.0.acquire_timeout
    }

    /// Maximum number of connections.
    pub(super) fn max_connections(&self) -> u32 {
        self.0.max_connections
    }

    /// The statement timeout of the server; `None` if there is no limit.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        self.0.connector.statement_timeout()
    }

    /// Whether scopes are distributed; `None` as long as there was no connection.
    pub(super) fn is_distributed(&self) -> Option<bool> {
        self.0.connector.is_distributed()
    }

    /// An upper bound of the current number of connections.
    pub(super) fn size(&self) -> usize {
        let in_use = self.0.max_connections.saturating_sub(self.0.turns.free());
        self.0.idle.len() + usize::try_from(in_use).unwrap_or(usize::MAX)
    }

    /// What is counted of the database.
    pub(super) fn metrics(&self) -> &StoreMetrics {
        &self.0.metrics.store
    }

    /// Whether somebody waits for a connection.
    pub(super) fn has_waiting(&self) -> bool {
        self.0.turns.has_waiting()
    }

    /// Deadline of a statement, including its connection: the statement timeout of the server plus twice the acquire
    /// timeout, once to acquire a connection and once to receive the result. `None` if there is no limit.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.connector.statement_timeout().map(|timeout| timeout + 2 * self.0.acquire_timeout)
    }

    /// The error of a statement that was not answered within its deadline. The server cancels statements that take too
    /// long; if not even that error arrives, the server is down or a firewall has dropped the connection, and TCP may
    /// take hours to report it.
    pub(super) fn give_up(&self) -> sqlx::Error {
        self.0.breaker.note_silence();
        sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the database did not answer in time"))
    }

    /// Finds out whether the database responds.
    pub(super) fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// Opens a connection, or returns one that is released while the server does not accept new ones.
    async fn open(&self, refused: &Mutex<Option<sqlx::Error>>) -> Result<OpenConnection, sqlx::Error> {
        let (mut pause, longest) = PAUSES;
        loop {
            let refusal = match self.connect().await {
                Ok(Made { connection, session, server, run, replayed }) => {
                    return Ok(OpenConnection {
                        connection,
                        session,
                        server,
                        run,
                        opened: Instant::now(),
                        replayed,
                        recoveries: 0,
                        opened_by: thread::current().id(),
                    });
                }
                Err(refusal) => refusal,
            };
            let is_transient = match &refusal {
                sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
                sqlx::Error::Database(refusal) => refusal.is_transient_in_connect_phase(),
                // another server is about to take over
                other => WrongServer::within(other).is_some(),
            };
            if !is_transient || !self.0.connector.is_patient() {
                return Err(NoConnection::error(refusal, false));
            }
            *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
            if let Ok(released) = tokio::time::timeout(pause, self.0.idle.next()).await
                && !self.0.is_left(&released)
            {
                return Ok(released);
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Opens a connection on the runtime that is to be its home. Ends if it is dropped.
    async fn connect(&self) -> Result<Made, sqlx::Error> {
        if self.0.home == Home::Caller {
            return self.0.connector.connect().await;
        }
        let shared = Arc::clone(&self.0);
        let mut task = JoinSet::new();
        task.spawn_on(async move { shared.connector.connect().await }, &self.0.runtime);
        // only the end of the runtime stops it
        task.join_next().await.and_then(Result::ok).unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    /// Waits until no connection is in use and closes all. None can be acquired afterwards.
    pub(super) async fn close(&self) {
        self.0.turns.close().await;
        close_all(self.0.idle.take_all()).await;
    }
}

impl Shared {
    /// The most recently used connection. Those to a server that was left are closed: it may not know what was written elsewhere since.
    fn used_last(&self) -> Option<OpenConnection> {
        loop {
            let used_last = self.idle.take(self.home, &self.turns);
            if used_last.as_ref().is_none_or(|open| !self.is_left(open)) {
                return used_last;
            }
        }
    }

    fn is_left(&self, open: &OpenConnection) -> bool {
        self.connector.is_left(open.server, open.run)
    }

    fn close_silent(&self) {
        let silent = self.idle.take_all();
        if !silent.is_empty() {
            tracing::warn!(idle = silent.len(), "the database does not answer, closing its idle connections");
        }
    }
}

impl Lane<'_> {
    /// The most recently used connection, or a new one. Waits while all are in use or the server does not accept new ones
    /// yet.
    pub(super) async fn acquire(self) -> Result<PooledConnection, sqlx::Error> {
        let (connection, noted) = self.acquire_noted().await?;
        noted.stay_open();
        Ok(connection)
    }

    /// The same, with the statement that begins.
    pub(super) async fn acquire_noted(self) -> Result<(PooledConnection, NotedStatement), sqlx::Error> {
        let wait = Wait::begin(&self.pool.0.metrics, self.form);
        let refused = Mutex::new(None);
        let mut waiting = pin!(self.wait(&refused));
        match waiting.as_mut().now_or_never() {
            Some(Ok(connection)) => return Ok((connection, wait.end())),
            Some(Err(error)) => {
                wait.refuse();
                return Err(error);
            }
            None => {}
        }
        let waited = tokio::time::timeout(self.pool.acquire_timeout(), waiting).await;
        let acquired = waited.unwrap_or_else(|_| {
            // the server's reason, if it gave one
            let refusal = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            if refusal.is_none() {
                // all were in use for as long
                self.pool.metrics().refused.increment();
            }
            Err(refusal.map_or(sqlx::Error::PoolTimedOut, |refusal| NoConnection::error(refusal, true)))
        });
        Ok((acquired?, wait.end()))
    }

    async fn wait(self, refused: &Mutex<Option<sqlx::Error>>) -> Result<PooledConnection, sqlx::Error> {
        let Pool(shared) = self.pool;
        let turn = shared.turns.take(self.share, self.cost).await.map_err(|error| match error {
            NoTurn::Crowded => {
                shared.metrics.store.refused.increment();
                crowded()
            }
            NoTurn::Closed => sqlx::Error::PoolClosed,
        })?;
        let open = match shared.used_last() {
            Some(open) => open,
            // rare, and a large future: see Service::run
            None => Box::pin(self.pool.open(refused)).await?,
        };
        Ok(PooledConnection { open, pool: self.pool.clone(), turn })
    }
}

impl PooledConnection {
    /// What is counted of the database.
    pub(super) fn metrics(&self) -> &Arc<StoreMetrics> {
        &self.pool.0.metrics.store
    }

    /// Releases the connection with the outcome of its statement, which must not have changed the session. The connection
    /// is reused unless the statement has lost it.
    pub(super) fn release<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let idle = &self.pool.0.idle;
        if let Err(error) = &outcome
            && is_stale(error)
            && self.open.opened.elapsed() > FRESH
        {
            // the sessions of idle connections may be stale too, and those of other pools if a connection leads elsewhere now
            idle.close_opened_before(FRESH);
            if outage_of(error) == Some(Outage::ReadOnly) {
                self.pool.0.connector.note_unwanted(self.open.run);
            }
        } else if outcome.as_ref().err().is_none_or(is_refusal) {
            self.pool.0.breaker.note_answer();
            idle.push(self.open);
            // only now is a connection available for the turn
            drop(self.turn);
        }
        outcome
    }

    /// Whether a read may run on it that was sent to a replica.
    pub(super) fn allows(&self, needed: &Needed) -> bool {
        let OpenConnection { run, opened, replayed, .. } = self.open;
        needed.allows(run, opened, replayed)
    }

    /// The session that the server has for it, if that can be told.
    pub(super) fn session(&self) -> Option<Session> {
        self.open.session
    }

    /// Has a statement cancelled that was dropped after it ran for so long.
    pub(super) fn give_up(self, ran: Duration) {
        let Pool(shared) = self.pool.clone();
        // the server would have ended it by now, so it does not answer
        let is_silent = shared.connector.statement_timeout().is_some_and(|timeout| ran > timeout)
            || shared.breaker.is_open()
            || self.open.session.is_some_and(|session| shared.breaker.is_lost(session));
        if !is_silent {
            shared.metrics.store.cancelled.increment();
            shared.runtime.spawn(self.recover());
        }
    }

    /// Watches work on the connection that has no deadline.
    pub(super) fn watcher(&self) -> Watcher {
        Watcher::new(&self.pool.0.breaker, self.open.session)
    }

    /// Cancels the statement of the connection, which was dropped half-way, and reads what is still to arrive, so that the
    /// next one on it gets only its own rows. The turn is held meanwhile. A connection of which this is not possible is
    /// closed.
    async fn recover(mut self) {
        self.open.recoveries += 1;
        let recovered = tokio::time::timeout(RECOVERY, async {
            let Some(session) = self.open.session else { return false };
            self.pool.0.canceller.cancel(session).await && self.open.drain().await
        });
        if recovered.await == Ok(true) && self.open.recoveries < MOST_RECOVERIES {
            // the outcome of the statement is nobody's
            let _ = self.release(Ok(()));
        }
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.open.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.open.connection
    }
}

impl ShownPool for Shared {
    fn usage(&self) -> PoolUsage {
        let limit = self.max_connections;
        let busy = limit.saturating_sub(self.turns.free());
        PoolUsage { limit: limit.into(), busy: busy.into(), idle: self.idle.len(), waiting: self.turns.waiting() }
    }
}

/// Closes connections that have been idle for too long, until the pool is dropped.
async fn close_idle(pool: Weak<Shared>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let expired = pool.idle.take_unused(MAX_IDLE);
        drop(pool);
        close_all(expired).await;
    }
}
