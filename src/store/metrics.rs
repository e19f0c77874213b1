//! What is counted of the database: statements, connections, batches.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::forms::{self, Form};
use crate::{
    domain::Outage,
    metrics::{Bounds, Counter, Gauge, Histogram, Page, STATEMENT_SECONDS, Source},
};

/// What is counted of a database. All stores with the same settings share it.
#[derive(Debug)]
pub struct StoreMetrics {
    /// Statements that were refused because too many waited for a connection.
    pub refused: Counter,
    pub(super) cancelled: Counter,
    /// Whether it was ready when that was last checked.
    pub(super) ready: Gauge,
    /// Times of statements by the number of their form.
    statements: Vec<Histogram>,
    /// Batches of imports that were written.
    pub(super) import_batches: Counter,
    /// Errors by state of the database, and all others.
    errors: [Counter; Outage::OF_DATABASE.len() + 1],
    /// Times until there was a connection, by kind of pool.
    waits: [Histogram; POOLS.len()],
    /// Sizes of batches, by kind.
    batches: [Histogram; BATCHES.len()],
    pools: Mutex<Vec<(PoolKind, Weak<dyn ShownPool>)>>,
}

/// The pools of a server. Each worker has some of its own, which are shown together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolKind {
    /// For cheap reads.
    Cheap,
    /// For expensive ones.
    Expensive,
    /// For writes.
    Writes,
    /// For imports, exports and other work without a deadline.
    Bulk,
    /// For reads on replicas.
    Replicas,
}

const POOLS: [&str; 5] = ["cheap", "expensive", "writes", "bulk", "replicas"];

/// What a batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchKind {
    /// Cheap queries.
    Read,
    /// Changes of tags.
    Write,
}

const BATCHES: [&str; 2] = ["read", "write"];

/// Sizes up to the largest batch.
const BATCH_SIZES: Bounds = Bounds::whole(&[1, 2, 4, 8, 16, 32, 64]);

/// A pool whose connections are shown.
pub(super) trait ShownPool: fmt::Debug + Send + Sync {
    /// Its connections.
    fn usage(&self) -> PoolUsage;
}

/// Where a pool is counted.
#[derive(Debug, Clone)]
pub(super) struct PoolMetrics {
    pub(super) store: Arc<StoreMetrics>,
    /// As which of the pools that metrics show.
    pub(super) kind: Option<PoolKind>,
}

/// A statement whose time is counted once this is dropped: also if it failed, or nobody waited for its end.
#[derive(Debug)]
pub(super) struct Timed {
    metrics: Arc<StoreMetrics>,
    form: Form,
    since: Instant,
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.metrics.observe_statement(self.form, self.since.elapsed());
    }
}

/// The connections of one or several pools.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PoolUsage {
    /// The most that there may be.
    pub(super) limit: i64,
    /// Those in use.
    pub(super) busy: i64,
    /// Open ones that nobody uses.
    pub(super) idle: usize,
    /// Statements that wait for one.
    pub(super) waiting: usize,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        let times = || Histogram::new(STATEMENT_SECONDS);
        Self {
            refused: Counter::default(),
            cancelled: Counter::default(),
            ready: Gauge::default(),
            statements: forms::names().iter().map(|_| times()).collect(),
            import_batches: Counter::default(),
            errors: Default::default(),
            waits: [times(), times(), times(), times(), times()],
            batches: [Histogram::new(BATCH_SIZES), Histogram::new(BATCH_SIZES)],
            pools: Mutex::default(),
        }
    }
}

impl StoreMetrics {
    /// Counts a statement and its time.
    pub(super) fn observe_statement(&self, form: Form, time: Duration) {
        if let Some(times) = self.statements.get(form.number()) {
            times.observe_time(time);
        }
    }

    /// Times a statement that is one of several on its connection.
    pub(super) fn time(self: &Arc<Self>, form: Form) -> Timed {
        Timed { metrics: Arc::clone(self), form, since: Instant::now() }
    }

    /// Counts how long it took to get a connection.
    pub(super) fn observe_wait(&self, pool: Option<PoolKind>, time: Duration) {
        if let Some(times) = pool.and_then(|pool| self.waits.get(pool as usize)) {
            times.observe_time(time);
        }
    }

    /// Counts a batch.
    pub(super) fn observe_batch(&self, kind: BatchKind, size: usize) {
        if let Some(sizes) = self.batches.get(kind as usize) {
            sizes.observe(u64::try_from(size).unwrap_or(u64::MAX));
        }
    }

    /// Counts a statement that failed for a state of the database, or for another reason.
    pub(super) fn count_error(&self, outage: Option<Outage>) {
        let known = Outage::OF_DATABASE.iter().position(|known| Some(*known) == outage);
        if let Some(count) = self.errors.get(known.unwrap_or(Outage::OF_DATABASE.len())) {
            count.increment();
        }
    }

    /// Shows a pool for as long as it is there.
    pub(super) fn show_pool(&self, kind: PoolKind, pool: Weak<dyn ShownPool>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|(_, pool)| pool.strong_count() > 0);
        pools.push((kind, pool));
    }

    /// The connections of each kind of pool.
    fn usage(&self) -> [PoolUsage; POOLS.len()] {
        let mut usage = <[PoolUsage; POOLS.len()]>::default();
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, pool) in &*pools {
            if let (Some(pool), Some(sum)) = (pool.upgrade(), usage.get_mut(*kind as usize)) {
                let PoolUsage { limit, busy, idle, waiting } = pool.usage();
                sum.limit += limit;
                sum.busy += busy;
                sum.idle += idle;
                sum.waiting += waiting;
            }
        }
        usage
    }

    fn write_pools(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let usage: Vec<_> = POOLS.into_iter().zip(self.usage()).collect();
        page.gauges(
            "tagd_pool_connections",
            "Connections to the database: in use, or open and idle.",
            usage.iter().flat_map(|(pool, usage)| {
                let idle = i64::try_from(usage.idle).unwrap_or(i64::MAX);
                [("busy", usage.busy), ("idle", idle)]
                    .map(|(state, count)| ([("pool", *pool), ("state", state)], count))
            }),
        )?;
        page.gauges(
            "tagd_pool_limit",
            "Connections that each pool may have.",
            usage.iter().map(|(pool, usage)| ([("pool", *pool)], usage.limit)),
        )?;
        page.gauges(
            "tagd_pool_waiting",
            "Statements that wait for a connection.",
            usage.iter().map(|(pool, usage)| ([("pool", *pool)], i64::try_from(usage.waiting).unwrap_or(i64::MAX))),
        )?;
        page.histograms(
            "tagd_pool_acquire_seconds",
            "Time until a statement had a connection.",
            POOLS.into_iter().zip(&self.waits).map(|(pool, times)| ([("pool", pool)], times)),
        )
    }
}

impl Source for StoreMetrics {
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        page.gauge(
            "tagd_database_up",
            "Whether the database accepts reads and writes, as /readyz says it.",
            self.ready.value(),
        )?;
        self.write_pools(page)?;
        page.histograms(
            "tagd_batch_size",
            "Requests in each statement for requests that can be batched.",
            BATCHES.into_iter().zip(&self.batches).map(|(kind, sizes)| ([("kind", kind)], sizes)),
        )?;
        let statements = forms::names().iter().zip(&self.statements).filter(|(_, times)| times.count() > 0);
        page.histograms(
            "tagd_statement_duration_seconds",
            "Time of statements, without that until they had a connection, by form.",
            statements.map(|(form, times)| ([("form", form.as_str())], times)),
        )?;
        let reasons = Outage::OF_DATABASE.iter().map(|outage| outage.name()).chain(["other"]);
        page.counters(
            "tagd_statement_errors_total",
            "Statements that failed, by the state of the database that was the reason.",
            reasons.zip(&self.errors).map(|(reason, count)| ([("reason", reason)], count.value())),
        )?;
        page.counter(
            "tagd_import_batches_total",
            "Batches of imports that were written.",
            self.import_batches.value(),
        )?;
        page.counter(
            "tagd_statements_cancelled_total",
            "Statements that were cancelled because nobody waited for them any more.",
            self.cancelled.value(),
        )
    }
}
