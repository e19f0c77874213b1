//! The part of an import that stores definitions.

use super::{
    batches::Rejected,
    gate::{Gate, Waiting},
    load::Load,
    outcome::{LoadError, Progress},
    target::Target,
};
use crate::{
    domain::{
        RequestError,
        definition::{AdmittedDefinition, Definition, Kind},
        registry::{Aliases, RegistryError},
    },
    store::{DefinitionOutcome, Put, WholeImport},
};

impl<R: FnMut(Progress<'_>), G: Gate> Load<'_, R, G> {
    /// Those of some definitions that the import may store; the others are rejected.
    pub(super) async fn admit(&mut self, definitions: Vec<(u64, Definition)>) -> Result<Vec<Waiting>, LoadError> {
        let mut admitted = Vec::with_capacity(definitions.len());
        for (line, definition) in definitions {
            let kind = definition.kind();
            match self.gate.admit(definition).await {
                Ok(definition) => admitted.push((line, definition)),
                Err(RegistryError::Other(
                    source @ (RequestError::Unavailable { .. } | RequestError::Internal { .. }),
                )) => return Err(LoadError::Denied { line, source }),
                Err(error) => self.reject(&Rejected { line, kind, reason: error.to_string() }),
            }
        }
        Ok(admitted)
    }

    /// Stores definitions as a transaction of their own. Returns the types of all aliases as they are then.
    pub(super) async fn define(
        &mut self,
        target: &mut Target,
        definitions: Vec<(u64, Definition)>,
    ) -> Result<Aliases, LoadError> {
        let first = definitions.first().map(|(line, _)| *line).unwrap_or_default();
        let (lines, admitted): (Vec<u64>, Vec<AdmittedDefinition>) = self.admit(definitions).await?.into_iter().unzip();
        let stored = target.put_definitions(&admitted).await;
        let (outcomes, aliases) = stored.map_err(|source| LoadError::Refused { line: first, source })?;
        let stored = self.count(lines.into_iter().zip(admitted), outcomes);
        self.gate.stored(&stored).await;
        Ok(aliases)
    }

    /// Stores definitions within the transaction of a strict import. Returns those that changed something.
    pub(super) async fn define_in(
        &mut self,
        whole: &mut WholeImport,
        waiting: Vec<Waiting>,
    ) -> Result<Vec<AdmittedDefinition>, LoadError> {
        let (lines, admitted): (Vec<u64>, Vec<AdmittedDefinition>) = waiting.into_iter().unzip();
        let line = lines.first().copied().unwrap_or_default();
        self.check_from(line).await?;
        let outcomes = whole.put_definitions(&admitted).await;
        let outcomes = outcomes.map_err(|source| LoadError::Refused { line, source })?;
        Ok(self.count(lines.into_iter().zip(admitted), outcomes))
    }

    /// Counts what became of definitions. Returns those that changed something.
    fn count(
        &mut self,
        definitions: impl Iterator<Item = Waiting>,
        outcomes: Vec<DefinitionOutcome>,
    ) -> Vec<AdmittedDefinition> {
        let mut stored = Vec::new();
        for ((line, definition), outcome) in definitions.zip(outcomes) {
            let kind: Kind = definition.kind();
            match outcome {
                Ok(put) => {
                    self.outcome.put(kind, put);
                    if put != Put::Unchanged {
                        stored.push(definition);
                    }
                }
                Err(reason) => self.reject(&Rejected { line, kind, reason }),
            }
        }
        stored
    }
}
