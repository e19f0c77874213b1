//! When the log of the primary had which position, by which the lag of replicas is known as a time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The log of the primary at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogSample {
    /// Before it was asked.
    pub(super) at: Instant,
    /// Up to where the log is on disk, and so may be with replicas.
    pub(super) flushed: i64,
    /// Up to where it is written at all.
    pub(super) inserted: i64,
}

/// Samples of the log of one run of the primary, the newest last. Those of an earlier run are forgotten.
#[derive(Debug)]
pub(super) struct LogTimes {
    run: i64,
    samples: VecDeque<LogSample>,
    /// How long samples are kept.
    span: Duration,
    /// The shortest time between two samples, apart from the newest.
    spacing: Duration,
}

/// The most samples that are kept, about.
const MOST: u32 = 1000;

impl LogTimes {
    /// Keeps samples for so long.
    pub(super) fn new(span: Duration) -> Self {
        Self { run: 0, samples: VecDeque::new(), span, spacing: span / MOST }
    }

    /// The run of the primary; 0 before the first sample.
    pub(super) fn run(&self) -> i64 {
        self.run
    }

    /// The log was sampled.
    pub(super) fn note(&mut self, run: i64, sample: LogSample) {
        if self.run != run {
            self.run = run;
            self.samples.clear();
        }
        let since = |before: &LogSample| sample.at.saturating_duration_since(before.at);
        let second_last = self.samples.len().checked_sub(2).and_then(|at| self.samples.get(at));
        if second_last.is_some_and(|before| since(before) < self.spacing) {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        while self.samples.len() > 1 && self.samples.front().is_some_and(|oldest| since(oldest) > self.span) {
            self.samples.pop_front();
        }
    }

    /// A position by which all was written that had been committed before a time; `None` if none is known yet.
    pub(super) fn after(&self, time: Instant) -> Option<i64> {
        let first = self.samples.partition_point(|sample| sample.at <= time);
        self.samples.get(first).map(|sample| sample.inserted)
    }

    /// The newest time of which a replica has everything that was on disk; `None` if it has not even the oldest.
    pub(super) fn newest_with(&self, replayed: i64) -> Option<Instant> {
        let known = self.samples.partition_point(|sample| sample.flushed <= replayed);
        known.checked_sub(1).and_then(|at| self.samples.get(at)).map(|sample| sample.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(begun: Instant, millis: u64, flushed: i64) -> LogSample {
        LogSample { at: begun + Duration::from_millis(millis), flushed, inserted: flushed + 1 }
    }

    #[test]
    fn a_replica_lags_by_the_age_of_the_newest_position_that_it_has() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut times = LogTimes::new(Duration::from_secs(10));
        assert_eq!((times.run(), times.newest_with(i64::MAX), times.after(begun)), (0, None, None));
        for (millis, flushed) in [(0, 10), (100, 20), (200, 20), (300, 30)] {
            times.note(1, sample(begun, millis, flushed));
        }
        assert_eq!(times.newest_with(9), None);
        assert_eq!(times.newest_with(10), Some(at(0)));
        assert_eq!(times.newest_with(29), Some(at(200)));
        assert_eq!(times.newest_with(30), Some(at(300)));
        // what was committed at the very time of a sample may have come after it
        assert_eq!((times.after(at(99)), times.after(at(100)), times.after(at(300))), (Some(21), Some(21), None));
        // another run
        times.note(2, sample(begun, 400, 5));
        assert_eq!((times.run(), times.newest_with(4), times.newest_with(5)), (2, None, Some(at(400))));
    }

    #[test]
    fn samples_are_kept_for_the_span_and_in_bounded_number() {
        let begun = Instant::now();
        let span = Duration::from_secs(1000);
        let mut times = LogTimes::new(span);
        for tick in 0..20_000 {
            times.note(1, sample(begun, tick * 100, i64::try_from(tick).unwrap()));
        }
        assert!(times.samples.len() <= 1200, "{}", times.samples.len());
        let (oldest, newest) = (times.samples.front().unwrap(), times.samples.back().unwrap());
        assert_eq!(newest.flushed, 19_999);
        assert!(newest.at - oldest.at <= span && newest.at - oldest.at > span * 9 / 10);
        // what is left out makes the lag longer, never shorter
        assert!(times.newest_with(15_000).unwrap() <= begun + Duration::from_mins(25));
    }
}
