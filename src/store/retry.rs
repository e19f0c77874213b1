//! Runs a statement: acquires a connection, runs it, releases the connection, and retries if that is safe.

use std::{io::ErrorKind, pin::pin, time::Duration};

use futures_util::{TryStreamExt, stream::BoxStream};
use sqlx::{
    FromRow, PgConnection, Postgres,
    postgres::{PgArguments, PgRow},
    query::{Map, Query, QueryScalar},
};

use super::{
    canceller::CurrentSession,
    failure::{is_lost_connection, is_stale, may_succeed_elsewhere, meaning_of, no_room, outage_of, refusal_of},
    pool::{Lane, OnReplica},
    positions::Untold,
    states::Meaning,
};
use crate::memory;

/// Maximum number of attempts of a write. The functions take locks in a fixed order, so retries are only needed when the
/// server rolls back under load.
const WRITE_ATTEMPTS: usize = 5;

/// When a failed statement is retried. With each of these but `Never` it is retried once if it was refused because of
/// cached state of the session: it was not executed, and a new connection may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// It changes nothing, so it is also retried after a lost connection: once for each connection of the pool and once
    /// more.
    Read,
    /// It may have been committed when the connection was lost, so it is only retried if the server reports that it
    /// rolled back.
    Write,
    /// The beginning of work that may take long, but which itself is short: as a read, with a deadline even if the
    /// profile has none.
    Begin,
    /// Never, not even with a stale session.
    Never,
}

/// A statement with its arguments, as `sqlx::query` and the checked macros create it.
pub(super) trait Statement: Send {
    type Row: Send;

    fn fetch<'c>(self, connection: &'c mut PgConnection) -> BoxStream<'c, Result<Self::Row, sqlx::Error>>
    where
        Self: 'c,
        Self::Row: 'c;

    fn fetch_all(
        self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    fn fetch_one(self, connection: &mut PgConnection) -> impl Future<Output = Result<Self::Row, sqlx::Error>> + Send;

    fn fetch_optional(
        self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Option<Self::Row>, sqlx::Error>> + Send;
}

impl Lane<'_> {
    /// All rows of a statement.
    pub(super) async fn fetch_all<S: Statement>(
        self,
        retry: Retry,
        statement: impl Fn() -> S,
    ) -> Result<Vec<S::Row>, sqlx::Error> {
        let (session, statement) = (&CurrentSession::default(), &statement);
        self.run(retry, session, |lane| async move {
            let mut running = lane.begin_statement(session).await?;
            let outcome = statement().fetch_all(running.connection()?).await;
            running.release_in(lane, outcome).await
        })
        .await
    }

    /// What is made of the rows of a statement that may be large. `read` also returns the size of what it makes, which the
    /// request keeps. If there is no room for it, the statement is cancelled.
    pub(super) async fn fetch_large<S: Statement, T>(
        self,
        retry: Retry,
        statement: impl Fn() -> S,
        read: impl Fn(S::Row) -> Result<(T, usize), sqlx::Error>,
    ) -> Result<Vec<T>, sqlx::Error> {
        let (session, statement, read) = (&CurrentSession::default(), &statement, &read);
        let account = &memory::current();
        self.run(retry, session, |lane| async move {
            let mut running = lane.begin_statement(session).await?;
            let mut kept = 0;
            let outcome = async {
                let mut rows = statement().fetch(running.connection()?);
                let mut made = Vec::new();
                while let Some(row) = rows.try_next().await? {
                    let (one, size) = read(row)?;
                    if let Some(account) = account {
                        account.keep(size).map_err(no_room)?;
                        kept += size;
                    }
                    made.push(one);
                }
                Ok(made)
            }
            .await;
            if let (Err(_), Some(account)) = (&outcome, account) {
                account.release(kept);
            }
            running.release(outcome)
        })
        .await
    }

    /// The only row of a statement.
    pub(super) async fn fetch_one<S: Statement>(
        self,
        retry: Retry,
        statement: impl Fn() -> S,
    ) -> Result<S::Row, sqlx::Error> {
        let (session, statement) = (&CurrentSession::default(), &statement);
        self.run(retry, session, |lane| async move {
            let mut running = lane.begin_statement(session).await?;
            let outcome = statement().fetch_one(running.connection()?).await;
            running.release_in(lane, outcome).await
        })
        .await
    }

    /// The row of a statement, if it has one.
    pub(super) async fn fetch_optional<S: Statement>(
        self,
        retry: Retry,
        statement: impl Fn() -> S,
    ) -> Result<Option<S::Row>, sqlx::Error> {
        let (session, statement) = (&CurrentSession::default(), &statement);
        self.run(retry, session, |lane| async move {
            let mut running = lane.begin_statement(session).await?;
            let outcome = statement().fetch_optional(running.connection()?).await;
            running.release_in(lane, outcome).await
        })
        .await
    }

    /// Runs a statement and ignores its rows.
    pub(super) async fn execute(
        self,
        retry: Retry,
        statement: impl Fn() -> Query<'static, Postgres, PgArguments>,
    ) -> Result<(), sqlx::Error> {
        let (session, statement) = (&CurrentSession::default(), &statement);
        self.run(retry, session, |lane| async move {
            let mut running = lane.begin_statement(session).await?;
            let outcome = statement().execute(running.connection()?).await.map(|_| ());
            running.release_in(lane, outcome).await
        })
        .await
    }

    /// Begins work that keeps its connection: `work` acquires one and prepares it.
    pub(super) async fn begin<T, F>(self, work: impl Fn() -> F) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        self.run(Retry::Begin, &CurrentSession::default(), |_| work()).await
    }

    /// Counts an error that is no refusal of a function of the schema.
    fn failed(self, error: sqlx::Error) -> sqlx::Error {
        if refusal_of(&error).is_none() {
            self.pool.metrics().count_error(outage_of(&error));
        }
        error
    }

    /// Runs a function that acquires and releases a connection, within the deadline of the pool, as often as `retry`
    /// allows. What fails on a replica runs on the primary.
    ///
    /// Futures are created where they are awaited and not passed on: each async function that takes a future would make
    /// the future of a request larger by its size.
    async fn run<T, F>(self, retry: Retry, session: &CurrentSession, work: impl Fn(Self) -> F) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let (mut lane, mut left) = (self, self.attempts(retry));
        // one that has failed, or whose client has gone, may have been done all the same, or has seen what others have written
        let untold = Untold::new(self.noting);
        loop {
            let breaker = lane.pool.breaker();
            let deadline =
                if retry == Retry::Begin { Some(2 * lane.pool.acquire_timeout()) } else { lane.pool.deadline() };
            let refusal = breaker.refusal();
            let is_refused = refusal.is_some();
            let outcome = match refusal {
                Some(refusal) => Err(refusal),
                None => breaker.watch(pin!(work(lane)), session, deadline).await.unwrap_or_else(|| {
                    let silent = lane.pool.give_up();
                    // it is short, so only its connection is silent; of one that is known, the prober finds that out
                    if retry != Retry::Begin || session.get().is_some() || breaker.is_open() {
                        return Err(silent);
                    }
                    left = left.min(1);
                    Err(sqlx::Error::Io(ErrorKind::ConnectionAborted.into()))
                }),
            };
            let Err(error) = outcome else {
                untold.told();
                return outcome;
            };
            if let Some(OnReplica { primary, failed, .. }) = lane.replica
                && may_succeed_elsewhere(&error)
            {
                tracing::debug!(%error, "a read failed on a replica and runs on the primary");
                failed.increment();
                lane = Lane { pool: primary, replica: None, ..lane };
                left = lane.attempts(retry);
                continue;
            }
            if left == 0 || is_refused {
                return Err(lane.failed(error));
            }
            match retry {
                Retry::Read | Retry::Begin if is_lost_connection(&error) => left -= 1,
                // rolled back as a whole, so it can simply run again
                Retry::Write if matches!(meaning_of(&error), Meaning::RolledBack | Meaning::Gone) => {
                    let attempts = WRITE_ATTEMPTS - left;
                    tracing::warn!(%error, attempts, "a write was rolled back by the server, trying again");
                    tokio::time::sleep(Duration::from_millis(5 << attempts)).await;
                    left -= 1;
                }
                // one attempt on a new connection shows whether the session was the cause
                _ if is_stale(&error) => left = 0,
                _ => return Err(lane.failed(error)),
            }
        }
    }

    /// How often it may run again.
    fn attempts(self, retry: Retry) -> usize {
        match retry {
            Retry::Read | Retry::Begin => self.pool.size() + 1,
            Retry::Write => WRITE_ATTEMPTS - 1,
            Retry::Never => 0,
        }
    }
}

/// The methods call those of the same name on the type itself.
macro_rules! statement_of {
    ($row:ty) => {
        type Row = $row;

        fn fetch<'c>(self, connection: &'c mut PgConnection) -> BoxStream<'c, Result<$row, sqlx::Error>>
        where
            Self: 'c,
            $row: 'c,
        {
            Self::fetch(self, connection)
        }

        async fn fetch_all(self, connection: &mut PgConnection) -> Result<Vec<$row>, sqlx::Error> {
            Self::fetch_all(self, connection).await
        }

        async fn fetch_one(self, connection: &mut PgConnection) -> Result<$row, sqlx::Error> {
            Self::fetch_one(self, connection).await
        }

        async fn fetch_optional(self, connection: &mut PgConnection) -> Result<Option<$row>, sqlx::Error> {
            Self::fetch_optional(self, connection).await
        }
    };
}

impl Statement for Query<'_, Postgres, PgArguments> {
    statement_of!(PgRow);
}

impl<F, O> Statement for Map<'_, Postgres, F, PgArguments>
where
    F: FnMut(PgRow) -> Result<O, sqlx::Error> + Send,
    O: Send + Unpin,
{
    statement_of!(O);
}

impl<O> Statement for QueryScalar<'_, Postgres, O, PgArguments>
where
    O: Send + Unpin,
    (O,): Send + Unpin + for<'r> FromRow<'r, PgRow>,
{
    statement_of!(O);
}
