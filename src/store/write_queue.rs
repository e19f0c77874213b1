//! Batches writes of tags that arrive at the same time into one statement and one transaction.
//!
//! `docs/adr/0010-writes-together.md` explains why.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    batcher::{BatchHandler, Batcher, Pending},
    caller::row_of,
    failure::{is_without_connection, outage_of, unavailable},
    forms::Form,
    metrics::BatchKind,
    policy_rows::against_policy,
    pool::{Lane, Pool},
    positions::NotePosition,
    retry::Retry,
    turns::Share,
};
use crate::{
    compiler::Cost,
    domain::{Caller, Outage, Position, RequestError},
    metrics::NotedStatement,
};

/// How a write changes the tags of its resource; the numbers are those of `tagd.write_tags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Put = 0,
    Remove = 1,
}

/// A change of the tags of one resource.
#[derive(Debug)]
pub(super) struct TagWrite {
    pub(super) resource_id: String,
    pub(super) mode: Mode,
    /// Key, value, key, value ...
    pub(super) parts: Vec<Option<String>>,
    /// The caller that it is for.
    pub(super) caller: Arc<Caller>,
    /// Whose connections it uses.
    pub(super) share: Share,
    /// What is told up to where it is written, also if nobody waits for it any more.
    pub(super) noting: Option<Arc<dyn NotePosition>>,
}

impl TagWrite {
    fn note(&self, position: Option<Position>) {
        if let Some(noting) = &self.noting {
            noting.note(position);
        }
    }
}

/// The outcome of a write, a row of `tagd.write_tags`.
#[derive(Debug)]
struct OutcomeRow {
    outcome: String,
    tag_count: Option<i32>,
    quota: Option<i32>,
}

/// Whether a write changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Changed,
    Unchanged,
}

/// Batches writes of the same scope. The first runs immediately; those that arrive meanwhile are batched into the next
/// statement. One scope may use half of the connections, but at least two, so that a scope whose statements wait for locks
/// does not block the others. Clones share one queue.
#[derive(Debug, Clone)]
pub(super) struct WriteQueue {
    pool: Pool,
    /// Whether it is told up to where is written.
    has_replicas: bool,
    batcher: Batcher<Self>,
}

/// The position of a batch.
#[derive(Debug, Default)]
struct BatchPosition(Mutex<Option<Position>>);

impl NotePosition for BatchPosition {
    fn note(&self, position: Option<Position>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }
}

impl WriteQueue {
    pub(super) fn new(pool: Pool) -> Self {
        let batcher = Batcher::new(pool.max_connections() / 2);
        Self { pool, has_replicas: false, batcher }
    }

    /// The same for a database with replicas.
    #[must_use]
    pub(super) fn with_replicas(self) -> Self {
        Self { has_replicas: true, ..self }
    }

    /// The connections of writes, for writes that are not batched.
    pub(super) fn lane(&self, share: Share, form: Form) -> Lane<'_> {
        self.pool.lane(share, Cost::Cheap, form)
    }

    /// Runs a write, batched with others. If the future is dropped, or the outcome takes longer than a statement may take,
    /// the write may or may not be done, but never partially.
    pub(super) async fn write(&self, scope_id: i64, write: TagWrite) -> Result<Written, RequestError> {
        let noting = write.noting.clone();
        let mut noted = NotedStatement::begin(Form::WriteTags.name(), Duration::ZERO);
        let outcome = self.batcher.submit(self, scope_id, write, self.pool.deadline()).await;
        let given_up = || Err(unavailable(Outage::Busy, "the write was not done in time, or given up"));
        let outcome = outcome.unwrap_or_else(given_up);
        let is_failed = matches!(outcome, Err(RequestError::Unavailable { .. } | RequestError::Internal { .. }));
        noted.end(is_failed);
        if let (true, Some(noting)) = (is_failed, noting) {
            noting.note(None);
        }
        outcome
    }

    /// The outcome of each write, in order, and the position after them if there are replicas.
    async fn run(
        &self,
        scope_id: i64,
        writes: impl Iterator<Item = &TagWrite>,
    ) -> Result<(Vec<OutcomeRow>, Option<Position>), sqlx::Error> {
        let mut share = Share::default();
        let (mut ids, mut modes, mut ends, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut callers = Vec::new();
        for write in writes {
            ids.push(write.resource_id.as_str());
            modes.push(write.mode as i16);
            parts.extend(write.parts.iter().map(Option::as_deref));
            // requests have far fewer
            ends.push(i32::try_from(parts.len()).unwrap_or(i32::MAX));
            callers.push(row_of(&write.caller));
            // all are of one scope, so hardly ever of two shares
            share = write.share;
        }
        let position = BatchPosition::default();
        let noting = self.has_replicas.then_some(&position as &dyn NotePosition);
        let lane = Lane { noting, ..self.lane(share, Form::WriteTags) };
        let outcomes = lane.fetch_all(Retry::Write, || {
            sqlx::query_as!(
                OutcomeRow,
                r#"select outcome as "outcome!", tag_count, quota
                     from tagd.write_tags($1, $2, $3, $4, $5, $6::text[]::tagd.caller[])"#,
                scope_id,
                &ids as &[&str],
                &modes,
                &ends,
                &parts as &[Option<&str>],
                &callers
            )
        });
        Ok((outcomes.await?, position.0.into_inner().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl BatchHandler for WriteQueue {
    type Key = i64;
    type Request = TagWrite;
    type Outcome = Result<Written, RequestError>;

    /// The writes of a batch hold their locks until the statement ends, so very large batches gain nothing.
    const MAX_BATCH: usize = 64;

    fn conflict_key(write: &TagWrite) -> Option<&str> {
        Some(&write.resource_id)
    }

    /// Runs a batch. If its statement fails, each write runs alone, so that only the one that causes the error gets it.
    async fn handle(&self, scope_id: i64, batch: Vec<Pending<Self>>) {
        self.pool.metrics().observe_batch(BatchKind::Write, batch.len());
        let outcome = self.run(scope_id, batch.iter().map(|pending| &pending.request)).await;
        let (writes, responders): (Vec<_>, Vec<_>) = batch.into_iter().map(Pending::split).unzip();
        match outcome {
            Ok((outcomes, position)) => {
                for ((write, responder), outcome) in writes.iter().zip(responders).zip(outcomes) {
                    write.note(position);
                    responder.send(written_of(&write.resource_id, Some(&outcome)));
                }
            }
            Err(error) if writes.len() > 1 && outage_of(&error).is_none() => {
                tracing::warn!(%error, writes = writes.len(), "a batch of writes failed, each runs by itself");
                let mut outage: Option<(Outage, String)> = None;
                for (write, responder) in writes.iter().zip(responders) {
                    let outcome = match &outage {
                        Some((outage, reason)) => Err(unavailable(*outage, reason)),
                        None => match self.run(scope_id, std::iter::once(write)).await {
                            Ok((outcomes, position)) => {
                                write.note(position);
                                written_of(&write.resource_id, outcomes.first())
                            }
                            Err(error) => {
                                write.note(None);
                                outage = outage_of(&error).map(|outage| (outage, error.to_string()));
                                Err(error.into())
                            }
                        },
                    };
                    responder.send(outcome);
                }
            }
            Err(error) => {
                for write in &writes {
                    write.note(None);
                }
                let reason = error.to_string();
                let stale = if is_without_connection(&error) {
                    self.batcher.drain_stale(scope_id, self.pool.acquire_timeout() / 2)
                } else {
                    Vec::new()
                };
                let outage = outage_of(&error).unwrap_or(Outage::Busy);
                let mut error = Some(error);
                for responder in responders.into_iter().chain(stale) {
                    let error = error.take().map_or_else(|| unavailable(outage, &reason), RequestError::from);
                    responder.send(Err(error));
                }
            }
        }
    }
}

/// The result of a write from its row of `tagd.write_tags`.
fn written_of(resource_id: &str, row: Option<&OutcomeRow>) -> Result<Written, RequestError> {
    let number = |number: Option<i32>| number.and_then(|number| number.try_into().ok()).unwrap_or_default();
    match row.map(|row| (row.outcome.as_str(), row)) {
        Some(("changed", _)) => Ok(Written::Changed),
        Some(("unchanged", _)) => Ok(Written::Unchanged),
        Some(("foreign", _)) => Err(RequestError::lost_project()),
        Some(("unknown", _)) => Err(RequestError::unknown_resource(resource_id)),
        Some(("over_quota", row)) => {
            Err(RequestError::TooManyTags { count: number(row.tag_count), quota: number(row.quota) })
        }
        Some((outcome, _)) if outcome.starts_with('{') => Err(against_policy(outcome)),
        _ => Err(RequestError::internal(format!("tagd.write_tags answered {row:?}"))),
    }
}
