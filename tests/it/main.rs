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

mod access;
mod architecture;
mod cli;
mod compiler;
mod documents;
mod history;
mod metrics;
mod oracle;
mod policy;
mod report;
mod store;
mod support;
mod wire;
