//! What whoever feeds tagd does: resource types, projects, and resources one by one.

use std::sync::Arc;

use super::Service;
use crate::{
    compiler::compile,
    domain::{
        FieldKind, Item, QueryOutput, RequestError, Resource, Scope, Tag, TagQuery,
        command::ResourceType,
        error::quote,
        registry::{Condition, Project, Registered, RegistryError},
    },
    store::Store,
};

/// The registry over the use cases and a store without deadlines.
#[derive(Debug, Clone)]
pub struct Registry {
    service: Service,
    work: Store,
}

/// A resource by its names.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Project.
    pub project_id: &'a str,
    /// Resource type.
    pub resource_type: &'a str,
    /// Resource.
    pub resource_id: &'a str,
}

/// Where a page of resources begins.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Behind so many resources, which are others as soon as one is registered or removed.
    Offset(u64),
    /// Behind the page that has this marker; `None` for the first.
    Marker(Option<&'a str>),
}

/// A page of resources, newest first.
#[derive(Debug, Default)]
pub struct ResourcePage {
    /// How many there are in all.
    pub total: u64,
    /// The page.
    pub resources: Vec<Resource>,
    /// Marker of the next page, if this one is not empty; never of a page by offset.
    pub next_marker: Option<String>,
}

/// A marker of a list of resources: the scope and the slot of the last resource on the page. No resource gets that slot again,
/// so the marker holds when the resource is gone.
fn marker_of(scope_id: i64, slot: i32) -> String {
    format!("{scope_id:016x}{slot:08x}")
}

/// The slot of a marker, which must be of the list of this scope.
fn slot_of(marker: &str, scope_id: Option<i64>) -> Result<i32, RequestError> {
    let slot = marker.get(16..).and_then(|slot| i32::from_str_radix(slot, 16).ok());
    match (slot, scope_id) {
        (Some(slot), Some(scope_id)) if marker_of(scope_id, slot) == marker => Ok(slot),
        _ => {
            let reason = format!("{} is not a next_marker of this list", quote(marker));
            Err(RequestError::invalid(FieldKind::General, "marker", reason))
        }
    }
}

/// No column can hold a NUL, so nothing is called that.
fn is_name(text: &str) -> bool {
    !text.contains('\0')
}

impl Registry {
    /// A registry; `work` is for what may take its time.
    pub fn new(service: Service, work: Store) -> Self {
        Self { service, work }
    }

    /// Every resource type, by service and name.
    pub async fn list_types(&self) -> Result<Vec<ResourceType>, RegistryError> {
        Ok(self.service.store.list_types().await?)
    }

    /// A resource type, by its name or by an alias.
    pub async fn find_type(&self, resource_type: &str) -> Result<ResourceType, RegistryError> {
        if !is_name(resource_type) {
            return Err(RegistryError::UnknownType);
        }
        self.service.store.find_type(resource_type).await?.ok_or(RegistryError::UnknownType)
    }

    /// Registers a resource type or changes a known one, which without aliases keeps those it has. True if it is new, and its
    /// aliases.
    pub async fn put_type(
        &self,
        resource_type: &ResourceType,
        aliases: Option<&[String]>,
    ) -> Result<(bool, Vec<String>), RegistryError> {
        self.service.store.put_type(resource_type, aliases).await
    }

    /// Deletes a resource type that never had a resource, with its aliases. An alias alone goes by a change of its type.
    pub async fn remove_type(&self, resource_type: &str) -> Result<(), RegistryError> {
        let found = self.find_type(resource_type).await?;
        if found.resource_type != resource_type {
            return Err(RegistryError::NameTaken {
                field: "resource_type".to_owned(),
                name: resource_type.to_owned(),
                alias_of: Some(found.resource_type),
            });
        }
        self.service.store.remove_type(resource_type).await
    }

    /// A part of the projects by identifier, and the marker of the next.
    pub async fn list_projects(
        &self,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Project>, Option<String>), RegistryError> {
        let projects = self.service.store.list_projects(marker, limit).await?;
        let next = projects.last().map(|project| project.project_id.clone());
        Ok((projects, next))
    }

    /// A project.
    pub async fn find_project(&self, project_id: &str) -> Result<Project, RegistryError> {
        if !is_name(project_id) {
            return Err(RegistryError::UnknownProject);
        }
        self.service.store.find_project(project_id).await?.ok_or(RegistryError::UnknownProject)
    }

    /// Registers a project or changes a known one. True if it is new.
    pub async fn put_project(&self, project: &Project) -> Result<bool, RegistryError> {
        Ok(self.service.store.put_project(project).await?)
    }

    /// Deletes a project; with its resources, which may take its time, only if that is said.
    pub async fn remove_project(&self, project_id: &str, with_resources: bool) -> Result<(), RegistryError> {
        if !is_name(project_id) {
            return Err(RegistryError::UnknownProject);
        }
        // the connections for long work have no deadline; a database that is silent shows itself here
        self.service.store.find_project(project_id).await?;
        self.work.remove_project(project_id, with_resources).await
    }

    /// A page of the resources of a type in a project, newest first.
    pub async fn list_resources(
        &self,
        project_id: &str,
        resource_type: &str,
        limit: u32,
        start: Start<'_>,
    ) -> Result<ResourcePage, RegistryError> {
        let scopes = self.find_scopes(project_id, resource_type).await?;
        let scope_id = scopes.first().map(|scope| scope.scope_id);
        let slot = match start {
            Start::Marker(Some(marker)) => slot_of(marker, scope_id).map(Some),
            Start::Marker(None) | Start::Offset(_) => Ok(None),
        };
        let mut page = ResourcePage::default();
        match (scope_id, start, &slot) {
            (Some(scope_id), Start::Offset(offset), _) => {
                let compiled = compile(&TagQuery::default(), &[scope_id], QueryOutput::Page { limit, offset })?;
                let found = self.service.store.list(&compiled, &scopes).await?;
                page.total = found.total;
                page.resources = found.items.iter().map(Item::resource).collect();
            }
            (Some(scope_id), Start::Marker(_), Ok(slot)) => {
                let (total, found) = self.service.store.list_registered(scope_id, *slot, limit).await?;
                page.total = total;
                page.next_marker = found.last().map(|(slot, _)| marker_of(scope_id, *slot));
                page.resources = found.into_iter().map(|(_, resource)| resource).collect();
            }
            _ => {}
        }
        if page.total == 0 {
            // nothing there, or no such place
            self.find_project(project_id).await?;
        }
        slot?;
        Ok(page)
    }

    /// A resource.
    pub async fn find_resource(&self, place: Place<'_>) -> Result<Registered, RegistryError> {
        let scope_id = self.find_scope(place).await?;
        let found = self.service.store.find_registered(scope_id, place.resource_id).await?;
        found.ok_or_else(|| RequestError::unknown_resource(place.resource_id).into())
    }

    /// Registers a resource, or makes a known one this; without tags it keeps those it has. True if it is new.
    pub async fn put_resource(
        &self,
        project_id: &str,
        resource_type: &str,
        resource: &Resource,
        with_tags: bool,
        condition: &Condition,
    ) -> Result<(bool, Registered), RegistryError> {
        // a scope that is there is one of a type; else the name may be an alias
        let resource_type = match self.service.find_scope(project_id, resource_type).await?.first() {
            Some(scope) => scope.resource_type.clone(),
            None => self.find_type(resource_type).await?.resource_type,
        };
        self.service.store.register(project_id, &resource_type, resource, with_tags, condition).await
    }

    /// Forgets a resource with its tags.
    pub async fn remove_resource(&self, place: Place<'_>, condition: &Condition) -> Result<(), RegistryError> {
        let scope_id = self.find_scope(place).await?;
        self.service.store.unregister(scope_id, place.resource_id, condition).await
    }

    /// Makes these the tags of a resource. Its new etag.
    pub async fn replace_tags(
        &self,
        place: Place<'_>,
        tags: &[Tag],
        condition: &Condition,
    ) -> Result<String, RegistryError> {
        let scope_id = self.find_scope(place).await?;
        self.service.store.replace_tags_if(scope_id, place.resource_id, tags, condition).await
    }

    async fn find_scope(&self, place: Place<'_>) -> Result<i64, RegistryError> {
        if is_name(place.resource_id) {
            if let [scope] = self.find_scopes(place.project_id, place.resource_type).await?.as_slice() {
                return Ok(scope.scope_id);
            }
        } else {
            self.find_type(place.resource_type).await?;
        }
        Err(RequestError::unknown_resource(place.resource_id).into())
    }

    /// The scope of a type, which must be registered, by its name or by an alias, in a project: one or none.
    async fn find_scopes(&self, project_id: &str, resource_type: &str) -> Result<Vec<Arc<Scope>>, RegistryError> {
        let scopes = self.service.find_scope(project_id, resource_type).await?;
        if !scopes.is_empty() {
            return Ok(scopes);
        }
        let found = self.find_type(resource_type).await?;
        if found.resource_type == resource_type {
            return Ok(scopes);
        }
        Ok(self.service.find_scope(project_id, &found.resource_type).await?)
    }
}
