//! HTTP in actix-web: the server, the router, and what happens to every request.

mod access;
mod body;
mod client;
mod closing;
mod conditions;
mod connection;
mod dispatch;
mod error_log;
mod guard;
mod health;
mod identity;
mod limits;
mod listener;
mod outgoing;
mod path;
mod paths;
mod pieces;
mod principal;
mod refusal;
mod registry;
mod request_id;
mod request_log;
mod room;
mod router;
mod server;
mod shown_path;
mod state;
mod tls;
mod unidentified;
mod watch;

pub use limits::{Failed, FailureLimit, LimitSettings};
pub use listener::Listener;
pub(crate) use registry::{CredentialReply, IssuedReply, time_of};
pub use server::{Running, ServerSettings, start};
pub use tls::{Tls, TlsError, TlsFiles};
