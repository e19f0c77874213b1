//! Counters, gauges and histograms of plain atomics.
//!
//! Each is written with relaxed operations and read only by a scrape, which may see a histogram between two of them.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts several.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The number.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds a number, which may be negative.
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Relaxed);
    }

    /// Sets the number.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// The number.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Look-ups in a cache.
#[derive(Debug, Default)]
pub struct Lookups {
    hits: Counter,
    misses: Counter,
}

impl Lookups {
    /// Counts a look-up by what it has found.
    pub fn count<T>(&self, found: Option<T>) -> Option<T> {
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.increment();
        found
    }

    /// Hits and misses.
    pub fn all(&self) -> [(&'static str, u64); 2] {
        [("hit", self.hits.value()), ("miss", self.misses.value())]
    }
}

/// The buckets of a histogram.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The largest value of each bucket but the last, which has none.
    most: &'static [u64],
    /// By what values are divided to be shown.
    scale: f64,
}

/// Nanoseconds, shown as seconds.
const SECOND: f64 = 1e9;

/// Buckets for the time that requests take, in seconds: from 0.0005 to 30.
pub const REQUEST_SECONDS: Bounds = Bounds {
    most: &[
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        10_000_000_000,
        30_000_000_000,
    ],
    scale: SECOND,
};

/// Buckets for the time that statements take, and that they wait, in seconds: from 0.0001 to 30.
pub const STATEMENT_SECONDS: Bounds = Bounds {
    most: &[
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        30_000_000_000,
    ],
    scale: SECOND,
};

impl Bounds {
    /// Buckets for whole numbers.
    pub const fn whole(most: &'static [u64]) -> Self {
        Self { most, scale: 1.0 }
    }
}

/// How many values fell into each bucket, and their sum.
#[derive(Debug)]
pub struct Histogram {
    bounds: Bounds,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// A histogram without values.
    pub fn new(bounds: Bounds) -> Self {
        let counts = (0..=bounds.most.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.most.partition_point(|most| *most < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    /// Counts a time.
    pub fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// The sum of the values, and each bucket with its largest value.
    pub(super) fn read(&self) -> (f64, Vec<(f64, u64)>) {
        let most = self.bounds.most.iter().map(|most| to_float(*most) / self.bounds.scale);
        let most = most.chain([f64::INFINITY]);
        let buckets = most.zip(&self.counts).map(|(most, count)| (most, count.load(Relaxed))).collect();
        (to_float(self.sum.load(Relaxed)) / self.bounds.scale, buckets)
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
pub(super) fn to_float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_may_have_it() {
        let sizes = Histogram::new(Bounds::whole(&[1, 2, 4]));
        for size in [1, 1, 2, 3, 4, 5, 100] {
            sizes.observe(size);
        }
        assert_eq!(sizes.read(), (116.0, vec![(1.0, 2), (2.0, 1), (4.0, 2), (f64::INFINITY, 2)]));
        assert_eq!(sizes.count(), 7);
    }

    #[test]
    fn times_are_shown_in_seconds() {
        let times = Histogram::new(REQUEST_SECONDS);
        for micros in [500, 501, 30_000_000, 30_000_001] {
            times.observe_time(Duration::from_micros(micros));
        }
        let (sum, buckets) = times.read();
        assert!((sum - 60.001_002).abs() < 1e-9, "{sum}");
        assert_eq!(buckets.first(), Some(&(0.0005, 1)));
        assert_eq!(buckets.get(1), Some(&(0.001, 1)));
        assert_eq!(buckets.get(14..), Some(&[(30.0, 1), (f64::INFINITY, 1)][..]));
        assert_eq!(Histogram::new(STATEMENT_SECONDS).read().1.first(), Some(&(0.0001, 0)));
    }
}
