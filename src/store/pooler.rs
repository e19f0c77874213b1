//! Whether a connection keeps its session, which it does not behind a connection pooler in transaction mode.
//!
//! `docs/adr/0036-no-pooler-without-sessions.md` explains why tagd does not serve there.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, Row, postgres::PgConnectOptions};
use tokio::sync::Mutex;
use uuid::Uuid;

/// How often it is tried: while other clients of the pooler are busy, a single try may find the value by chance.
const ROUNDS: usize = 5;

/// How long the server may take for a step.
const PATIENCE: Duration = Duration::from_secs(2);

/// The connection does not keep its session. It is wrapped in [`sqlx::Error::Configuration`], since connecting has the errors
/// of the driver.
#[derive(Debug, thiserror::Error)]
#[error("the database is behind a connection pooler that does not keep sessions")]
pub(super) struct SessionLost;

impl SessionLost {
    /// Whether an error is this one.
    pub(super) fn is_within(error: &sqlx::Error) -> bool {
        matches!(error, sqlx::Error::Configuration(source) if source.is::<Self>())
    }
}

/// Checks new connections to one server. Clones share the outcome.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionCheck {
    /// When the last check began that found sessions to be kept.
    kept: Arc<Mutex<Option<Instant>>>,
}

impl SessionCheck {
    /// Fails if a new connection does not keep its session. `options` are those it was opened with.
    ///
    /// The connection sets a value of its session. A second one begins a transaction, for which a pooler in transaction mode
    /// takes the connection to the server that has just become free: the one with the value. So the first one does not find
    /// its value any more, or has to wait for the end of the transaction.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        options: &PgConnectOptions,
    ) -> Result<(), sqlx::Error> {
        let opened = Instant::now();
        let mut kept = self.kept.lock().await;
        // those that were opened while another one was being checked share the next check
        if kept.is_some_and(|begun| begun >= opened) {
            return Ok(());
        }
        let begun = Instant::now();
        let mut other = match in_time(options.connect()).await {
            // no connection is left for the check; the next one that is opened is checked
            Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some("53300") => return Ok(()),
            other => other?,
        };
        for _ in 0..ROUNDS {
            if !keeps_session(connection, &mut other).await? {
                return Err(sqlx::Error::Configuration(SessionLost.into()));
            }
        }
        *kept = Some(begun);
        Ok(())
    }
}

/// Whether a connection finds a value again that it has set, beside another one in a transaction.
///
/// All are simple queries: a pooler may also confuse prepared statements.
async fn keeps_session(connection: &mut PgConnection, other: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let value = Uuid::new_v4().simple().to_string();
    in_time(connection.execute(AssertSqlSafe(format!("set tagd.session = '{value}'")))).await?;
    in_time(other.execute("begin")).await?;
    let found = match in_time(connection.fetch_one("select current_setting('tagd.session', true)")).await {
        // it waits for the end of the transaction, unless the server does not respond at all
        Err(sqlx::Error::Io(late)) if late.kind() == ErrorKind::TimedOut => None,
        found => found?.try_get_unchecked::<Option<String>, _>(0)?,
    };
    in_time(other.execute("rollback")).await?;
    Ok(found.is_some_and(|found| found == value))
}

/// The outcome of a step, or the error for one that takes too long.
async fn in_time<T>(step: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| io::Error::new(ErrorKind::TimedOut, "the database did not answer in time");
    tokio::time::timeout(PATIENCE, step).await.map_err(late)?
}
