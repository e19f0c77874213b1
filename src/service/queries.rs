//! Queries: which scopes they run over, and what they find there.

use std::sync::Arc;

use super::Service;
use crate::{
    auth::Principal,
    compiler::compile,
    domain::{FieldKind, Page, QueryOutput, RequestError, ResourceQuery, Scope, ScopeSelector, error::quote},
    store::Unknown,
};

impl Service {
    /// The resources that match, as far as they are wanted, and how many there are in all.
    pub(super) async fn query(&self, principal: &Principal, ask: &ResourceQuery) -> Result<Page, RequestError> {
        let scopes = match &ask.reach {
            ScopeSelector::Scope { project_id, resource_type } => self.find_scope(project_id, resource_type).await?,
            ScopeSelector::Types { resource_types, project_id } => {
                self.find_scopes(principal, resource_types, project_id.as_deref()).await?
            }
        };
        // where nothing was ever registered, nothing matches
        if scopes.is_empty() {
            return Ok(Page::default());
        }
        let numbers: Vec<i64> = scopes.iter().map(|scope| scope.scope_id).collect();
        let compiled = compile(&ask.query, &numbers, ask.want)?;
        match ask.want {
            QueryOutput::Count => Ok(Page { total: self.store.count(&compiled).await?, items: Vec::new() }),
            QueryOutput::Page { .. } => self.store.list(&compiled, &scopes).await,
        }
    }

    /// The scope of a type in a project: one or none.
    pub(super) async fn find_scope(
        &self,
        project_id: &str,
        resource_type: &str,
    ) -> Result<Vec<Arc<Scope>>, RequestError> {
        if let Some(scope) = self.scopes.get(project_id, resource_type) {
            return Ok(vec![scope]);
        }
        // no column can hold a NUL, so nothing is called that
        if project_id.contains('\0') || resource_type.contains('\0') {
            return Ok(Vec::new());
        }
        let Some(scope_id) = self.store.find_scope(project_id, resource_type).await? else { return Ok(Vec::new()) };
        let scope = Arc::new(Scope {
            scope_id,
            project_id: project_id.to_owned(),
            project_name: String::new(),
            resource_type: resource_type.to_owned(),
        });
        self.scopes.put(Arc::clone(&scope));
        Ok(vec![scope])
    }

    /// The scopes of types, in a project or in all of the caller's domain.
    pub(super) async fn find_scopes(
        &self,
        principal: &Principal,
        resource_types: &[String],
        project_id: Option<&str>,
    ) -> Result<Vec<Arc<Scope>>, RequestError> {
        let unknown_type = |index: usize| RequestError::UnknownType {
            field: format!("resource_types[{index}]"),
            resource_type: resource_types.get(index).cloned().unwrap_or_default(),
        };
        if let Some(index) = resource_types.iter().position(|name| name.contains('\0')) {
            return Err(unknown_type(index));
        }
        if let Some(scopes) = self.remembered(principal, resource_types, project_id) {
            return Ok(scopes);
        }
        // an unknown project has no scopes, but its types are still checked
        let in_project = project_id.map(|id| if id.contains('\0') { "" } else { id });
        let found = self.store.find_scopes(resource_types, in_project, principal.domain_id.as_deref()).await?;
        match found.unknown {
            None => {
                check_once(resource_types, &found.types)?;
                if project_id.is_some() {
                    let is_new = |scope: &&Arc<Scope>| {
                        found.types.contains(&scope.resource_type)
                            && self.scopes.get(&scope.project_id, &scope.resource_type).is_none()
                    };
                    found.scopes.iter().filter(is_new).for_each(|scope| self.scopes.put(Arc::clone(scope)));
                }
                Ok(found.scopes)
            }
            Some(Unknown::Type { index }) => Err(unknown_type(index)),
            Some(Unknown::Project { index }) => Err(RequestError::ProjectMissing {
                resource_type: resource_types.get(index).cloned().unwrap_or_default(),
            }),
        }
    }

    /// The scopes of types in a project, if they are remembered, all of them: no other can come to be then. A type that has a
    /// scope is never deleted, and scopes of a deleted project are empty. Over several scopes a page says what the project
    /// is called; of one the name has to be looked up.
    fn remembered(
        &self,
        principal: &Principal,
        resource_types: &[String],
        project_id: Option<&str>,
    ) -> Option<Vec<Arc<Scope>>> {
        // whether the project is of the caller's domain may change
        let project_id = project_id.filter(|_| principal.domain_id.is_none() && resource_types.len() > 1)?;
        resource_types.iter().map(|resource_type| self.scopes.get(project_id, resource_type)).collect()
    }
}

/// Refuses two names of one type, whose resources would be answered twice.
fn check_once(names: &[String], types: &[String]) -> Result<(), RequestError> {
    for (i, (name, resource_type)) in names.iter().zip(types).enumerate() {
        let earlier = names.iter().zip(types).take(i).find(|(_, other)| *other == resource_type);
        if let Some((earlier, _)) = earlier {
            let reason = format!("{} is the same type as {}, types must be unique", quote(name), quote(earlier));
            return Err(RequestError::invalid(FieldKind::General, format!("resource_types[{i}]"), reason));
        }
    }
    Ok(())
}
