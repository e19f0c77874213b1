//! Who decides what an import may do.

use crate::domain::{
    RequestError,
    definition::{AdmittedDefinition, Definition},
    registry::RegistryError,
};

/// A definition that may be stored, with its line.
pub(super) type Waiting = (u64, AdmittedDefinition);

/// The rights of whoever imports.
pub(crate) trait Gate {
    /// Whether the import may go on.
    async fn check_again(&self) -> Result<(), RequestError>;

    /// Whether it may store a definition, and in which domain: as a single request for it may.
    async fn admit(&self, definition: Definition) -> Result<AdmittedDefinition, RegistryError>;

    /// Forgets what is remembered of definitions that are stored now, and waits for writes that began before policies which are
    /// enforced.
    async fn stored(&self, definitions: &[AdmittedDefinition]);
}
