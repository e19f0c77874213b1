//! Where a batch of an import goes.

use std::ops::Range;

use crate::{
    domain::{definition::AdmittedDefinition, registry::Aliases},
    store::{BatchOutcome, DefinitionOutcome, ImportBatch, Importer, StagedImport, StoreError, TagError},
};

/// Where a batch is imported: from its own lines, or together with staged tags.
pub(super) enum Target {
    Direct(Importer),
    WithTags(StagedImport),
}

impl Target {
    /// What can do without its connection between batches.
    pub(super) fn importer(&mut self) -> Option<&mut Importer> {
        match self {
            Self::Direct(importer) => Some(importer),
            Self::WithTags(_) => None,
        }
    }

    /// Stores what is not a resource, in a transaction of its own. Returns what became of each, and the types of all aliases as
    /// they are then.
    pub(super) async fn put_definitions(
        &mut self,
        definitions: &[AdmittedDefinition],
    ) -> Result<(Vec<DefinitionOutcome>, Aliases), StoreError> {
        match self {
            Self::Direct(importer) => importer.put_definitions(definitions).await,
            // CSV has resources only
            Self::WithTags(_) => Ok((Vec::new(), Aliases::default())),
        }
    }

    pub(super) async fn run(
        &mut self,
        resources: &ImportBatch,
        part: Range<usize>,
    ) -> Result<(BatchOutcome, Vec<TagError>), StoreError> {
        match self {
            Self::Direct(importer) => Ok((importer.run(resources, part).await?, Vec::new())),
            Self::WithTags(stage) => stage.run(resources, part).await,
        }
    }
}
