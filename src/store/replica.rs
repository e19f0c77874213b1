//! What is known of one replica, and whether reads may be sent to it.
//!
//! `docs/adr/0043-read-replicas-and-failover.md` explains the rules.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    log_times::{LogSample, LogTimes},
    needed::Needed,
};
use crate::metrics::Counter;

/// A replica whose last answer is older is not used.
const STALE: Duration = Duration::from_secs(1);

/// Why a replica is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It does not answer.
    Unreachable,
    /// It is not in recovery: it was promoted, or it never was a replica.
    NotStandby,
    /// It has a part of the log that the primary does not have.
    Diverged,
    /// It follows another timeline than that of the primary, or is not known to follow this one.
    Timeline,
    /// The schema there is older than this tagd's.
    Schema,
    /// It is too far behind.
    Lag,
    /// It was not compared with the primary yet.
    Unknown,
    /// It was last compared with the primary too long ago, although the primary is there.
    Uncompared,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "it does not answer",
            Self::NotStandby => "it is not a standby",
            Self::Diverged => "it has a part of the log that the primary does not have; it must be made anew",
            Self::Timeline => "it is not known to follow the timeline of the primary",
            Self::Schema => "its schema is older than that of this tagd",
            Self::Lag => "it is too far behind the primary",
            Self::Unknown => "it was not compared with the primary yet",
            Self::Uncompared => "it could not be compared with the primary for longer than it may be behind",
        })
    }
}

/// What the primary said.
#[derive(Debug, Clone, Copy)]
pub(super) struct PrimarySample {
    /// When its server was started, in microseconds since 1970.
    pub(super) run: i64,
    pub(super) timeline: i32,
    pub(super) log: LogSample,
}

/// What a replica said.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplicaSample {
    /// When its server was started.
    pub(super) run: i64,
    pub(super) is_standby: bool,
    /// Up to where it has replayed the log.
    pub(super) replayed: i64,
    /// Before it was asked.
    pub(super) asked: Instant,
    /// When it had answered.
    pub(super) at: Instant,
}

/// What seldom changes, and is asked for while a replica is not used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) timeline: i32,
    pub(super) has_schema: bool,
}

/// A replica that was found to have a state of the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Confirmed {
    /// The run of its server.
    run: i64,
    lag: Duration,
    behind: i64,
}

/// A replica.
#[derive(Debug)]
pub(super) struct Replica {
    place: String,
    state: Mutex<State>,
    /// Reads that were sent to it.
    pub(super) reads: Counter,
    /// Whether it did not answer in time when it was last asked.
    is_silent: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    sample: Option<ReplicaSample>,
    /// Those of a run of its server.
    facts: Option<(i64, Facts)>,
    confirmed: Result<Confirmed, Unusable>,
    /// The run of its server in which it had what the primary did not have.
    diverged: Option<i64>,
}

/// How far a replica is behind, as far as it is known, and whether it is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) is_usable: bool,
    pub(super) lag: Option<Duration>,
    pub(super) behind: Option<i64>,
}

impl Replica {
    pub(super) fn new(place: String) -> Self {
        let state = State { sample: None, facts: None, confirmed: Err(Unusable::Unknown), diverged: None };
        Self { place, state: Mutex::new(state), reads: Counter::default(), is_silent: Arc::default() }
    }

    /// Host and port.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Whether it did not answer in time when it was last asked; true only for as long.
    pub(super) fn silence(&self) -> &Arc<AtomicBool> {
        &self.is_silent
    }

    /// The last answer, if there is one.
    pub(super) fn sample(&self) -> Option<ReplicaSample> {
        self.lock().sample
    }

    /// Whether it has to be asked for its facts.
    pub(super) fn needs_facts(&self, run: i64) -> bool {
        let state = self.lock();
        state.confirmed.is_err() || state.facts.is_none_or(|(of, _)| of != run)
    }

    /// It has answered.
    pub(super) fn note(&self, sample: ReplicaSample, facts: Option<Facts>) {
        self.is_silent.store(false, Relaxed);
        let mut state = self.lock();
        state.sample = Some(sample);
        if let Some(facts) = facts {
            state.facts = Some((sample.run, facts));
        }
    }

    /// It has not answered, or not in time.
    pub(super) fn note_failure(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Relaxed);
        let mut state = self.lock();
        state.sample = None;
        let before = std::mem::replace(&mut state.confirmed, Err(Unusable::Unreachable));
        drop(state);
        self.tell(before.err(), Some(Unusable::Unreachable));
    }

    /// It was last compared with the primary too long ago.
    pub(super) fn lapse(&self) {
        let mut state = self.lock();
        if state.confirmed.is_ok() {
            state.confirmed = Err(Unusable::Uncompared);
            drop(state);
            self.tell(None, Some(Unusable::Uncompared));
        }
    }

    /// Compares an answer with one of the primary, which was asked later. Nothing is said of one that has failed to answer meanwhile.
    pub(super) fn compare(
        &self,
        sample: Option<ReplicaSample>,
        primary: &PrimarySample,
        times: &LogTimes,
        max_lag: Duration,
    ) {
        let mut state = self.lock();
        let (Some(sample), Some(_)) = (sample, state.sample) else { return };
        let confirmed = state.judge(sample, primary, times, max_lag);
        if confirmed == Err(Unusable::Diverged) {
            state.diverged = Some(sample.run);
        }
        let before = std::mem::replace(&mut state.confirmed, confirmed);
        drop(state);
        self.tell(before.err(), confirmed.err());
    }

    /// The run of its server, if reads may be sent there.
    pub(super) fn usable(&self) -> Option<i64> {
        self.lock().usable(Instant::now()).map(|sample| sample.run)
    }

    /// The same for reads that must find what was written up to a position: what their connections need.
    pub(super) fn usable_at(&self, lsn: i64) -> Option<Needed> {
        let sample = self.lock().usable(Instant::now())?;
        (sample.replayed >= lsn).then_some(Needed::new(sample.run, lsn, sample.asked))
    }

    /// How far it is behind.
    pub(super) fn standing(&self) -> Standing {
        let state = self.lock();
        let confirmed = state.confirmed.ok();
        Standing {
            is_usable: state.usable(Instant::now()).is_some(),
            lag: confirmed.map(|confirmed| confirmed.lag),
            behind: confirmed.map(|confirmed| confirmed.behind),
        }
    }

    fn tell(&self, before: Option<Unusable>, now: Option<Unusable>) {
        let place = &self.place;
        match (before, now) {
            (Some(_), None) => tracing::info!(place, "reads are sent to a replica"),
            (before, Some(reason)) if before != now => {
                tracing::warn!(place, %reason, "no reads are sent to a replica");
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn usable(&self, now: Instant) -> Option<ReplicaSample> {
        let sample = self.sample?;
        let confirmed = self.confirmed.ok()?;
        let is_fresh = now.saturating_duration_since(sample.at) < STALE;
        (sample.is_standby && sample.run == confirmed.run && is_fresh).then_some(sample)
    }

    fn judge(
        &self,
        sample: ReplicaSample,
        primary: &PrimarySample,
        times: &LogTimes,
        max_lag: Duration,
    ) -> Result<Confirmed, Unusable> {
        if !sample.is_standby {
            return Err(Unusable::NotStandby);
        }
        if self.diverged == Some(sample.run) || sample.replayed > primary.log.flushed {
            return Err(Unusable::Diverged);
        }
        let Some((_, facts)) = self.facts.filter(|(run, _)| *run == sample.run) else {
            return Err(Unusable::Unknown);
        };
        if !facts.has_schema {
            return Err(Unusable::Schema);
        }
        if facts.timeline != primary.timeline {
            return Err(Unusable::Timeline);
        }
        let lag = times.newest_with(sample.replayed).map(|at| primary.log.at.saturating_duration_since(at));
        match lag {
            Some(lag) if lag <= max_lag => {
                Ok(Confirmed { run: sample.run, lag, behind: primary.log.flushed - sample.replayed })
            }
            _ => Err(Unusable::Lag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_LAG: Duration = Duration::from_secs(10);

    fn sample_of(run: i64) -> ReplicaSample {
        ReplicaSample { run, is_standby: true, replayed: 600, asked: Instant::now(), at: Instant::now() }
    }

    /// A replica beside a primary that has written ten bytes a second for a minute.
    struct Site {
        replica: Replica,
        times: LogTimes,
        begun: Instant,
    }

    impl Site {
        fn new() -> Self {
            let begun = Instant::now();
            let mut site = Self { replica: Replica::new("r".to_owned()), times: LogTimes::new(6 * MAX_LAG), begun };
            (0..=60).for_each(|second| site.times.note(1, site.log(second)));
            site
        }

        fn log(&self, second: u64) -> LogSample {
            let written = i64::try_from(second * 10).unwrap();
            LogSample { at: self.begun + Duration::from_secs(second), flushed: written, inserted: written }
        }

        /// Why it is not used after an answer.
        fn judge(&self, change: impl Fn(&mut ReplicaSample, &mut Facts, &mut PrimarySample)) -> Option<Unusable> {
            let mut sample = sample_of(7);
            let mut facts = Facts { timeline: 3, has_schema: true };
            let mut primary = PrimarySample { run: 1, timeline: 3, log: self.log(60) };
            change(&mut sample, &mut facts, &mut primary);
            self.replica.note(sample, Some(facts));
            self.replica.compare(Some(sample), &primary, &self.times, MAX_LAG);
            let reason = self.replica.lock().confirmed.err();
            assert_eq!(reason.is_none(), self.replica.usable() == Some(sample.run));
            reason
        }
    }

    #[test]
    fn a_replica_is_used_that_has_a_state_of_the_primary_which_is_not_too_old() {
        let site = Site::new();
        assert_eq!(site.replica.usable(), None);
        assert_eq!(site.judge(|_, _, _| {}), None);
        assert_eq!(site.judge(|sample, _, _| sample.replayed = 500), None);
        let standing = site.replica.standing();
        assert_eq!((standing.lag, standing.behind), (Some(MAX_LAG), Some(100)));
        assert_eq!(site.judge(|sample, _, _| sample.replayed = 499), Some(Unusable::Lag));
        assert_eq!(site.judge(|sample, _, _| sample.is_standby = false), Some(Unusable::NotStandby));
        assert_eq!(site.judge(|_, facts, _| facts.has_schema = false), Some(Unusable::Schema));
        assert_eq!(site.judge(|_, facts, _| facts.timeline = 2), Some(Unusable::Timeline));
        assert_eq!(site.judge(|_, _, primary| primary.timeline = 4), Some(Unusable::Timeline));
        assert_eq!(site.judge(|_, _, _| {}), None);
    }

    #[test]
    fn a_read_goes_only_where_what_it_must_find_was_replayed() {
        let site = Site::new();
        assert_eq!(site.judge(|sample, _, _| sample.replayed = 550), None);
        let needed = site.replica.usable_at(550).unwrap();
        assert!(needed.allows(7, Instant::now(), 550) && !needed.allows(7, Instant::now(), 549));
        assert_eq!(site.replica.usable_at(551), None);
        site.replica.note_failure(false);
        assert_eq!((site.replica.usable_at(550), site.replica.usable()), (None, None));
    }

    #[test]
    fn one_that_does_not_answer_any_more_is_not_judged_by_what_it_said_before() {
        let site = Site::new();
        let primary = PrimarySample { run: 1, timeline: 3, log: site.log(60) };
        // it answers, the primary is asked, and it is stopped before that has answered
        let before = sample_of(7);
        site.replica.note(before, Some(Facts { timeline: 3, has_schema: true }));
        site.replica.note_failure(false);
        site.replica.compare(Some(before), &primary, &site.times, MAX_LAG);
        assert_eq!(site.replica.lock().confirmed, Err(Unusable::Unreachable));
    }

    #[test]
    fn one_that_was_compared_too_long_ago_is_left_out_until_it_is_compared_again() {
        let site = Site::new();
        site.replica.lapse();
        assert_eq!(site.replica.lock().confirmed, Err(Unusable::Unknown));
        assert_eq!(site.judge(|_, _, _| {}), None);
        site.replica.lapse();
        assert_eq!((site.replica.usable(), site.replica.lock().confirmed), (None, Err(Unusable::Uncompared)));
        assert_eq!(site.judge(|_, _, _| {}), None);
    }

    #[test]
    fn one_that_has_more_than_the_primary_is_out_until_its_server_was_started_again() {
        let site = Site::new();
        assert_eq!(site.judge(|sample, _, _| sample.replayed = 601), Some(Unusable::Diverged));
        assert_eq!(site.judge(|_, _, _| {}), Some(Unusable::Diverged));
        assert_eq!(site.judge(|sample, _, _| sample.run = 8), None);
    }

    #[test]
    fn one_whose_server_was_started_again_is_not_used_before_it_is_compared() {
        let site = Site::new();
        assert_eq!(site.judge(|_, _, _| {}), None);
        let sample = sample_of(8);
        site.replica.note(sample, None);
        assert_eq!(site.replica.usable(), None);
        assert!(site.replica.needs_facts(8));
        // nor if its last answer is old
        let old = Instant::now().checked_sub(2 * STALE).unwrap();
        assert_eq!(site.judge(|_, _, _| {}), None);
        site.replica.note(ReplicaSample { run: 7, at: old, ..sample }, None);
        assert_eq!(site.replica.usable(), None);
    }
}
