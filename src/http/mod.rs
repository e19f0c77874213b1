//! HTTP in actix-web: the server, the router, and what happens to every request.

mod body;
mod conditions;
mod dispatch;
mod guard;
mod health;
mod pieces;
mod refusal;
mod registry;
mod request_log;
mod router;
mod server;

pub use server::{Running, ServerSettings, WORK_CONNECTIONS, start};
