//! What kind of database it is: plain Postgres, or one whose scopes are distributed over several machines by Citus.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// The kind of a database, which each new connection finds out. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine(Arc<AtomicU8>);

const PLAIN: u8 = 1;
const DISTRIBUTED: u8 = 2;

impl Engine {
    /// Remembers what a connection has found.
    pub(super) fn note(&self, is_distributed: bool) {
        self.0.store(if is_distributed { DISTRIBUTED } else { PLAIN }, Ordering::Relaxed);
    }

    /// Whether scopes are distributed; `None` as long as there was no connection.
    pub(super) fn is_distributed(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            PLAIN => Some(false),
            DISTRIBUTED => Some(true),
            _ => None,
        }
    }
}
