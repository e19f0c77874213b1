//! Runs compiled queries, and batches the cheapest ones that arrive at the same time into one statement.
//!
//! `docs/adr/0013-cheap-reads-together.md` explains why.

use std::{sync::Arc, time::Duration};

use sqlx::Row;

use super::{
    batcher::{BatchHandler, Batcher, Pending},
    failure::{is_lost_connection, is_stale, is_without_connection, no_room, outage_of, unavailable},
    forms::Form,
    metrics::BatchKind,
    needed::Needed,
    pool::{Lane, OnReplica, Pool},
    replicas::Replicas,
    retry::Retry,
    rows::{Found, bind, read_found},
    turns::Share,
};
use crate::{
    compiler::{self, BatchKey, Compiled, Cost},
    domain::{RequestError, Scope},
    memory::{self, Account, NoRoom},
    metrics::NotedStatement,
};

/// Batches queries that read the same scope with the same statement. The first runs immediately and alone; those that
/// arrive meanwhile are batched into the next statement. Clones share one queue.
#[derive(Debug, Clone)]
pub(super) struct ReadQueue {
    pool: Pool,
    /// If the pool is one of a replica, that of the primary, and what counts the queries that run there instead.
    primary: Option<(Pool, Arc<Replicas>)>,
    batcher: Batcher<Self>,
}

/// A query that may be batched, and whom it is for.
#[derive(Debug)]
pub(super) struct BatchedQuery {
    query: Compiled,
    share: Share,
    /// What its connection must have if it is one to a replica.
    needed: Needed,
    /// The scope it is compiled for, if it is a page.
    scope: Option<Arc<Scope>>,
    /// The account of its request.
    account: Option<Arc<Account>>,
}

/// The outcome of a batched query.
pub(super) enum Coalesced {
    Found(Vec<Found>),
    /// Its batch failed: it runs alone, so that only the query that causes the error gets it.
    Single,
    /// The database cannot answer any statement at present, or there is no room for the rows.
    Failed(RequestError),
}

impl ReadQueue {
    pub(super) fn new(pool: Pool) -> Self {
        let batcher = Batcher::new(pool.max_connections());
        Self { pool, primary: None, batcher }
    }

    /// The same over the pool of a replica.
    pub(super) fn on_replica(pool: Pool, primary: Pool, replicas: Arc<Replicas>) -> Self {
        Self { primary: Some((primary, replicas)), ..Self::new(pool) }
    }

    /// The connections of queries.
    fn lane(&self, share: Share, form: Form, needed: Needed) -> Lane<'_> {
        let primary = self.primary.as_ref();
        let replica = primary.map(|(primary, replicas)| OnReplica { primary, needed, failed: replicas.failed() });
        Lane { replica, ..self.pool.lane(share, Cost::Cheap, form) }
    }

    /// The rows of a cheap query, which runs alone or in a batch; on a replica only where it has what is needed.
    pub(super) async fn fetch(
        &self,
        share: Share,
        needed: Needed,
        query: &Compiled,
        scopes: &[Arc<Scope>],
    ) -> Result<Vec<Found>, RequestError> {
        // held until the statement has ended
        let leader = query.batch_key.and_then(|key| self.batcher.try_lead(self, key));
        if leader.is_some() {
            self.pool.metrics().observe_batch(BatchKind::Read, 1);
        }
        if let (Some(key), None) = (query.batch_key, &leader) {
            let (scope, account) = (scopes.first().cloned(), memory::current());
            let request = BatchedQuery { query: query.clone(), share, needed, scope, account };
            let mut noted = NotedStatement::begin(Form::of_query(query.shape).name(), Duration::ZERO);
            let outcome = self.batcher.submit(self, key, request, Some(self.pool.acquire_timeout())).await;
            noted.end(!matches!(outcome, Some(Coalesced::Found(_))));
            match outcome {
                Some(Coalesced::Found(rows)) => return Ok(rows),
                Some(Coalesced::Failed(error)) => return Err(error),
                // or the worker may be stuck: then this query leaves the queue and acquires its own connection
                Some(Coalesced::Single) | None => {}
            }
        }
        Ok(self
            .lane(share, Form::of_query(query.shape), needed)
            .fetch_large(Retry::Read, || bind(query), |row| read_found(&row, scopes))
            .await?)
    }

    /// The rows of each query of a batch. They are kept by its request, and those of one that has no room are dropped.
    async fn fetch_batch(
        &self,
        share: Share,
        batch: &[BatchedQuery],
    ) -> Result<Vec<Result<Vec<Found>, NoRoom>>, sqlx::Error> {
        let queries: Vec<_> = batch.iter().map(|batched| &batched.query).collect();
        let joined = compiler::batch(&queries).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let needed = batch.iter().map(|batched| batched.needed).reduce(Needed::and).unwrap_or(Needed::NOTHING);
        let lane = self.lane(share, Form::of_query(joined.shape), needed);
        let scope = batch.first().and_then(|batched| batched.scope.as_ref());
        let scopes = scope.map(std::slice::from_ref).unwrap_or_default();
        let at = |number: i64| usize::try_from(number - 1).ok();
        // no retry: if the batch fails, each query runs alone
        let rows = lane.fetch_large(
            Retry::Never,
            || bind(&joined),
            |row| {
                let number: i64 = row.try_get_unchecked(1)?;
                let (found, size) = read_found(&row, scopes)?;
                let account = at(number).and_then(|at| batch.get(at)?.account.as_ref());
                let kept = account.map_or(Ok(()), |account| account.keep(size));
                Ok(((number, kept.map(|()| found)), 0))
            },
        );
        let mut answers: Vec<_> = batch.iter().map(|_| Ok(Vec::new())).collect();
        for (number, found) in rows.await? {
            let answer = at(number).and_then(|at| answers.get_mut(at));
            let answer = answer.ok_or_else(|| sqlx::Error::Decode(format!("a row is of query {number}").into()))?;
            match (answer.as_mut(), found) {
                (Ok(rows), Ok(found)) => rows.push(found),
                (Ok(_), Err(error)) => *answer = Err(error),
                (Err(_), _) => {}
            }
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
        let (batch, responders): (Vec<_>, Vec<_>) = batch.into_iter().map(Pending::split).unzip();
        let error = match self.fetch_batch(share, &batch).await {
            Ok(answers) => {
                for (responder, answer) in responders.into_iter().zip(answers) {
                    responder.send(match answer {
                        Ok(rows) => Coalesced::Found(rows),
                        Err(error) => Coalesced::Failed(no_room(error).into()),
                    });
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
                tracing::debug!(%error, queries = batch.len(), "a batch of queries failed, running each query alone");
                for responder in responders {
                    responder.send(Coalesced::Single);
                }
            }
        }
    }
}
