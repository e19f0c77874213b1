//! Connections on loan, without a word to the database before or after.
//!
//! `docs/adr/0007-a-pool-of-our-own.md` tells why it is not sqlx's.

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
    connect::Opener,
    failure::{NoConnection, is_lost_connection, is_refusal, is_stale},
};

/// How long a connection may lie unused before it is closed.
const IDLE: Duration = Duration::from_mins(10);

/// How often is looked for such.
const ROUND: Duration = Duration::from_mins(1);

/// How long to wait before a refused connection is tried again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// A connection younger than this remembers nothing of the database that is not so any more.
const FRESH: Duration = Duration::from_secs(1);

/// Some connections, each made when it is needed. Copies share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    opener: Arc<Opener>,
    patience: Duration,
    most: u32,
    /// A permit for each connection that may be lent.
    permits: Arc<Semaphore>,
    idle: Arc<Idle>,
}

/// Connections that are not lent; the one used last is the last.
#[derive(Debug, Default)]
struct Idle {
    connections: Mutex<Vec<Unused>>,
    /// One came back, for those who wait while the server has no new one to give.
    returned: Notify,
}

/// A connection that is not lent.
#[derive(Debug)]
struct Unused {
    connection: PgConnection,
    made: Instant,
    /// Since when it lies there.
    since: Instant,
}

/// A connection on loan. Unless the loan is [ended](Loan::end), the connection is closed: a statement that was dropped
/// half-way has its answer still to come, and what an import or an export does to its session is not for the next one.
#[derive(Debug)]
pub(super) struct Loan {
    connection: PgConnection,
    made: Instant,
    idle: Arc<Idle>,
    // behind the connection, which is closed first
    permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool of at most so many connections, in which nobody waits longer than `patience` for one.
    pub(super) fn new(opener: Opener, most: u32, patience: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)));
        let idle = Arc::default();
        tokio::spawn(close_unused(Arc::downgrade(&idle)));
        Self { opener: Arc::new(opener), patience, most, permits, idle }
    }

    /// How long somebody waits for a connection at most.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Most connections at a time.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// How many connections there are at most just now.
    pub(super) fn size(&self) -> usize {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        self.idle.lock().len() + most.saturating_sub(self.permits.available_permits())
    }

    /// How long borrowing and a statement may take: as long as the server lets it run, and as long as one waits for a
    /// connection before it and for its answer behind it. `None` where statements may take their time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.opener.statement_timeout().map(|most| most + 2 * self.patience)
    }

    /// Gives a statement up that is not answered in time, with its connection. The server ends what takes too long; if
    /// not even that is heard, it is gone or a firewall has forgotten the connection, and TCP may take hours to say so.
    pub(super) async fn in_time<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let Some(deadline) = self.deadline() else { return statement.await };
        self.within(deadline, statement).await
    }

    /// The same for what begins work that may take its time, and takes none itself. It begins again where the connection
    /// turns out to be dead or out of date.
    pub(super) async fn begin<T, F>(&self, work: impl Fn() -> F) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let mut left = self.size() + 1;
        loop {
            match self.within(2 * self.patience, work()).await {
                Err(error) if left > 0 && is_lost_connection(&error) => left -= 1,
                Err(error) if left > 0 && is_stale(&error) => left = 0,
                outcome => return outcome,
            }
        }
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        if let Ok(outcome) = tokio::time::timeout(deadline, statement).await {
            return outcome;
        }
        // what has lain there meanwhile is as dead, and the next would wait as long to find that out
        let silent = mem::take(&mut *self.idle.lock());
        tracing::warn!(idle = silent.len(), "the database has fallen silent, its connections are given up");
        Err(sqlx::Error::Io(io::Error::new(ErrorKind::TimedOut, "the database did not answer in time")))
    }

    /// Borrows the connection used last, or a new one. Waits where all are lent or the server has none to give yet.
    pub(super) async fn borrow(&self) -> Result<Loan, sqlx::Error> {
        let refused = Mutex::new(None);
        match tokio::time::timeout(self.patience, self.wait(&refused)).await {
            Ok(loan) => loan,
            // why there was none, if the server said so
            Err(_) => Err(match refused.into_inner().unwrap_or_else(PoisonError::into_inner) {
                Some(refusal) => NoConnection::error(refusal, true),
                None => sqlx::Error::PoolTimedOut,
            }),
        }
    }

    async fn wait(&self, refused: &Mutex<Option<sqlx::Error>>) -> Result<Loan, sqlx::Error> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let used_last = self.idle.pop();
        let (connection, made) = match used_last {
            Some(connection) => connection,
            // seldom, and large: see Service::run
            None => Box::pin(self.open(refused)).await?,
        };
        Ok(Loan { connection, made, idle: Arc::clone(&self.idle), permit })
    }

    /// Opens a connection, or takes one that comes back while the server has none to give.
    async fn open(&self, refused: &Mutex<Option<sqlx::Error>>) -> Result<(PgConnection, Instant), sqlx::Error> {
        let (mut pause, longest) = PAUSES;
        loop {
            let refusal = match self.opener.open().await {
                Ok(connection) => return Ok((connection, Instant::now())),
                Err(refusal) => refusal,
            };
            let is_passing = match &refusal {
                sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
                sqlx::Error::Database(refusal) => refusal.is_transient_in_connect_phase(),
                _ => false,
            };
            if !is_passing {
                return Err(NoConnection::error(refusal, false));
            }
            *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
            if let Ok(returned) = tokio::time::timeout(pause, self.idle.next()).await {
                return Ok(returned);
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Waits for the loans to end and closes the connections. Nobody can borrow any more.
    pub(super) async fn close(&self) {
        let loans = self.permits.acquire_many(self.most).await;
        self.permits.close();
        drop(loans);
        let idle = mem::take(&mut *self.idle.lock());
        close_all(idle).await;
    }
}

impl Loan {
    /// Ends the loan with what came of the statement, which has left nothing behind in the session. The next may have
    /// the connection unless this one has lost it.
    pub(super) fn end<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if let Err(error) = &outcome
            && is_stale(error)
            && self.made.elapsed() > FRESH
        {
            // those that lie there may remember the same
            self.idle.lock().retain(|unused| unused.made.elapsed() <= FRESH);
        } else if outcome.as_ref().err().is_none_or(is_refusal) {
            self.idle.push(self.connection, self.made);
            // now there is something to borrow
            drop(self.permit);
        }
        outcome
    }
}

impl Deref for Loan {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Idle {
    fn push(&self, connection: PgConnection, made: Instant) {
        self.lock().push(Unused { connection, made, since: Instant::now() });
        self.returned.notify_one();
    }

    /// The one used last, with the time when it was made.
    fn pop(&self) -> Option<(PgConnection, Instant)> {
        self.lock().pop().map(|unused| (unused.connection, unused.made))
    }

    /// The next one that comes back.
    async fn next(&self) -> (PgConnection, Instant) {
        loop {
            // somebody else may have been faster
            if let Some(connection) = self.pop() {
                return connection;
            }
            self.returned.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Unused>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that were not used for a while, as long as there is a pool.
async fn close_unused(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(idle) = idle.upgrade() else { return };
        // the ones at the front lie there longest
        let unused: Vec<_> = idle.lock().extract_if(.., |unused| unused.since.elapsed() > IDLE).collect();
        close_all(unused).await;
    }
}

async fn close_all(connections: Vec<Unused>) {
    for unused in connections {
        // a server that is gone needs no farewell
        let _ = unused.connection.close().await;
    }
}
