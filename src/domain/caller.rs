//! The origin of a change, passed down to the functions in the database that write.

use std::{net::IpAddr, sync::Arc};

/// The origin of a change: its author and its request. `tagd.caller` is the same in the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The author: the name of a principal, or a command such as `cli:import`.
    pub principal: Arc<str>,
    /// Id of the request, by which its changes and its log lines are found; empty outside of requests.
    pub request_id: Arc<str>,
    /// Address of the client; `None` outside of requests.
    pub address: Option<IpAddr>,
    /// The only domain whose projects may be changed; `None` for all domains.
    pub domain_id: Option<Arc<str>>,
    /// Identifier of its credential, if tagd knows one: the access key, or the part of a token that is no secret.
    pub credential_id: Option<Arc<str>>,
}

impl Caller {
    /// A command, which has no request and may change every project.
    pub fn command(name: &str) -> Self {
        Self { principal: format!("cli:{name}").into(), ..Self::default() }
    }
}
