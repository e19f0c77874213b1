//! Writes of tags that come at the same time are done together, in one statement and one transaction.
//!
//! `docs/adr/0010-writes-together.md` has the reasons.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    failure::{fault_of, is_outage},
    pool::Pool,
    writes::retried,
};
use crate::domain::Fault;

/// How long a write waits before another statement goes on beside the one that is under way, which may stand still at a
/// lock: a statement takes milliseconds.
const PATIENCE: Duration = Duration::from_millis(50);

/// Most statements for one scope at a time: half the connections there are, so that a scope that stands still leaves
/// some to the others.
const SERVERS: usize = 4;

/// Connections for them, of all scopes.
pub const WRITE_CONNECTIONS: u32 = 8;

/// Most writes in a statement. They hold each other's locks until its end, so there is no gain in very many.
const MOST: usize = 64;

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

/// A write that waits for its turn, and who waits for it.
struct Waiting {
    write: TagWrite,
    done: oneshot::Sender<Result<Written, Fault>>,
}

/// The writes of one scope.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// Resources that are being written.
    taken: HashSet<String>,
    servers: usize,
}

/// Puts writes of a scope together: the first goes at once, and those that come meanwhile go with the next statement.
/// Copies share one queue. The statements run on the runtime that it was made on, whoever waits for them.
#[derive(Debug, Clone)]
pub struct WriteQueue {
    pool: Pool,
    runtime: Handle,
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines(Mutex<HashMap<i64, Line>>);

impl WriteQueue {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, runtime: Handle::current(), lines: Arc::default() }
    }

    /// Writes, together with others. A write whose caller goes away is done or not, but never by half.
    pub(super) async fn write(&self, scope_id: i64, write: TagWrite) -> Result<Written, Fault> {
        let (done, mut outcome) = oneshot::channel();
        if self.lines.join(scope_id, Waiting { write, done }) {
            self.serve(scope_id);
        }
        let outcome = if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut outcome).await {
            outcome
        } else {
            if self.lines.help(scope_id) {
                self.serve(scope_id);
            }
            outcome.await
        };
        outcome.unwrap_or_else(|_| Err(unavailable("the writes were given up")))
    }

    fn serve(&self, scope_id: i64) {
        let server = Server { queue: self.clone(), scope_id, serves: true };
        self.runtime.spawn(server.run());
    }

    /// Does writes of different resources. Where one of them spoils it for all, each is done by itself.
    async fn write_all(&self, scope_id: i64, batch: Vec<Waiting>) {
        let outcome = self.run(scope_id, batch.iter().map(|waiting| &waiting.write)).await;
        let (writes, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.write, waiting.done)).unzip();
        match outcome {
            Ok(outcomes) => {
                for ((write, caller), outcome) in writes.iter().zip(callers).zip(outcomes) {
                    answer(caller, written_of(&write.resource_id, outcome.as_deref()));
                }
            }
            Err(error) if writes.len() > 1 && !is_outage(&error) => {
                tracing::warn!(%error, writes = writes.len(), "writes failed together, each is done by itself");
                let mut outage: Option<String> = None;
                for (write, caller) in writes.iter().zip(callers) {
                    let outcome = match &outage {
                        Some(reason) => Err(unavailable(reason)),
                        None => match self.run(scope_id, std::iter::once(write)).await {
                            Ok(outcomes) => written_of(&write.resource_id, outcomes.first().and_then(Option::as_deref)),
                            Err(error) => {
                                outage = is_outage(&error).then(|| error.to_string());
                                Err(fault_of(error))
                            }
                        },
                    };
                    answer(caller, outcome);
                }
            }
            Err(error) => {
                let reason = error.to_string();
                let mut error = Some(error);
                for caller in callers {
                    answer(caller, Err(error.take().map_or_else(|| unavailable(&reason), fault_of)));
                }
            }
        }
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
        retried(|| async {
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

/// Serves the line of a scope until nobody waits.
struct Server {
    queue: WriteQueue,
    scope_id: i64,
    serves: bool,
}

impl Server {
    async fn run(mut self) {
        let mut written = Vec::new();
        while let Some(batch) = self.queue.lines.next(self.scope_id, &written) {
            written = batch.iter().map(|waiting| waiting.write.resource_id.clone()).collect();
            self.queue.write_all(self.scope_id, batch).await;
        }
        self.serves = false;
    }
}

impl Drop for Server {
    /// Only a panic or the end of the runtime stops one that serves.
    fn drop(&mut self) {
        if self.serves {
            self.queue.lines.give_up(self.scope_id);
        }
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a write into the line of its scope; true if nobody serves it yet.
    fn join(&self, scope_id: i64, waiting: Waiting) -> bool {
        let mut lines = self.lock();
        let line = lines.entry(scope_id).or_default();
        line.waiting.push_back(waiting);
        let first = line.servers == 0;
        line.servers += usize::from(first);
        first
    }

    /// True if one more is to serve the line.
    fn help(&self, scope_id: i64) -> bool {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(&scope_id) else { return false };
        let more = !line.waiting.is_empty() && line.servers < SERVERS;
        line.servers += usize::from(more);
        more
    }

    /// The next writes, after those that were written. No two are of one resource, nor of one that is being written: the
    /// second waits for what comes of the first. `None` if there is nothing to do; whoever serves has left the line then.
    fn next(&self, scope_id: i64, written: &[String]) -> Option<Vec<Waiting>> {
        let mut lines = self.lock();
        let line = lines.get_mut(&scope_id)?;
        for resource_id in written {
            line.taken.remove(resource_id);
        }
        let (mut batch, mut later) = (Vec::new(), VecDeque::new());
        while batch.len() < MOST {
            let Some(waiting) = line.waiting.pop_front() else { break };
            if waiting.done.is_closed() {
                // its caller has gone meanwhile
            } else if line.taken.insert(waiting.write.resource_id.clone()) {
                batch.push(waiting);
            } else {
                later.push_back(waiting);
            }
        }
        later.append(&mut line.waiting);
        line.waiting = later;
        if batch.is_empty() {
            // what waits now is of resources that others write, who will come for it
            leave(&mut lines, scope_id);
            return None;
        }
        Some(batch)
    }

    /// Leaves the line with work undone. Its resources are free again: their rows are locked as long as need be.
    fn give_up(&self, scope_id: i64) {
        let mut lines = self.lock();
        if let Some(line) = lines.get_mut(&scope_id) {
            line.taken.clear();
        }
        leave(&mut lines, scope_id);
    }
}

/// The last one to leave takes the line away, and sends away whoever waits in it.
fn leave(lines: &mut HashMap<i64, Line>, scope_id: i64) {
    if let Some(line) = lines.get_mut(&scope_id) {
        line.servers = line.servers.saturating_sub(1);
        if line.servers == 0 {
            lines.remove(&scope_id);
        }
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

/// What `tagd.write_tags` says of one write.
fn written_of(resource_id: &str, outcome: Option<&str>) -> Result<Written, Fault> {
    let mut words = outcome.unwrap_or("changed").split(' ');
    match words.next() {
        Some("changed") => Ok(Written::Changed),
        Some("unchanged") => Ok(Written::Unchanged),
        Some("unknown") => Err(Fault::unknown_resource(resource_id)),
        Some("quota") => {
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
            Err(Fault::TooManyTags { count: number(), quota: number() })
        }
        _ => Err(Fault::internal(format!("tagd.write_tags said {outcome:?}"))),
    }
}

fn unavailable(reason: &str) -> Fault {
    Fault::Unavailable { source: reason.into() }
}

fn answer(caller: oneshot::Sender<Result<Written, Fault>>, outcome: Result<Written, Fault>) {
    // it may have gone meanwhile
    let _ = caller.send(outcome);
}
