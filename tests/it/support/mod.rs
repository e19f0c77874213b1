//! What tests stand on: databases, servers, fleets, goldens, source files.

mod database;
mod golden;
mod program;
mod relay;
mod source;
mod wire;
mod world;

pub use database::{TestDb, block_on};
pub use golden::{check_golden, golden_dir, is_update};
pub use program::{Program, Said, Serving, Stopper, json_lines, untimed, wait_until};
pub use relay::Relay;
pub use source::{Source, files_of, repository, sources_of};
pub use wire::{Broken, Wire, ids, in_all_dialects};
pub use world::{Answer, World, import_all, registration, sparse_limit, tag, word_limit};
