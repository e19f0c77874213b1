//! Import from two CSV files: resources in order, their tags in any order.
//!
//! The tags wait in a temporary table of the database, so that neither file has to fit in memory.

use std::io::Read;

use csv::{Reader, ReaderBuilder, StringRecord};

use super::CliError;
use crate::{
    domain::{Resource, Tag, change::Registration},
    store::{Store, TagRow, TagStage},
    transfer::{
        batches::{Batches, Cutter, Stopped},
        line,
    },
};

/// Resources whose tags are fetched at a time.
const FETCHED: usize = 2_000;
/// Tags that go to the database in one piece.
const STAGED: usize = 20_000;

const RESOURCE_COLUMNS: &[&str] =
    &["project_id", "resource_type", "resource_id", "project_name", "domain_id", "resource_name", "resource_detail"];
const TAG_COLUMNS: &[&str] = &["project_id", "resource_type", "resource_id", "key", "value"];

/// Stages the tags, then cuts the resources with their tags into batches.
pub(super) async fn read(
    store: &Store,
    resources: Box<dyn Read + Send>,
    tags: Box<dyn Read + Send>,
    strict: bool,
) -> Result<Batches, CliError> {
    let mut resources = open(resources);
    let mut tags = open(tags);
    let resource_columns = Columns::of("resources", &mut resources, RESOURCE_COLUMNS, 3)?;
    let tag_columns = Columns::of("tags", &mut tags, TAG_COLUMNS, 5)?;
    let mut stage = store.stage_tags().await?;
    let bad_tags = stage_all(&mut stage, &mut tags, &tag_columns, strict).await?;

    let (mut cutter, batches) = Cutter::new();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        let outcome = bad_tags
            .into_iter()
            .try_for_each(|(line, reason)| cutter.reject(line, 0, reason).map_err(|Stopped| None))
            .and_then(|()| {
                cut_all(&mut cutter, &mut resources, &resource_columns, |wanted| {
                    runtime.block_on(stage.take(wanted)).map_err(|error| Some(std::io::Error::other(error.to_string())))
                })
            })
            .and_then(|()| {
                let left = runtime
                    .block_on(stage.left(1000))
                    .map_err(|error| Some(std::io::Error::other(error.to_string())))?;
                left.into_iter().try_for_each(|line| {
                    let reason = "tags file: its resource is not in the resources file".to_owned();
                    cutter.reject(u64::try_from(line).unwrap_or_default(), 0, reason).map_err(|Stopped| None)
                })
            });
        match outcome {
            Ok(()) => cutter.finish(None),
            Err(Some(broken)) => cutter.finish(Some(broken)),
            Err(None) => {}
        }
    });
    Ok(batches)
}

fn open(input: Box<dyn Read + Send>) -> Reader<Box<dyn Read + Send>> {
    ReaderBuilder::new().flexible(true).from_reader(input)
}

/// Where each column stands.
struct Columns(Vec<Option<usize>>);

impl Columns {
    fn of(
        file: &str,
        reader: &mut Reader<Box<dyn Read + Send>>,
        known: &[&str],
        mandatory: usize,
    ) -> Result<Self, CliError> {
        let header = reader.headers().map_err(|error| CliError::Stopped(format!("{file} file: {error}")))?;
        for name in header {
            if !known.contains(&name) {
                return Err(CliError::Stopped(format!(
                    "{file} file: no such column {name:?}, there are {}",
                    known.join(", ")
                )));
            }
        }
        let places: Vec<Option<usize>> =
            known.iter().map(|name| header.iter().position(|other| other == *name)).collect();
        if let Some((_, name)) = places.iter().zip(known).take(mandatory).find(|(place, _)| place.is_none()) {
            return Err(CliError::Stopped(format!("{file} file: the column {name} is missing")));
        }
        Ok(Self(places))
    }

    fn get<'r>(&self, record: &'r StringRecord, column: usize) -> Option<&'r str> {
        record.get((*self.0.get(column)?)?)
    }

    fn text(&self, record: &StringRecord, column: usize) -> Result<String, String> {
        self.get(record, column).map(str::to_owned).ok_or_else(|| format!("only {} columns", record.len()))
    }
}

async fn stage_all(
    stage: &mut TagStage,
    reader: &mut Reader<Box<dyn Read + Send>>,
    columns: &Columns,
    strict: bool,
) -> Result<Vec<(u64, String)>, CliError> {
    let mut bad = Vec::new();
    let mut rows = Vec::with_capacity(STAGED);
    let mut record = StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => match tag_row(columns, &record) {
                Ok(row) => rows.push((i64::try_from(position(&record, line)).unwrap_or_default(), row)),
                Err(reason) => bad.push((position(&record, line), format!("tags file: {reason}"))),
            },
            Err(error) if is_io(&error) => return Err(CliError::Stopped(format!("tags file: {error}"))),
            Err(error) => bad.push((line, format!("tags file: {error}"))),
        }
        if strict && !bad.is_empty() {
            break;
        }
        if rows.len() >= STAGED {
            stage.add(&rows).await?;
            rows.clear();
        }
    }
    stage.add(&rows).await?;
    stage.index().await?;
    Ok(bad)
}

fn tag_row(columns: &Columns, record: &StringRecord) -> Result<TagRow, String> {
    let row = TagRow {
        project_id: columns.text(record, 0)?,
        resource_type: columns.text(record, 1)?,
        resource_id: columns.text(record, 2)?,
        key: columns.text(record, 3)?,
        value: columns.text(record, 4)?,
    };
    // a tag that could not be imported is found here, with its own line
    line::check(Registration {
        project_id: row.project_id.clone(),
        resource_type: row.resource_type.clone(),
        resource: Resource {
            resource_id: row.resource_id.clone(),
            tags: vec![Tag { key: row.key.clone(), value: row.value.clone() }],
            ..Resource::default()
        },
        ..Registration::default()
    })
    .map_err(|fault| fault.to_string())?;
    Ok(row)
}

/// `Err(None)`: the import has stopped.
fn cut_all(
    cutter: &mut Cutter,
    reader: &mut Reader<Box<dyn Read + Send>>,
    columns: &Columns,
    mut take: impl FnMut(&[Registration]) -> Result<Vec<Vec<Tag>>, Option<std::io::Error>>,
) -> Result<(), Option<std::io::Error>> {
    let mut waiting: Vec<(u64, u64, Registration)> = Vec::with_capacity(FETCHED);
    let mut record = StringRecord::new();
    loop {
        let (start, line) = (reader.position().byte(), reader.position().line());
        let more = match reader.read_record(&mut record) {
            Ok(more) => more,
            Err(error) if is_io(&error) => return Err(Some(std::io::Error::other(error))),
            Err(error) => {
                cutter.reject(line, 0, format!("resources file: {error}")).map_err(|Stopped| None)?;
                continue;
            }
        };
        let bytes = reader.position().byte() - start;
        if more {
            match registration(columns, &record).and_then(|r| line::check(r).map_err(|fault| fault.to_string())) {
                Ok(registration) => waiting.push((position(&record, line), bytes, registration)),
                Err(reason) => {
                    let reason = format!("resources file: {reason}");
                    cutter.reject(position(&record, line), bytes, reason).map_err(|Stopped| None)?;
                }
            }
        }
        if waiting.len() >= FETCHED || !more {
            let wanted: Vec<Registration> = waiting.iter().map(|(_, _, registration)| registration.clone()).collect();
            let tags = take(&wanted)?;
            for ((line, bytes, mut registration), tags) in waiting.drain(..).zip(tags) {
                registration.resource.tags = tags;
                match line::check(registration) {
                    Ok(registration) => cutter.push(line, bytes, &registration),
                    Err(fault) => cutter.reject(line, bytes, format!("resources file: {fault}")),
                }
                .map_err(|Stopped| None)?;
            }
        }
        if !more {
            return Ok(());
        }
    }
}

fn registration(columns: &Columns, record: &StringRecord) -> Result<Registration, String> {
    // CSV cannot tell an empty field from none
    let optional = |column| columns.get(record, column).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Registration {
        project_id: columns.text(record, 0)?,
        resource_type: columns.text(record, 1)?,
        project_name: optional(3),
        domain_id: optional(4),
        resource: Resource {
            resource_id: columns.text(record, 2)?,
            resource_name: optional(5).unwrap_or_default(),
            detail: optional(6).filter(|detail| detail != "null"),
            tags: Vec::new(),
        },
    })
}

fn position(record: &StringRecord, otherwise: u64) -> u64 {
    record.position().map_or(otherwise, csv::Position::line)
}

fn is_io(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(_))
}
