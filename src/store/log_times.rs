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
    /// Earlier runs of the primary.
    earlier: VecDeque<i64>,
    /// When the run was first sampled.
    begun: Option<Instant>,
    samples: VecDeque<LogSample>,
    /// How many of them are recent.
    recent: usize,
    /// How long samples are kept.
    span: Duration,
    /// The shortest time between two samples that are not recent.
    spacing: Duration,
}

/// The most samples that are kept, about, besides recent ones.
const MOST: u32 = 1000;

/// For so long samples are recent: most reads are about what was written by then.
const RECENT: Duration = Duration::from_secs(10);

/// The shortest time between two recent samples, apart from the newest.
const RECENT_SPACING: Duration = Duration::from_millis(100);

/// How many earlier runs are known.
const MOST_RUNS: usize = 16;

impl LogTimes {
    /// Keeps samples for so long.
    pub(super) fn new(span: Duration) -> Self {
        Self {
            run: 0,
            earlier: VecDeque::new(),
            begun: None,
            samples: VecDeque::new(),
            recent: 0,
            span,
            spacing: span / MOST,
        }
    }

    /// The run of the primary; 0 before the first sample.
    pub(super) fn run(&self) -> i64 {
        self.run
    }

    /// The log was sampled.
    pub(super) fn note(&mut self, run: i64, sample: LogSample) {
        if self.run != run {
            self.earlier.push_back(self.run);
            self.earlier.retain(|earlier| *earlier != run);
            if self.earlier.len() > MOST_RUNS {
                self.earlier.pop_front();
            }
            self.run = run;
            self.begun = Some(sample.at);
            self.samples.clear();
            self.recent = 0;
        }
        let since = |before: &LogSample| sample.at.saturating_duration_since(before.at);
        let second_last = self.samples.len().checked_sub(2).and_then(|at| self.samples.get(at));
        if second_last.is_some_and(|before| since(before) < RECENT_SPACING) {
            self.samples.pop_back();
            self.recent = self.recent.saturating_sub(1);
        }
        self.samples.push_back(sample);
        self.recent += 1;
        self.thin(sample.at);
        while self.samples.len() > self.recent.max(1)
            && self.samples.front().is_some_and(|oldest| since(oldest) > self.span)
        {
            self.samples.pop_front();
        }
    }

    /// Those that are recent no longer are left out if they follow too closely.
    fn thin(&mut self, now: Instant) {
        loop {
            let first = self.samples.len() - self.recent;
            let Some(oldest) = self.samples.get(first) else { return };
            if now.saturating_duration_since(oldest.at) <= RECENT {
                return;
            }
            self.recent -= 1;
            let before = first.checked_sub(1).and_then(|at| self.samples.get(at));
            if before.is_some_and(|before| oldest.at.saturating_duration_since(before.at) < self.spacing) {
                self.samples.remove(first);
            }
        }
    }

    /// Whether what was committed in another run of the primary by then comes before this run. What has come after it is on a server
    /// that was not sampled yet.
    pub(super) fn comes_after(&self, run: i64, at: Instant) -> bool {
        self.earlier.contains(&run) || self.begun.is_none_or(|begun| at < begun)
    }

    /// When the log was last sampled.
    pub(super) fn newest(&self) -> Option<Instant> {
        self.samples.back().map(|sample| sample.at)
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
    fn what_was_just_written_is_known_closely_however_long_samples_are_kept() {
        let begun = Instant::now();
        let mut times = LogTimes::new(Duration::from_hours(2));
        for tick in 0..2000_u64 {
            times.note(1, sample(begun, tick * 100, i64::try_from(tick).unwrap()));
        }
        for tick in 1900..1999 {
            let at = begun + Duration::from_millis(tick * 100);
            let written = i64::try_from(tick).unwrap();
            assert_eq!((times.newest_with(written), times.after(at)), (Some(at), Some(written + 2)));
        }
        assert!(times.samples.len() < 140, "{}", times.samples.len());
        // those that are left out make the lag longer, never shorter
        let early = begun + Duration::from_secs(100);
        assert!(times.newest_with(1000).unwrap() <= early && times.after(early).unwrap() > 1001);
    }

    #[test]
    fn a_write_of_another_run_comes_before_this_one_only_if_that_is_known() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut times = LogTimes::new(Duration::from_secs(10));
        assert!(times.comes_after(1, at(0)));
        for (run, millis) in [(1, 100), (1, 200), (2, 300), (2, 400)] {
            times.note(run, sample(begun, millis, 10));
        }
        // an earlier one, or before the first sample of this one
        assert!(times.comes_after(1, at(500)) && times.comes_after(3, at(250)));
        assert!(!times.comes_after(3, at(300)) && !times.comes_after(3, at(500)));
        times.note(3, sample(begun, 600, 10));
        assert!(times.comes_after(2, at(700)) && times.comes_after(1, at(700)));
    }

    #[test]
    fn samples_are_kept_for_the_span_and_in_bounded_number() {
        let begun = Instant::now();
        let span = Duration::from_secs(1000);
        let mut times = LogTimes::new(span);
        for tick in 0..20_000 {
            times.note(1, sample(begun, tick * 100, i64::try_from(tick).unwrap()));
        }
        assert!(times.samples.len() <= 1300, "{}", times.samples.len());
        let (oldest, newest) = (times.samples.front().unwrap(), times.samples.back().unwrap());
        assert_eq!(newest.flushed, 19_999);
        assert!(newest.at - oldest.at <= span && newest.at - oldest.at > span * 9 / 10);
        // what is left out makes the lag longer, never shorter
        assert!(times.newest_with(15_000).unwrap() <= begun + Duration::from_mins(25));
    }
}
