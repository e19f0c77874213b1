//! Who decides what an import may do.

use crate::{
    domain::{
        RequestError,
        definition::{AdmittedDefinition, Definition, DefinitionLimits},
        registry::RegistryError,
    },
    store::ChangedProjects,
};

/// The rights of whoever imports, and what definitions are held to.
pub(crate) trait Gate {
    /// Limits of definitions.
    fn limits(&self) -> &DefinitionLimits;

    /// Whether the import may go on.
    async fn check_again(&self) -> Result<(), RequestError>;

    /// Whether it may store a definition, and in which domain: as a single request for it may.
    async fn admit(&self, definition: Definition) -> Result<AdmittedDefinition, RegistryError>;

    /// The same for one that was admitted before. The database is not asked: those who have its connections may be waiting for
    /// the import.
    fn admit_again(&self, definition: Definition) -> Result<AdmittedDefinition, RegistryError>;

    /// Forgets what is remembered of definitions that are stored now, and waits for writes that began before policies which are
    /// enforced.
    async fn stored(&self, stored: Stored);
}

/// What others have to learn of definitions that changed something.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Projects among them.
    pub(crate) projects: ChangedProjects,
    /// Whether there is an enforced policy among them.
    pub(crate) has_enforced: bool,
}

impl Stored {
    /// Notes a definition.
    pub(super) fn add(&mut self, definition: &AdmittedDefinition) {
        match definition {
            AdmittedDefinition::Project(project) => self.projects.add(&project.project_id),
            AdmittedDefinition::Policy { checked, .. } => self.has_enforced |= checked.policy().is_enforced,
            AdmittedDefinition::Type(_) | AdmittedDefinition::PredefinedTag { .. } => {}
        }
    }
}
