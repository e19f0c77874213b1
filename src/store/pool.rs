//! The connection pool, which runs no statement when a connection is acquired or released.
//!
//! `docs/adr/0007-a-pool-of-our-own.md` explains why it is not sqlx's.

use std::{
    io::{self, ErrorKind},
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::{
    failure::{NoConnection, is_refusal, is_stale},
    session::Connector,
};

/// How long a connection may be idle before it is closed.
const MAX_IDLE: Duration = Duration::from_mins(10);

/// How often idle connections are checked for that.
const CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// Delay before a refused connection is retried, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// The session of a connection younger than this is not considered stale.
const FRESH: Duration = Duration::from_secs(1);

/// A pool of connections, each opened when it is needed. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connector: Arc<Connector>,
    acquire_timeout: Duration,
    max_connections: u32,
    /// A permit for each connection that may be acquired.
    permits: Arc<Semaphore>,
    idle: Arc<Idle>,
}

/// Idle connections; the most recently used is the last.
#[derive(Debug, Default)]
struct Idle {
    connections: Mutex<Vec<IdleConnection>>,
    /// Notifies tasks that wait while the server does not accept new connections that one was released.
    released: Notify,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PgConnection,
    opened: Instant,
    idle_since: Instant,
}

/// A connection in use. Unless it is [released](PooledConnection::release), it is closed: after a dropped statement its
/// result is still to arrive, and the next user must not see what an import or export has changed in the session.
#[derive(Debug)]
pub(super) struct PooledConnection {
    connection: PgConnection,
    opened: Instant,
    idle: Arc<Idle>,
    // dropped after the connection, so that the connection is closed first
    permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool of at most `max_connections` connections; [`acquire`](Self::acquire) waits no longer than
    /// `acquire_timeout`.
    pub(super) fn new(connector: Connector, max_connections: u32, acquire_timeout: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(usize::try_from(max_connections).unwrap_or(Semaphore::MAX_PERMITS)));
        let idle = Arc::default();
        tokio::spawn(close_idle(Arc::downgrade(&idle)));
        Self { connector: Arc::new(connector), acquire_timeout, max_connections, permits, idle }
    }

    /// Maximum time to wait for a connection.
    pub(super) fn acquire_timeout(&self) -> Duration {
        self.acquire_timeout
    }

    /// Maximum number of connections.
    pub(super) fn max_connections(&self) -> u32 {
        self.max_connections
    }

    /// The statement timeout of the server; `None` if there is no limit.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        self.connector.statement_timeout()
    }

    /// An upper bound of the current number of connections.
    pub(super) fn size(&self) -> usize {
        let most = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        self.idle.lock().len() + most.saturating_sub(self.permits.available_permits())
    }

    /// Deadline of a statement, including its connection: the statement timeout of the server plus twice the acquire
    /// timeout, once to acquire a connection and once to receive the result. `None` if there is no limit.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.connector.statement_timeout().map(|timeout| timeout + 2 * self.acquire_timeout)
    }

    /// The error of a statement that was not answered within its deadline. The server cancels statements that take too
    /// long; if not even that error arrives, the server is down or a firewall has dropped the connection, and TCP may
    /// take hours to report it.
    pub(super) fn give_up(&self) -> sqlx::Error {
        // idle connections are dead as well, and the next statement would wait just as long to find out
        let silent = mem::take(&mut *self.idle.lock());
        tracing::warn!(idle = silent.len(), "the database does not answer, closing its idle connections");
        sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the database did not answer in time"))
    }

    /// The most recently used connection, or a new one. Waits while all are in use or the server does not accept new ones
    /// yet.
    pub(super) async fn acquire(&self) -> Result<PooledConnection, sqlx::Error> {
        let refused = Mutex::new(None);
        match tokio::time::timeout(self.acquire_timeout, self.wait(&refused)).await {
            Ok(acquired) => acquired,
            // the server's reason, if it gave one
            Err(_) => Err(match refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(refusal) => NoConnection::error(refusal, true),
                None => sqlx::Error::PoolTimedOut,
            }),
        }
    }

    async fn wait(&self, refused: &Mutex<Option<sqlx::Error>>) -> Result<PooledConnection, sqlx::Error> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let used_last = self.idle.pop();
        let (connection, opened) = match used_last {
            Some(connection) => connection,
            // rare, and a large future: see Service::run
            None => Box::pin(self.open(refused)).await?,
        };
        Ok(PooledConnection { connection, opened, idle: Arc::clone(&self.idle), permit })
    }

    /// Opens a connection, or returns one that is released while the server does not accept new ones.
    async fn open(&self, refused: &Mutex<Option<sqlx::Error>>) -> Result<(PgConnection, Instant), sqlx::Error> {
        let (mut pause, longest) = PAUSES;
        loop {
            let refusal = match self.connector.connect().await {
                Ok(connection) => return Ok((connection, Instant::now())),
                Err(refusal) => refusal,
            };
            let is_transient = match &refusal {
                sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
                sqlx::Error::Database(refusal) => refusal.is_transient_in_connect_phase(),
                _ => false,
            };
            if !is_transient {
                return Err(NoConnection::error(refusal, false));
            }
            *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
            if let Ok(released) = tokio::time::timeout(pause, self.idle.next()).await {
                return Ok(released);
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Waits until no connection is in use and closes all. None can be acquired afterwards.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(self.max_connections).await;
        self.permits.close();
        drop(all);
        let idle = mem::take(&mut *self.idle.lock());
        close_all(idle).await;
    }
}

impl PooledConnection {
    /// Releases the connection with the outcome of its statement, which must not have changed the session. The connection
    /// is reused unless the statement has lost it.
    pub(super) fn release<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if let Err(error) = &outcome
            && is_stale(error)
            && self.opened.elapsed() > FRESH
        {
            // the sessions of idle connections may be stale too
            self.idle.lock().retain(|idle| idle.opened.elapsed() <= FRESH);
        } else if outcome.as_ref().err().is_none_or(is_refusal) {
            self.idle.push(self.connection, self.opened);
            // only now is a connection available for the permit
            drop(self.permit);
        }
        outcome
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Idle {
    fn push(&self, connection: PgConnection, opened: Instant) {
        self.lock().push(IdleConnection { connection, opened, idle_since: Instant::now() });
        self.released.notify_one();
    }

    /// The most recently used idle connection, with the time when it was opened.
    fn pop(&self) -> Option<(PgConnection, Instant)> {
        self.lock().pop().map(|idle| (idle.connection, idle.opened))
    }

    /// The next connection that is released.
    async fn next(&self) -> (PgConnection, Instant) {
        loop {
            // another task may have taken the connection
            if let Some(connection) = self.pop() {
                return connection;
            }
            self.released.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that have been idle for too long, until the pool is dropped.
async fn close_idle(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let Some(idle) = idle.upgrade() else { return };
        // the connections at the front have been idle longest
        let expired: Vec<_> = idle.lock().extract_if(.., |idle| idle.idle_since.elapsed() > MAX_IDLE).collect();
        close_all(expired).await;
    }
}

async fn close_all(connections: Vec<IdleConnection>) {
    for idle in connections {
        // an error here means that the server has already closed it
        let _ = idle.connection.close().await;
    }
}
