//! Import from two CSV files: resources in order, their tags in any order.
//!
//! The tags wait in a temporary table of the database, so that neither file has to fit in memory.

use std::{collections::HashSet, io::Read};

use super::{
    CliError,
    records::{Record, Records},
};
use crate::{
    domain::{Resource, Tag, change::Registration, error::quote, registry::Aliases},
    store::{Store, StoreError, TagRow, TagStage, TakenTags},
    text::Begun,
    transfer::{
        batches::{BATCH_BYTES, BatchBuilder, Batches, Stopped},
        line::{self, LINE_BYTES},
    },
};

/// Resources whose tags are fetched at a time.
const FETCHED: usize = 2_000;
/// Tags that go to the database in one piece.
const STAGED: usize = 20_000;
/// Lines to report that are fetched at a time.
const LEFT: i64 = 20_000;

const RESOURCE_COLUMNS: &[&str] =
    &["project_id", "resource_type", "resource_id", "project_name", "domain_id", "resource_name", "resource_detail"];
const TAG_COLUMNS: &[&str] = &["project_id", "resource_type", "resource_id", "key", "value"];
/// The first columns of both files, which say what resource it is.
const IDENTITY: usize = 3;

/// Stages the tags, then cuts the resources with their tags into batches.
pub(super) async fn read(
    store: &Store,
    resources: Box<dyn Read + Send>,
    tags: Box<dyn Read + Send>,
    strict: bool,
) -> Result<Batches, CliError> {
    let mut resources = open("resources", resources)?;
    let mut tags = open("tags", tags)?;
    let resource_columns = Columns::of("resources", &mut resources, RESOURCE_COLUMNS, IDENTITY)?;
    let tag_columns = Columns::of("tags", &mut tags, TAG_COLUMNS, 5)?;
    // both files may name a type as they like: resources and tags meet under one name
    let aliases = store.aliases().await?;
    let mut stage = store.stage_tags().await?;
    stage_all(&mut stage, &mut tags, &tag_columns, &aliases, strict).await?;

    let (mut cutter, batches) = BatchBuilder::new();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        // the stage gives back its connection where the runtime is known
        let _entered = runtime.enter();
        let mut stage = stage;
        let outcome = reject_all(&mut cutter, |after| runtime.block_on(stage.faults(after, LEFT)).map_err(broken))
            .and_then(|()| {
                cut_all(&mut cutter, &mut resources, &resource_columns, &aliases, |wanted| {
                    runtime.block_on(stage.take(wanted)).map_err(broken)
                })
            })
            .and_then(|()| {
                reject_all(&mut cutter, |after| {
                    let left = runtime.block_on(stage.left(after, LEFT)).map_err(broken)?;
                    Ok(left
                        .into_iter()
                        .map(|line| (line, "its resource is not in the resources file".to_owned()))
                        .collect())
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

#[expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "for map_err, where None is an import that has stopped"
)]
fn broken(error: StoreError) -> Option<std::io::Error> {
    Some(std::io::Error::other(error.to_string()))
}

/// Reports rows of tags, as many at a time as are fetched.
fn reject_all(
    cutter: &mut BatchBuilder,
    mut fetch: impl FnMut(i64) -> Result<Vec<(i64, String)>, Option<std::io::Error>>,
) -> Result<(), Option<std::io::Error>> {
    let mut last = 0;
    loop {
        let rows = fetch(last)?;
        let Some((end, _)) = rows.last() else { return Ok(()) };
        last = *end;
        for (line, reason) in rows {
            reject_tag(cutter, line, &reason)?;
        }
    }
}

fn reject_tag(cutter: &mut BatchBuilder, line: i64, reason: &str) -> Result<(), Option<std::io::Error>> {
    let line = u64::try_from(line).unwrap_or_default();
    cutter.reject(line, 0, format!("tags file: {reason}")).map_err(|Stopped| None)
}

type Csv = Records<Begun<Box<dyn Read + Send>>>;

fn open(file: &str, input: Box<dyn Read + Send>) -> Result<Csv, CliError> {
    let most = usize::try_from(LINE_BYTES).unwrap_or(usize::MAX);
    Records::new(input, most).map_err(|error| CliError::Stopped(format!("{file} file: {error}")))
}

/// Where each column stands.
struct Columns {
    places: Vec<Option<usize>>,
    count: usize,
}

impl Columns {
    fn of(file: &str, reader: &mut Csv, known: &[&str], mandatory: usize) -> Result<Self, CliError> {
        let mut record = Record::default();
        reader.read(&mut record).map_err(|error| CliError::Stopped(format!("{file} file: {error}")))?;
        if let Some(fault) = &record.fault {
            return Err(CliError::Stopped(format!("line {}: {file} file: {}", fault.line, fault.reason)));
        }
        let header: Vec<String> = record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        for (i, name) in header.iter().enumerate() {
            if header.iter().take(i).any(|other| other == name) {
                return Err(CliError::Stopped(format!("{file} file: the column {name} stands twice")));
            }
            if !known.contains(&name.as_str()) {
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
        Ok(Self { places, count: header.len() })
    }

    /// What is wrong with a record as such. One with more or fewer columns than the header has lost a quote or a
    /// comma somewhere.
    fn check(&self, record: &Record) -> Result<(), String> {
        if let Some(fault) = &record.fault {
            return Err(fault.reason.clone());
        }
        if record.len() != self.count {
            return Err(format!("{} columns, the header has {}", record.len(), self.count));
        }
        match record.iter().position(|field| std::str::from_utf8(field).is_err()) {
            Some(field) => Err(format!("field {}: not UTF-8", field + 1)),
            None => Ok(()),
        }
    }

    /// A field; empty also where the file does not have the column.
    fn text<'a>(&self, record: &'a Record, column: usize) -> &'a str {
        let place = self.places.get(column).copied().flatten();
        place.and_then(|place| record.get(place)).and_then(|field| std::str::from_utf8(field).ok()).unwrap_or_default()
    }

    /// Project, type and id, if they can be told. Where a comma or a quote is wrong they can, if they stand in
    /// front of all else and the fault is behind them.
    fn identity(&self, record: &Record) -> Option<[String; IDENTITY]> {
        let is_in_front = self.places.iter().take(IDENTITY).all(|place| place.is_some_and(|place| place < IDENTITY));
        // a last field may itself be cut off
        let complete = if record.fault.is_some() { record.len() } else { record.len().saturating_sub(1) };
        let is_even = record.fault.is_none() && record.len() == self.count;
        let is_told = is_even || is_in_front && complete >= IDENTITY;
        if !is_told {
            return None;
        }
        let identity = [0, 1, 2].map(|column| self.text(record, column).to_owned());
        identity.iter().all(|text| !text.is_empty()).then_some(identity)
    }
}

/// Puts all tags aside. A row that is no tag is kept too, so that its resource is left as it is; where the resource
/// cannot be told it could be any, and nothing is imported.
async fn stage_all(
    stage: &mut TagStage,
    reader: &mut Csv,
    columns: &Columns,
    aliases: &Aliases,
    strict: bool,
) -> Result<(), CliError> {
    let mut rows: Vec<TagRow> = Vec::with_capacity(STAGED);
    let mut record = Record::default();
    while reader.read(&mut record).map_err(|error| CliError::Stopped(format!("tags file: {error}")))? {
        let line = record.fault.as_ref().map_or(record.line, |fault| fault.line);
        let mut row = tag_row(columns, &record, i64::try_from(line).unwrap_or_default()).map_err(|reason| {
            let rest = "its resource cannot be told, so nothing was imported";
            CliError::Stopped(format!("line {line}: tags file: {reason}; {rest}"))
        })?;
        aliases.resolve(&mut row.resource_type);
        let is_bad = row.fault.is_some();
        rows.push(row);
        if strict && is_bad {
            break;
        }
        if rows.len() >= STAGED {
            stage.add(&rows).await?;
            rows.clear();
        }
    }
    stage.add(&rows).await?;
    stage.index().await?;
    Ok(())
}

/// A row for the stage; an error where it is no tag and its resource cannot be told.
fn tag_row(columns: &Columns, record: &Record, line: i64) -> Result<TagRow, String> {
    let checked = columns.check(record).and_then(|()| {
        let [project_id, resource_type, resource_id, key, value] =
            [0, 1, 2, 3, 4].map(|column| columns.text(record, column).to_owned());
        // a tag that could not be imported is found here, with its own line
        let tags = vec![Tag { key: key.clone(), value: value.clone() }];
        line::check(Registration {
            project_id: project_id.clone(),
            resource_type: resource_type.clone(),
            resource: Resource { resource_id: resource_id.clone(), tags, ..Resource::default() },
            ..Registration::default()
        })
        .map_err(|fault| fault.to_string())?;
        Ok(TagRow { line, project_id, resource_type, resource_id, key, value, fault: None })
    });
    checked.or_else(|reason| {
        let Some(identity) = columns.identity(record) else { return Err(reason) };
        let [project_id, resource_type, resource_id] = identity;
        let resource = Resource { resource_id, ..Resource::default() };
        // what no resource can be called is nobody's tag, and need not be kept
        let known = line::check(Registration { project_id, resource_type, resource, ..Registration::default() });
        let Registration { project_id, resource_type, resource: Resource { resource_id, .. }, .. } =
            known.unwrap_or_default();
        let fault = Some(format!("{reason}; its resource is left as it is"));
        Ok(TagRow { line, project_id, resource_type, resource_id, fault, ..TagRow::default() })
    })
}

/// `Err(None)`: the import has stopped.
fn cut_all(
    cutter: &mut BatchBuilder,
    reader: &mut Csv,
    columns: &Columns,
    aliases: &Aliases,
    mut take: impl FnMut(&[&Registration]) -> Result<Vec<TakenTags>, Option<std::io::Error>>,
) -> Result<(), Option<std::io::Error>> {
    let mut waiting: Vec<(u64, u64, Registration)> = Vec::with_capacity(FETCHED);
    let mut bytes = 0;
    let mut record = Record::default();
    loop {
        let more = reader.read(&mut record).map_err(Some)?;
        if more {
            match registration(columns, &record).and_then(|r| line::check(r).map_err(|fault| fault.to_string())) {
                Ok(mut registration) => {
                    aliases.resolve(&mut registration.resource_type);
                    waiting.push((record.line, record.bytes, registration));
                    bytes += record.bytes;
                }
                Err(reason) => {
                    let line = record.fault.as_ref().map_or(record.line, |fault| fault.line);
                    let reason = format!("resources file: {reason}");
                    cutter.reject(line, record.bytes, reason).map_err(|Stopped| None)?;
                }
            }
        }
        if waiting.len() >= FETCHED || bytes >= BATCH_BYTES || !more {
            let wanted: Vec<&Registration> = waiting.iter().map(|(_, _, registration)| registration).collect();
            let taken = take(&wanted)?;
            bytes = 0;
            for ((line, bytes, registration), taken) in waiting.drain(..).zip(taken) {
                cut_one(cutter, line, bytes, registration, taken)?;
            }
        }
        if !more {
            return Ok(());
        }
    }
}

/// Puts a resource into the batch, unless a row of its tags is bad: then it stays as it is.
fn cut_one(
    cutter: &mut BatchBuilder,
    line: u64,
    bytes: u64,
    mut registration: Registration,
    taken: TakenTags,
) -> Result<(), Option<std::io::Error>> {
    let mut seen = HashSet::new();
    let again: Vec<&(i64, Tag)> = taken.tags.iter().filter(|(_, tag)| !seen.insert(tag.key.as_str())).collect();
    for (line, tag) in &again {
        let reason = format!("duplicate key {} of the resource; it is left as it is", quote(&tag.key));
        reject_tag(cutter, *line, &reason)?;
    }
    if taken.is_faulty || !again.is_empty() {
        cutter.skip(bytes);
        return Ok(());
    }
    registration.resource.tags = taken.tags.into_iter().map(|(_, tag)| tag).collect();
    match line::check(registration) {
        Ok(registration) => cutter.push(line, bytes, &registration),
        Err(fault) => cutter.reject(line, bytes, format!("resources file: {fault}")),
    }
    .map_err(|Stopped| None)
}

fn registration(columns: &Columns, record: &Record) -> Result<Registration, String> {
    columns.check(record)?;
    let text = |column| columns.text(record, column).to_owned();
    // CSV cannot tell an empty field from none
    let optional = |column| Some(text(column)).filter(|text| !text.is_empty());
    Ok(Registration {
        project_id: text(0),
        resource_type: text(1),
        project_name: optional(3),
        domain_id: optional(4),
        resource: Resource {
            resource_id: text(2),
            resource_name: optional(5).unwrap_or_default(),
            detail: optional(6).filter(|detail| detail != "null"),
            tags: Vec::new(),
        },
    })
}
