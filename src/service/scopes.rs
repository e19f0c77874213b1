//! Scopes by project and resource type, within a grant.

use std::{borrow::Cow, sync::Arc};

use super::access::Grant;
use crate::{
    domain::{FieldKind, RequestError, Scope, command::ResourceRef, is_storable, reason::quote},
    store::Unknown,
};

impl Grant<'_> {
    /// The scope of a type in the project of the grant; `None` if no resource was ever registered in it.
    pub(super) async fn find_scope(&self, resource_type: &str) -> Result<Option<Arc<Scope>>, RequestError> {
        let Some(project_id) = self.project_id() else { return Ok(None) };
        if let Some(scope) = self.cache().get(project_id, resource_type) {
            return Ok(Some(scope));
        }
        if !is_storable(project_id) || !is_storable(resource_type) {
            return Ok(None);
        }
        let generation = self.cache().generation();
        let (store, may_remember) = self.lookups();
        let Some(scope_id) = store.find_scope(project_id, resource_type).await? else { return Ok(None) };
        let scope = Arc::new(Scope {
            scope_id,
            project_id: project_id.to_owned(),
            project_name: String::new(),
            resource_type: resource_type.to_owned(),
        });
        if may_remember {
            self.cache().put(Arc::clone(&scope), generation);
        }
        Ok(Some(scope))
    }

    /// The scope of a resource. If the request names no project, all granted projects are searched.
    pub(super) async fn find_resource_scope(&self, resource: &ResourceRef) -> Result<i64, RequestError> {
        let ResourceRef { resource_type, resource_id, .. } = resource;
        let unknown = || RequestError::unknown_resource(resource_id);
        if !is_storable(resource_id) || !is_storable(resource_type) {
            return Err(unknown());
        }
        if self.project_id().is_some() {
            return self.find_scope(resource_type).await?.map(|scope| scope.scope_id).ok_or_else(unknown);
        }
        let scopes = self.store().find_resource(resource_type, resource_id, self.covered()).await?;
        match scopes.as_slice() {
            [] => Err(unknown()),
            [scope_id] => Ok(*scope_id),
            _ => Err(RequestError::AmbiguousResource),
        }
    }

    /// The scopes of types, in the project of the grant or in all granted projects.
    pub(super) async fn find_scopes(&self, resource_types: &[String]) -> Result<Vec<Arc<Scope>>, RequestError> {
        let unknown_type = |index: usize| RequestError::UnknownType {
            field: format!("resource_types[{index}]"),
            resource_type: resource_types.get(index).cloned().unwrap_or_default(),
        };
        if let Some(index) = resource_types.iter().position(|name| !is_storable(name)) {
            return Err(unknown_type(index));
        }
        if let Some(scopes) = self.remembered(resource_types) {
            return Ok(scopes);
        }
        let project_id = self.project_id();
        // an unknown project has no scopes, but its types are still checked
        let in_project = project_id.map(|id| if is_storable(id) { id } else { "" });
        let generation = self.cache().generation();
        let (store, may_remember) = self.lookups();
        let found = store.find_scopes(resource_types, in_project, self.covered()).await?;
        match found.unknown {
            None => {
                check_once(resource_types, &found.types)?;
                if project_id.is_some() && may_remember {
                    let is_new = |scope: &&Arc<Scope>| {
                        found.types.contains(&scope.resource_type)
                            && self.cache().get(&scope.project_id, &scope.resource_type).is_none()
                    };
                    found
                        .scopes
                        .iter()
                        .filter(is_new)
                        .for_each(|scope| self.cache().put(Arc::clone(scope), generation));
                }
                Ok(found.scopes)
            }
            Some(Unknown::Type { index }) => Err(unknown_type(index)),
            Some(Unknown::Project { index }) => Err(RequestError::ProjectMissing {
                resource_type: resource_types.get(index).cloned().unwrap_or_default(),
            }),
        }
    }

    /// The scopes of types in a project, if all of them are cached: then no others can be created. A type that has a
    /// scope is never deleted, and scopes of a deleted project are empty. A page over several scopes has the name of the
    /// project; for a single scope the name has to be looked up.
    fn remembered(&self, resource_types: &[String]) -> Option<Vec<Arc<Scope>>> {
        let project_id = self.project_id().filter(|_| resource_types.len() > 1)?;
        resource_types.iter().map(|resource_type| self.cache().get(project_id, resource_type)).collect()
    }

    /// The resources, with aliases of types replaced by the types' own names. Refuses a type that is not registered, or
    /// that requires a project if none is named.
    pub(super) async fn check_types<'r>(
        &self,
        resources: &'r [ResourceRef],
        field: impl Fn(usize) -> String,
    ) -> Result<Cow<'r, [ResourceRef]>, RequestError> {
        // a known scope has a known type
        let is_known = |resource: &ResourceRef| {
            resource.project_id.as_ref().is_some_and(|id| self.cache().get(id, &resource.resource_type).is_some())
        };
        if resources.iter().all(is_known) {
            return Ok(Cow::Borrowed(resources));
        }
        let types = self.store().list_types().await?;
        let mut checked = Cow::Borrowed(resources);
        for (i, resource) in resources.iter().enumerate() {
            match types.iter().find(|known| known.is_called(&resource.resource_type)) {
                None => {
                    let resource_type = resource.resource_type.clone();
                    return Err(RequestError::UnknownType { field: field(i), resource_type });
                }
                Some(known) if known.regional && resource.project_id.is_none() => {
                    return Err(RequestError::ProjectMissing { resource_type: resource.resource_type.clone() });
                }
                Some(known) if known.resource_type != resource.resource_type => {
                    if let Some(resource) = checked.to_mut().get_mut(i) {
                        resource.resource_type.clone_from(&known.resource_type);
                    }
                }
                Some(_) => {}
            }
        }
        Ok(checked)
    }
}

/// Refuses two names of one type, whose resources would be returned twice.
fn check_once(names: &[String], types: &[String]) -> Result<(), RequestError> {
    for (i, (name, resource_type)) in names.iter().zip(types).enumerate() {
        let earlier = names.iter().zip(types).take(i).find(|(_, other)| *other == resource_type);
        if let Some((earlier, _)) = earlier {
            let reason = format!("duplicate resource type, {} and {} are the same type", quote(earlier), quote(name));
            return Err(RequestError::invalid(FieldKind::General, format!("resource_types[{i}]"), reason));
        }
    }
    Ok(())
}
