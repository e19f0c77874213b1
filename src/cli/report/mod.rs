//! `tagd report`: the views of the schema `report` as a table, CSV or JSON.

mod sheet;
mod sink;
mod table;

use std::io::{BufWriter, IsTerminal, Write};

use clap::{Args, ValueEnum};

use self::sink::Sink;
use super::{
    CliError,
    open::open,
    progress::{Unit, bar},
    time::read_time,
};
use crate::{
    config::Settings,
    store::{REPORTS, Report, ReportFilter, ReportForm, SessionProfile, Store},
};

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Name of a report; --list shows them
    #[arg(value_name = "NAME", required_unless_present = "list")]
    name: Option<String>,
    /// List the reports
    #[arg(long, conflicts_with_all = ["name", "format", "projects", "types", "since"])]
    list: bool,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only this project; may be repeated
    #[arg(long = "project", value_name = "PROJECT")]
    projects: Vec<String>,
    /// Only this resource type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only rows since this time, such as 2026-11-30 or 2026-11-30T08:00:00Z; dates are in UTC
    #[arg(long, value_name = "TIME", value_parser = read_time)]
    since: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: the most important columns, fitted to the terminal
    Table,
    /// For spreadsheets: all columns; cells that would be formulas begin with an apostrophe
    Csv,
    /// For programs: an array of objects with all columns
    Json,
}

pub(super) async fn run(settings: &Settings, args: ReportArgs) -> Result<(), CliError> {
    let Some(name) = args.name else { return list() };
    let wanted = name.replace('-', "_");
    let report = REPORTS.iter().find(|report| report.name == wanted).ok_or_else(|| {
        let names: Vec<&str> = REPORTS.iter().map(|report| report.name).collect();
        CliError::Stopped(format!("there is no report {name:?}; the reports are {}", names.join(", ")))
    })?;
    let names_scopes = !args.projects.is_empty() || !args.types.is_empty();
    if names_scopes && !report.is_by_scope {
        return Err(CliError::Stopped(format!(
            "--project and --type: the report {} has no projects and types",
            report.name
        )));
    }
    if args.since.is_some() && report.time.is_none() {
        let timed: Vec<&str> =
            REPORTS.iter().filter(|report| report.time.is_some()).map(|report| report.name).collect();
        let reason = format!("--since: the report {} has no times; these have: {}", report.name, timed.join(", "));
        return Err(CliError::Stopped(reason));
    }
    let filter = ReportFilter { projects: args.projects, types: args.types, since: args.since };
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let outcome = print(&store, report, filter, args.format).await;
    store.close().await;
    opened.close().await;
    match outcome {
        // the reader of the output has closed it
        Err(CliError::File { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn list() -> Result<(), CliError> {
    let width = REPORTS.iter().map(|report| report.name.len()).max().unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for report in &REPORTS {
        match writeln!(out, "{:width$}  {}", report.name, report.about) {
            Err(source) if source.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(failed)?,
        }
    }
    Ok(())
}

async fn print(store: &Store, report: &Report, filter: ReportFilter, format: Format) -> Result<(), CliError> {
    let form = match format {
        Format::Table => ReportForm::Table,
        Format::Csv => ReportForm::Columns,
        Format::Json => ReportForm::Object,
    };
    let reader = store.report(report, filter, form).await?;
    let out = BufWriter::with_capacity(256 * 1024, std::io::stdout());
    let mut sink: Box<dyn Sink> = match format {
        Format::Table => Box::new(table::Table::new(out, &reader.columns)),
        Format::Csv => Box::new(sheet::Csv::new(out, &reader.columns).map_err(failed)?),
        Format::Json => Box::new(sheet::Json::new(out)),
    };
    // on a terminal the rows themselves are the progress
    let progress = (!std::io::stdout().is_terminal()).then(|| bar(None, Unit::Count));
    if let Some(progress) = &progress {
        progress.set_message("rows");
    }
    let mut count: u64 = 0;
    let outcome = reader
        .run(|cells| {
            count += 1;
            if let Some(progress) = progress.as_ref().filter(|_| count.is_multiple_of(1000)) {
                progress.set_position(count);
            }
            sink.row(cells).map_err(failed)
        })
        .await;
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    outcome?;
    sink.finish().map_err(failed)?;
    if count == 0 && format == Format::Table {
        eprintln!("no rows");
    }
    Ok(())
}

fn failed(source: std::io::Error) -> CliError {
    CliError::File { what: "cannot write to standard output".to_owned(), source }
}
