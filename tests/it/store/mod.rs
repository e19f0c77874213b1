//! What runs SQL: sessions, the pool, batches, migrations, the index, failures of the database, the list of statements.

mod adoption;
mod callers;
pub mod catalogue;
mod distribution;
mod dropped;
mod durability;
mod faults;
mod fixtures;
mod functions;
mod index;
mod lanes;
mod migrations;
mod pool;
mod pooler;
mod reads;
mod replicas;
mod scopes;
mod silence;
mod states;
mod switchover;
mod writers;
