//! The caches of the use cases.

use std::{fmt, sync::Arc};

use super::{CredentialCache, ProjectCache, ScopeCache, SettledFeed};
use crate::metrics::{Page, Source};

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
