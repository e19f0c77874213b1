//! The caches of the use cases.

use std::sync::Arc;

use super::{CredentialCache, ProjectCache, ScopeCache, SettledFeed};

/// What is remembered of the database. Workers that share it need fewer look-ups.
#[derive(Debug, Clone, Default)]
pub struct Caches {
    /// Numbers of scopes.
    pub scopes: Arc<ScopeCache>,
    /// Domains of projects.
    pub projects: Arc<ProjectCache>,
    /// Credentials.
    pub credentials: Arc<CredentialCache>,
    /// Up to where the feed of all changes is complete.
    pub settled_feed: Arc<SettledFeed>,
}
