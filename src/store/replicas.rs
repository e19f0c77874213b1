//! The replicas of a database: which of them a read is sent to, or why to the primary.
//!
//! `docs/adr/0043-read-replicas-and-failover.md` explains the rules.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    connect::StoreSettings,
    needed::Needed,
    positions::Positions,
    primary::{Contact, Primary},
    replica::{PrimarySample, Replica, ReplicaSample},
};
use crate::{
    domain::{Position, RequestPositions},
    metrics::{Counter, Page, Source},
};

/// How long a read waits for a connection to a replica before it is sent to the primary.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// Settings of the replicas of a server.
#[derive(Debug, Clone)]
pub struct ReplicaSettings {
    /// How each is reached.
    pub replicas: Vec<StoreSettings>,
    /// How far one may be behind.
    pub max_lag: Duration,
}

/// The replicas of a database. All workers share them.
#[derive(Debug)]
pub struct Replicas {
    pub(super) settings: Vec<StoreSettings>,
    all: Vec<Replica>,
    max_lag: Duration,
    positions: Positions,
    primary: Mutex<Primary>,
    /// Reads that were sent to the primary, by reason.
    reasons: [Counter; REASONS.len()],
    /// The same for those that had failed on a replica.
    failed: Counter,
}

/// Why a read is sent to the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// No replica is usable.
    NoReplica,
    /// None of those that are has replayed what the read must find.
    Behind,
    /// What it must find has a position of another run of the primary.
    OtherRun,
}

const REASONS: [&str; 3] = ["no_replica", "behind", "other_run"];

/// A read, as far as it matters where it is sent.
#[derive(Debug, Clone, Copy)]
pub struct ReplicaRead<'a> {
    /// The positions of its request.
    pub positions: &'a RequestPositions,
    /// Whose writes it must find.
    pub principal: &'a str,
    /// In which project; `None` if it spans projects.
    pub project_id: Option<&'a str>,
    /// What had been committed by then it must find, since the primary said then that it may be read.
    pub known_since: Option<Instant>,
    /// The same for when projects were last changed, or may have been without tagd being told.
    pub changed: Option<Instant>,
}

/// The replica that a read is sent to, and what its connection must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) replica: usize,
    pub(super) needed: Needed,
}

impl Replicas {
    /// Replicas of which nothing is known yet. What is counted of the database is counted of them too.
    pub(super) fn new(settings: &ReplicaSettings, primary: &StoreSettings) -> Self {
        let ReplicaSettings { replicas, max_lag } = settings;
        let of_reads = |replica: &StoreSettings| {
            let mut replica = replica.clone();
            replica.connections = primary.connections;
            replica.acquire_timeout = ACQUIRE_TIMEOUT;
            replica.statement_timeout = primary.statement_timeout;
            replica.metrics = Arc::clone(&primary.metrics);
            replica.is_patient = false;
            replica
        };
        Self {
            settings: replicas.iter().map(of_reads).collect(),
            all: replicas.iter().map(|replica| Replica::new(replica.place().to_owned())).collect(),
            max_lag: *max_lag,
            positions: Positions::new(),
            primary: Mutex::new(Primary::new(2 * *max_lag)),
            reasons: Default::default(),
            failed: Counter::default(),
        }
    }

    /// A replica by its number.
    pub(super) fn get(&self, number: usize) -> Option<&Replica> {
        self.all.get(number)
    }

    /// How many there are, and how many of them are used.
    pub fn count(&self) -> (usize, usize) {
        self.lapse(&self.primary());
        let usable = self.all.iter().filter(|replica| replica.usable().is_some()).count();
        (self.all.len(), usable)
    }

    /// Who has written up to where.
    pub(super) fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Whether the primary did not answer when it was last asked for its position.
    pub(super) fn is_primary_away(&self) -> bool {
        self.primary().is_away()
    }

    /// The primary has answered somebody else.
    pub(super) fn note_reached(&self) {
        self.primary().note_reached(Some(Instant::now()));
    }

    /// The primary has told its position, after the replicas had last answered as they are given.
    pub(super) fn note_primary(&self, sample: &PrimarySample, before: &[Option<ReplicaSample>]) {
        let mut primary = self.primary();
        primary.note(sample);
        for (replica, before) in self.all.iter().zip(before) {
            replica.compare(*before, sample, primary.log(), self.max_lag);
        }
    }

    /// The primary has not told its position.
    pub(super) fn note_no_primary(&self, contact: Contact) {
        let mut primary = self.primary();
        // it may have answered others since it was asked before
        self.lapse(&primary);
        primary.note_failure(contact);
        self.lapse(&primary);
    }

    /// If the primary is there, and replicas could not be compared with it for longer than they may be behind, none is used.
    fn lapse(&self, primary: &Primary) {
        if primary.is_silent_too_long(self.max_lag) {
            for replica in &self.all {
                replica.lapse();
            }
        }
    }

    /// The replica for a read. They take turns, and the reads of one request stay with one.
    pub(super) fn choose(&self, read: &ReplicaRead<'_>, next: &AtomicUsize) -> Result<Chosen, Reason> {
        let count = self.all.len();
        let lsn = self.needed(read);
        let at = |number: usize| {
            let replica = self.all.get(number)?;
            let needed = replica.usable_at(lsn.ok()?)?;
            Some(Chosen { replica: number, needed })
        };
        let own = read.positions.replica().and_then(at);
        let chosen = own.or_else(|| {
            let first = next.fetch_add(1, Relaxed);
            (0..count).find_map(|step| at(first.wrapping_add(step) % count.max(1)))
        });
        match (chosen, lsn) {
            (Some(chosen), _) => {
                read.positions.use_replica(chosen.replica);
                Ok(chosen)
            }
            (None, _) if self.count().1 == 0 => Err(Reason::NoReplica),
            (None, Ok(_)) => Err(Reason::Behind),
            (None, Err(reason)) => Err(reason),
        }
    }

    /// Up to where a replica must have replayed the log for a read.
    fn needed(&self, read: &ReplicaRead<'_>) -> Result<i64, Reason> {
        let mut primary = self.primary();
        primary.note_reached(read.known_since);
        self.lapse(&primary);
        let mut needed = 0;
        if let Some(Position { run, lsn }) = read.positions.needed {
            if run != primary.log().run() {
                return Err(Reason::OtherRun);
            }
            needed = lsn;
        }
        let keys = self.positions.keys_of_read(read.principal, read.project_id);
        for noted in self.positions.find(keys).into_iter().flatten() {
            needed = needed.max(primary.after(&noted).ok_or(Reason::Behind)?);
        }
        Ok(needed.max(primary.since(read.known_since, read.changed).ok_or(Reason::Behind)?))
    }

    /// Counts a read that is sent to the primary.
    pub(super) fn count_on_primary(&self, reason: Reason) {
        if let Some(count) = self.reasons.get(reason as usize) {
            count.increment();
        }
    }

    /// Counts those that have failed on a replica.
    pub(super) fn failed(&self) -> &Counter {
        &self.failed
    }

    fn primary(&self) -> MutexGuard<'_, Primary> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Replicas {
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let all: Vec<_> = self.all.iter().map(|replica| (replica, replica.standing())).collect();
        page.gauges(
            "tagd_replica_usable",
            "Whether reads are sent to each replica.",
            all.iter().map(|(replica, standing)| ([("replica", replica.place())], i64::from(standing.is_usable))),
        )?;
        page.gauges(
            "tagd_replica_lag_seconds",
            "Age of the newest state of the primary that each replica has, as it was last compared.",
            all.iter()
                .filter_map(|(replica, standing)| Some(([("replica", replica.place())], standing.lag?.as_secs_f64()))),
        )?;
        page.gauges(
            "tagd_replica_lag_bytes",
            "Bytes of the log of the primary that each replica had still to replay when it was last compared.",
            all.iter().filter_map(|(replica, standing)| Some(([("replica", replica.place())], standing.behind?))),
        )?;
        page.counters(
            "tagd_replica_reads_total",
            "Reads that were sent to each replica.",
            self.all.iter().map(|replica| ([("replica", replica.place())], replica.reads.value())),
        )?;
        page.counters(
            "tagd_primary_reads_total",
            "Reads that were sent to the primary although there are replicas, by reason.",
            REASONS
                .into_iter()
                .zip(&self.reasons)
                .chain([("failed", &self.failed)])
                .map(|(reason, count)| ([("reason", reason)], count.value())),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        log_times::LogSample,
        replica::{Facts, PrimarySample},
    };

    /// Two replicas, of which nobody asks anything.
    struct Site {
        replicas: Replicas,
        next: AtomicUsize,
    }

    impl Site {
        fn new() -> Self {
            Self::with(Duration::from_secs(10))
        }

        fn with(max_lag: Duration) -> Self {
            let settings = StoreSettings::of_url("postgres://u@127.0.0.1:1/d").unwrap();
            let replicas = ReplicaSettings { replicas: vec![settings.clone(), settings.clone()], max_lag };
            Self { replicas: Replicas::new(&replicas, &settings), next: AtomicUsize::new(0) }
        }

        /// The primary has written up to a position, and the replicas have replayed up to others.
        fn sample(&self, run: i64, written: i64, replayed: [i64; 2]) {
            let (asked, at) = (Instant::now(), Instant::now());
            let before = replayed.map(|replayed| Some(ReplicaSample { run: 7, is_standby: true, replayed, asked, at }));
            for (replica, sample) in self.replicas.all.iter().zip(before) {
                replica.note(sample.unwrap(), Some(Facts { timeline: 1, has_schema: true }));
            }
            let log = LogSample { at: Instant::now(), flushed: written, inserted: written };
            self.replicas.note_primary(&PrimarySample { run, timeline: 1, log }, &before);
        }

        fn choose(&self, needed: Option<Position>) -> Result<usize, Reason> {
            self.choose_since(needed, None, None)
        }

        fn choose_since(
            &self,
            needed: Option<Position>,
            known_since: Option<Instant>,
            changed: Option<Instant>,
        ) -> Result<usize, Reason> {
            let positions = RequestPositions::new(needed);
            let read =
                ReplicaRead { positions: &positions, principal: "p", project_id: Some("q"), known_since, changed };
            self.replicas.choose(&read, &self.next).map(|chosen| chosen.replica)
        }

        fn write(&self, position: Option<Position>) {
            let keys = self.replicas.positions.keys_of_write("p", Some("q"));
            self.replicas.positions.note(keys, position);
        }
    }

    #[test]
    fn reads_take_turns_and_those_of_a_request_stay_together() {
        let site = Site::new();
        assert_eq!(site.choose(None), Err(Reason::NoReplica));
        site.sample(1, 90, [90, 90]);
        site.sample(1, 100, [90, 100]);
        let chosen: Vec<_> = (0..4).map(|_| site.choose(None).unwrap()).collect();
        assert_eq!(chosen, [1, 0, 1, 0]);
        let positions = RequestPositions::new(None);
        let read =
            ReplicaRead { positions: &positions, principal: "p", project_id: None, known_since: None, changed: None };
        let of_request: Vec<_> = (0..3).map(|_| site.replicas.choose(&read, &site.next).unwrap().replica).collect();
        assert_eq!(of_request, [1, 1, 1]);
    }

    #[test]
    fn a_read_goes_where_all_is_that_it_must_find() {
        let site = Site::new();
        site.sample(1, 90, [90, 90]);
        site.sample(1, 100, [90, 100]);
        let at = |run, lsn| Some(Position { run, lsn });
        // what its client was told
        assert_eq!((0..3).map(|_| site.choose(at(1, 95))).collect::<Vec<_>>(), [Ok(1), Ok(1), Ok(1)]);
        assert_eq!(site.choose(at(1, 101)), Err(Reason::Behind));
        assert_eq!(site.choose(at(2, 1)), Err(Reason::OtherRun));
        // what its principal has written
        site.write(at(1, 98));
        assert_eq!((0..3).map(|_| site.choose(None)).collect::<Vec<_>>(), [Ok(1), Ok(1), Ok(1)]);
        // perhaps: what the primary has when it is asked next
        site.write(None);
        assert_eq!(site.choose(None), Err(Reason::Behind));
        site.sample(1, 120, [110, 119]);
        assert_eq!(site.choose(None), Err(Reason::Behind));
        site.sample(1, 130, [110, 130]);
        assert_eq!(site.choose(None), Ok(1));
        // what is written then does not change it, so reads go on
        site.write(at(1, 130));
        assert_eq!(site.choose(None), Ok(1));
        // in another run of the primary, which was asked after the write
        site.write(at(2, 5));
        assert_eq!(site.choose(None), Err(Reason::Behind));
        site.sample(3, 140, [139, 130]);
        assert_eq!(site.choose(None), Err(Reason::NoReplica));
        site.sample(3, 140, [140, 130]);
        assert_eq!(site.choose(None), Ok(0));
    }

    #[test]
    fn what_was_written_to_another_server_is_not_known_from_the_one_that_was_asked_before() {
        let site = Site::new();
        site.sample(1, 100, [100, 100]);
        // the primary is another one now, and the old one still answers
        site.write(Some(Position { run: 2, lsn: 110 }));
        for _ in 0..3 {
            site.sample(1, 100, [100, 100]);
            assert_eq!(site.choose(None), Err(Reason::Behind));
        }
        site.sample(2, 120, [120, 100]);
        assert_eq!(site.choose(None), Ok(0));
        // of the old one it is known that it comes before
        site.write(Some(Position { run: 1, lsn: 130 }));
        site.sample(2, 140, [140, 100]);
        assert_eq!(site.choose(None), Ok(0));
    }

    #[test]
    fn a_read_finds_what_was_committed_when_it_was_allowed() {
        let site = Site::new();
        site.sample(1, 100, [100, 100]);
        let now = Some(Instant::now());
        assert_eq!(site.choose_since(None, now, None), Err(Reason::Behind));
        assert_eq!(site.choose_since(None, None, now), Err(Reason::Behind));
        // while the primary is away, nobody can change anything, and tagd only was not told
        site.replicas.note_no_primary(Contact::None);
        assert!(site.choose_since(None, None, now).is_ok());
        // but it is there if it said so after it was last asked
        assert_eq!(site.choose_since(None, now, None), Err(Reason::Behind));
        site.replicas.note_no_primary(Contact::Refused);
        assert_eq!(site.choose_since(None, None, now), Err(Reason::Behind));
        site.sample(1, 110, [100, 110]);
        let choose = || [site.choose_since(None, now, None), site.choose_since(None, None, now)];
        assert_eq!([choose(), choose()], [[Ok(1); 2]; 2]);
        // what was known when it went away still counts
        site.replicas.note_no_primary(Contact::None);
        assert_eq!([choose(), choose()], [[Ok(1); 2]; 2]);
    }

    #[test]
    fn replicas_are_used_for_longer_than_they_may_be_behind_only_while_the_primary_is_gone() {
        let site = Site::with(Duration::ZERO);
        let lapsed = || site.choose(None) == Err(Reason::NoReplica) && site.replicas.count() == (2, 0);
        site.sample(1, 100, [100, 100]);
        assert!(!lapsed());
        site.replicas.note_no_primary(Contact::None);
        assert!(!lapsed());
        // it refuses only those who ask for its position
        site.replicas.note_no_primary(Contact::Refused);
        assert!(lapsed());
        site.sample(1, 100, [100, 100]);
        assert!(!lapsed());
        // others have written, or were told what they may read; not only before it was lost
        site.replicas.note_reached();
        site.replicas.note_no_primary(Contact::None);
        assert!(!lapsed());
        site.replicas.note_reached();
        assert!(lapsed());
        site.sample(1, 100, [100, 100]);
        site.replicas.note_no_primary(Contact::None);
        assert!(!lapsed());
        assert_eq!(site.choose_since(None, Some(Instant::now()), None), Err(Reason::NoReplica));
    }
}
