//! The part of an import that stores definitions.

use super::{
    batches::{Defined, Rejected},
    gate::{Gate, Stored},
    line::{self, BadLine},
    load::Load,
    outcome::{LoadError, Progress},
    target::Target,
    waiting::Waiting,
};
use crate::{
    domain::{
        RequestError,
        definition::{AdmittedDefinition, Definition, Entry, Kind},
        reason,
        registry::{Aliases, RegistryError},
    },
    store::{DefinitionOutcome, Put, WholeImport},
};

/// Bytes of lines with definitions that a strict import may have: they are kept in memory until the end.
const WAITING_BYTES: usize = 32 * 1024 * 1024;

impl<R: FnMut(Progress<'_>), G: Gate> Load<'_, R, G> {
    /// A definition that the import may store; one that it may not is rejected.
    async fn admit(&mut self, line: u64, definition: Definition) -> Result<Option<AdmittedDefinition>, LoadError> {
        let kind = definition.kind();
        match self.gate.admit(definition).await {
            Ok(admitted) => Ok(Some(admitted)),
            Err(RegistryError::Other(source @ (RequestError::Unavailable { .. } | RequestError::Internal { .. }))) => {
                Err(LoadError::Denied { line, source })
            }
            Err(error) => {
                self.reject(&Rejected { line, kind, reason: error.to_string() });
                Ok(None)
            }
        }
    }

    /// Stores definitions as a transaction of their own. Returns the types of all aliases as they are then.
    pub(super) async fn define(
        &mut self,
        target: &mut Target,
        definitions: Vec<Defined>,
    ) -> Result<Aliases, LoadError> {
        let first = definitions.first().map(|defined| defined.line).unwrap_or_default();
        let (mut lines, mut admitted) = (Vec::with_capacity(definitions.len()), Vec::with_capacity(definitions.len()));
        for Defined { line, definition, .. } in definitions {
            if let Some(definition) = self.admit(line, definition).await? {
                lines.push(line);
                admitted.push(definition);
            }
        }
        let put = target.put_definitions(&admitted).await;
        let (outcomes, aliases) = put.map_err(|source| LoadError::Refused { line: first, source })?;
        let mut stored = Stored::default();
        self.count(&lines, &admitted, outcomes, &mut stored);
        self.gate.stored(stored).await;
        Ok(aliases)
    }

    /// Lets the definitions of a strict import wait for its end; `waiting` is the number of bytes that wait. The first that is
    /// refused ends the import.
    pub(super) async fn keep(&mut self, definitions: Vec<Defined>, waiting: &mut usize) -> Result<Waiting, LoadError> {
        let mut lines = Vec::with_capacity(definitions.len());
        for Defined { line, text, definition } in definitions {
            let kind = definition.kind();
            if self.admit(line, definition).await?.is_some() {
                *waiting += text.len();
                lines.push((line, text));
            }
            if *waiting > WAITING_BYTES {
                let reason = format!(
                    "kind: lines of other kinds than resources must be at most {WAITING_BYTES} bytes together in a strict import"
                );
                self.reject(&Rejected { line, kind, reason });
                break;
            }
        }
        self.must_be_clean()?;
        Ok(Waiting::of(lines))
    }

    /// Stores definitions that have waited within the transaction of a strict import, and notes those that changed something.
    pub(super) async fn define_in(
        &mut self,
        whole: &mut WholeImport,
        waiting: &Waiting,
        stored: &mut Stored,
    ) -> Result<(), LoadError> {
        let (mut lines, mut admitted) = (Vec::new(), Vec::new());
        for (line, text) in waiting.lines() {
            match self.read_again(text) {
                Ok(definition) => {
                    lines.push(line);
                    admitted.push(definition);
                }
                Err(BadLine { kind, reason }) => self.reject(&Rejected { line, kind, reason }),
            }
        }
        let line = lines.first().copied().unwrap_or_default();
        self.check_from(line).await?;
        let outcomes = whole.put_definitions(&admitted).await;
        let outcomes = outcomes.map_err(|source| LoadError::Refused { line, source })?;
        self.count(&lines, &admitted, outcomes, stored);
        Ok(())
    }

    /// Reads the line of a definition that was admitted.
    fn read_again(&self, text: &[u8]) -> Result<AdmittedDefinition, BadLine> {
        let bad = |kind: Kind, reason: String| BadLine { kind, reason };
        match line::decode(text, self.gate.limits())? {
            Entry::Definition(definition) => {
                let kind = definition.kind();
                self.gate.admit_again(definition).map_err(|error| bad(kind, error.to_string()))
            }
            // no resource waits here
            Entry::Resource(_) => Err(bad(Kind::Resource, format!("kind: {}", reason::REQUIRED))),
        }
    }

    /// Counts what became of definitions, and notes those that changed something.
    fn count(
        &mut self,
        lines: &[u64],
        definitions: &[AdmittedDefinition],
        outcomes: Vec<DefinitionOutcome>,
        stored: &mut Stored,
    ) {
        for ((line, definition), outcome) in lines.iter().zip(definitions).zip(outcomes) {
            let (line, kind) = (*line, definition.kind());
            match outcome {
                Ok(put) => {
                    self.outcome.put(kind, put);
                    if put != Put::Unchanged {
                        stored.add(definition);
                    }
                }
                Err(reason) => self.reject(&Rejected { line, kind, reason }),
            }
        }
    }
}
