//! Runs compiled queries: the cheapest ones that arrive at the same time in one statement.
//!
//! `docs/adr/0013-cheap-reads-together.md` has the reasons.

use sqlx::{Row, postgres::PgRow};

use super::{
    batcher::{BatchHandler, Batcher, Pending},
    failure::{is_lost_connection, is_stale, is_without_connection, outage_of, unavailable},
    pool::Pool,
    retry::Retry,
    rows::bind,
};
use crate::{
    compiler::{BatchKey, Compiled, batch},
    domain::RequestError,
};

/// Batches queries that read the same scope by the same statement. The first runs immediately, by itself; those that arrive
/// meanwhile go with the next statement. Copies share one queue.
#[derive(Debug, Clone)]
pub(super) struct ReadQueue {
    pool: Pool,
    batcher: Batcher<Self>,
}

/// The outcome of a query that was batched.
pub(super) enum Coalesced {
    Rows(Vec<PgRow>),
    /// Its batch failed: it runs by itself, so that an error is that of the query that has it.
    Single,
    /// The database is in no state to answer any statement.
    Failed(RequestError),
}

impl ReadQueue {
    pub(super) fn new(pool: Pool) -> Self {
        let batcher = Batcher::new(pool.max_connections());
        Self { pool, batcher }
    }

    /// The rows of a query, which runs by itself or in a batch.
    pub(super) async fn fetch_all(&self, query: &Compiled) -> Result<Vec<PgRow>, RequestError> {
        // kept until the statement has ended
        let _leader = match query.batch_key {
            None => None,
            Some(key) => match self.batcher.try_lead(self, key) {
                Some(leader) => Some(leader),
                // a worker may be stuck: then this query leaves the queue and acquires a connection of its own
                None => match self.batcher.submit(self, key, query.clone(), Some(self.pool.acquire_timeout())).await {
                    Some(Coalesced::Rows(rows)) => return Ok(rows),
                    Some(Coalesced::Failed(error)) => return Err(error),
                    Some(Coalesced::Single) | None => None,
                },
            },
        };
        Ok(self.pool.fetch_all(Retry::Read, || bind(query)).await?)
    }

    /// The rows of each query of a batch.
    async fn fetch_batch(&self, queries: &[Compiled]) -> Result<Vec<Vec<PgRow>>, sqlx::Error> {
        let joined = batch(queries).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let mut answers: Vec<Vec<PgRow>> = queries.iter().map(|_| Vec::new()).collect();
        // not again: each query runs by itself if they fail together
        for row in self.pool.fetch_all(Retry::Never, || bind(&joined)).await? {
            let number: i64 = row.try_get_unchecked(1)?;
            let answer = usize::try_from(number - 1).ok().and_then(|number| answers.get_mut(number));
            answer.ok_or_else(|| sqlx::Error::Decode(format!("a row is of query {number}").into()))?.push(row);
        }
        Ok(answers)
    }
}

impl BatchHandler for ReadQueue {
    type Key = BatchKey;
    type Request = Compiled;
    type Outcome = Coalesced;

    /// The first of them waits for the last.
    const MAX_BATCH: usize = 16;

    async fn handle(&self, key: BatchKey, batch: Vec<Pending<Self>>) {
        let (queries, responders): (Vec<_>, Vec<_>) = batch.into_iter().map(Pending::split).unzip();
        let error = match self.fetch_batch(&queries).await {
            Ok(answers) => {
                for (responder, rows) in responders.into_iter().zip(answers) {
                    responder.send(Coalesced::Rows(rows));
                }
                return;
            }
            Err(error) => error,
        };
        match outage_of(&error) {
            Some(outage) if !is_lost_connection(&error) && !is_stale(&error) => {
                let reason = error.to_string();
                let stale = if is_without_connection(&error) {
                    self.batcher.drain_stale(key, self.pool.acquire_timeout() / 2)
                } else {
                    Vec::new()
                };
                for responder in responders.into_iter().chain(stale) {
                    responder.send(Coalesced::Failed(unavailable(outage, &reason)));
                }
            }
            // another connection may do better, or another query is to blame
            _ => {
                tracing::debug!(%error, queries = queries.len(), "a batch of queries failed, each runs by itself");
                for responder in responders {
                    responder.send(Coalesced::Single);
                }
            }
        }
    }
}
