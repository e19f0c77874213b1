//! State that the use cases share.

use std::sync::Arc;

use super::{
    AuthSettings, Authenticator, Caches, CredentialCache, Credentials, History, Registry,
    access::{AccessControl, Action, Target},
};
use crate::{
    auth::Principal,
    domain::{RequestError, services::CloudService},
    store::Store,
};

/// The use cases of the dialects.
#[derive(Debug, Clone)]
pub struct Service {
    pub(super) access: AccessControl,
    pub(super) region: Arc<str>,
    pub(super) services: Arc<[CloudService]>,
}

impl Service {
    /// The use cases over a store, for the resources of a region and the services that have an API; `bulk` is the same
    /// database for work without a deadline. The authenticator says of what takes long whether its credential still holds.
    pub fn new(
        store: Store,
        bulk: Store,
        authenticator: Authenticator,
        caches: Caches,
        region: Arc<str>,
        services: Arc<[CloudService]>,
    ) -> Self {
        Self { access: AccessControl::new(store, bulk, authenticator, caches), region, services }
    }

    /// The use cases of credentials, over the same stores.
    pub fn credentials(&self, cache: Arc<CredentialCache>, settings: Arc<AuthSettings>) -> Credentials {
        Credentials::new(self.access.clone(), cache, settings)
    }

    /// The use cases of the history, over the same stores.
    pub fn history(&self) -> History {
        History::new(self.access.clone())
    }

    /// Whether a principal may read the metrics of the server.
    pub async fn may_read_metrics(&self, principal: &Principal) -> Result<(), RequestError> {
        self.access.may(principal, Action::ReadMetrics, Target::Types).await.map(drop)
    }

    /// The use cases of the registry, over the same stores.
    pub fn registry(&self) -> Registry {
        Registry::new(self.access.clone())
    }
}
