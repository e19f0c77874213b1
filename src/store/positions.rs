//! Who has written up to where: reads of the same principal must find it, also those on a replica.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::PgConnection;

use crate::domain::Position;

/// Writers that are told apart.
const CAPACITY: usize = 50_000;

/// How long they are told apart. What is older has to be on every replica.
const MAX_AGE: Duration = Duration::from_mins(1);

/// How often entries that are too old are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// Takes the position of a write.
pub(super) trait NotePosition: Debug + Send + Sync {
    /// Something was written; the position after it, if it is known.
    fn note(&self, position: Option<Position>);
}

/// A write that nobody has been told of yet. If it is dropped before, it may have been done all the same.
#[derive(Debug)]
pub(super) struct Untold<'a>(Option<&'a dyn NotePosition>);

impl<'a> Untold<'a> {
    /// A write that begins.
    pub(super) fn new(noting: Option<&'a dyn NotePosition>) -> Self {
        Self(noting)
    }

    /// It was told.
    pub(super) fn told(mut self) {
        self.0 = None;
    }
}

impl Drop for Untold<'_> {
    fn drop(&mut self) {
        if let Some(noting) = self.0 {
            noting.note(None);
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// The last position that is known.
    pub(super) position: Option<Position>,
    /// When all of it had been committed.
    pub(super) at: Instant,
    /// When that had been committed whose position is not known. What is written later changes nothing about it.
    pub(super) unknown_at: Option<Instant>,
}

impl Noted {
    /// Something was written; the position after it, if it is known.
    fn new(position: Option<Position>, at: Instant) -> Self {
        Self { position, at, unknown_at: position.is_none().then_some(at) }
    }

    /// This and what was written later. A write of another run comes before all of this one, so the later of them counts.
    fn and(self, later: Self) -> Self {
        let position = match (self.position, later.position) {
            (Some(one), Some(other)) if one.run == other.run => Some(Position { lsn: one.lsn.max(other.lsn), ..one }),
            (before, position) => position.or(before),
        };
        Self { position, at: later.at, unknown_at: self.unknown_at.max(later.unknown_at) }
    }
}

/// The last writes of each principal in each project, and of those that were forgotten, which count for everybody.
#[derive(Debug)]
pub(super) struct Positions {
    keys: RandomState,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: HashMap<u64, Noted>,
    forgotten: Option<Noted>,
    swept: Instant,
}

/// The writers whose writes a read must find, or as whom a write is noted.
pub(super) type Keys = [u64; 2];

impl Positions {
    pub(super) fn new() -> Self {
        let state = State { last: HashMap::new(), forgotten: None, swept: Instant::now() };
        Self { keys: RandomState::new(), state: Mutex::new(state) }
    }

    /// As whom a principal writes in a project, or outside of any: for reads there, and for those that span projects.
    pub(super) fn keys_of_write(&self, principal: &str, project_id: Option<&str>) -> Keys {
        [self.keys.hash_one((principal, project_id)), self.keys.hash_one(principal)]
    }

    /// Whose writes a read in a project must find: those there and those outside of any project. One that spans projects must find
    /// all of the principal.
    pub(super) fn keys_of_read(&self, principal: &str, project_id: Option<&str>) -> Keys {
        let all = self.keys.hash_one(principal);
        if project_id.is_none() {
            return [all; 2];
        }
        let outside: (&str, Option<&str>) = (principal, None);
        [self.keys.hash_one((principal, project_id)), self.keys.hash_one(outside)]
    }

    /// Something was written and committed.
    pub(super) fn note(&self, keys: Keys, position: Option<Position>) {
        let noted = Noted::new(position, Instant::now());
        let mut state = self.lock();
        state.sweep(noted.at);
        for key in keys {
            state.last.entry(key).and_modify(|last| *last = last.and(noted)).or_insert(noted);
        }
    }

    /// What a read must find.
    pub(super) fn find(&self, [one, other]: Keys) -> [Option<Noted>; 3] {
        let state = self.lock();
        let of = |key: u64| state.last.get(&key).copied();
        [of(one), if one == other { None } else { of(other) }, state.forgotten]
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets what is too old, or everything if there is too much of it.
    fn sweep(&mut self, now: Instant) {
        let is_full = self.last.len() >= CAPACITY;
        if !is_full && now.saturating_duration_since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        let is_old = |noted: &Noted| now.saturating_duration_since(noted.at) > MAX_AGE;
        let (mut gone, mut forgotten) = (Vec::new(), self.forgotten);
        self.last.retain(|_, noted| {
            let keep = !is_old(noted);
            if !keep {
                gone.push(*noted);
            }
            keep
        });
        if self.last.len() >= CAPACITY {
            gone.extend(self.last.drain().map(|(_, noted)| noted));
        }
        gone.sort_by_key(|noted| noted.at);
        for noted in gone {
            forgotten = Some(forgotten.map_or(noted, |before| before.and(noted)));
        }
        self.forgotten = forgotten;
    }
}

/// The position after all that was committed on the server of a connection.
pub(super) async fn current_position(connection: &mut PgConnection) -> Result<Position, sqlx::Error> {
    let (run, lsn) = sqlx::query_as(
        "select (extract(epoch from pg_catalog.pg_postmaster_start_time()) * 1000000)::int8,
                (pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn)::int8",
    )
    .fetch_one(connection)
    .await?;
    Ok(Position { run, lsn })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(run: i64, lsn: i64) -> Position {
        Position { run, lsn }
    }

    /// The positions that a read must find.
    fn found(positions: &Positions, principal: &str, project_id: Option<&str>) -> Vec<Option<Position>> {
        let keys = positions.keys_of_read(principal, project_id);
        positions.find(keys).into_iter().flatten().map(|noted| noted.position).collect()
    }

    #[test]
    fn a_read_finds_what_its_principal_has_written_there_and_outside_of_projects() {
        let positions = Positions::new();
        let write = |principal, project_id, lsn| {
            positions.note(positions.keys_of_write(principal, project_id), Some(at(1, lsn)));
        };
        write("a", Some("p"), 10);
        write("a", Some("q"), 30);
        write("b", None, 20);
        assert_eq!(found(&positions, "a", Some("p")), [Some(at(1, 10))]);
        assert_eq!(found(&positions, "a", None), [Some(at(1, 30))]);
        assert_eq!(found(&positions, "a", Some("r")), []);
        assert_eq!(found(&positions, "b", Some("p")), [Some(at(1, 20))]);
        write("a", None, 40);
        write("a", Some("p"), 5);
        assert_eq!(found(&positions, "a", Some("p")), [Some(at(1, 10)), Some(at(1, 40))]);
    }

    #[test]
    fn what_is_not_known_stays_unknown_and_another_run_comes_after() {
        let positions = Positions::new();
        let keys = positions.keys_of_write("a", Some("p"));
        let last = || positions.find(keys).into_iter().flatten().next().unwrap();
        positions.note(keys, Some(at(1, 10)));
        positions.note(keys, Some(at(2, 3)));
        assert_eq!((last().position, last().unknown_at), (Some(at(2, 3)), None));
        positions.note(keys, None);
        let unknown_at = last().unknown_at;
        assert_eq!((last().position, unknown_at), (Some(at(2, 3)), Some(last().at)));
        // known writes do not make it later
        positions.note(keys, Some(at(2, 9)));
        assert_eq!((last().position, last().unknown_at), (Some(at(2, 9)), unknown_at));
        assert!(Some(last().at) > unknown_at);
        positions.note(keys, None);
        assert!(last().unknown_at > unknown_at);
    }

    #[derive(Debug, Default)]
    struct Told(Mutex<Vec<Option<Position>>>);

    impl NotePosition for Told {
        fn note(&self, position: Option<Position>) {
            self.0.lock().unwrap().push(position);
        }
    }

    #[test]
    fn a_write_that_is_dropped_before_it_is_told_may_have_been_done() {
        let told = Told::default();
        drop(Untold::new(None));
        Untold::new(Some(&told)).told();
        assert!(told.0.lock().unwrap().is_empty());
        drop(Untold::new(Some(&told)));
        assert_eq!(*told.0.lock().unwrap(), [None]);
    }

    #[test]
    fn what_is_forgotten_counts_for_everybody() {
        let positions = Positions::new();
        for number in 0..=CAPACITY {
            let lsn = i64::try_from(number).unwrap();
            positions.note(positions.keys_of_write(&number.to_string(), None), Some(at(1, lsn)));
        }
        assert!(positions.lock().last.len() <= CAPACITY);
        let everybody = found(&positions, "nobody", Some("p"));
        assert!(matches!(everybody.as_slice(), [Some(Position { run: 1, lsn })] if *lsn > 0), "{everybody:?}");
        // what has become too old
        let mut state = positions.lock();
        let later = Instant::now() + MAX_AGE + SWEEP;
        state.sweep(later);
        assert!(state.last.is_empty());
        let last = i64::try_from(CAPACITY).unwrap();
        assert_eq!(state.forgotten.map(|noted| noted.position), Some(Some(at(1, last))));
    }
}
