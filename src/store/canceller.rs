//! Cancels statements on the server whose requests have ended.
//!
//! The driver has no cancel requests, so another session asks for it.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::{mpsc, oneshot};

use super::{connect::StoreSettings, failure::StoreError};

/// How long one request to the server may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long the connection may be idle before it is closed.
const MAX_IDLE: Duration = Duration::from_mins(10);

/// Statements that are cancelled with one request.
const MOST: usize = 64;

/// A session of the server. Its number alone may later be that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Session {
    /// Its process.
    pub(super) pid: i32,
    /// When that was started, in microseconds since 1970.
    pub(super) started: i64,
}

/// Cancels statements, over one connection that is opened when it is first needed. Clones share it.
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
    let mut kept = None;
    let mut pending = Vec::new();
    loop {
        match tokio::time::timeout(MAX_IDLE, receiver.recv_many(&mut pending, MOST)).await {
            Ok(0) => return,
            Ok(_) => {
                let sessions: Vec<_> = pending.iter().map(|pending| pending.session).collect();
                match cancel(&settings, kept.take(), &sessions).await {
                    Ok(connection) => {
                        kept = Some(connection);
                        for Pending { done, .. } in pending.drain(..) {
                            // it may have given up
                            let _ = done.send(());
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "statements were not cancelled, closing their connections");
                        pending.clear();
                    }
                }
            }
            Err(_) => {
                if let Some(connection) = kept.take() {
                    let _ = PgConnection::close(connection).await;
                }
            }
        }
    }
}

/// Cancels what sessions are doing: on the connection that was kept, or on a new one if that fails.
async fn cancel(
    settings: &StoreSettings,
    kept: Option<PgConnection>,
    sessions: &[Session],
) -> Result<PgConnection, StoreError> {
    if let Some(mut connection) = kept
        && ask(&mut connection, sessions).await.is_ok()
    {
        return Ok(connection);
    }
    let connecting = tokio::time::timeout(TIMEOUT, settings.connect_as_login()).await;
    let mut connection = connecting.map_err(|_| StoreError::Database(sqlx::Error::PoolTimedOut))??;
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
