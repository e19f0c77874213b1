//! The one integration binary: real Postgres, real HTTP, a database for each test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod catalogue;
mod cluster;
mod compiled;
mod limits;
mod property;
mod registry;
mod rules;
mod seeds;
mod support;
