//! The caches of the use cases.

use std::sync::Arc;

use super::{CredentialCache, ProjectCache, ScopeCache};

/// What is remembered of the database. Workers that share it need fewer look-ups.
#[derive(Debug, Clone, Default)]
pub struct Caches {
    /// Numbers of scopes.
    pub scopes: Arc<ScopeCache>,
    /// Domains of projects.
    pub projects: Arc<ProjectCache>,
    /// Credentials.
    pub credentials: Arc<CredentialCache>,
}
