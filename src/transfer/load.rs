//! Import: passes batches to the store and counts the outcomes.

use std::{ops::Range, time::Duration};

use super::{
    batches::{Batch, Batches, Rejected, answer},
    gate::{Gate, Stored},
    outcome::{Atomicity, LoadError, Outcome, Progress, Strict},
    staged_lines::StagedLines,
    target::Target,
    waiting::Waiting,
};
use crate::{
    domain::{definition::Kind, reason::quote, registration::check_tag_counts},
    store::{
        BatchOutcome, ImportBatch, Importer, RefusedLine, StagedImport, Store, StoreError, TagError, TagStage,
        WholeImport,
    },
};

/// How often an import that waits for its input asks whether it is still allowed. It asks before each batch as well.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// How long an import keeps its connection while it waits for its input.
const KEEP: Duration = Duration::from_millis(200);

/// Imports batches of definitions and of resources that include their tags, as far as the gate allows it.
pub(crate) async fn load(
    store: &Store,
    batches: Batches,
    atomicity: Atomicity,
    report: impl FnMut(Progress<'_>),
    gate: &impl Gate,
) -> Result<Outcome, LoadError> {
    let mut load = Load { outcome: Outcome::default(), next_line: 1, report, gate };
    match atomicity {
        Atomicity::Nothing(strict) => {
            let stage = store.stage_import().await.map_err(LoadError::Store)?;
            load.run_whole(stage, batches, strict).await?;
        }
        Atomicity::Batches | Atomicity::Lines => {
            load.run_batches(Target::Direct(store.importer()), batches, atomicity).await?;
        }
    }
    Ok(load.finish())
}

/// Imports batches of resources whose tags are in a staging table. A resource with a bad row of tags is left unchanged.
pub(crate) async fn load_with_tags(
    mut tags: TagStage,
    batches: Batches,
    atomicity: Atomicity,
    report: impl FnMut(Progress<'_>),
    gate: &impl Gate,
) -> Result<Outcome, LoadError> {
    let mut load = Load { outcome: Outcome::default(), next_line: 1, report, gate };
    tags.malformed(|line, reason| load.reject(&bad_tag(line, &reason))).await.map_err(LoadError::Store)?;
    if atomicity.is_strict() {
        load.must_be_clean()?;
    }
    let stage = tags.stage_import().await.map_err(LoadError::Store)?;
    match atomicity {
        Atomicity::Nothing(strict) => load.run_whole(stage, batches, strict).await?,
        Atomicity::Batches | Atomicity::Lines => {
            load.run_batches(Target::WithTags(stage), batches, atomicity).await?;
        }
    }
    Ok(load.finish())
}

/// An import in progress.
pub(super) struct Load<'g, R, G> {
    pub(super) outcome: Outcome,
    /// Number of the line after the batches so far.
    next_line: u64,
    report: R,
    pub(super) gate: &'g G,
}

/// A part of a strict import, in the order of the lines.
enum Step {
    Definitions(Waiting),
    Resources(StagedLines),
}

impl<R: FnMut(Progress<'_>), G: Gate> Load<'_, R, G> {
    /// The next batch. A client may take as long as it likes to send one, so the importer rests meanwhile, and it is asked
    /// whether the import is still allowed.
    async fn next(
        &mut self,
        batches: &mut Batches,
        mut importer: Option<&mut Importer>,
    ) -> Result<Option<Batch>, LoadError> {
        if let Some(importer) = &mut importer {
            importer.make_way();
        }
        loop {
            let holder = importer.as_mut().filter(|importer| importer.has_connection());
            let patience = if holder.is_some() { KEEP } else { CHECK_EVERY };
            match tokio::time::timeout(patience, batches.recv()).await {
                Ok(None) => return Ok(None),
                Ok(Some(batch)) => {
                    let defined = batch.definitions.last().map(|defined| &defined.line);
                    if !batch.lines.is_empty() || defined.is_some() {
                        self.check_from(self.next_line).await?;
                    }
                    (self.report)(Progress::Moving(batch.resources.moved()));
                    let last = batch.lines.last().max(batch.rejected.last().map(|bad| &bad.line)).max(defined);
                    self.next_line = last.map_or(self.next_line, |last| last + 1);
                    return Ok(Some(batch));
                }
                Err(_) => match holder {
                    Some(importer) => importer.rest(),
                    None => self.check_from(self.next_line).await?,
                },
            }
        }
    }

    /// Ends an import that is no longer allowed, before this line.
    pub(super) async fn check_from(&self, line: u64) -> Result<(), LoadError> {
        self.gate.check_again().await.map_err(|source| LoadError::Denied { line, source })
    }

    pub(super) fn reject(&mut self, bad: &Rejected) {
        self.outcome.reject(bad.kind);
        (self.report)(Progress::Rejected(bad));
    }

    /// Counts a batch, and reports the lines of it that policies forbid.
    fn add(&mut self, mut batch: BatchOutcome, line_at: impl Fn(usize) -> Option<u64>) {
        for RefusedLine { position, reason } in std::mem::take(&mut batch.refused) {
            self.reject(&bad_resource(line_at(position).unwrap_or_default(), reason));
        }
        self.outcome.add(batch);
    }

    /// Ends a strict import that has a bad line.
    pub(super) fn must_be_clean(&self) -> Result<(), LoadError> {
        if self.outcome.rejected > 0 { Err(LoadError::Strict) } else { Ok(()) }
    }

    fn finish(mut self) -> Outcome {
        self.outcome.new_types.sort();
        self.outcome.new_types.dedup();
        self.outcome
    }

    /// Stages batches as they arrive, and imports all of them at the end: other writers then wait only for the import,
    /// not for a slow client.
    async fn run_whole(
        &mut self,
        mut stage: StagedImport,
        mut batches: Batches,
        strict: Strict,
    ) -> Result<(), LoadError> {
        if strict.prune.is_some() {
            stage.note_listed().await.map_err(LoadError::Store)?;
        }
        let mut steps = Vec::new();
        let mut staged = 0;
        let mut waiting = 0;
        while let Some(batch) = self.next(&mut batches, None).await? {
            let Batch { definitions, resources, lines, rejected, aliases, read, broken } = batch;
            for bad in &rejected {
                self.reject(bad);
            }
            self.must_be_clean()?;
            if let Some(source) = broken {
                return Err(LoadError::broken(source));
            }
            if !definitions.is_empty() {
                steps.push(Step::Definitions(self.keep(definitions, &mut waiting).await?));
            }
            // the first line that is refused ends the import, so that all others hold
            answer(aliases, None);
            if let Some(line) = lines.first().copied() {
                let errors = stage.add(&resources).await.map_err(|source| LoadError::Refused { line, source })?;
                self.reject_tags(errors, &lines);
                self.must_be_clean()?;
                steps.push(Step::Resources(StagedLines::of(lines)));
                staged += count_of(resources.len());
            }
            (self.report)(Progress::Read { bytes: read, resources: staged });
        }
        stage.unused_tags(|line, reason| self.reject(&bad_tag(line, &reason))).await.map_err(LoadError::Store)?;
        self.must_be_clean()?;
        let mut whole = stage.begin().await.map_err(LoadError::Store)?;
        // counted first, so that nothing has to be undone if they are more than the limit
        let unlisted = match strict.prune {
            None => 0,
            Some(limit) => {
                let unlisted = whole.find_unlisted().await.map_err(LoadError::Store)?;
                if unlisted > limit {
                    whole.undo().await.map_err(LoadError::Store)?;
                    return Err(LoadError::PruneLimit { unlisted, limit });
                }
                unlisted
            }
        };
        let mut stored = Stored::default();
        for step in steps {
            match step {
                Step::Definitions(waiting) => self.define_in(&mut whole, &waiting, &mut stored).await?,
                Step::Resources(lines) => {
                    let line = lines.get(0).unwrap_or_default();
                    self.check_from(line).await?;
                    let imported = whole.import_next().await.map_err(|source| LoadError::Refused { line, source })?;
                    self.add(imported.unwrap_or_default(), |position| lines.get(position));
                }
            }
            self.must_be_clean()?;
            (self.report)(Progress::Imported { resources: self.outcome.resources(), of: staged });
        }
        if unlisted > 0 {
            self.prune(&mut whole, unlisted).await?;
        }
        self.check_from(self.next_line).await?;
        if strict.is_dry_run {
            return whole.undo().await.map_err(LoadError::Store);
        }
        whole.finish().await.map_err(LoadError::Store)?;
        self.gate.stored(stored).await;
        Ok(())
    }

    /// Removes the resources that are not in the input.
    async fn prune(&mut self, whole: &mut WholeImport, unlisted: u64) -> Result<(), LoadError> {
        loop {
            self.check_from(self.next_line).await?;
            let removed = whole.remove_unlisted(self.outcome.removed).await.map_err(LoadError::Store)?;
            let Some(removed) = removed else { return Ok(()) };
            self.outcome.removed = removed;
            (self.report)(Progress::Removed { resources: removed, of: unlisted });
        }
    }

    /// Imports batches as they arrive.
    async fn run_batches(
        &mut self,
        mut target: Target,
        mut batches: Batches,
        atomicity: Atomicity,
    ) -> Result<(), LoadError> {
        while let Some(batch) = self.next(&mut batches, target.importer()).await? {
            let Batch { definitions, resources, lines, rejected, aliases, read, broken } = batch;
            for bad in &rejected {
                self.reject(bad);
            }
            if broken.is_none() || atomicity == Atomicity::Lines {
                if !definitions.is_empty() || aliases.is_some() {
                    let current = self.define(&mut target, definitions).await?;
                    answer(aliases, Some(current));
                }
                self.run_batch(&mut target, &resources, &lines).await?;
            }
            if let Some(source) = broken {
                return Err(LoadError::broken(source));
            }
            (self.report)(Progress::Read { bytes: read, resources: self.outcome.resources() });
        }
        if let Target::WithTags(stage) = &mut target {
            stage.unused_tags(|line, reason| self.reject(&bad_tag(line, &reason))).await.map_err(LoadError::Store)?;
        }
        Ok(())
    }

    /// Imports a batch. If the database refuses a value that passed the checks, the batch is halved until the line is
    /// found, so that one bad line does not affect the others.
    async fn run_batch(
        &mut self,
        target: &mut Target,
        resources: &ImportBatch,
        lines: &[u64],
    ) -> Result<(), LoadError> {
        let whole: Range<usize> = 0..resources.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            let Some(first) = lines.get(part.start).copied() else { continue };
            match target.run(resources, part.clone()).await {
                Ok((batch, errors)) => {
                    self.add(batch, |position| lines.get(position).copied());
                    self.reject_tags(errors, lines);
                }
                Err(error @ StoreError::BadValue(_)) if part.len() == 1 => {
                    log_refusal(first, &error);
                    self.reject(&bad_resource(first, error.to_string()));
                }
                Err(StoreError::BadValue(_)) => {
                    let middle = part.start + part.len() / 2;
                    // the first half is imported first: the order of the lines is the order of registration
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Err(source) => return Err(LoadError::Refused { line: first, source }),
            }
        }
        Ok(())
    }

    fn reject_tags(&mut self, errors: Vec<TagError>, lines: &[u64]) {
        for error in errors {
            match error {
                TagError::DuplicateKey { line, key } => {
                    let reason = format!("duplicate key {} of the resource, which was left unchanged", quote(&key));
                    self.reject(&bad_tag(line, &reason));
                }
                TagError::TooMany { resource, tags, system_tags } => {
                    if let (Some(line), Err(error)) =
                        (lines.get(resource).copied(), check_tag_counts(tags, system_tags))
                    {
                        self.reject(&bad_resource(line, format!("resources file: {error}")));
                    }
                }
            }
        }
    }
}

fn bad_tag(line: u64, reason: &str) -> Rejected {
    bad_resource(line, format!("tags file: {reason}"))
}

fn bad_resource(line: u64, reason: String) -> Rejected {
    Rejected { line, kind: Kind::Resource, reason }
}

fn count_of(resources: usize) -> u64 {
    u64::try_from(resources).unwrap_or(u64::MAX)
}

/// Logs the error of the database for a line; the report of the import only says that the line was refused.
pub(crate) fn log_refusal(line: u64, error: &StoreError) {
    if let StoreError::BadValue(cause) = error {
        tracing::error!(line, error = %cause, "the database refused a value that the checks let through");
    }
}
