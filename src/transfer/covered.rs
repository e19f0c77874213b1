//! What a principal with a domain may import.

use std::{collections::HashSet, sync::Arc};

use crate::{
    domain::{RequestError, change::Registration, registry::RegistryError},
    store::{Store, StoreError},
};

/// The resources that an import may have: those of one domain. Projects that do not exist yet are registered in it.
#[derive(Debug)]
pub(crate) struct Covered {
    domain_id: Arc<str>,
    /// The only projects, which exist; `None` for all of the domain.
    projects: Option<Vec<String>>,
    /// Projects of other domains. One that is registered while the import runs is refused by the database.
    foreign: HashSet<String>,
    /// Resource types: such an import cannot register any.
    types: HashSet<String>,
}

impl Covered {
    /// Reads what is needed to decide.
    pub(crate) async fn read(
        store: &Store,
        domain_id: Arc<str>,
        projects: Option<Vec<String>>,
    ) -> Result<Self, StoreError> {
        let (foreign, types) = store.foreign_projects_and_types(&domain_id).await?;
        let projects = match projects {
            // those that do not exist are not registered by an import either
            Some(projects) => Some(store.existing_projects(&domain_id, &projects).await?),
            None => None,
        };
        Ok(Self { domain_id, projects, foreign, types })
    }

    /// Lets a resource pass, or says why it may not be imported. Credentials for single projects do not change a
    /// project, so their lines keep its name as it is.
    pub(crate) fn admit(&self, registration: &mut Registration) -> Result<(), String> {
        if self.projects.is_some() {
            registration.project_name = None;
        }
        let Registration { project_id, domain_id, resource_type, .. } = registration;
        let is_named = self.projects.as_ref().is_none_or(|projects| projects.contains(project_id));
        if !is_named || self.foreign.contains(project_id) {
            return Err(RequestError::forbidden_project(project_id).to_string());
        }
        if domain_id.as_ref().is_some_and(|domain_id| **domain_id != *self.domain_id) {
            return Err(RequestError::forbidden_domain().to_string());
        }
        if !self.types.contains(resource_type) {
            return Err(RegistryError::unknown_type(&**resource_type).to_string());
        }
        Ok(())
    }
}
