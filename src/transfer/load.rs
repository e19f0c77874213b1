//! Import: takes batches into the store and counts what became of them.

use std::ops::Range;

use super::batches::{Batch, Batches, Rejected};
use crate::store::{ImportBatch, Importer, Store, StoreError};

/// What an import did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) created: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) rejected: u64,
    pub(crate) new_types: Vec<String>,
}

/// What stays of an import that does not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing: it is one transaction, and the first bad line ends it.
    Nothing,
    /// Batches that came whole.
    Batches,
    /// Lines that came whole.
    Lines,
}

/// What an import tells while it runs.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A line was not imported.
    Rejected(&'a Rejected),
    /// A batch is in.
    Read {
        /// Bytes read up to here.
        bytes: u64,
        /// Resources up to here.
        resources: u64,
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
    /// The input broke off.
    Broken(std::io::Error),
}

/// Imports batches as they come.
pub(crate) async fn load(
    store: &Store,
    mut batches: Batches,
    keep: Keep,
    mut tell: impl FnMut(Step<'_>),
) -> Result<Outcome, LoadError> {
    let strict = keep == Keep::Nothing;
    let mut importer = store.import(strict).await.map_err(LoadError::Store)?;
    let mut outcome = Outcome::default();
    while let Some(batch) = batches.recv().await {
        let Batch { resources, lines, rejected, read, broken } = batch;
        for bad in &rejected {
            outcome.rejected += 1;
            tell(Step::Rejected(bad));
        }
        if strict && outcome.rejected > 0 {
            return Err(LoadError::Strict);
        }
        if let Some(source) = broken {
            if keep == Keep::Lines {
                run_batch(&mut importer, &resources, &lines, strict, &mut tell, &mut outcome).await?;
            }
            return Err(LoadError::Broken(source));
        }
        run_batch(&mut importer, &resources, &lines, strict, &mut tell, &mut outcome).await?;
        tell(Step::Read { bytes: read, resources: outcome.created + outcome.changed + outcome.unchanged });
    }
    importer.finish().await.map_err(LoadError::Store)?;
    outcome.new_types.sort();
    outcome.new_types.dedup();
    Ok(outcome)
}

/// Runs a batch. Where the database refuses a value that got past the checks, the batch is cut in halves until
/// the line is found, so that one bad line costs no other.
async fn run_batch(
    importer: &mut Importer,
    resources: &ImportBatch,
    lines: &[u64],
    strict: bool,
    tell: &mut impl FnMut(Step<'_>),
    outcome: &mut Outcome,
) -> Result<(), LoadError> {
    let whole: Range<usize> = 0..resources.len();
    let mut parts = vec![whole];
    while let Some(part) = parts.pop() {
        let Some(first) = lines.get(part.start) else { continue };
        match importer.run(resources, part.clone()).await {
            Ok(batch) => {
                outcome.created += batch.created;
                outcome.changed += batch.changed;
                outcome.unchanged += batch.unchanged;
                outcome.new_types.extend(batch.new_types);
            }
            Err(StoreError::BadValue(reason)) if !strict => {
                if part.len() == 1 {
                    outcome.rejected += 1;
                    tell(Step::Rejected(&Rejected { line: *first, reason }));
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
