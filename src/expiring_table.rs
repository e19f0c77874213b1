//! A table of what is counted or remembered for a while, with a bound on its memory.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{PoisonError, RwLock, RwLockWriteGuard},
    time::Instant,
};

/// Maximum number of rows of most tables; of those that count, about 100 bytes each.
pub const CAPACITY: usize = 16_384;

/// A row of a table.
pub trait Row {
    /// From when on it says no more than a row that is missing.
    fn ends(&self) -> Instant;
}

/// Rows by key. If there are too many, those go first that have ended, then those that end soonest.
#[derive(Debug)]
pub struct Table<K, V> {
    rows: RwLock<HashMap<K, V>>,
    capacity: usize,
}

impl<K: Hash + Eq, V: Row> Table<K, V> {
    /// An empty table.
    pub fn new(capacity: usize) -> Self {
        Self { rows: RwLock::default(), capacity }
    }

    /// Looks at the row of a key, if it has one.
    pub fn get<Q: Hash + Eq + ?Sized, T>(&self, key: &Q, look: impl FnOnce(&V) -> T) -> Option<T>
    where
        K: Borrow<Q>,
    {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).get(key).map(look)
    }

    /// The number of rows, with those that have ended.
    pub fn len(&self) -> usize {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes the row of a key, which is created if it has none.
    pub fn change<T>(&self, key: K, new: impl FnOnce() -> V, change: impl FnOnce(&mut V) -> T) -> T {
        change(self.with_room_for(&key).entry(key).or_insert_with(new))
    }

    /// Sets the row of a key, if this still holds once nothing else changes the table.
    pub fn set_if(&self, key: K, row: V, holds: impl FnOnce() -> bool) {
        let mut rows = self.with_room_for(&key);
        if holds() {
            rows.insert(key, row);
        }
    }

    /// Removes those rows that are not kept, after something is done while nothing else changes the table.
    pub fn retain(&self, before: impl FnOnce(), mut keep: impl FnMut(&K) -> bool) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        before();
        rows.retain(|key, _| keep(key));
    }

    fn with_room_for(&self, key: &K) -> RwLockWriteGuard<'_, HashMap<K, V>> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if rows.len() >= self.capacity && !rows.contains_key(key) {
            prune(&mut rows, self.capacity);
        }
        rows
    }
}

/// Removes rows until a quarter is free, so that this is seldom needed.
fn prune<K, V: Row>(rows: &mut HashMap<K, V>, capacity: usize) {
    let now = Instant::now();
    rows.retain(|_, row| row.ends() > now);
    let excess = (rows.len() + capacity / 4 + 1).saturating_sub(capacity);
    if excess == 0 {
        return;
    }
    let mut ends: Vec<Instant> = rows.values().map(Row::ends).collect();
    ends.sort_unstable();
    if let Some(last) = ends.get(excess - 1) {
        rows.retain(|_, row| row.ends() > *last);
    } else {
        rows.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Until(Instant);

    impl Row for Until {
        fn ends(&self) -> Instant {
            self.0
        }
    }

    #[test]
    fn a_full_table_loses_what_has_ended_and_then_what_ends_soonest() {
        let table = Table::new(8);
        let now = Instant::now();
        let put = |key: u64, ends: Instant| table.change(key, || Until(ends), |_| ());
        let found = |key: u64| table.get(&key, |_| ()).is_some();
        for key in 0..4 {
            put(key, now);
        }
        for key in 4..8 {
            put(key, now + Duration::from_secs(1000 + key));
        }
        put(8, now + Duration::from_secs(2000));
        assert_eq!((0..9).filter(|&key| found(key)).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
        for key in 9..1000 {
            put(key, now + Duration::from_secs(2000 + key));
            assert!(table.rows.read().unwrap().len() <= 8 && found(key));
        }
        assert!(!found(4) && found(998));
        for key in 2000..3000 {
            put(key, now + Duration::from_hours(3));
        }
        assert!(table.rows.read().unwrap().len() <= 8 && found(2999));
    }

    #[test]
    fn a_table_for_one_row_keeps_the_last() {
        let table = Table::new(1);
        for key in 0..3 {
            table.change(key, || Until(Instant::now() + Duration::from_secs(9)), |_| ());
        }
        assert!(table.get(&2, |_| ()).is_some() && table.get(&1, |_| ()).is_none());
    }
}
