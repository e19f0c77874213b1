//! Where a batch of an import goes.

use std::ops::Range;

use crate::store::{BatchOutcome, ImportBatch, Importer, StagedImport, StoreError, TagError};

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
