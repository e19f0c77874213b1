//! Bulk import and export as NDJSON, a resource or a definition per line, for the commands and the registry.

pub(crate) mod batches;
mod covered;
mod define;
mod definition_line;
mod gate;
pub(crate) mod line;
mod load;
mod outcome;
pub(crate) mod policy_line;
mod staged_lines;
mod target;
mod waiting;

pub(crate) use covered::Covered;
pub(crate) use gate::{Gate, Stored};
pub(crate) use load::{load, load_with_tags, log_refusal};
pub(crate) use outcome::{Atomicity, DefinitionCounts, LoadError, Outcome, PRUNE_LIMIT, Progress, Strict};
