//! Bulk import and export as NDJSON, one resource per line, for the commands and the registry.

pub(crate) mod batches;
mod covered;
pub(crate) mod line;
mod load;
pub(crate) mod policy_line;
mod staged_lines;
mod target;

pub(crate) use covered::Covered;
pub(crate) use load::{
    Atomicity, LoadError, Outcome, PRUNE_LIMIT, Progress, Strict, load, load_with_tags, log_refusal,
};
