//! Positions in the log of the database, by which a read elsewhere is known to find what was written before.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A position in the write-ahead log. Positions of different runs of a server are not compared: after a crash or on another server
/// the same position may have another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// When the server was started that wrote it, in microseconds since 1970.
    pub run: i64,
    /// Bytes from the beginning of the log.
    pub lsn: i64,
}

/// The positions of one request: what its reads must find, and what it has written.
#[derive(Debug)]
pub struct RequestPositions {
    /// What its client has seen elsewhere.
    pub needed: Option<Position>,
    written: Mutex<Written>,
    /// The replica that its first read was sent to: others follow if they can, so that they see the same state.
    replica: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum Written {
    Nothing,
    At(Position),
    /// Something, and nobody knows where.
    Somewhere,
}

const NONE: usize = usize::MAX;

impl RequestPositions {
    /// Those of a request whose client has seen something.
    pub fn new(needed: Option<Position>) -> Self {
        Self { needed, written: Mutex::new(Written::Nothing), replica: AtomicUsize::new(NONE) }
    }

    /// The request has written something; the position after it, if that is known.
    pub fn note(&self, position: Option<Position>) {
        let mut written = self.lock();
        *written = match (*written, position) {
            (Written::Somewhere, _) | (_, None) => Written::Somewhere,
            (Written::At(before), Some(now)) if before.run == now.run => {
                Written::At(Position { run: now.run, lsn: now.lsn.max(before.lsn) })
            }
            (_, Some(now)) => Written::At(now),
        };
    }

    /// The position after all that the request has written, if it is known.
    pub fn written(&self) -> Option<Position> {
        match *self.lock() {
            Written::At(position) => Some(position),
            Written::Nothing | Written::Somewhere => None,
        }
    }

    /// The number of the replica that its first read was sent to.
    pub fn replica(&self) -> Option<usize> {
        Some(self.replica.load(Relaxed)).filter(|number| *number != NONE)
    }

    /// A read is sent to this replica.
    pub fn use_replica(&self, number: usize) {
        self.replica.store(number, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_has_written_is_known_only_if_all_of_it_is() {
        let positions = RequestPositions::new(None);
        assert_eq!(positions.written(), None);
        for lsn in [5, 7, 6] {
            positions.note(Some(Position { run: 1, lsn }));
        }
        assert_eq!(positions.written(), Some(Position { run: 1, lsn: 7 }));
        // the database was started again meanwhile
        positions.note(Some(Position { run: 2, lsn: 3 }));
        assert_eq!(positions.written(), Some(Position { run: 2, lsn: 3 }));
        positions.note(None);
        positions.note(Some(Position { run: 2, lsn: 4 }));
        assert_eq!(positions.written(), None);
    }
}
