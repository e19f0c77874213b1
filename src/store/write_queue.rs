//! Writes of tags that come at the same time are done together, in one statement and one transaction.
//!
//! `docs/adr/0010-writes-together.md` has the reasons.

use super::{
    failure::{fault_of, outage_of},
    lines::{Desk, Lines, Waiting},
    pool::Pool,
    writes::retried,
};
use crate::domain::{Outage, RequestError};

/// Most connections for them, of all scopes. One scope has half of them, though never fewer than two, so that one that
/// stands still leaves some to the others.
pub const WRITE_CONNECTIONS: u32 = 8;

/// How a write changes the tags of its resource, as `tagd.write_tags` numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Put = 0,
    Remove = 1,
    Replace = 2,
}

/// What a write wants of one resource.
#[derive(Debug)]
pub(super) struct TagWrite {
    pub(super) resource_id: String,
    pub(super) mode: Mode,
    /// Key, value, key, value ...
    pub(super) parts: Vec<Option<String>>,
}

/// Whether a write found something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Changed,
    Unchanged,
}

/// Puts writes of a scope together: the first goes at once, and those that come meanwhile go with the next statement.
/// Copies share one queue.
#[derive(Debug, Clone)]
pub struct WriteQueue {
    pool: Pool,
    lines: Lines<Self>,
}

impl WriteQueue {
    pub(super) fn new(pool: Pool) -> Self {
        let lines = Lines::new(pool.most() / 2);
        Self { pool, lines }
    }

    /// Writes, together with others. A write whose caller goes away, or has waited for longer than a statement may take, is
    /// done or not, but never by half.
    pub(super) async fn write(&self, scope_id: i64, write: TagWrite) -> Result<Written, RequestError> {
        let outcome = self.lines.wait(self, scope_id, write, self.pool.deadline()).await;
        outcome.unwrap_or_else(|| Err(unavailable(Outage::Busy, "the write was not done in time, or given up")))
    }

    /// What came of each write, as `tagd.write_tags` puts it.
    async fn run(
        &self,
        scope_id: i64,
        writes: impl Iterator<Item = &TagWrite>,
    ) -> Result<Vec<Option<String>>, sqlx::Error> {
        let (mut ids, mut modes, mut ends, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for write in writes {
            ids.push(write.resource_id.as_str());
            modes.push(write.mode as i16);
            parts.extend(write.parts.iter().map(Option::as_deref));
            // a request has nowhere near so many
            ends.push(i32::try_from(parts.len()).unwrap_or(i32::MAX));
        }
        retried(&self.pool, || async {
            let mut loan = self.pool.borrow().await?;
            let outcome = sqlx::query_scalar!(
                r#"select tagd.write_tags($1, $2, $3, $4, $5) as "outcomes!: Vec<Option<String>>""#,
                scope_id,
                &ids as &[&str],
                &modes,
                &ends,
                &parts as &[Option<&str>]
            )
            .fetch_one(&mut *loan)
            .await;
            loan.end(outcome)
        })
        .await
    }
}

impl Desk for WriteQueue {
    type Key = i64;
    type Request = TagWrite;
    type Outcome = Result<Written, RequestError>;

    /// They hold each other's locks until the end of their statement, so there is no gain in very many.
    const MOST: usize = 64;

    fn claim(write: &TagWrite) -> Option<&str> {
        Some(&write.resource_id)
    }

    /// Where one of the writes spoils it for all, each is done by itself.
    async fn answer(&self, scope_id: i64, batch: Vec<Waiting<Self>>) {
        let outcome = self.run(scope_id, batch.iter().map(|waiting| &waiting.request)).await;
        let (writes, callers): (Vec<_>, Vec<_>) = batch.into_iter().map(Waiting::split).unzip();
        match outcome {
            Ok(outcomes) => {
                for ((write, caller), outcome) in writes.iter().zip(callers).zip(outcomes) {
                    caller.tell(written_of(&write.resource_id, outcome.as_deref()));
                }
            }
            Err(error) if writes.len() > 1 && outage_of(&error).is_none() => {
                tracing::warn!(%error, writes = writes.len(), "writes failed together, each is done by itself");
                let mut outage: Option<(Outage, String)> = None;
                for (write, caller) in writes.iter().zip(callers) {
                    let outcome = match &outage {
                        Some((outage, reason)) => Err(unavailable(*outage, reason)),
                        None => match self.run(scope_id, std::iter::once(write)).await {
                            Ok(outcomes) => written_of(&write.resource_id, outcomes.first().and_then(Option::as_deref)),
                            Err(error) => {
                                outage = outage_of(&error).map(|outage| (outage, error.to_string()));
                                Err(fault_of(error))
                            }
                        },
                    };
                    caller.tell(outcome);
                }
            }
            Err(error) => {
                let (reason, behind) = (error.to_string(), self.lines.behind(scope_id, &error, &self.pool));
                let outage = outage_of(&error).unwrap_or(Outage::Busy);
                let mut error = Some(error);
                for caller in callers.into_iter().chain(behind) {
                    caller.tell(Err(error.take().map_or_else(|| unavailable(outage, &reason), fault_of)));
                }
            }
        }
    }
}

/// What `tagd.write_tags` says of one write.
fn written_of(resource_id: &str, outcome: Option<&str>) -> Result<Written, RequestError> {
    let mut words = outcome.unwrap_or("changed").split(' ');
    match words.next() {
        Some("changed") => Ok(Written::Changed),
        Some("unchanged") => Ok(Written::Unchanged),
        Some("unknown") => Err(RequestError::unknown_resource(resource_id)),
        Some("quota") => {
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            Err(RequestError::TooManyTags { count: number(), quota: number() })
        }
        _ => Err(RequestError::internal(format!("tagd.write_tags said {outcome:?}"))),
    }
}

fn unavailable(outage: Outage, reason: &str) -> RequestError {
    RequestError::Unavailable { outage, source: reason.into() }
}
