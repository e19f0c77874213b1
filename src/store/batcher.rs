//! Batching: requests that arrive while a statement is running are batched into the next one.
//!
//! `read_queue.rs` and `write_queue.rs` use it: each defines which requests can be batched, and answers a batch.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::oneshot};

/// How long a request waits before another statement starts in parallel to the one that is running. A statement takes
/// milliseconds, so one that takes longer probably waits for a lock, or its connection is dead.
const PATIENCE: Duration = Duration::from_millis(50);

/// Maximum number of workers of a queue, each of which runs one statement at a time. A second one is only started if a
/// request waits longer than that, since batches are larger with fewer workers.
const MAX_WORKERS: usize = 4;

/// Answers batches of requests.
pub(super) trait BatchHandler: Clone + Send + 'static {
    /// Key that requests of the same batch have in common.
    type Key: Copy + Eq + Hash + Send;
    type Request: Send;
    type Outcome: Send;

    /// Maximum number of requests in a batch.
    const MAX_BATCH: usize;

    /// Only one request with the same conflict key is in flight at a time.
    fn conflict_key(_request: &Self::Request) -> Option<&str> {
        None
    }

    /// Answers all requests of a batch.
    fn handle(&self, key: Self::Key, batch: Vec<Pending<Self>>) -> impl Future<Output = ()> + Send;
}

/// A request that is waiting or in flight.
pub(super) struct Pending<H: BatchHandler> {
    pub(super) request: H::Request,
    outcome: oneshot::Sender<H::Outcome>,
    since: Instant,
}

impl<H: BatchHandler> Pending<H> {
    /// The request, and the responder for its outcome.
    pub(super) fn split(self) -> (H::Request, Responder<H>) {
        (self.request, Responder(self.outcome))
    }
}

/// Sends the outcome of a request to its caller.
pub(super) struct Responder<H: BatchHandler>(oneshot::Sender<H::Outcome>);

impl<H: BatchHandler> Responder<H> {
    pub(super) fn send(self, outcome: H::Outcome) {
        // the caller may have been dropped meanwhile
        let _ = self.0.send(outcome);
    }
}

struct Queue<H: BatchHandler> {
    pending: VecDeque<Pending<H>>,
    /// Conflict keys of requests that are in flight.
    in_flight: HashSet<String>,
    /// Number of workers of this queue, or its leader. A queue without any is removed.
    workers: usize,
}

/// A queue for each key. Clones share the queues. Batches are handled on the runtime that the batcher was created on, not
/// on those of the callers.
#[derive(Clone)]
pub(super) struct Batcher<H: BatchHandler> {
    queues: Arc<Mutex<HashMap<H::Key, Queue<H>>>>,
    max_workers: usize,
    runtime: Handle,
}

impl<H: BatchHandler> Batcher<H> {
    /// Each queue has at most `max_workers` statements at a time, and never more than four. A second one is always
    /// allowed, even if it only finds out that no connection is free.
    pub(super) fn new(max_workers: u32) -> Self {
        let max_workers = usize::try_from(max_workers).unwrap_or(MAX_WORKERS).clamp(2, MAX_WORKERS);
        Self { queues: Arc::default(), max_workers, runtime: Handle::current() }
    }

    /// Makes the caller the leader of a queue that has no worker: it runs its own request alone. Requests that arrive
    /// meanwhile wait until the guard is dropped.
    pub(super) fn try_lead<'b>(&'b self, handler: &'b H, key: H::Key) -> Option<LeaderGuard<'b, H>> {
        let mut queues = self.lock();
        let queue = queues.entry(key).or_default();
        if queue.workers > 0 {
            return None;
        }
        queue.workers = 1;
        Some(LeaderGuard { batcher: self, handler, key })
    }

    /// Ends the leadership from [`try_lead`](Self::try_lead): waiting requests are batched.
    fn release(&self, handler: &H, key: H::Key) {
        let is_pending = {
            let mut queues = self.lock();
            let is_pending = queues.get(&key).is_some_and(|queue| !queue.pending.is_empty());
            if !is_pending {
                remove_worker(&mut queues, key);
            }
            is_pending
        };
        if is_pending {
            self.spawn_worker(handler, key);
        }
    }

    /// Adds a request to its queue and waits for its outcome. `None` if it was abandoned, or if the outcome took longer than
    /// `timeout`.
    pub(super) async fn submit(
        &self,
        handler: &H,
        key: H::Key,
        request: H::Request,
        timeout: Option<Duration>,
    ) -> Option<H::Outcome> {
        let (sender, mut outcome) = oneshot::channel();
        if self.enqueue(key, Pending { request, outcome: sender, since: Instant::now() }) {
            self.spawn_worker(handler, key);
        }
        if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut outcome).await {
            return outcome.ok();
        }
        if self.add_worker(key) {
            self.spawn_worker(handler, key);
        }
        match timeout {
            Some(timeout) => tokio::time::timeout(timeout, outcome).await.ok()?.ok(),
            None => outcome.await.ok(),
        }
    }

    /// Takes requests out of a queue that have waited longer than `age`.
    pub(super) fn drain_stale(&self, key: H::Key, age: Duration) -> Vec<Responder<H>> {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(&key) else { return Vec::new() };
        let (stale, others): (VecDeque<_>, _) =
            mem::take(&mut queue.pending).into_iter().partition(|pending| pending.since.elapsed() > age);
        queue.pending = others;
        stale.into_iter().map(|pending| pending.split().1).collect()
    }

    fn spawn_worker(&self, handler: &H, key: H::Key) {
        let worker = Worker { batcher: self.clone(), key, is_busy: true };
        self.runtime.spawn(worker.run(handler.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<H::Key, Queue<H>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request to its queue; true if that needs its first worker.
    fn enqueue(&self, key: H::Key, pending: Pending<H>) -> bool {
        let mut queues = self.lock();
        let queue = queues.entry(key).or_default();
        queue.pending.push_back(pending);
        let is_first = queue.workers == 0;
        queue.workers += usize::from(is_first);
        is_first
    }

    /// True if the queue may have one more worker and has requests for it.
    fn add_worker(&self, key: H::Key) -> bool {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(&key) else { return false };
        let may_add = !queue.pending.is_empty() && queue.workers < self.max_workers;
        queue.workers += usize::from(may_add);
        may_add
    }

    /// The next requests, after those with the conflict keys `done` have finished. No two have the same conflict key, and
    /// none has one that is in flight: the second waits for the outcome of the first. Empty if there is nothing to do;
    /// the worker is then removed.
    fn next_batch(&self, key: H::Key, done: &[String]) -> Vec<Pending<H>> {
        let mut queues = self.lock();
        let batch = queues.get_mut(&key).map(|queue| queue.next_batch(done)).unwrap_or_default();
        if batch.is_empty() {
            // the pending requests conflict with requests of other workers, which will take them afterwards
            remove_worker(&mut queues, key);
        }
        batch
    }

    /// Removes a worker that did not finish, and releases its conflict keys: the database has its own locks.
    fn abandon(&self, key: H::Key) {
        let mut queues = self.lock();
        if let Some(queue) = queues.get_mut(&key) {
            queue.in_flight.clear();
        }
        remove_worker(&mut queues, key);
    }
}

/// A queue is removed with its last worker, and its pending requests are abandoned.
fn remove_worker<H: BatchHandler>(queues: &mut HashMap<H::Key, Queue<H>>, key: H::Key) {
    if let Some(queue) = queues.get_mut(&key) {
        queue.workers = queue.workers.saturating_sub(1);
        if queue.workers == 0 {
            queues.remove(&key);
        }
    }
}

impl<H: BatchHandler> Queue<H> {
    fn next_batch(&mut self, done: &[String]) -> Vec<Pending<H>> {
        for conflict_key in done {
            self.in_flight.remove(conflict_key);
        }
        let (mut batch, mut later) = (Vec::new(), VecDeque::new());
        while batch.len() < H::MAX_BATCH {
            let Some(pending) = self.pending.pop_front() else { break };
            if pending.outcome.is_closed() {
                // its caller was dropped meanwhile
            } else if H::conflict_key(&pending.request).is_none_or(|key| self.in_flight.insert(key.to_owned())) {
                batch.push(pending);
            } else {
                later.push_back(pending);
            }
        }
        later.append(&mut self.pending);
        self.pending = later;
        batch
    }
}

impl<H: BatchHandler> Default for Queue<H> {
    fn default() -> Self {
        Self { pending: VecDeque::new(), in_flight: HashSet::new(), workers: 0 }
    }
}

/// Batches the requests of a queue until none is pending.
struct Worker<H: BatchHandler> {
    batcher: Batcher<H>,
    key: H::Key,
    is_busy: bool,
}

impl<H: BatchHandler> Worker<H> {
    async fn run(mut self, handler: H) {
        let mut in_flight = Vec::new();
        loop {
            let batch = self.batcher.next_batch(self.key, &in_flight);
            if batch.is_empty() {
                break;
            }
            in_flight =
                batch.iter().filter_map(|pending| H::conflict_key(&pending.request).map(str::to_owned)).collect();
            handler.handle(self.key, batch).await;
            // requests that have arrived meanwhile are read first, so that they are in the next statement
            tokio::task::yield_now().await;
        }
        self.is_busy = false;
    }
}

impl<H: BatchHandler> Drop for Worker<H> {
    /// Only a panic or the end of the runtime stops a busy worker.
    fn drop(&mut self) {
        if self.is_busy {
            self.batcher.abandon(self.key);
        }
    }
}

/// Held while the leader of a queue runs its request.
pub(super) struct LeaderGuard<'b, H: BatchHandler> {
    batcher: &'b Batcher<H>,
    handler: &'b H,
    key: H::Key,
}

impl<H: BatchHandler> Drop for LeaderGuard<'_, H> {
    /// The leader has its outcome, or its caller was dropped: waiting requests are batched.
    fn drop(&mut self) {
        self.batcher.release(self.handler, self.key);
    }
}

impl<H: BatchHandler> std::fmt::Debug for Batcher<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}
