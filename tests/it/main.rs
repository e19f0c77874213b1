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

mod cluster;
mod import_export;
mod index;
mod program;
mod property;
mod support;
mod writers;
