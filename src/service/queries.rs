//! Queries: selects the scopes, then counts or reads the matching resources.

use super::{
    Service,
    access::{Action, Target},
    fan_out::fan_out,
};
use crate::{
    auth::Principal,
    compiler::compile,
    domain::{Page, QueryOutput, RequestError, ResourceQuery, ScopeSelector},
    metrics::note_scopes,
};

impl Service {
    /// The total, and a page of the matching resources if the query is for one.
    pub(super) async fn query(&self, principal: &Principal, query: &ResourceQuery) -> Result<Page, RequestError> {
        let project_id = match &query.scopes {
            ScopeSelector::Scope { project_id, .. } => Some(project_id.as_str()),
            ScopeSelector::Types { project_id, .. } => project_id.as_deref(),
        };
        let grant = self.access.may(principal, Action::Read, Target::projects(project_id)).await?;
        let scopes = match &query.scopes {
            ScopeSelector::Scope { resource_type, .. } => grant.find_scope(resource_type).await?.into_iter().collect(),
            ScopeSelector::Types { resource_types, .. } => grant.find_scopes(resource_types).await?,
        };
        // nothing was ever registered in this scope, so nothing matches
        if scopes.is_empty() {
            return Ok(Page::default());
        }
        let numbers: Vec<i64> = scopes.iter().map(|scope| scope.scope_id).collect();
        note_scopes(scopes.len());
        let store = grant.store();
        let page = if scopes.len() > 1 && store.reads_scopes_apart().await? {
            // rare, and a large future: see Service::run
            Box::pin(fan_out(&store, &query.query, &scopes, query.output)).await?
        } else {
            let compiled = compile(&query.query, &numbers, query.output);
            match query.output {
                QueryOutput::Count => Page { total: store.count(&compiled).await?, items: Vec::new() },
                QueryOutput::Page { .. } => store.list(&compiled, &scopes).await?,
            }
        };
        grant.check_read(&numbers).await?;
        Ok(page)
    }
}
