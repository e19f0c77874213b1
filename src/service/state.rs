//! State that the use cases share.

use std::sync::Arc;

use super::{Registry, ScopeCache, access::AccessControl};
use crate::{domain::services::CloudService, store::Store};

/// The use cases of the dialects.
#[derive(Debug, Clone)]
pub struct Service {
    pub(super) access: AccessControl,
    pub(super) region: Arc<str>,
    pub(super) services: Arc<[CloudService]>,
}

impl Service {
    /// The use cases over a store, for the resources of a region and the services that have an API; `bulk` is the same
    /// database for work without a deadline. Workers that share a cache need fewer look-ups.
    pub fn new(
        store: Store,
        bulk: Store,
        scopes: Arc<ScopeCache>,
        region: Arc<str>,
        services: Arc<[CloudService]>,
    ) -> Self {
        Self { access: AccessControl::new(store, bulk, scopes), region, services }
    }

    /// The use cases of the registry, over the same stores.
    pub fn registry(&self) -> Registry {
        Registry::new(self.access.clone())
    }
}
