//! Import: takes batches into the store and counts what became of them.

use std::ops::Range;

use super::batches::{Batch, Batches, Rejected};
use crate::{
    store::{BatchOutcome, ImportBatch, Importer, Store, StoreError},
    text::{self, WrongEncoding},
};

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) created: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) rejected: u64,
    pub(crate) new_types: Vec<String>,
}

impl Outcome {
    fn add(&mut self, batch: BatchOutcome) {
        self.created += batch.created;
        self.changed += batch.changed;
        self.unchanged += batch.unchanged;
        self.new_types.extend(batch.new_types);
    }

    fn resources(&self) -> u64 {
        self.created + self.changed + self.unchanged
    }
}

/// What stays of an import that does not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atomicity {
    /// Nothing: it is one transaction, and the first bad line ends it.
    Nothing,
    /// Batches that came whole.
    Batches,
    /// Lines that came whole.
    Lines,
}

/// What an import tells while it runs.
#[derive(Debug)]
pub(crate) enum Progress<'a> {
    /// A line was not imported.
    Rejected(&'a Rejected),
    /// A batch is in or, where the import is of all or nothing, put aside.
    Read {
        /// Bytes read up to here.
        bytes: u64,
        /// Resources up to here.
        resources: u64,
    },
    /// A batch that was put aside is in.
    Taken {
        /// Resources up to here.
        resources: u64,
        /// Resources that were put aside.
        of: u64,
    },
}

/// Why an import stopped. Batches before that are in, unless it was strict.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// It could not begin or end.
    Store(StoreError),
    /// The database refused what begins with this line.
    Refused {
        /// Number of the line.
        line: u64,
        /// Why.
        source: StoreError,
    },
    /// A line is bad and the import is strict; the line was told as a step.
    Strict,
    /// The input is text in another encoding than UTF-8; nothing of it was read.
    Encoding(WrongEncoding),
    /// The input broke off.
    Broken(std::io::Error),
}

impl LoadError {
    fn broken(source: std::io::Error) -> Self {
        text::wrong_encoding(&source).map_or(Self::Broken(source), Self::Encoding)
    }
}

/// Imports what the batches have.
pub(crate) async fn load(
    store: &Store,
    batches: Batches,
    keep: Atomicity,
    tell: impl FnMut(Progress<'_>),
) -> Result<Outcome, LoadError> {
    let mut outcome = match keep {
        Atomicity::Nothing => load_whole(store, batches, tell).await,
        Atomicity::Batches | Atomicity::Lines => load_by_batches(store, batches, keep, tell).await,
    }?;
    outcome.new_types.sort();
    outcome.new_types.dedup();
    Ok(outcome)
}

/// Puts batches aside as they come, and takes all in at the end: others who write wait for that only, not for a
/// client that sends slowly.
async fn load_whole(
    store: &Store,
    mut batches: Batches,
    mut tell: impl FnMut(Progress<'_>),
) -> Result<Outcome, LoadError> {
    let mut stage = store.stage_import().await.map_err(LoadError::Store)?;
    let mut first_lines = Vec::new();
    let mut staged = 0;
    while let Some(batch) = batches.recv().await {
        let Batch { resources, lines, rejected, read, broken } = batch;
        for bad in &rejected {
            tell(Progress::Rejected(bad));
        }
        if !rejected.is_empty() {
            return Err(LoadError::Strict);
        }
        if let Some(source) = broken {
            return Err(LoadError::broken(source));
        }
        if let Some(line) = lines.first().copied() {
            stage.add(&resources).await.map_err(|source| LoadError::Refused { line, source })?;
            first_lines.push(line);
            staged += count_of(resources.len());
        }
        tell(Progress::Read { bytes: read, resources: staged });
    }
    let mut whole = stage.begin().await.map_err(LoadError::Store)?;
    let mut outcome = Outcome::default();
    for line in first_lines {
        let taken = whole.take().await.map_err(|source| LoadError::Refused { line, source })?;
        outcome.add(taken.unwrap_or_default());
        tell(Progress::Taken { resources: outcome.resources(), of: staged });
    }
    whole.finish().await.map_err(LoadError::Store)?;
    Ok(outcome)
}

/// Imports batches as they come.
async fn load_by_batches(
    store: &Store,
    mut batches: Batches,
    keep: Atomicity,
    mut tell: impl FnMut(Progress<'_>),
) -> Result<Outcome, LoadError> {
    let mut importer = store.import().await.map_err(LoadError::Store)?;
    let mut outcome = Outcome::default();
    while let Some(batch) = batches.recv().await {
        let Batch { resources, lines, rejected, read, broken } = batch;
        for bad in &rejected {
            outcome.rejected += 1;
            tell(Progress::Rejected(bad));
        }
        if broken.is_none() || keep == Atomicity::Lines {
            run_batch(&mut importer, &resources, &lines, &mut tell, &mut outcome).await?;
        }
        if let Some(source) = broken {
            return Err(LoadError::broken(source));
        }
        tell(Progress::Read { bytes: read, resources: outcome.resources() });
    }
    Ok(outcome)
}

fn count_of(resources: usize) -> u64 {
    u64::try_from(resources).unwrap_or(u64::MAX)
}

/// What the database said of a line, for whoever runs tagd; the report of the import says only that it did.
pub(crate) fn log_refusal(line: u64, error: &StoreError) {
    if let StoreError::BadValue(cause) = error {
        tracing::error!(line, error = %cause, "the database refused a value that the checks let through");
    }
}

/// Runs a batch. Where the database refuses a value that got past the checks, the batch is cut in halves until
/// the line is found, so that one bad line costs no other.
async fn run_batch(
    importer: &mut Importer,
    resources: &ImportBatch,
    lines: &[u64],
    tell: &mut impl FnMut(Progress<'_>),
    outcome: &mut Outcome,
) -> Result<(), LoadError> {
    let whole: Range<usize> = 0..resources.len();
    let mut parts = vec![whole];
    while let Some(part) = parts.pop() {
        let Some(first) = lines.get(part.start) else { continue };
        match importer.run(resources, part.clone()).await {
            Ok(batch) => outcome.add(batch),
            Err(error @ StoreError::BadValue(_)) => {
                if part.len() == 1 {
                    let reason = error.to_string();
                    log_refusal(*first, &error);
                    outcome.rejected += 1;
                    tell(Progress::Rejected(&Rejected { line: *first, reason }));
                } else {
                    let middle = part.start + part.len() / 2;
                    // the front is taken first: the order of the lines is the order of registration
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
            Err(source) => return Err(LoadError::Refused { line: *first, source }),
        }
    }
    Ok(())
}
