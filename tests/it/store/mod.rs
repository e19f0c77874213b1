//! What runs SQL: sessions and the pool, batches, migrations, the index, states and deaths of the database.

mod adoption;
mod callers;
mod durability;
mod functions;
mod index;
mod migrations;
mod pool;
mod reads;
mod states;
mod writers;
