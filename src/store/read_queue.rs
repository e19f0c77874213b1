//! Runs compiled queries, and batches the cheapest ones that arrive at the same time into one statement.
//!
//! `docs/adr/0013-cheap-reads-together.md` explains why.

use std::time::Duration;

use sqlx::{Row, postgres::PgRow};

use super::{
    batcher::{BatchHandler, Batcher, Pending},
    failure::{is_lost_connection, is_stale, is_without_connection, outage_of, unavailable},
    forms::Form,
    metrics::BatchKind,
    pool::Pool,
    retry::Retry,
    rows::bind,
    turns::Share,
};
use crate::{
    compiler::{BatchKey, Compiled, Cost, batch},
    domain::RequestError,
    metrics::NotedStatement,
};

/// Batches queries that read the same scope with the same statement. The first runs immediately and alone; those that
/// arrive meanwhile are batched into the next statement. Clones share one queue.
#[derive(Debug, Clone)]
pub(super) struct ReadQueue {
    pool: Pool,
    batcher: Batcher<Self>,
}

/// A query that may be batched, and whom it is for.
#[derive(Debug)]
pub(super) struct BatchedQuery {
    query: Compiled,
    share: Share,
}

/// The outcome of a batched query.
pub(super) enum Coalesced {
    Rows(Vec<PgRow>),
    /// Its batch failed: it runs alone, so that only the query that causes the error gets it.
    Single,
    /// The database cannot answer any statement at present.
    Failed(RequestError),
}

impl ReadQueue {
    pub(super) fn new(pool: Pool) -> Self {
        let batcher = Batcher::new(pool.max_connections());
        Self { pool, batcher }
    }

    /// The rows of a cheap query, which runs alone or in a batch.
    pub(super) async fn fetch_all(&self, share: Share, query: &Compiled) -> Result<Vec<PgRow>, RequestError> {
        // held until the statement has ended
        let leader = query.batch_key.and_then(|key| self.batcher.try_lead(self, key));
        if leader.is_some() {
            self.pool.metrics().observe_batch(BatchKind::Read, 1);
        }
        if let (Some(key), None) = (query.batch_key, &leader) {
            let request = BatchedQuery { query: query.clone(), share };
            let mut noted = NotedStatement::begin(Form::of_query(query.shape).name(), Duration::ZERO);
            let outcome = self.batcher.submit(self, key, request, Some(self.pool.acquire_timeout())).await;
            noted.end(!matches!(outcome, Some(Coalesced::Rows(_))));
            match outcome {
                Some(Coalesced::Rows(rows)) => return Ok(rows),
                Some(Coalesced::Failed(error)) => return Err(error),
                // or the worker may be stuck: then this query leaves the queue and acquires its own connection
                Some(Coalesced::Single) | None => {}
            }
        }
        Ok(self
            .pool
            .lane(share, Cost::Cheap, Form::of_query(query.shape))
            .fetch_all(Retry::Read, || bind(query))
            .await?)
    }

    /// The rows of each query of a batch.
    async fn fetch_batch(&self, share: Share, queries: &[Compiled]) -> Result<Vec<Vec<PgRow>>, sqlx::Error> {
        let joined = batch(queries).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let lane = self.pool.lane(share, Cost::Cheap, Form::of_query(joined.shape));
        let mut answers: Vec<Vec<PgRow>> = queries.iter().map(|_| Vec::new()).collect();
        // no retry: if the batch fails, each query runs alone
        for row in lane.fetch_all(Retry::Never, || bind(&joined)).await? {
            let number: i64 = row.try_get_unchecked(1)?;
            let answer = usize::try_from(number - 1).ok().and_then(|number| answers.get_mut(number));
            answer.ok_or_else(|| sqlx::Error::Decode(format!("a row is of query {number}").into()))?.push(row);
        }
        Ok(answers)
    }
}

impl BatchHandler for ReadQueue {
    type Key = BatchKey;
    type Request = BatchedQuery;
    type Outcome = Coalesced;

    /// Small, since the first query of a batch waits for the last.
    const MAX_BATCH: usize = 16;

    async fn handle(&self, key: BatchKey, batch: Vec<Pending<Self>>) {
        self.pool.metrics().observe_batch(BatchKind::Read, batch.len());
        // all are of one scope, so hardly ever of two shares
        let share = batch.first().map(|pending| pending.request.share).unwrap_or_default();
        let (queries, responders): (Vec<_>, Vec<_>) =
            batch.into_iter().map(Pending::split).map(|(request, responder)| (request.query, responder)).unzip();
        let error = match self.fetch_batch(share, &queries).await {
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
            // another connection may succeed, or another query caused the error
            _ => {
                tracing::debug!(%error, queries = queries.len(), "a batch of queries failed, running each query alone");
                for responder in responders {
                    responder.send(Coalesced::Single);
                }
            }
        }
    }
}
