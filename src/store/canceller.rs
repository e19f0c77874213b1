//! Cancels statements on the server whose requests have ended.
//!
//! The driver has no cancel requests, so another session asks for it.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicI32, AtomicI64, AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tokio::sync::{mpsc, oneshot};

use super::connect::StoreSettings;

/// How long one request to the server may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the connection may be idle before it is closed.
const MAX_IDLE: Duration = Duration::from_mins(10);

/// Statements that are cancelled with one request.
const MOST: usize = 64;

/// A session of the server. Its number alone may later be that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Session {
    /// The number of the server, if there are several.
    pub(super) server: usize,
    /// Its process.
    pub(super) pid: i32,
    /// When that was started, in microseconds since 1970.
    pub(super) started: i64,
}

/// The session that a statement runs in, once it has one.
#[derive(Debug, Default)]
pub(super) struct CurrentSession {
    server: AtomicUsize,
    pid: AtomicI32,
    started: AtomicI64,
}

impl CurrentSession {
    pub(super) fn set(&self, session: Option<Session>) {
        let Session { server, pid, started } = session.unwrap_or(Session { server: 0, pid: 0, started: 0 });
        self.server.store(server, Relaxed);
        self.pid.store(pid, Relaxed);
        self.started.store(started, Relaxed);
    }

    /// Only the task that has set it reads it.
    pub(super) fn get(&self) -> Option<Session> {
        let (server, pid, started) = (self.server.load(Relaxed), self.pid.load(Relaxed), self.started.load(Relaxed));
        let session = Session { server, pid, started };
        (session.pid != 0).then_some(session)
    }
}

/// Cancels statements, over one connection to each server that is opened when it is first needed. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Canceller {
    sender: mpsc::UnboundedSender<Pending>,
}

/// A session whose statement is to be cancelled.
#[derive(Debug)]
struct Pending {
    session: Session,
    done: oneshot::Sender<()>,
}

impl Canceller {
    /// A canceller on the runtime of the caller.
    pub(super) fn new(settings: &StoreSettings) -> Self {
        // each waits with a connection in its hand, so there are no more of them than connections
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(run(settings.clone(), receiver));
        Self { sender }
    }

    /// Cancels what a session is doing. Once this returns true, nothing that is sent to it later is cancelled. False if the
    /// server could not be asked.
    pub(super) async fn cancel(&self, session: Session) -> bool {
        let (done, is_done) = oneshot::channel();
        self.sender.send(Pending { session, done }).is_ok() && is_done.await.is_ok()
    }
}

async fn run(settings: StoreSettings, mut receiver: mpsc::UnboundedReceiver<Pending>) {
    let mut kept: HashMap<usize, PgConnection> = HashMap::new();
    let mut pending = Vec::new();
    loop {
        match tokio::time::timeout(MAX_IDLE, receiver.recv_many(&mut pending, MOST)).await {
            Ok(0) => return,
            Ok(_) => {
                while let Some(server) = pending.first().map(|pending| pending.session.server) {
                    let (of_server, others) = pending.drain(..).partition(|pending| pending.session.server == server);
                    pending = others;
                    if let Some(connection) = cancel_all(&settings, server, kept.remove(&server), of_server).await {
                        kept.insert(server, connection);
                    }
                }
            }
            Err(_) => {
                for (_, connection) in kept.drain() {
                    let _ = PgConnection::close(connection).await;
                }
            }
        }
    }
}

/// Cancels what sessions of a server are doing, and tells those who wait for that. Returns the connection, if it can be used again.
async fn cancel_all(
    settings: &StoreSettings,
    server: usize,
    kept: Option<PgConnection>,
    pending: Vec<Pending>,
) -> Option<PgConnection> {
    let sessions: Vec<_> = pending.iter().map(|pending| pending.session).collect();
    match cancel(settings, server, kept, &sessions).await {
        Ok(connection) => {
            for Pending { done, .. } in pending {
                // it may have given up
                let _ = done.send(());
            }
            Some(connection)
        }
        Err(error) => {
            tracing::debug!(%error, "statements were not cancelled, closing their connections");
            None
        }
    }
}

/// Cancels what sessions are doing: on the connection that was kept, or on a new one if that fails.
async fn cancel(
    settings: &StoreSettings,
    server: usize,
    kept: Option<PgConnection>,
    sessions: &[Session],
) -> Result<PgConnection, sqlx::Error> {
    if let Some(mut connection) = kept
        && ask(&mut connection, sessions).await.is_ok()
    {
        return Ok(connection);
    }
    let connecting = tokio::time::timeout(TIMEOUT, settings.connect_to(server)).await;
    let mut connection = connecting.map_err(|_| sqlx::Error::PoolTimedOut)??;
    ask(&mut connection, sessions).await?;
    Ok(connection)
}

/// Asks the server. A session that has ended meanwhile is none of it.
async fn ask(connection: &mut PgConnection, sessions: &[Session]) -> Result<(), sqlx::Error> {
    let (pids, started): (Vec<i32>, Vec<i64>) = sessions.iter().map(|session| (session.pid, session.started)).unzip();
    let asked = sqlx::query(
        "select pg_catalog.pg_cancel_backend(a.pid)
           from unnest($1::int4[], $2::int8[]) as w (pid, started)
          cross join lateral pg_catalog.pg_stat_get_activity(w.pid) a
          where (extract(epoch from a.backend_start) * 1000000)::int8 = w.started",
    )
    .bind(pids)
    .bind(started)
    .execute(connection);
    match tokio::time::timeout(TIMEOUT, asked).await {
        Ok(asked) => asked.map(|_| ()),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
