//! What is known of the primary beside its replicas: when it had written up to where, and whether it is there.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::{log_times::LogTimes, positions::Noted, replica::PrimarySample};
use crate::domain::Position;

/// What is known of the primary.
#[derive(Debug)]
pub(super) struct Primary {
    log: LogTimes,
    contact: Contact,
    /// When that was found out.
    failed: Option<Instant>,
}

/// What came of it when the primary was last asked for its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contact {
    /// It has told it.
    Told,
    /// It refused to, or has answered others since: it is there, and others may write.
    Refused,
    /// There was no answer.
    None,
}

impl Primary {
    /// One that was not asked yet. It is known for so long when it had written up to where.
    pub(super) fn new(span: Duration) -> Self {
        Self { log: LogTimes::new(span), contact: Contact::Told, failed: None }
    }

    /// When it had written up to where.
    pub(super) fn log(&self) -> &LogTimes {
        &self.log
    }

    /// Whether it did not answer when it was last asked.
    pub(super) fn is_away(&self) -> bool {
        self.contact == Contact::None
    }

    /// It has told its position.
    pub(super) fn note(&mut self, sample: &PrimarySample) {
        if mem::replace(&mut self.contact, Contact::Told) != Contact::Told {
            tracing::info!("replicas are compared with the primary again");
        }
        self.log.note(sample.run, sample.log);
    }

    /// It has not told its position.
    pub(super) fn note_failure(&mut self, contact: Contact) {
        self.failed = Some(Instant::now());
        if mem::replace(&mut self.contact, contact) == Contact::Told {
            tracing::warn!("the primary does not say its position; replicas are used as they were last compared");
        }
    }

    /// It has answered others. That says something only if it is later than what was found out: it may have been lost since.
    pub(super) fn note_reached(&mut self, at: Option<Instant>) {
        if self.is_away() && at > self.failed {
            self.contact = Contact::Refused;
        }
    }

    /// Whether it is there, and has not told its position for longer than replicas may be behind.
    pub(super) fn is_silent_too_long(&self, max_lag: Duration) -> bool {
        self.contact == Contact::Refused && self.log.newest().is_some_and(|newest| newest.elapsed() > max_lag)
    }

    /// The position after what was written; `None` if it is not known yet.
    pub(super) fn after(&self, noted: &Noted) -> Option<i64> {
        let Noted { position, at, unknown_at } = noted;
        let known = match position {
            Some(Position { run, lsn }) if *run == self.log.run() => *lsn,
            // what was committed by then in an earlier run is before what was written next
            Some(Position { run, .. }) if self.log.comes_after(*run, *at) => self.log.after(*at)?,
            // the server that was written to was not asked yet
            Some(_) => return None,
            None => 0,
        };
        // nobody knows where, but by then
        let unknown = match unknown_at {
            Some(at) => self.log.after(*at)?,
            None => 0,
        };
        Some(known.max(unknown))
    }

    /// The position after all that was committed when the primary said what may be read, and when projects were last changed or may have
    /// been without tagd being told.
    pub(super) fn since(&self, known_since: Option<Instant>, changed: Option<Instant>) -> Option<i64> {
        let known = match known_since {
            Some(since) => self.log.after(since)?,
            None => 0,
        };
        let changed = match changed.map(|changed| self.log.after(changed)) {
            Some(Some(lsn)) => lsn,
            // it is only that tagd is not told any more, since nobody can change anything
            Some(None) if self.is_away() => 0,
            Some(None) => return None,
            None => 0,
        };
        Some(known.max(changed))
    }
}
