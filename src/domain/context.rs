//! Who changes something, and by which request.

/// What is recorded of the caller with a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerContext {
    /// Name of the principal.
    pub principal: String,
    /// Request that asked for the change.
    pub request_id: String,
}
