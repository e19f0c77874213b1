//! What tests build on: databases, servers, fleets, goldens, source files.

mod browser;
mod certificates;
mod database;
mod dice;
mod files;
mod golden;
mod pgbouncer;
mod program;
mod python;
mod relay;
mod replicated;
mod schema;
mod site;
mod source;
mod statements;
mod tool;
mod waiting;
mod wire;
mod world;

pub use browser::Browser;
pub use certificates::{Authority, Signed};
pub use database::{TestDb, block_on};
pub use dice::Dice;
pub use files::Files;
pub use golden::{check_golden, golden_dir, is_update};
pub use pgbouncer::PgBouncer;
pub use program::{Program, Said, Serving, Stopper, finish, json_lines, untimed};
pub use python::run_python;
pub use relay::Relay;
pub use replicated::Replicated;
pub use schema::{assert_same_schema, restored, unzipped};
pub use site::{Behind, Site};
pub use source::{Source, files_of, repository, sources_of};
pub use statements::{Statement, statements_of};
pub use tool::{Tool, run_tool};
pub use waiting::{PATIENCE, begin, eventually, eventually_found, waiting_for_locks};
pub use wire::{Broken, QueryLimits, Wire, WriteLimits, every_route, fill, ids, in_all_dialects};
pub use world::{
    Answer, World, agent, import_all, registration, replace_tags, send, sparse_limit, tag, unregister, word_limit,
};
