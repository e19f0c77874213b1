//! HTTP in actix-web: the server, the router, and what happens to every request.

mod body;
mod conditions;
mod dispatch;
mod error_log;
mod guard;
mod health;
mod path;
mod pieces;
mod principal;
mod refusal;
mod registry;
mod request_id;
mod request_log;
mod router;
mod server;
mod state;

pub use server::{Running, ServerSettings, start};
