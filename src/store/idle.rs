//! The idle connections of a pool.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;

use super::{canceller::Session, failure::is_refusal, turns::Turns};

/// Idle connections; the most recently used is the last.
#[derive(Debug, Default)]
pub(super) struct Idle {
    connections: Mutex<Vec<IdleConnection>>,
    /// Notifies tasks that wait while the server does not accept new connections that one was released.
    released: Notify,
}

#[derive(Debug)]
pub(super) struct IdleConnection {
    connection: OpenConnection,
    idle_since: Instant,
}

/// Which thread a connection belongs to: its runtime wakes whoever waits for an answer on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// Those of the runtime that the pool was created on.
    Pool,
    /// The one that opened it, which gets it again if possible. Another one is woken later, and has to retry what it reads
    /// if the first ends.
    Caller,
}

/// A connection, and what is known of it.
#[derive(Debug)]
pub(super) struct OpenConnection {
    pub(super) connection: PgConnection,
    pub(super) session: Option<Session>,
    /// The number of its server.
    pub(super) server: usize,
    /// When that was started.
    pub(super) run: i64,
    pub(super) opened: Instant,
    /// Up to where a replica had replayed the log by then.
    pub(super) replayed: i64,
    pub(super) recoveries: u32,
    pub(super) opened_by: ThreadId,
}

impl OpenConnection {
    /// Reads what is still to arrive on it. The server only answers the ping once it has ended the statement.
    pub(super) async fn drain(&mut self) -> bool {
        // the error that says that it was cancelled, and one of the statement itself
        for _ in 0..3 {
            match self.connection.ping().await {
                Ok(()) => return true,
                Err(error) if is_refusal(&error) => {}
                Err(_) => return false,
            }
        }
        false
    }
}

impl Idle {
    pub(super) fn push(&self, connection: OpenConnection) {
        self.lock().push(IdleConnection { connection, idle_since: Instant::now() });
        self.released.notify_one();
    }

    /// The most recently used one, for who has one of these turns.
    pub(super) fn take(&self, home: Home, turns: &Turns) -> Option<OpenConnection> {
        match home {
            Home::Pool => self.pop(),
            Home::Caller => self.pop_own(turns.free()),
        }
    }

    /// The most recently used idle connection.
    fn pop(&self) -> Option<OpenConnection> {
        self.lock().pop().map(|idle| idle.connection)
    }

    /// The most recently used one of this thread; one of another thread if there are as many connections as there may be.
    fn pop_own(&self, unused: u32) -> Option<OpenConnection> {
        let (caller, unused) = (thread::current().id(), usize::try_from(unused).unwrap_or(usize::MAX));
        let mut idle = self.lock();
        let own = idle.iter().rposition(|idle| idle.connection.opened_by == caller);
        // each turn that is in use has a connection or will open one
        let any = || if idle.len() > unused { idle.len().checked_sub(1) } else { None };
        let at = own.or_else(any)?;
        Some(idle.remove(at).connection)
    }

    /// The next connection that is released.
    pub(super) async fn next(&self) -> OpenConnection {
        loop {
            // another task may have taken the connection
            if let Some(connection) = self.pop() {
                return connection;
            }
            self.released.notified().await;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn take_all(&self) -> Vec<IdleConnection> {
        mem::take(&mut *self.lock())
    }

    /// Those that have been idle for longer.
    pub(super) fn take_unused(&self, age: Duration) -> Vec<IdleConnection> {
        self.lock().extract_if(.., |idle| idle.idle_since.elapsed() > age).collect()
    }

    /// Closes those that are older.
    pub(super) fn close_opened_before(&self, age: Duration) {
        self.lock().retain(|idle| idle.connection.opened.elapsed() <= age);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections, and tells the server.
pub(super) async fn close_all(connections: Vec<IdleConnection>) {
    for idle in connections {
        // an error here means that the server has already closed it
        let _ = idle.connection.connection.close().await;
    }
}
