//! Queries for the cheapest answers that come at the same time are answered together, in one statement.
//!
//! `docs/adr/0013-cheap-reads-together.md` has the reasons.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Row, postgres::PgRow};
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    failure::{is_lost_connection, is_outage},
    pool::Pool,
    resources::bind,
};
use crate::{
    compiler::{Compiled, Together, join},
    domain::Fault,
};

/// How long a query waits before another statement goes on beside the one that is under way, whose connection may stand
/// still: a statement takes a millisecond.
const PATIENCE: Duration = Duration::from_millis(50);

/// Most statements of a line at a time. It is one where nothing stands still: the fewer there are, the more each answers.
const SERVERS: usize = 4;

/// Most queries in a statement: the first of them waits for the last.
const MOST: usize = 16;

/// What a query gets that waited.
enum Served {
    Rows(Vec<PgRow>),
    /// It failed with others: its caller asks by itself, so that an error is that of the query that has it.
    Alone,
    /// No statement can be answered now, for this reason.
    Unavailable(String),
}

/// A query that waits for its turn, and who waits for its rows.
struct Waiting {
    query: Compiled,
    done: oneshot::Sender<Served>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    servers: usize,
}

/// Puts queries together: the first go at once, and those that come meanwhile go with the next statement. Copies share
/// one queue. The statements run on the runtime that it was made on.
#[derive(Debug, Clone)]
pub(super) struct ReadQueue {
    pool: Pool,
    runtime: Handle,
    lines: Arc<Lines>,
}

#[derive(Default)]
struct Lines(Mutex<HashMap<Together, Line>>);

/// What came of a query that was to go with others.
pub(super) enum Joined {
    /// Its rows.
    Rows(Vec<PgRow>),
    /// Nothing: the caller asks by itself. Who comes meanwhile waits until the head, if there is one, is dropped.
    Alone(Option<Head>),
    /// The database does not answer.
    Failed(Fault),
}

impl ReadQueue {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, runtime: Handle::current(), lines: Arc::default() }
    }

    /// Puts a query into its line and waits for what comes of it.
    pub(super) async fn join(&self, query: &Compiled) -> Joined {
        let Some(together) = query.together else { return Joined::Alone(None) };
        let Some(mut rows) = self.lines.join(together, query) else {
            return Joined::Alone(Some(Head { queue: self.clone(), together }));
        };
        let served = if let Ok(served) = tokio::time::timeout(PATIENCE, &mut rows).await {
            Ok(served)
        } else {
            if let Some(batch) = self.lines.help(together) {
                self.serve(together, batch);
            }
            // whoever serves may stand still as well: then this one leaves the line and looks for a connection of its own
            tokio::time::timeout(self.pool.patience(), rows).await
        };
        match served {
            Ok(Ok(Served::Rows(rows))) => Joined::Rows(rows),
            Ok(Ok(Served::Unavailable(reason))) => Joined::Failed(Fault::Unavailable { source: reason.into() }),
            Ok(Ok(Served::Alone) | Err(_)) | Err(_) => Joined::Alone(None),
        }
    }

    fn serve(&self, together: Together, batch: Vec<Waiting>) {
        let server = Server { queue: self.clone(), together, serves: true };
        self.runtime.spawn(server.run(batch));
    }

    /// Answers queries of one line.
    async fn answer(&self, together: Together, batch: Vec<Waiting>) {
        let (queries, callers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.query, waiting.done)).unzip();
        match self.run(&queries).await {
            Ok(answers) => {
                for (caller, rows) in callers.into_iter().zip(answers) {
                    send(caller, Served::Rows(rows));
                }
            }
            // another connection may do better, or another query is to blame
            Err(error) if is_lost_connection(&error) || !is_outage(&error) => {
                tracing::debug!(%error, queries = queries.len(), "queries failed together, each is asked by itself");
                for caller in callers {
                    send(caller, Served::Alone);
                }
            }
            Err(error) => {
                let reason = error.to_string();
                // where there is no connection, those behind would only wait as long for none
                let behind =
                    if matches!(error, sqlx::Error::PoolTimedOut) { self.lines.clear(together) } else { Vec::new() };
                for caller in callers.into_iter().chain(behind.into_iter().map(|waiting| waiting.done)) {
                    send(caller, Served::Unavailable(reason.clone()));
                }
            }
        }
    }

    /// The rows of each query.
    async fn run(&self, queries: &[Compiled]) -> Result<Vec<Vec<PgRow>>, sqlx::Error> {
        let joined = join(queries);
        let mut loan = self.pool.borrow().await?;
        let outcome = bind(&joined).fetch_all(&mut *loan).await;
        let mut answers: Vec<Vec<PgRow>> = queries.iter().map(|_| Vec::new()).collect();
        for row in loan.end(outcome)? {
            let number: i64 = row.try_get_unchecked(1)?;
            let answer = usize::try_from(number - 1).ok().and_then(|number| answers.get_mut(number));
            answer.ok_or_else(|| sqlx::Error::Decode(format!("a row is of query {number}").into()))?.push(row);
        }
        Ok(answers)
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
        if let Some(batch) = self.queue.lines.next(self.together) {
            self.queue.serve(self.together, batch);
        }
    }
}

/// Serves a line until nobody waits.
struct Server {
    queue: ReadQueue,
    together: Together,
    serves: bool,
}

impl Server {
    async fn run(mut self, first: Vec<Waiting>) {
        let mut next = Some(first);
        while let Some(batch) = next {
            self.queue.answer(self.together, batch).await;
            next = self.queue.lines.next(self.together);
        }
        self.serves = false;
    }
}

impl Drop for Server {
    /// Only a panic or the end of the runtime stops one that serves.
    fn drop(&mut self) {
        if self.serves {
            leave(&mut self.queue.lines.lock(), self.together);
        }
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Together, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a query into its line; `None` if it is the first and goes at once.
    fn join(&self, together: Together, query: &Compiled) -> Option<oneshot::Receiver<Served>> {
        let mut lines = self.lock();
        let line = lines.entry(together).or_default();
        if line.servers == 0 {
            line.servers = 1;
            return None;
        }
        let (done, rows) = oneshot::channel();
        line.waiting.push_back(Waiting { query: query.clone(), done });
        Some(rows)
    }

    /// Queries for one more to serve, if any wait.
    fn help(&self, together: Together) -> Option<Vec<Waiting>> {
        let mut lines = self.lock();
        let line = lines.get_mut(&together).filter(|line| line.servers < SERVERS)?;
        let batch = line.next();
        let helps = !batch.is_empty();
        line.servers += usize::from(helps);
        helps.then_some(batch)
    }

    /// The next queries of a line. `None` if nobody waits; whoever serves has left the line then.
    fn next(&self, together: Together) -> Option<Vec<Waiting>> {
        let mut lines = self.lock();
        let batch = lines.get_mut(&together).map(Line::next).unwrap_or_default();
        if batch.is_empty() {
            leave(&mut lines, together);
            return None;
        }
        Some(batch)
    }

    /// Takes everybody who waits out of a line.
    fn clear(&self, together: Together) -> Vec<Waiting> {
        self.lock().get_mut(&together).map(|line| line.waiting.drain(..).collect()).unwrap_or_default()
    }
}

impl Line {
    fn next(&mut self) -> Vec<Waiting> {
        let mut batch = Vec::new();
        while batch.len() < MOST
            && let Some(waiting) = self.waiting.pop_front()
        {
            // else its caller has gone meanwhile
            if !waiting.done.is_closed() {
                batch.push(waiting);
            }
        }
        batch
    }
}

/// The last one to leave takes the line away, and with it whoever waits in it: they ask by themselves.
fn leave(lines: &mut HashMap<Together, Line>, together: Together) {
    if let Some(line) = lines.get_mut(&together) {
        line.servers = line.servers.saturating_sub(1);
        if line.servers == 0 {
            lines.remove(&together);
        }
    }
}

fn send(caller: oneshot::Sender<Served>, served: Served) {
    // it may have gone meanwhile
    let _ = caller.send(served);
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}
