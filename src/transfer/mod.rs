//! Resources in bulk as NDJSON, one a line: what the commands and the registry share of import and export.

pub(crate) mod batches;
pub(crate) mod line;
mod load;

pub(crate) use load::{Atomicity, LoadError, Outcome, Progress, load, load_with_tags, log_refusal};
