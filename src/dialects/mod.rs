//! The wire formats: each converts bytes to domain types and back, and does nothing else.
//!
//! A dialect is a [`Dialect`]: plain data and function pointers. The one loop over dialects and routes is in
//! `http/router.rs`; another dialect is one new file and one new line in [`DIALECTS`].

mod codec;
mod cts;
mod dialect;
mod dns;
mod ims;
mod tms;

pub use dialect::{Dialect, ListWriter, Method, Operation, PathParameters, Route, WireError, WireReply, WireRequest};

pub use tms::PREDEFINED_LIMITS;

/// Every dialect. IMS must come before DNS: in paths such as `/v2/{project_id}/images/…`, which both have, `images` is
/// not a resource type of DNS.
pub static DIALECTS: &[&Dialect] = &[&ims::IMS, &dns::DNS, &tms::TMS, &cts::CTS];
