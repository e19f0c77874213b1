//! Who is behind a change, passed down to the one place in the database that all changes go through.

/// Who changes something, and in which request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallerContext {
    /// Who: a principal of the service, or a command such as `cli:import`.
    pub principal: String,
    /// Identifier of the request; empty outside of requests.
    pub request_id: String,
}

impl CallerContext {
    /// The context of a command, which serves no request.
    pub fn command(name: &str) -> Self {
        Self { principal: format!("cli:{name}"), request_id: String::new() }
    }
}
