//! Lines of requests that wait while others are under way, and go together with the next statement.
//!
//! What a line is for differs: see `read_queue.rs` and `write_queue.rs`, which put the statements together.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{failure::is_without_connection, pool::Pool};

/// How long a request waits before another statement goes on beside the one that is under way, which may stand still, at
/// a lock or because its connection is dead: a statement takes milliseconds.
const PATIENCE: Duration = Duration::from_millis(50);

/// Most statements of a line at a time. It is one as long as nobody waits longer than that: the fewer there are, the more
/// each answers.
const SERVERS: usize = 4;

/// Answers requests, many at a time.
pub(super) trait Desk: Clone + Send + 'static {
    /// What requests have in common that can go together.
    type Key: Copy + Eq + Hash + Send;
    type Request: Send;
    type Outcome: Send;

    /// Most requests in a statement.
    const MOST: usize;

    /// What no other request may have while this one is under way.
    fn claim(_request: &Self::Request) -> Option<&str> {
        None
    }

    /// Answers all of them.
    fn answer(&self, key: Self::Key, batch: Vec<Waiting<Self>>) -> impl Future<Output = ()> + Send;
}

/// A request, and who waits for its outcome.
pub(super) struct Waiting<D: Desk> {
    pub(super) request: D::Request,
    done: oneshot::Sender<D::Outcome>,
    since: Instant,
}

impl<D: Desk> Waiting<D> {
    /// The request, and what its caller is told by.
    pub(super) fn split(self) -> (D::Request, Caller<D>) {
        (self.request, Caller(self.done))
    }
}

/// Who waits for an outcome.
pub(super) struct Caller<D: Desk>(oneshot::Sender<D::Outcome>);

impl<D: Desk> Caller<D> {
    pub(super) fn tell(self, outcome: D::Outcome) {
        // it may have gone meanwhile
        let _ = self.0.send(outcome);
    }
}

struct Line<D: Desk> {
    waiting: VecDeque<Waiting<D>>,
    /// Claims of requests that are under way.
    claimed: HashSet<String>,
    servers: usize,
}

/// Lines by key. Copies are the same lines. Statements run on the runtime that they were made on, whoever waits for them.
#[derive(Clone)]
pub(super) struct Lines<D: Desk> {
    by_key: Arc<Mutex<HashMap<D::Key, Line<D>>>>,
    servers: usize,
    runtime: Handle,
}

impl<D: Desk> Lines<D> {
    /// Lines of which none has more than `most` statements at a time, nor ever more than four. A second one there always
    /// is, if only to find out that no connection is left for it.
    pub(super) fn new(most: u32) -> Self {
        let servers = usize::try_from(most).unwrap_or(SERVERS).clamp(2, SERVERS);
        Self { by_key: Arc::default(), servers, runtime: Handle::current() }
    }

    /// True if nobody is under way in a line. From now on the caller is, until it calls [`Lines::pass`].
    pub(super) fn lead(&self, key: D::Key) -> bool {
        let mut lines = self.lock();
        let line = lines.entry(key).or_default();
        let leads = line.servers == 0;
        line.servers += usize::from(leads);
        leads
    }

    /// Ends what [`Lines::lead`] began: those who wait meanwhile are served.
    pub(super) fn pass(&self, desk: &D, key: D::Key) {
        let somebody_waits = {
            let mut lines = self.lock();
            let waits = lines.get(&key).is_some_and(|line| !line.waiting.is_empty());
            if !waits {
                leave(&mut lines, key);
            }
            waits
        };
        if somebody_waits {
            self.serve(desk, key);
        }
    }

    /// Puts a request into its line and waits for what comes of it. `None` if it was given up, or if somebody serves the
    /// line but the outcome took longer than `most`.
    pub(super) async fn wait(
        &self,
        desk: &D,
        key: D::Key,
        request: D::Request,
        most: Option<Duration>,
    ) -> Option<D::Outcome> {
        let (done, mut outcome) = oneshot::channel();
        if self.enter(key, Waiting { request, done, since: Instant::now() }) {
            self.serve(desk, key);
        }
        if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut outcome).await {
            return outcome.ok();
        }
        if self.help(key) {
            self.serve(desk, key);
        }
        match most {
            Some(most) => tokio::time::timeout(most, outcome).await.ok()?.ok(),
            None => outcome.await.ok(),
        }
    }

    /// Takes those out of a line who would only wait as long for the same: for a connection, where there is none to be
    /// had. Who came later than half of that time ago is left to the next statement.
    pub(super) fn behind(&self, key: D::Key, error: &sqlx::Error, pool: &Pool) -> Vec<Caller<D>> {
        if !is_without_connection(error) {
            return Vec::new();
        }
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(&key) else { return Vec::new() };
        let (late, others): (VecDeque<_>, _) =
            mem::take(&mut line.waiting).into_iter().partition(|waiting| waiting.since.elapsed() > pool.patience() / 2);
        line.waiting = others;
        late.into_iter().map(|waiting| waiting.split().1).collect()
    }

    fn serve(&self, desk: &D, key: D::Key) {
        let server = Server { lines: self.clone(), key, serves: true };
        self.runtime.spawn(server.run(desk.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<D::Key, Line<D>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request into its line; true if nobody serves it yet.
    fn enter(&self, key: D::Key, waiting: Waiting<D>) -> bool {
        let mut lines = self.lock();
        let line = lines.entry(key).or_default();
        line.waiting.push_back(waiting);
        let first = line.servers == 0;
        line.servers += usize::from(first);
        first
    }

    /// True if one more is to serve the line.
    fn help(&self, key: D::Key) -> bool {
        let mut lines = self.lock();
        let Some(line) = lines.get_mut(&key) else { return false };
        let more = !line.waiting.is_empty() && line.servers < self.servers;
        line.servers += usize::from(more);
        more
    }

    /// The next requests, after those whose claims are `done`. No two have the same claim, nor one that is under way: the
    /// second waits for what comes of the first. Empty if there is nothing to do; whoever serves has left the line then.
    fn next(&self, key: D::Key, done: &[String]) -> Vec<Waiting<D>> {
        let mut lines = self.lock();
        let batch = lines.get_mut(&key).map(|line| line.next(done)).unwrap_or_default();
        if batch.is_empty() {
            // what waits now has claims that others serve, who will come for it
            leave(&mut lines, key);
        }
        batch
    }

    /// Leaves the line with work undone. Nothing is claimed any more: the database has locks of its own.
    fn give_up(&self, key: D::Key) {
        let mut lines = self.lock();
        if let Some(line) = lines.get_mut(&key) {
            line.claimed.clear();
        }
        leave(&mut lines, key);
    }
}

/// The last one to leave takes the line away, and sends away whoever waits in it.
fn leave<D: Desk>(lines: &mut HashMap<D::Key, Line<D>>, key: D::Key) {
    if let Some(line) = lines.get_mut(&key) {
        line.servers = line.servers.saturating_sub(1);
        if line.servers == 0 {
            lines.remove(&key);
        }
    }
}

impl<D: Desk> Line<D> {
    fn next(&mut self, done: &[String]) -> Vec<Waiting<D>> {
        for claim in done {
            self.claimed.remove(claim);
        }
        let (mut batch, mut later) = (Vec::new(), VecDeque::new());
        while batch.len() < D::MOST {
            let Some(waiting) = self.waiting.pop_front() else { break };
            if waiting.done.is_closed() {
                // its caller has gone meanwhile
            } else if D::claim(&waiting.request).is_none_or(|claim| self.claimed.insert(claim.to_owned())) {
                batch.push(waiting);
            } else {
                later.push_back(waiting);
            }
        }
        later.append(&mut self.waiting);
        self.waiting = later;
        batch
    }
}

impl<D: Desk> Default for Line<D> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), claimed: HashSet::new(), servers: 0 }
    }
}

/// Serves a line until nobody waits.
struct Server<D: Desk> {
    lines: Lines<D>,
    key: D::Key,
    serves: bool,
}

impl<D: Desk> Server<D> {
    async fn run(mut self, desk: D) {
        let mut claims = Vec::new();
        loop {
            let batch = self.lines.next(self.key, &claims);
            if batch.is_empty() {
                break;
            }
            claims = batch.iter().filter_map(|waiting| D::claim(&waiting.request).map(str::to_owned)).collect();
            desk.answer(self.key, batch).await;
            // requests that came meanwhile are read first, so that they go with the next statement
            tokio::task::yield_now().await;
        }
        self.serves = false;
    }
}

impl<D: Desk> Drop for Server<D> {
    /// Only a panic or the end of the runtime stops one that serves.
    fn drop(&mut self) {
        if self.serves {
            self.lines.give_up(self.key);
        }
    }
}

impl<D: Desk> std::fmt::Debug for Lines<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}
