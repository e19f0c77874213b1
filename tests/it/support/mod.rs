//! What tests stand on: databases, servers, fleets, goldens.

mod database;
mod golden;
mod program;
mod world;

pub use database::{TestDb, block_on};
pub use golden::{check_golden, golden_dir, is_update};
pub use program::{Program, Said, Serving, Stopper, json_lines, untimed, wait_until};
pub use world::{Answer, World, registration, tag};
