//! Queries for the cheapest answers that come at the same time are answered together, in one statement.
//!
//! `docs/adr/0013-cheap-reads-together.md` has the reasons.

use sqlx::{Row, postgres::PgRow};

use super::{
    failure::{is_lost_connection, is_stale, outage_of},
    lines::{Desk, Lines, Waiting},
    pool::Pool,
    resources::bind,
};
use crate::{
    compiler::{Compiled, Together, join},
    domain::{Outage, RequestError},
};

/// What a query gets that waited.
pub(super) enum Served {
    Rows(Vec<PgRow>),
    /// It failed with others: its caller asks by itself, so that an error is that of the query that has it.
    Alone,
    /// No statement can be answered now, for this reason.
    Unavailable(Outage, String),
}

/// Puts queries together: the first goes at once, and those that come meanwhile go with the next statement. Copies share
/// one queue.
#[derive(Debug, Clone)]
pub(super) struct ReadQueue {
    pool: Pool,
    lines: Lines<Self>,
}

/// What came of a query that was to go with others.
pub(super) enum Joined {
    /// Its rows.
    Rows(Vec<PgRow>),
    /// Nothing: the caller asks by itself. Who comes meanwhile waits until the head, if there is one, is dropped.
    Alone(Option<Head>),
    /// The database does not answer.
    Failed(RequestError),
}

impl ReadQueue {
    pub(super) fn new(pool: Pool) -> Self {
        let lines = Lines::new(pool.most());
        Self { pool, lines }
    }

    /// Puts a query into its line and waits for what comes of it.
    pub(super) async fn join(&self, query: &Compiled) -> Joined {
        let Some(together) = query.together else { return Joined::Alone(None) };
        if self.lines.lead(together) {
            return Joined::Alone(Some(Head { queue: self.clone(), together }));
        }
        // whoever serves may stand still for long: then this one leaves the line and looks for a connection of its own
        match self.lines.wait(self, together, query.clone(), Some(self.pool.patience())).await {
            Some(Served::Rows(rows)) => Joined::Rows(rows),
            Some(Served::Unavailable(outage, reason)) => {
                Joined::Failed(RequestError::Unavailable { outage, source: reason.into() })
            }
            Some(Served::Alone) | None => Joined::Alone(None),
        }
    }

    /// The rows of each query.
    async fn run(&self, queries: &[Compiled]) -> Result<Vec<Vec<PgRow>>, sqlx::Error> {
        let joined = join(queries).map_err(|fault| sqlx::Error::Encode(fault.into()))?;
        let rows = self.pool.in_time(async {
            let mut loan = self.pool.borrow().await?;
            let outcome = bind(&joined).fetch_all(&mut *loan).await;
            loan.end(outcome)
        });
        let mut answers: Vec<Vec<PgRow>> = queries.iter().map(|_| Vec::new()).collect();
        for row in rows.await? {
            let number: i64 = row.try_get_unchecked(1)?;
            let answer = usize::try_from(number - 1).ok().and_then(|number| answers.get_mut(number));
            answer.ok_or_else(|| sqlx::Error::Decode(format!("a row is of query {number}").into()))?.push(row);
        }
        Ok(answers)
    }
}

impl Desk for ReadQueue {
    type Key = Together;
    type Request = Compiled;
    type Outcome = Served;

    /// The first of them waits for the last.
    const MOST: usize = 16;

    async fn answer(&self, together: Together, batch: Vec<Waiting<Self>>) {
        let (queries, callers): (Vec<_>, Vec<_>) = batch.into_iter().map(Waiting::split).unzip();
        match self.run(&queries).await {
            Ok(answers) => {
                for (caller, rows) in callers.into_iter().zip(answers) {
                    caller.tell(Served::Rows(rows));
                }
            }
            Err(error) => match outage_of(&error) {
                Some(outage) if !is_lost_connection(&error) && !is_stale(&error) => {
                    let reason = error.to_string();
                    for caller in callers.into_iter().chain(self.lines.behind(together, &error, &self.pool)) {
                        caller.tell(Served::Unavailable(outage, reason.clone()));
                    }
                }
                // another connection may do better, or another query is to blame
                _ => {
                    tracing::debug!(%error, queries = queries.len(), "queries failed together, each is asked by itself");
                    for caller in callers {
                        caller.tell(Served::Alone);
                    }
                }
            },
        }
    }
}

/// A query that goes by itself, with a line behind it.
pub(super) struct Head {
    queue: ReadQueue,
    together: Together,
}

impl Drop for Head {
    /// It has its rows, or its caller has gone: those behind it are served.
    fn drop(&mut self) {
        self.queue.lines.pass(&self.queue, self.together);
    }
}
