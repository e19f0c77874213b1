//! How each wire speaks: bytes to domain and back, nothing else.
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

/// Every dialect. IMS before DNS: both have `/v2/{project_id}/…`, and `images` in the place of DNS's
/// resource type is IMS's.
pub static DIALECTS: &[&Dialect] = &[&ims::IMS, &dns::DNS, &tms::TMS, &cts::CTS];
