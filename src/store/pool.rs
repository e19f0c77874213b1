//! Connections on loan, without a word to the database before or after.
//!
//! `docs/adr/0007-a-pool-of-our-own.md` tells why it is not sqlx's.

use std::{
    io::ErrorKind,
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use sqlx::{
    Connection, PgConnection,
    postgres::{PgDatabaseError, PgSeverity},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::Opener;

/// How long a connection may lie unused before it is closed.
const IDLE: Duration = Duration::from_mins(10);

/// How often is looked for such.
const ROUND: Duration = Duration::from_mins(1);

/// How long to wait before a refused connection is tried again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Some connections, each made when it is needed. Copies share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    opener: Arc<Opener>,
    patience: Duration,
    most: u32,
    /// A permit for each connection that may be lent.
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Idle>>,
}

/// Connections that are not lent, with the time since when; the one used last is the last.
type Idle = Vec<(PgConnection, Instant)>;

/// A connection on loan. Unless the loan is [ended](Loan::end), the connection is closed: a statement that was dropped
/// half-way has its answer still to come, and what an import or an export does to its session is not for the next one.
#[derive(Debug)]
pub(super) struct Loan {
    connection: PgConnection,
    idle: Arc<Mutex<Idle>>,
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

    /// How many connections there are at most just now.
    pub(super) fn size(&self) -> usize {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        lock(&self.idle).len() + most.saturating_sub(self.permits.available_permits())
    }

    /// Borrows the connection used last, or a new one. Waits where all are lent or the server has none to give yet.
    pub(super) async fn borrow(&self) -> Result<Loan, sqlx::Error> {
        match tokio::time::timeout(self.patience, self.wait()).await {
            Ok(loan) => loan,
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }

    async fn wait(&self) -> Result<Loan, sqlx::Error> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let used_last = lock(&self.idle).pop();
        let connection = match used_last {
            Some((connection, _)) => connection,
            None => self.open().await?,
        };
        Ok(Loan { connection, idle: Arc::clone(&self.idle), permit })
    }

    async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        let (mut pause, longest) = PAUSES;
        loop {
            match self.opener.open().await {
                Err(sqlx::Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(sqlx::Error::Database(refusal)) if refusal.is_transient_in_connect_phase() => {}
                outcome => return outcome,
            }
            tokio::time::sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    /// Waits for the loans to end and closes the connections. Nobody can borrow any more.
    pub(super) async fn close(&self) {
        let loans = self.permits.acquire_many(self.most).await;
        self.permits.close();
        drop(loans);
        let idle = mem::take(&mut *lock(&self.idle));
        close_all(idle).await;
    }
}

impl Loan {
    /// Ends the loan with what came of the statement, which has left nothing behind in the session. The next may have
    /// the connection unless this one has lost it.
    pub(super) fn end<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if outcome.as_ref().err().is_none_or(is_refusal) {
            lock(&self.idle).push((self.connection, Instant::now()));
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

/// Whether the server refused a statement and nothing more: the connection is as good as before.
fn is_refusal(error: &sqlx::Error) -> bool {
    let refusal = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    // what is worse than an error ends the session
    refusal.is_some_and(|refusal| refusal.severity() == PgSeverity::Error)
}

/// Closes connections that were not used for a while, as long as there is a pool.
async fn close_unused(idle: Weak<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let Some(idle) = idle.upgrade() else { return };
        // the ones at the front lie there longest
        let unused: Idle = lock(&idle).extract_if(.., |(_, since)| since.elapsed() > IDLE).collect();
        close_all(unused).await;
    }
}

async fn close_all(connections: Idle) {
    for (connection, _) in connections {
        // a server that is gone needs no farewell
        let _ = connection.close().await;
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
