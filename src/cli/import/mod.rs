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
    store::{SessionProfile, Store},
    transfer::{
        self, Atomicity, LoadError, Outcome, Progress,
        batches::{self, Batches},
    },
};

/// Lines that are reported one by one; of more only the number is told.
const REPORTED: u64 = 1000;

#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub(super) struct ImportArgs {
    /// NDJSON file, one resource a line; - for standard input. Files whose names end in .gz are unpacked
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
    /// All lines are checked and put aside first; while they are then taken in, everyone else who writes waits
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(settings: &Settings, args: ImportArgs) -> Result<(), CliError> {
    let start = Instant::now();
    // opened before the database is started: a name that is wrong is found out at once
    let (resources, size) = open_input(args.file.as_deref().or(args.resources.as_deref()).unwrap_or(Path::new("-")))?;
    let tags = args.tags.as_deref().map(open_input).transpose()?.map(|(input, _)| input);
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
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
    let aliases = store.aliases().await?;
    run_batches(store, batches::of_ndjson(input, aliases, None), progress, strict).await
}

async fn run_batches(
    store: &Store,
    batches: Batches,
    progress: Option<ProgressBar>,
    strict: bool,
) -> Result<Outcome, CliError> {
    let progress = progress.unwrap_or_else(ProgressBar::hidden);
    let start = Instant::now();
    let keep = if strict { Atomicity::Nothing } else { Atomicity::Lines };
    let mut reported = 0;
    let (registry, principal) = (app::registry_of(store), Principal::command("import"));
    let import = registry.import(&principal).await?;
    let outcome = transfer::load(import.store(), batches, keep, |step| match step {
        Progress::Rejected(bad) => {
            reported += 1;
            if reported <= REPORTED {
                progress.suspend(|| eprintln!("line {}: {}", bad.line, bad.reason));
            }
        }
        Progress::Read { bytes, resources } => {
            progress.set_position(bytes);
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate to look at"
            )]
            let rate = (resources as f64 / start.elapsed().as_secs_f64()) as u64;
            progress.set_message(format!("{} resources, {}/s", HumanCount(resources), HumanCount(rate)));
        }
        Progress::Taken { resources, of } => {
            progress.set_message(format!("{} of {} resources are in", HumanCount(resources), HumanCount(of)));
        }
    })
    .await
    .map_err(|error| {
        let kept = if strict { "nothing was imported" } else { "the lines before are imported" };
        match error {
            LoadError::Store(error) => error.into(),
            LoadError::Refused { line, source } => {
                transfer::log_refusal(line, &source);
                CliError::Stopped(format!("line {line} and on: {source}; {kept}"))
            }
            LoadError::Strict => CliError::Stopped("nothing was imported, because of --strict".into()),
            LoadError::Encoding(wrong) => CliError::Stopped(format!("the input {wrong}")),
            LoadError::Broken(source) => CliError::File { what: format!("the input broke off; {kept}"), source },
        }
    })?;
    if outcome.rejected > REPORTED {
        eprintln!("... and {} more rejected lines", outcome.rejected - REPORTED);
    }
    Ok(outcome)
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
    if path.extension().is_some_and(|ending| ending == "gz") {
        return Ok((Box::new(MultiGzDecoder::new(file)), None));
    }
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}
