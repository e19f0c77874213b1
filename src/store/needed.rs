//! What a read needs that is sent to a replica: where it runs is known before there is a connection.

use std::time::Instant;

/// What a connection to a replica must have for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needed {
    /// The run of its server: what is known of a replica is known of this one.
    run: i64,
    /// Up to where the server must have replayed the log.
    lsn: i64,
    /// Before the server was asked and had done so.
    asked: Option<Instant>,
}

impl Needed {
    /// For a read on the primary.
    pub(super) const NOTHING: Self = Self { run: 0, lsn: 0, asked: None };

    /// The run of a server that had replayed the log up to a position when it was asked.
    pub(super) fn new(run: i64, lsn: i64, asked: Instant) -> Self {
        Self { run, lsn, asked: Some(asked) }
    }

    /// Whether a connection will do: opened at a time, when its server had replayed the log up to a position in this run.
    ///
    /// If one of its processes crashes, a server ends all connections, replays the log again from its last restart point, and lets others
    /// in before it has come to where it had been. It is no new run by the time at which it was started.
    pub(super) fn allows(&self, run: i64, opened: Instant, replayed: i64) -> bool {
        let is_older = self.asked.is_some_and(|asked| opened <= asked);
        self.run == run && (is_older || replayed >= self.lsn)
    }

    /// That of two reads on one connection; if they need different runs, no connection will do.
    pub(super) fn and(self, other: Self) -> Self {
        let run = if self.run == other.run { self.run } else { -1 };
        Self { run, lsn: self.lsn.max(other.lsn), asked: self.asked.min(other.asked) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_connection_that_is_younger_than_the_answer_of_its_server_must_have_what_is_needed_itself() {
        let asked = Instant::now();
        let (before, after) = (asked.checked_sub(Duration::from_millis(1)).unwrap(), asked + Duration::from_millis(1));
        let needed = Needed::new(7, 100, asked);
        assert!(needed.allows(7, before, 0) && needed.allows(7, after, 100));
        assert!(!needed.allows(7, after, 99) && !needed.allows(8, before, 100));
        // two reads on one connection
        let both = needed.and(Needed::new(7, 90, before));
        assert!(both.allows(7, before, 0) && both.allows(7, asked, 100) && !both.allows(7, asked, 99));
        assert!(!needed.and(Needed::new(8, 0, asked)).allows(7, before, 100));
    }
}
