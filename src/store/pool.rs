//! The pool of connections, which asks the database nothing when one is acquired or released.
//!
//! `docs/adr/0007-a-pool-of-our-own.md` has the reasons why it is not sqlx's.

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

/// How long to wait before a refused connection is tried again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// The session of a connection younger than this is not out of date.
const FRESH: Duration = Duration::from_secs(1);

/// Some connections, each opened when it is needed. Copies share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connector: Arc<Connector>,
    acquire_timeout: Duration,
    max_connections: u32,
    /// A permit for each connection that may be acquired.
    permits: Arc<Semaphore>,
    idle: Arc<Idle>,
}

/// Connections that nobody uses; the one used last is the last.
#[derive(Debug, Default)]
struct Idle {
    connections: Mutex<Vec<IdleConnection>>,
    /// One was released, for those who wait while the server does not accept a new one.
    released: Notify,
}

#[derive(Debug)]
struct IdleConnection {
    connection: PgConnection,
    opened: Instant,
    idle_since: Instant,
}

/// A connection in use. Unless it is [released](PooledConnection::release), it is closed: of a statement that was dropped
/// half-way the answer is still to come, and what an import or an export changes in its session is not for the next user.
#[derive(Debug)]
pub(super) struct PooledConnection {
    connection: PgConnection,
    opened: Instant,
    idle: Arc<Idle>,
    // after the connection, which is closed first
    permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool of at most so many connections, which [`acquire`](Self::acquire) waits for no longer than `acquire_timeout`.
    pub(super) fn new(connector: Connector, max_connections: u32, acquire_timeout: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(usize::try_from(max_connections).unwrap_or(Semaphore::MAX_PERMITS)));
        let idle = Arc::default();
        tokio::spawn(close_idle(Arc::downgrade(&idle)));
        Self { connector: Arc::new(connector), acquire_timeout, max_connections, permits, idle }
    }

    /// How long to wait for a connection at most.
    pub(super) fn acquire_timeout(&self) -> Duration {
        self.acquire_timeout
    }

    /// Most connections at a time.
    pub(super) fn max_connections(&self) -> u32 {
        self.max_connections
    }

    /// An upper bound of how many connections there are now.
    pub(super) fn size(&self) -> usize {
        let most = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        self.idle.lock().len() + most.saturating_sub(self.permits.available_permits())
    }

    /// How long a statement may take with its connection: as long as the server lets it run, and the acquire timeout twice,
    /// before it for a connection and after it for its answer. `None` if there is no limit.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.connector.statement_timeout().map(|timeout| timeout + 2 * self.acquire_timeout)
    }

    /// The error of a statement that was not answered within its deadline. The server ends what takes too long; if not even
    /// that is heard, the server is gone or a firewall has forgotten the connection, and TCP may take hours to report it.
    pub(super) fn give_up(&self) -> sqlx::Error {
        // idle connections are as dead, and the next statement would wait as long to find that out
        let silent = mem::take(&mut *self.idle.lock());
        tracing::warn!(idle = silent.len(), "the database does not answer, its connections are closed");
        sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the database did not answer in time"))
    }

    /// The connection used last, or a new one. Waits while all are in use or the server does not accept a new one yet.
    pub(super) async fn acquire(&self) -> Result<PooledConnection, sqlx::Error> {
        let refused = Mutex::new(None);
        match tokio::time::timeout(self.acquire_timeout, self.wait(&refused)).await {
            Ok(acquired) => acquired,
            // the reason, if the server gave one
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
            // rare, and large: see Service::run
            None => Box::pin(self.open(refused)).await?,
        };
        Ok(PooledConnection { connection, opened, idle: Arc::clone(&self.idle), permit })
    }

    /// Opens a connection, or takes one that is released while the server does not accept a new one.
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

    /// Waits until no connection is in use and closes them. None can be acquired any more.
    pub(super) async fn close(&self) {
        let all = self.permits.acquire_many(self.max_connections).await;
        self.permits.close();
        drop(all);
        let idle = mem::take(&mut *self.idle.lock());
        close_all(idle).await;
    }
}

impl PooledConnection {
    /// Releases the connection with the outcome of its statement, which has left nothing behind in the session. It is used
    /// again unless the statement has lost it.
    pub(super) fn release<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if let Err(error) = &outcome
            && is_stale(error)
            && self.opened.elapsed() > FRESH
        {
            // the sessions of idle ones may be as much out of date
            self.idle.lock().retain(|idle| idle.opened.elapsed() <= FRESH);
        } else if outcome.as_ref().err().is_none_or(is_refusal) {
            self.idle.push(self.connection, self.opened);
            // only now is there a connection for the permit
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

    /// The one used last, with the time when it was opened.
    fn pop(&self) -> Option<(PgConnection, Instant)> {
        self.lock().pop().map(|idle| (idle.connection, idle.opened))
    }

    /// The next one that is released.
    async fn next(&self) -> (PgConnection, Instant) {
        loop {
            // another task may have been faster
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

/// Closes connections that have been idle for long, as long as the pool exists.
async fn close_idle(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let Some(idle) = idle.upgrade() else { return };
        // the ones at the front have been idle longest
        let expired: Vec<_> = idle.lock().extract_if(.., |idle| idle.idle_since.elapsed() > MAX_IDLE).collect();
        close_all(expired).await;
    }
}

async fn close_all(connections: Vec<IdleConnection>) {
    for idle in connections {
        // if the server is gone, there is nobody to tell
        let _ = idle.connection.close().await;
    }
}
