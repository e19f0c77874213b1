//! `tagd import`: registers resources in bulk, from NDJSON or from two CSV files.

mod csv_files;
mod records;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use flate2::read::MultiGzDecoder;
use indicatif::{HumanCount, ProgressBar};

use super::{
    CliError,
    open::open,
    progress::{Unit, bar},
};
use crate::{
    app,
    auth::Principal,
    config::Settings,
    domain::{definition::Kind, reason},
    service::Import,
    store::{SessionProfile, Store, TagStage},
    transfer::{
        self, Atomicity, DefinitionCounts, Gate, LoadError, Outcome, PRUNE_LIMIT, Progress, Strict,
        batches::{self, Batches, Reading},
    },
};

/// Lines that are reported one by one; beyond that only their number is.
const REPORTED: u64 = 1000;

#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub(super) struct ImportArgs {
    /// NDJSON file, as export writes it; - for standard input. Files whose names end in .gz are decompressed
    ///
    /// A line has a complete resource: {"project_id", "project_name"?, "domain_id"?, "resource_type", "resource_id",
    /// "resource_name"?, "resource_detail"?, "tags": [{"key", "value"}]}. An existing resource gets this name,
    /// detail and set of tags; a new one is registered, and later lines are newer. Or it has a "kind": type, project,
    /// predefined_tag or policy.
    #[arg(value_name = "FILE", required_unless_present_any = ["resources", "tags"], conflicts_with_all = ["resources", "tags"])]
    file: Option<PathBuf>,

    /// CSV file of resources, with a header: project_id, resource_type, resource_id and optionally project_name,
    /// domain_id, resource_name, resource_detail (JSON)
    #[arg(long, value_name = "FILE", requires = "tags")]
    resources: Option<PathBuf>,

    /// CSV file of tags, with a header: project_id, resource_type, resource_id, key, value; in any order
    #[arg(long, value_name = "FILE", requires = "resources")]
    tags: Option<PathBuf>,

    /// Stop at the first bad line and import nothing. Without it, bad lines are reported and the others imported.
    /// All lines are checked and staged first; while they are then imported, other writers wait
    #[arg(long)]
    strict: bool,

    /// Also remove resources that are not in the file, from each scope (a project and a resource type) that is in it.
    /// Scopes that are not in the file are left alone
    #[arg(long, requires = "strict")]
    prune: bool,

    /// Import nothing if --prune would remove more resources than this
    #[arg(long, value_name = "N", default_value_t = PRUNE_LIMIT, requires = "prune")]
    prune_limit: u64,

    /// Do everything and undo it at the end, to see the counts. Other writers wait as for the import itself
    #[arg(long, requires = "strict")]
    dry_run: bool,
}

impl ImportArgs {
    fn atomicity(&self) -> Atomicity {
        if !self.strict {
            return Atomicity::Lines;
        }
        Atomicity::Nothing(Strict { prune: self.prune.then_some(self.prune_limit), is_dry_run: self.dry_run })
    }
}

pub(super) async fn run(settings: &Settings, args: ImportArgs) -> Result<(), CliError> {
    let start = Instant::now();
    // opened before the database is started, so that a wrong name is reported at once
    let (resources, size) = open_input(args.file.as_deref().or(args.resources.as_deref()).unwrap_or(Path::new("-")))?;
    let tags = args.tags.as_deref().map(open_input).transpose()?.map(|(input, _)| input);
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let progress = bar(size, Unit::Bytes);
    let outcome = load(&store, resources, tags, Some(progress.clone()), args.atomicity()).await;
    progress.finish_and_clear();
    store.close().await;
    opened.close().await;
    let outcome = outcome?;
    let registered = if args.dry_run { "would be registered" } else { "registered" };
    for name in &outcome.new_types {
        eprintln!("new resource type {name}: {registered} as a regional type with a quota of 20 tags per resource");
    }
    let seconds = start.elapsed().as_secs_f64();
    for (kind, counts) in &outcome.definitions {
        println!("{}", counts_of(*kind, *counts));
    }
    println!("{} in {seconds:.1} s", summary(&outcome, &args));
    if outcome.rejected > 0 { Err(CliError::Reported) } else { Ok(()) }
}

/// The counts of a kind of lines that are not resources.
fn counts_of(kind: Kind, counts: DefinitionCounts) -> String {
    let DefinitionCounts { created, changed, unchanged, rejected } = counts;
    let counts = [created, changed, unchanged, rejected].map(HumanCount);
    let [created, changed, unchanged, rejected] = counts;
    format!("{}: {created} new, {changed} changed, {unchanged} unchanged, {rejected} rejected", kind.plural())
}

/// The counts of resources. An import that does not prune has none of removed resources.
fn summary(outcome: &Outcome, args: &ImportArgs) -> String {
    let mut counts = vec![
        (outcome.created, "new"),
        (outcome.changed, "changed"),
        (outcome.unchanged, "unchanged"),
        (outcome.rejected_resources(), "rejected"),
    ];
    if args.prune {
        counts.push((outcome.removed, "removed"));
    }
    let counts: Vec<String> = counts.into_iter().map(|(count, what)| format!("{} {what}", HumanCount(count))).collect();
    let begin = if args.dry_run { "dry run, nothing was changed: " } else { "" };
    let kind = if outcome.definitions.is_empty() { "" } else { "resources: " };
    format!("{begin}{kind}{}", counts.join(", "))
}

/// Imports NDJSON, or CSV with tags in a file of their own, into a store.
pub(super) async fn load(
    store: &Store,
    resources: Box<dyn Read + Send>,
    tags: Option<Box<dyn Read + Send>>,
    progress: Option<ProgressBar>,
    atomicity: Atomicity,
) -> Result<Outcome, CliError> {
    let (registry, principal) = (app::registry_of(store), Principal::command("import"));
    let import = registry.import(&principal, app::definition_limits()).await?;
    match tags {
        None => {
            let reading = Reading {
                aliases: import.store().aliases().await?,
                covered: None,
                most_idle: None,
                limits: import.limits().clone(),
            };
            let batches = batches::of_ndjson(resources, reading);
            run_batches(&import, batches, None, progress, atomicity).await
        }
        Some(tags) => {
            let (tags, batches) = csv_files::read(&import.store(), resources, tags, atomicity.is_strict()).await?;
            run_batches(&import, batches, Some(tags), progress, atomicity).await
        }
    }
}

async fn run_batches(
    import: &Import<'_>,
    batches: Batches,
    tags: Option<TagStage>,
    progress: Option<ProgressBar>,
    atomicity: Atomicity,
) -> Result<Outcome, CliError> {
    let progress = progress.unwrap_or_else(ProgressBar::hidden);
    let start = Instant::now();
    let mut reported = 0;
    let report = |step: Progress<'_>| match step {
        Progress::Rejected(bad) => {
            reported += 1;
            if reported <= REPORTED {
                progress.suspend(|| eprintln!("line {}: {}", bad.line, bad.reason));
            }
        }
        // a command remembers nothing
        Progress::Moving(_) => {}
        Progress::Read { bytes, resources } => {
            progress.set_position(bytes);
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate for people to read"
            )]
            let rate = (resources as f64 / start.elapsed().as_secs_f64()) as u64;
            progress.set_message(format!("{} resources, {}/s", HumanCount(resources), HumanCount(rate)));
        }
        Progress::Imported { resources, of } => {
            progress.set_message(format!("{} of {} resources imported", HumanCount(resources), HumanCount(of)));
        }
        Progress::Removed { resources, of } => {
            progress.set_message(format!("{} of {} resources removed", HumanCount(resources), HumanCount(of)));
        }
    };
    let outcome = match tags {
        None => transfer::load(&import.store(), batches, atomicity, report, import).await,
        Some(tags) => transfer::load_with_tags(tags, batches, atomicity, report, import).await,
    }
    .map_err(|error| {
        let kept = if atomicity.is_strict() { "nothing was imported" } else { "the lines before it were imported" };
        match error {
            LoadError::Store(error) => error.into(),
            LoadError::Refused { line, source } => {
                transfer::log_refusal(line, &source);
                CliError::Batch { line, kept, source }
            }
            LoadError::Denied { line, source } => CliError::Stopped(format!("from line {line} on: {source}; {kept}")),
            LoadError::Strict => CliError::Stopped("nothing was imported, because of --strict".into()),
            LoadError::PruneLimit { unlisted, limit } => {
                CliError::Stopped(format!("--prune-limit: {}; {kept}", reason::below_removals(unlisted, limit)))
            }
            LoadError::Encoding(wrong) => CliError::Stopped(format!("the input {wrong}")),
            LoadError::Broken(source) => CliError::File { what: format!("the input was cut off; {kept}"), source },
        }
    })?;
    if outcome.rejected > REPORTED {
        eprintln!("... and {} more rejected lines", outcome.rejected - REPORTED);
    }
    Ok(outcome)
}

/// A file or standard input, with its size if that is known.
fn open_input(path: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), CliError> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let failed = |source| CliError::File { what: format!("cannot read {}", path.display()), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    if path.extension().is_some_and(|ending| ending == "gz") {
        return Ok((Box::new(MultiGzDecoder::new(file)), None));
    }
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}
