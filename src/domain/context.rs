//! The origin of a change, passed down to the function in the database that makes all changes.

/// The origin of a change: its author and its request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerContext {
    /// The author: a principal of the service, or a command such as `cli:import`.
    pub principal: String,
    /// Id of the request; empty outside of requests.
    pub request_id: String,
}

impl CallerContext {
    /// The context of a command, which has no request.
    pub fn command(name: &str) -> Self {
        Self { principal: format!("cli:{name}"), request_id: String::new() }
    }
}
