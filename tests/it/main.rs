//! The one integration binary: real Postgres, real HTTP, a database for each test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::type_complexity,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, sets the stage as it needs, and reads top to bottom"
)]

mod aliases;
mod bad_input;
mod catalogue;
mod cluster;
mod compiled;
mod csv_files;
mod details;
mod durability;
mod encodings;
mod errors;
mod house;
mod import_export;
mod index;
mod limits;
mod lists;
mod methods;
mod migrations;
mod model;
mod names;
mod operations;
mod pages;
mod pool;
mod program;
mod property;
mod reads;
mod registry;
mod rules;
mod sdk;
mod seeds;
mod states;
mod support;
mod tms;
mod values;
mod writers;
mod writes_wire;
