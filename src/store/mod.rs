//! The only room that runs SQL: the pool, the migrations, and one file for each family of statements.

mod connect;
mod exports;
mod failure;
mod import_stage;
mod imports;
mod index;
mod lines;
mod migrate;
mod pool;
mod predefined;
mod read_queue;
mod readiness;
mod registry;
mod resources;
mod scopes;
mod states;
mod tag_lists;
mod tag_stage;
mod write_queue;
mod writes;

pub use connect::{Purpose, Store, StoreSettings, create_database};
pub use exports::{ExportTotals, Exporter};
pub use failure::StoreError;
pub use import_stage::{StagedImport, WholeImport};
pub use imports::{BatchOutcome, ImportBatch, Importer};
pub use index::{IndexMismatch, ScopeTotals};
pub use migrate::{MigrateReport, SCHEMA_VERSION, migrate};
pub use readiness::{Readiness, WANTED};
pub use scopes::{TypeScopes, Unknown};
pub use states::{Meaning, Refusal, STATES, meaning_of_end, meaning_of_state, outage_of_setup};
pub use tag_stage::{TagRow, TagStage, TakenTags};
pub use write_queue::{WRITE_CONNECTIONS, WriteQueue};
