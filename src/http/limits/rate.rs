//! Requests a second of each key.

use std::{
    hash::Hash,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use crate::expiring_table::{CAPACITY, Row, Table};

/// A rate with a burst of the requests of one second.
///
/// For each key only one time is kept: when its burst is complete again (GCRA, the algorithm of ATM networks).
#[derive(Debug)]
pub(super) struct Rate<K> {
    complete: Table<K, Complete>,
    /// Time between two requests.
    interval: Duration,
    /// How far in the future the burst may become complete.
    tolerance: Duration,
}

/// When a burst is complete again.
#[derive(Debug)]
struct Complete(Instant);

impl Row for Complete {
    fn ends(&self) -> Instant {
        self.0
    }
}

impl<K: Hash + Eq> Rate<K> {
    pub(super) fn new(requests_a_second: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / requests_a_second.get();
        Self { complete: Table::new(CAPACITY), interval, tolerance: interval * (requests_a_second.get() - 1) }
    }

    /// Counts a request; if it is one too many it does not count, and the error is the time until the next one.
    pub(super) fn count(&self, key: K, now: Instant) -> Result<(), Duration> {
        self.complete.change(
            key,
            || Complete(now),
            |complete| {
                let from = complete.0.max(now);
                let wait = from.saturating_duration_since(now).saturating_sub(self.tolerance);
                if !wait.is_zero() {
                    return Err(wait);
                }
                complete.0 = from + self.interval;
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_second_passes_and_then_the_rate() {
        let rate = Rate::new(NonZeroU32::new(4).unwrap());
        let start = Instant::now() + Duration::from_mins(1);
        let at = |millis: u64| start + Duration::from_millis(millis);
        for _ in 0..4 {
            assert_eq!(rate.count("a", at(0)), Ok(()));
        }
        assert_eq!(rate.count("a", at(0)), Err(Duration::from_millis(250)));
        assert_eq!(rate.count("a", at(100)), Err(Duration::from_millis(150)));
        assert_eq!(rate.count("b", at(100)), Ok(()), "another key has its own");
        assert_eq!(rate.count("a", at(250)), Ok(()));
        assert_eq!(rate.count("a", at(250)), Err(Duration::from_millis(250)));
        let passed = (0..1000).filter(|i| rate.count("a", at(1000 + i * 10)).is_ok()).count();
        assert_eq!(passed, 42, "three that were left, and those of ten seconds");
        for _ in 0..4 {
            assert_eq!(rate.count("a", at(60_000)), Ok(()));
        }
        assert!(rate.count("a", at(60_000)).is_err(), "a burst is never longer");
    }
}
