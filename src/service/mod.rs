//! Use cases: what a request may do, over which scopes it runs, what comes back.

mod changes;
mod lists;
mod queries;
mod registry;
mod scope_cache;

use std::sync::Arc;

pub use changes::PREDEFINED_QUOTA;
pub use registry::{Place, Registry, ResourcePage, Start};
pub use scope_cache::ScopeCache;

use crate::{
    auth::Principal,
    domain::{Answer, Command, RequestError},
    store::Store,
};

/// The use cases over one store.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    scopes: Arc<ScopeCache>,
    region: Arc<str>,
}

impl Service {
    /// The use cases over a store, for the resources of a region; those that share a cache save each other look-ups.
    pub fn new(store: Store, scopes: Arc<ScopeCache>, region: Arc<str>) -> Self {
        Self { store, scopes, region }
    }

    /// Does what a request wants done.
    pub async fn run(&self, principal: &Principal, command: &Command) -> Result<Answer, RequestError> {
        if let Command::Query(ask) = command {
            return self.query(principal, ask).await.map(Answer::Page);
        }
        // A future is as large as its largest branch and is copied with the request, so the others are kept apart from queries.
        Box::pin(self.run_other(principal, command)).await
    }

    async fn run_other(&self, principal: &Principal, command: &Command) -> Result<Answer, RequestError> {
        match command {
            Command::Query(ask) => self.query(principal, ask).await.map(Answer::Page),
            Command::ListTags(target) => {
                let checked = self.check_types(std::slice::from_ref(target), |_| "resource_type".to_owned()).await?;
                self.list_tags(principal, checked.first().unwrap_or(target)).await
            }
            Command::ListScopeTags { project_id, resource_type, with_system, part } => {
                self.list_scope_tags(project_id, resource_type, *with_system, part.as_ref()).await
            }
            Command::ListUsedTags { project_id, resource_type, resource_id, limit, offset } => {
                let (project_id, resource_id) = (project_id.as_deref(), resource_id.as_deref());
                self.list_used_tags(principal, project_id, resource_type, resource_id, (*limit, *offset)).await
            }
            Command::ListTypeTags { project_id, resource_types } => {
                self.list_type_tags(principal, project_id, resource_types).await
            }
            Command::ListKeys { region, part } => self.list_keys(principal, region.as_deref(), part).await,
            Command::ListValues { region, key, part } => {
                self.list_values(principal, region.as_deref(), key, part).await
            }
            Command::ChangeTags { target, change } => {
                self.change_tags(principal, target, change).await.map(|()| Answer::Done)
            }
            Command::ChangeMany { targets, change } => self.change_many(principal, targets, change).await,
            Command::PutPredefined(tags) => self.put_predefined(principal, tags).await,
            Command::RemovePredefined(tags) => self.remove_predefined(principal, tags).await,
            Command::ReplacePredefined { old, new } => self.replace_predefined(principal, old, new).await,
            Command::ListPredefined(ask) => self.list_predefined(principal, ask).await,
            Command::CountPredefined => self.count_predefined(principal).await,
            Command::ListProviders(_) => {
                Ok(Answer::Providers { types: self.store.list_types().await?, region: self.region.to_string() })
            }
            Command::Nothing => Ok(Answer::Done),
        }
    }
}
