//! The registry: resource types, projects, and resources one by one.

use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::{
    access::{AccessControl, Action, Grant, Target},
    finish::finish,
};
use crate::{
    auth::Principal,
    compiler::compile,
    domain::{
        Item, QueryOutput, RequestError, Resource, Scope, Tag, TagQuery,
        command::{ResourceRef, ResourceType},
        is_storable,
        registry::{Condition, NewProject, Project, Registered, RegistryError},
    },
};

/// The use cases of the registry.
#[derive(Debug, Clone)]
pub struct Registry {
    pub(super) access: AccessControl,
}

/// Where a page of resources begins.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// After this many resources; registering or removing one shifts them.
    Offset(u64),
    /// After the page that has this marker; `None` for the first page.
    Marker(Option<&'a str>),
}

/// A page of resources, newest first.
#[derive(Debug, Default)]
pub struct ResourcePage {
    /// The total.
    pub total: u64,
    /// The page.
    pub resources: Vec<Resource>,
    /// Marker of the next page, if this one is not empty; never of a page by offset.
    pub next_marker: Option<String>,
}

/// A marker of a list of resources: a hash of the list, and the slot of the last resource on the page. Slots are not reused,
/// so the marker stays valid when that resource is deleted. The number of the scope would show how many there are in all
/// domains.
fn marker_of(scope: &Scope, slot: i32) -> String {
    // no name has a NUL
    let hash = digest(&SHA256, format!("{}\0{}", scope.project_id, scope.resource_type).as_bytes());
    let list = hash.as_ref().iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    format!("{list:016x}{slot:08x}")
}

/// The slot of a marker, which must belong to the list of this scope.
fn slot_of(marker: &str, scope: Option<&Scope>) -> Result<i32, RequestError> {
    let slot = marker.get(16..).and_then(|slot| i32::from_str_radix(slot, 16).ok());
    match (slot, scope) {
        (Some(slot), Some(scope)) if marker_of(scope, slot) == marker => Ok(slot),
        _ => Err(RequestError::not_a_marker(marker)),
    }
}

/// Why credentials for single projects may not change a project itself.
const SINGLE: &str = "project_id: these credentials cover single projects and cannot change or delete a project";

impl Registry {
    pub(super) fn new(access: AccessControl) -> Self {
        Self { access }
    }

    /// Every resource type, by service and name.
    pub async fn list_types(&self, principal: &Principal) -> Result<Vec<ResourceType>, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::Types).await?;
        Ok(grant.store().list_types().await?)
    }

    /// A resource type, by its name or by an alias.
    pub async fn find_type(&self, principal: &Principal, resource_type: &str) -> Result<ResourceType, RegistryError> {
        self.access.may(principal, Action::Read, Target::Types).await?.find_type(resource_type).await
    }

    /// Registers a resource type or changes an existing one, which keeps its aliases if none are given. Returns true if
    /// it is new, and its aliases.
    pub async fn put_type(
        &self,
        principal: &Principal,
        resource_type: &ResourceType,
        aliases: Option<&[String]>,
    ) -> Result<(bool, Vec<String>), RegistryError> {
        let grant = self.access.may(principal, Action::ChangeTypes, Target::Types).await?;
        grant.writer().put_type(resource_type, aliases).await
    }

    /// Deletes a resource type that never had a resource, with its aliases. To delete an alias alone, change its type.
    pub async fn remove_type(&self, principal: &Principal, resource_type: &str) -> Result<(), RegistryError> {
        let grant = self.access.may(principal, Action::ChangeTypes, Target::Types).await?;
        let found = grant.find_type(resource_type).await?;
        if found.resource_type != resource_type {
            return Err(RegistryError::NameTaken {
                field: "resource_type".to_owned(),
                name: resource_type.to_owned(),
                alias_of: Some(found.resource_type),
            });
        }
        grant.writer().remove_type(resource_type).await
    }

    /// A page of the projects, sorted by identifier, and the marker of the next.
    pub async fn list_projects(
        &self,
        principal: &Principal,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Project>, Option<String>), RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::Everywhere).await?;
        let projects = grant.store().list_projects(marker, limit, grant.covered()).await?;
        let next = projects.last().map(|project| project.project_id.clone());
        Ok((projects, next))
    }

    /// A project.
    pub async fn find_project(&self, principal: &Principal, project_id: &str) -> Result<Project, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::Project(project_id)).await?;
        let project = grant.find_project(project_id).await?;
        // it may have been moved since the decision
        if grant.confined_to().is_some_and(|own| own != project.domain_id) {
            return Err(RequestError::forbidden_project(project_id).into());
        }
        Ok(project)
    }

    /// Registers a project or changes an existing one. Without a domain an existing project keeps its own, and a new one gets
    /// that to which the principal is confined. Returns true if it is new, and the project as it is now.
    pub async fn put_project(
        &self,
        principal: &Principal,
        project: NewProject,
    ) -> Result<(bool, Project), RegistryError> {
        let grant = self.may_put_project(principal, &project.project_id).await?;
        let domain_id = grant.domain_of_project(project.domain_id.clone())?;
        let NewProject { project_id, project_name, .. } = project.clone();
        let (writer, caches) = (grant.writer(), grant.caches());
        finish(async move {
            let put = writer.put_project(&project_id, &project_name, domain_id.as_deref()).await;
            caches.projects.forget(&project_id);
            match put? {
                Some((created, domain_id)) => Ok((created, Project { project_id, project_name, domain_id })),
                // it was registered in another domain since it was looked for
                None => Err(RequestError::forbidden_project(&project_id).into()),
            }
        })
        .await
    }

    /// Whether a principal may register or change a project.
    pub(super) async fn may_put_project<'a>(
        &'a self,
        principal: &'a Principal,
        project_id: &'a str,
    ) -> Result<Grant<'a>, RequestError> {
        let grant = self.access.may(principal, Action::Register, Target::NewProject(project_id)).await?;
        if grant.covered().projects.is_some() {
            return Err(RequestError::Forbidden { reason: SINGLE.to_owned() });
        }
        Ok(grant)
    }

    /// Deletes a project. Its resources are deleted with it only if `with_resources` is set, which may take long.
    pub async fn remove_project(
        &self,
        principal: &Principal,
        project_id: &str,
        with_resources: bool,
    ) -> Result<(), RegistryError> {
        let grant = self.access.may(principal, Action::Register, Target::Project(project_id)).await?;
        if grant.covered().projects.is_some() {
            return Err(RequestError::Forbidden { reason: SINGLE.to_owned() }.into());
        }
        if !is_storable(project_id) {
            return Err(RegistryError::unknown_project(project_id));
        }
        // bulk connections have no deadline; this finds out first whether the database responds
        grant.store().find_project(project_id).await?;
        let (bulk, caches, project_id) = (grant.bulk(), grant.caches(), project_id.to_owned());
        finish(async move {
            let removed = bulk.remove_project(&project_id, with_resources).await;
            caches.projects.forget(&project_id);
            removed
        })
        .await
    }

    /// A page of the resources of a type in a project, newest first.
    pub async fn list_resources(
        &self,
        principal: &Principal,
        project_id: &str,
        resource_type: &str,
        limit: u32,
        start: Start<'_>,
    ) -> Result<ResourcePage, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::Project(project_id)).await?;
        let scope = grant.find_scope_of_type(resource_type).await?;
        let slot = match start {
            Start::Marker(Some(marker)) => slot_of(marker, scope.as_deref()).map(Some),
            Start::Marker(None) | Start::Offset(_) => Ok(None),
        };
        let mut page = ResourcePage::default();
        let numbers: Vec<i64> = scope.iter().map(|scope| scope.scope_id).collect();
        match (scope, start, &slot) {
            (Some(scope), Start::Offset(offset), _) => {
                let output = QueryOutput::Page { limit, offset };
                let compiled = compile(&TagQuery::default(), &[scope.scope_id], output);
                let found = grant.store().list(&compiled, &[scope]).await?;
                page.total = found.total;
                page.resources = found.items.iter().map(Item::resource).collect();
            }
            (Some(scope), Start::Marker(_), Ok(slot)) => {
                let (total, found) = grant.store().list_registered(scope.scope_id, *slot, limit).await?;
                page.total = total;
                page.next_marker = found.last().map(|(slot, _)| marker_of(&scope, *slot));
                page.resources = found.into_iter().map(|(_, resource)| resource).collect();
            }
            _ => {}
        }
        grant.check_read(&numbers).await?;
        if page.total == 0 {
            // an empty scope, or an unknown type or project
            grant.find_project(project_id).await?;
        }
        slot?;
        Ok(page)
    }

    /// A resource.
    pub async fn find_resource(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
    ) -> Result<Registered, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::of(resource)).await?;
        let scope_id = grant.find_registered_scope(resource).await?;
        let found = grant.store().find_registered(scope_id, &resource.resource_id).await?;
        grant.check_read(&[scope_id]).await?;
        found.ok_or_else(|| RequestError::unknown_resource(&resource.resource_id).into())
    }

    /// Registers a resource, or replaces an existing one; without tags it keeps its tags. True if it is new.
    pub async fn put_resource(
        &self,
        principal: &Principal,
        project_id: &str,
        resource_type: &str,
        resource: &Resource,
        with_tags: bool,
        condition: &Condition,
    ) -> Result<(bool, Registered), RegistryError> {
        let grant = self.access.may(principal, Action::Register, Target::NewProject(project_id)).await?;
        // an existing scope has the type's own name; otherwise the name may be an alias
        let resource_type = match grant.find_scope(resource_type).await? {
            Some(scope) => scope.resource_type.clone(),
            None => grant.find_type(resource_type).await?.resource_type,
        };
        grant.writer().register(project_id, &resource_type, resource, with_tags, condition).await
    }

    /// Deletes a resource with its tags.
    pub async fn remove_resource(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
        condition: &Condition,
    ) -> Result<(), RegistryError> {
        let grant = self.access.may(principal, Action::Register, Target::of(resource)).await?;
        let scope_id = grant.find_registered_scope(resource).await?;
        grant.writer().unregister(scope_id, &resource.resource_id, condition).await
    }

    /// Replaces the tags of a resource, system tags included. Returns its new etag.
    pub async fn replace_tags(
        &self,
        principal: &Principal,
        resource: &ResourceRef,
        tags: &[Tag],
        condition: &Condition,
    ) -> Result<String, RegistryError> {
        let grant = self.access.may(principal, Action::Register, Target::of(resource)).await?;
        let scope_id = grant.find_registered_scope(resource).await?;
        grant.writer().replace_tags_if(scope_id, &resource.resource_id, tags, condition, "replace").await
    }
}

/// Look-ups that distinguish an unknown type and an unknown project from an unknown resource.
impl Grant<'_> {
    pub(super) async fn find_type(&self, resource_type: &str) -> Result<ResourceType, RegistryError> {
        if !is_storable(resource_type) {
            return Err(RegistryError::unknown_type(resource_type));
        }
        self.store().find_type(resource_type).await?.ok_or_else(|| RegistryError::unknown_type(resource_type))
    }

    /// The domain that a project gets if it is put; `None` to leave it where it is.
    pub(super) fn domain_of_project(&self, given: Option<String>) -> Result<Option<String>, RequestError> {
        match (given, self.confined_to()) {
            (Some(given), Some(own)) if !given.is_empty() && given != own => Err(RequestError::forbidden_domain()),
            (_, Some(own)) => Ok(Some(own.to_owned())),
            (given, None) => Ok(given),
        }
    }

    pub(super) async fn find_project(&self, project_id: &str) -> Result<Project, RegistryError> {
        if !is_storable(project_id) {
            return Err(RegistryError::unknown_project(project_id));
        }
        self.store().find_project(project_id).await?.ok_or_else(|| RegistryError::unknown_project(project_id))
    }

    /// The scope of a type, by its name or by an alias; the type must be registered. `None` if no resource was ever
    /// registered in it.
    async fn find_scope_of_type(&self, resource_type: &str) -> Result<Option<Arc<Scope>>, RegistryError> {
        if let Some(scope) = self.find_scope(resource_type).await? {
            return Ok(Some(scope));
        }
        let found = self.find_type(resource_type).await?;
        if found.resource_type == resource_type {
            return Ok(None);
        }
        Ok(self.find_scope(&found.resource_type).await?)
    }

    pub(super) async fn find_registered_scope(&self, resource: &ResourceRef) -> Result<i64, RegistryError> {
        if is_storable(&resource.resource_id) {
            if let Some(scope) = self.find_scope_of_type(&resource.resource_type).await? {
                return Ok(scope.scope_id);
            }
        } else {
            self.find_type(&resource.resource_type).await?;
        }
        Err(RequestError::unknown_resource(&resource.resource_id).into())
    }
}
