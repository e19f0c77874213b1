//! The caches of the use cases.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    ProjectCache, ScopeCache, SettledFeed,
    credential_cache::{CredentialCache, MAX_AGE},
};
use crate::{
    metrics::{Page, Source},
    store::Changed,
};

/// What is remembered of the database. Workers that share it need fewer look-ups.
#[derive(Debug, Clone)]
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

impl Source for Caches {
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let caches = [
            ("scopes", self.scopes.len(), self.scopes.lookups.all()),
            ("projects", self.projects.len(), self.projects.lookups.all()),
            ("credentials", self.credentials.len(), self.credentials.lookups.all()),
        ];
        page.gauges(
            "tagd_cache_entries",
            "Entries of each cache.",
            caches.iter().map(|(cache, len, _)| ([("cache", *cache)], i64::try_from(*len).unwrap_or(i64::MAX))),
        )?;
        page.counters(
            "tagd_cache_lookups_total",
            "Look-ups in each cache.",
            caches.iter().flat_map(|(cache, _, lookups)| {
                lookups.map(|(outcome, count)| ([("cache", *cache), ("outcome", outcome)], count))
            }),
        )
    }
}

impl Default for Caches {
    fn default() -> Self {
        Self::new(MAX_AGE)
    }
}

impl Caches {
    /// Caches whose entries of projects and credentials are used for this long.
    pub fn new(max_age: Duration) -> Self {
        Self {
            scopes: Arc::default(),
            projects: ProjectCache::new(max_age).into(),
            credentials: CredentialCache::new(max_age).into(),
            settled_feed: Arc::default(),
        }
    }

    /// Forgets what was changed.
    pub fn forget(&self, changed: &Changed) {
        if changed.credentials {
            self.credentials.clear();
        }
        if !changed.projects.is_empty() {
            self.projects.forget_changed(&changed.projects);
        }
        if changed.scopes {
            self.scopes.clear();
        }
    }
}
