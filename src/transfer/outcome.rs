//! What an import is asked for, reports and ends with.

use std::collections::BTreeMap;

use super::batches::Rejected;
use crate::{
    domain::{RequestError, definition::Kind},
    store::{BatchOutcome, ChangedProjects, Put, StoreError},
    text::{self, WrongEncoding},
};

/// Counts of an import.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) created: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    /// Lines of all kinds.
    pub(crate) rejected: u64,
    /// Resources that were not in the input and were removed.
    pub(crate) removed: u64,
    pub(crate) new_types: Vec<String>,
    /// What became of each kind of line that is not a resource, if there were any.
    pub(crate) definitions: BTreeMap<Kind, DefinitionCounts>,
}

/// Counts of one kind of line that is not a resource.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DefinitionCounts {
    pub(crate) created: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) rejected: u64,
}

impl Outcome {
    pub(super) fn add(&mut self, batch: BatchOutcome) {
        self.created += batch.created;
        self.changed += batch.changed;
        self.unchanged += batch.unchanged;
        self.new_types.extend(batch.new_types);
    }

    pub(super) fn resources(&self) -> u64 {
        self.created + self.changed + self.unchanged
    }

    /// Lines of resources that were rejected, with those whose kind could not be read.
    pub(crate) fn rejected_resources(&self) -> u64 {
        self.rejected - self.definitions.values().map(|counts| counts.rejected).sum::<u64>()
    }

    /// Counts a line that was not imported.
    pub(super) fn reject(&mut self, kind: Kind) {
        self.rejected += 1;
        if kind != Kind::Resource {
            self.definitions.entry(kind).or_default().rejected += 1;
        }
    }

    /// Counts a definition that was stored or was there already.
    pub(super) fn put(&mut self, kind: Kind, put: Put) {
        let counts = self.definitions.entry(kind).or_default();
        match put {
            Put::Created => counts.created += 1,
            Put::Changed => counts.changed += 1,
            Put::Unchanged => counts.unchanged += 1,
        }
    }
}

/// How many resources an import that prunes may remove, unless it says otherwise.
pub(crate) const PRUNE_LIMIT: u64 = 1000;

/// What a failed import leaves in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atomicity {
    /// Nothing: it is one transaction, and the first bad line ends it.
    Nothing(Strict),
    /// The batches that were complete.
    Batches,
    /// The lines that were complete.
    Lines,
}

impl Atomicity {
    /// Whether the import is all or nothing.
    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Self::Nothing(_))
    }
}

/// What only an import that is one transaction can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Strict {
    /// To remove resources that are not in the input, from the scopes that are in it: no more than this number.
    pub(crate) prune: Option<u64>,
    /// To undo everything at the end.
    pub(crate) is_dry_run: bool,
}

/// What an import reports while it runs.
#[derive(Debug)]
pub(crate) enum Progress<'a> {
    /// A line was not imported.
    Rejected(&'a Rejected),
    /// These projects may get another domain.
    Moving(&'a ChangedProjects),
    /// A batch was imported or, in a strict import, staged.
    Read {
        /// Bytes read so far.
        bytes: u64,
        /// Resources so far.
        resources: u64,
    },
    /// A staged batch was imported.
    Imported {
        /// Resources so far.
        resources: u64,
        /// Resources that were staged.
        of: u64,
    },
    /// Resources that are not in the input were removed.
    Removed {
        /// Resources so far.
        resources: u64,
        /// Resources that are to be removed.
        of: u64,
    },
}

/// Why an import stopped. Earlier batches are imported, unless it was strict.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// It could not begin or end.
    Store(StoreError),
    /// The database refused the batch that begins with this line.
    Refused {
        /// Number of the line.
        line: u64,
        /// Why.
        source: StoreError,
    },
    /// It is no longer allowed.
    Denied {
        /// Number of the first line that was not imported.
        line: u64,
        /// Why.
        source: RequestError,
    },
    /// A line is bad and the import is strict; the line was reported.
    Strict,
    /// More resources are not in the input than may be removed.
    PruneLimit {
        /// Resources that are not in the input.
        unlisted: u64,
        /// The limit.
        limit: u64,
    },
    /// The input is not UTF-8; none of it was imported.
    Encoding(WrongEncoding),
    /// Reading the input failed.
    Broken(std::io::Error),
}

impl LoadError {
    pub(super) fn broken(source: std::io::Error) -> Self {
        text::wrong_encoding(&source).map_or(Self::Broken(source), Self::Encoding)
    }
}
