//! `tagd import`: registers resources in bulk, from NDJSON or from two CSV files.

mod batches;
mod csv_files;
pub(crate) mod line;

use std::{
    fs::File,
    io::Read,
    ops::Range,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use indicatif::{HumanCount, ProgressBar};

use super::{
    CliError,
    open::open,
    progress::{Unit, bar},
};
use crate::{
    config::Settings,
    store::{ImportBatch, Importer, Purpose, Store, StoreError},
};
use batches::{Batch, Rejected};

/// Lines that are reported one by one; of more only the number is told.
const REPORTED: u64 = 1000;

#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub(super) struct ImportArgs {
    /// NDJSON file, one resource a line; - for standard input
    ///
    /// A line states a resource whole: {"project_id", "project_name"?, "domain_id"?, "resource_type", "resource_id",
    /// "resource_name"?, "resource_detail"?, "tags": [{"key", "value"}]}. A known resource gets this name, detail and
    /// set of tags; a new one is registered, later lines being newer.
    #[arg(value_name = "FILE", required_unless_present = "resources", conflicts_with_all = ["resources", "tags"])]
    file: Option<PathBuf>,

    /// CSV file of resources, with a header: project_id, resource_type, resource_id and, if wanted, project_name,
    /// domain_id, resource_name, resource_detail (JSON)
    #[arg(long, value_name = "FILE", requires = "tags")]
    resources: Option<PathBuf>,

    /// CSV file of tags, with a header: project_id, resource_type, resource_id, key, value; in any order
    #[arg(long, value_name = "FILE", requires = "resources")]
    tags: Option<PathBuf>,

    /// Stop at the first bad line and import nothing; else bad lines are reported and the rest goes on.
    /// Until a strict import ends, everyone else who writes waits
    #[arg(long)]
    strict: bool,
}

/// What an import did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) created: u64,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
    rejected: u64,
    new_types: Vec<String>,
}

pub(super) async fn run(settings: &Settings, args: ImportArgs) -> Result<(), CliError> {
    let start = Instant::now();
    // opened before the database is started: a name that is wrong is found out at once
    let (resources, size) = open_input(args.file.as_deref().or(args.resources.as_deref()).unwrap_or(Path::new("-")))?;
    let tags = args.tags.as_deref().map(open_input).transpose()?.map(|(input, _)| input);
    let opened = open(settings).await?;
    let store = opened.store(Purpose::Work).await?;
    let progress = bar(size, Unit::Bytes);
    let outcome = match tags {
        None => load(&store, resources, Some(progress.clone()), args.strict).await,
        Some(tags) => {
            let batches = csv_files::read(&store, resources, tags, args.strict).await;
            match batches {
                Ok(batches) => run_batches(&store, batches, Some(progress.clone()), args.strict).await,
                Err(error) => Err(error),
            }
        }
    };
    progress.finish_and_clear();
    store.close().await;
    opened.close().await;
    let outcome = outcome?;
    for name in &outcome.new_types {
        eprintln!("new resource type {name}: taken as a type of the region, 20 tags a resource");
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{} new, {} changed, {} unchanged, {} rejected in {seconds:.1} s",
        HumanCount(outcome.created),
        HumanCount(outcome.changed),
        HumanCount(outcome.unchanged),
        HumanCount(outcome.rejected)
    );
    if outcome.rejected > 0 { Err(CliError::Said) } else { Ok(()) }
}

/// Imports NDJSON into a store.
pub(super) async fn load(
    store: &Store,
    input: Box<dyn Read + Send>,
    progress: Option<ProgressBar>,
    strict: bool,
) -> Result<Outcome, CliError> {
    run_batches(store, batches::of_ndjson(input), progress, strict).await
}

async fn run_batches(
    store: &Store,
    mut batches: batches::Batches,
    progress: Option<ProgressBar>,
    strict: bool,
) -> Result<Outcome, CliError> {
    let progress = progress.unwrap_or_else(ProgressBar::hidden);
    let start = Instant::now();
    let mut importer = store.import(strict).await?;
    let mut outcome = Outcome::default();
    while let Some(batch) = batches.recv().await {
        let Batch { resources, lines, rejected, read, broken } = batch;
        for bad in &rejected {
            report(&progress, &mut outcome, bad);
        }
        if strict && outcome.rejected > 0 {
            return Err(CliError::Stopped("nothing was imported, because of --strict".into()));
        }
        run_batch(&mut importer, &resources, &lines, strict, &progress, &mut outcome).await?;
        progress.set_position(read);
        let done = outcome.created + outcome.changed + outcome.unchanged;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate to look at"
        )]
        let rate = (done as f64 / start.elapsed().as_secs_f64()) as u64;
        progress.set_message(format!("{} resources, {}/s", HumanCount(done), HumanCount(rate)));
        if let Some(source) = broken {
            let kept = if strict { "nothing was imported" } else { "the lines before are imported" };
            return Err(CliError::File { what: format!("the input broke off; {kept}"), source });
        }
    }
    importer.finish().await?;
    if outcome.rejected > REPORTED {
        eprintln!("... and {} more rejected lines", outcome.rejected - REPORTED);
    }
    outcome.new_types.sort();
    Ok(outcome)
}

/// Runs a batch. Where the database refuses a value that got past the checks, the batch is cut in halves until
/// the line is found, so that one bad line costs no other.
async fn run_batch(
    importer: &mut Importer,
    resources: &ImportBatch,
    lines: &[u64],
    strict: bool,
    progress: &ProgressBar,
    outcome: &mut Outcome,
) -> Result<(), CliError> {
    let whole: Range<usize> = 0..resources.len();
    let mut parts = vec![whole];
    while let Some(part) = parts.pop() {
        let Some(first) = lines.get(part.start) else { continue };
        match importer.run(resources, part.clone()).await {
            Ok(batch) => {
                outcome.created += batch.created;
                outcome.changed += batch.changed;
                outcome.unchanged += batch.unchanged;
                outcome.new_types.extend(batch.new_types);
            }
            Err(StoreError::BadValue(reason)) if !strict => {
                if part.len() == 1 {
                    report(progress, outcome, &Rejected { line: *first, reason });
                } else {
                    let middle = part.start + part.len() / 2;
                    // the front is taken first: the order of the lines is the order of registration
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
            Err(error) => {
                let kept = if strict { "nothing was imported" } else { "the lines before are imported" };
                return Err(CliError::Stopped(format!("line {first} and on: {error}; {kept}")));
            }
        }
    }
    Ok(())
}

fn report(progress: &ProgressBar, outcome: &mut Outcome, bad: &Rejected) {
    outcome.rejected += 1;
    if outcome.rejected <= REPORTED {
        progress.suspend(|| eprintln!("line {}: {}", bad.line, bad.reason));
    }
}

/// A file or standard input, and how large it is where that is known.
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
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}
