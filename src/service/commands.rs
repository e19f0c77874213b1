//! Maps each command of a dialect to its use case.

use futures_util::future::LocalBoxFuture;

use super::Service;
use crate::{
    auth::Principal,
    domain::{Answer, Command, RequestError},
};

impl Service {
    /// Runs the command of a request.
    pub async fn run(&self, principal: &Principal, command: &Command) -> Result<Answer, RequestError> {
        // a future is as large as its largest branch and is copied with the request, so the futures of all commands
        // except queries are boxed
        let rare: LocalBoxFuture<'_, Result<Answer, RequestError>> = match command {
            Command::Query(query) => return self.query(principal, query).await.map(Answer::Page),
            Command::ListTags(resource) => Box::pin(self.list_tags(principal, resource)),
            Command::ListScopeTags { project_id, resource_type, with_system, part } => {
                Box::pin(self.list_scope_tags(principal, project_id, resource_type, *with_system, part.as_ref()))
            }
            Command::ListUsedTags { project_id, resource_type, resource_id, limit, offset } => {
                let (project_id, resource_id) = (project_id.as_deref(), resource_id.as_deref());
                Box::pin(self.list_used_tags(principal, project_id, resource_type, resource_id, (*limit, *offset)))
            }
            Command::ListTypeTags { project_id, resource_types } => {
                Box::pin(self.list_type_tags(principal, project_id, resource_types))
            }
            Command::ListKeys { region, part } => Box::pin(self.list_keys(principal, region.as_deref(), part)),
            Command::ListValues { region, key, part } => {
                Box::pin(self.list_values(principal, region.as_deref(), key, part))
            }
            Command::ChangeTags { target, change } => Box::pin(self.change_tags(principal, target, change)),
            Command::ChangeMany { targets, change } => Box::pin(self.change_many(principal, targets, change)),
            Command::PutPredefined(tags) => Box::pin(self.put_predefined(principal, tags)),
            Command::RemovePredefined(tags) => Box::pin(self.remove_predefined(principal, tags)),
            Command::ReplacePredefined { old, new } => Box::pin(self.replace_predefined(principal, old, new)),
            Command::ListPredefined(query) => Box::pin(self.list_predefined(principal, query)),
            Command::CountPredefined => Box::pin(self.count_predefined(principal)),
            Command::ListProviders(_) => Box::pin(self.list_providers(principal)),
            Command::Nothing => return Ok(Answer::Done),
        };
        rare.await
    }
}
