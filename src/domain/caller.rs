//! The origin of a change, passed down to the function in the database that makes all changes.

use std::{borrow::Cow, sync::Arc};

/// The origin of a change: its author and its request. `tagd.caller` is the same in the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caller {
    /// The author: a principal of the service, or a command such as `cli:import`.
    pub principal: Cow<'static, str>,
    /// Id of the request, by which its changes and its log lines are found; empty outside of requests.
    pub request_id: Arc<str>,
}

impl Caller {
    /// A command, which has no request.
    pub fn command(name: &str) -> Self {
        Self { principal: Cow::Owned(format!("cli:{name}")), request_id: Arc::default() }
    }
}
