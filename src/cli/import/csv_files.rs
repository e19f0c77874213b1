//! Import from two CSV files: resources in order, their tags in any order.
//!
//! The tags are copied to a temporary table and joined to the resources there, so neither file has to fit in memory.

use std::io::Read;

use super::{
    CliError,
    records::{Record, Records},
};
use crate::{
    domain::{Resource, Tag, change::Registration, registry::Aliases},
    store::{Store, TagBatch, TagRow, TagStage},
    text::Begun,
    transfer::{
        batches::{BatchBuilder, Batches, Stopped},
        line::{self, LINE_BYTES},
    },
};

/// Bytes of tags that are sent to the database at a time.
const TAG_BYTES: usize = 1024 * 1024;

const RESOURCE_COLUMNS: &[&str] =
    &["project_id", "resource_type", "resource_id", "project_name", "domain_id", "resource_name", "resource_detail"];
const TAG_COLUMNS: &[&str] = &["project_id", "resource_type", "resource_id", "key", "value"];
/// The first columns of both files identify the resource.
const IDENTITY: usize = 3;

/// Stages the tags, then reads the resources in batches.
pub(super) async fn read(
    store: &Store,
    resources: Box<dyn Read + Send>,
    tags: Box<dyn Read + Send>,
    strict: bool,
) -> Result<(TagStage, Batches), CliError> {
    let mut resources = open("resources", resources)?;
    let mut tags = open("tags", tags)?;
    let resource_columns = Columns::of("resources", &mut resources, RESOURCE_COLUMNS, IDENTITY)?;
    let tag_columns = Columns::of("tags", &mut tags, TAG_COLUMNS, 5)?;
    // both files may name a type by an alias; both are joined by the type's own name
    let aliases = store.aliases().await?;
    let mut stage = store.stage_tags().await?;
    stage_tags(&mut stage, &mut tags, &tag_columns, &aliases, strict).await?;

    let (mut builder, batches) = BatchBuilder::new();
    std::thread::spawn(move || match read_resources(&mut builder, &mut resources, &resource_columns, &aliases) {
        Ok(()) => builder.finish(None),
        Err(ReadError::Input(error)) => builder.finish(Some(error)),
        // the import has stopped, so nothing more is needed
        Err(ReadError::Stopped) => {}
    });
    Ok((stage, batches))
}

/// Why reading the resources stopped early.
enum ReadError {
    Input(std::io::Error),
    /// The import has stopped.
    Stopped,
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::Input(error)
    }
}

impl From<Stopped> for ReadError {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

type Csv = Records<Begun<Box<dyn Read + Send>>>;

fn open(file: &str, input: Box<dyn Read + Send>) -> Result<Csv, CliError> {
    let most = usize::try_from(LINE_BYTES).unwrap_or(usize::MAX);
    Records::new(input, most).map_err(|error| CliError::Stopped(format!("{file} file: {error}")))
}

/// The position of each column in the file.
struct Columns {
    positions: Vec<Option<usize>>,
    count: usize,
}

impl Columns {
    fn of(file: &str, reader: &mut Csv, known: &[&str], mandatory: usize) -> Result<Self, CliError> {
        let mut record = Record::default();
        reader.read(&mut record).map_err(|error| CliError::Stopped(format!("{file} file: {error}")))?;
        if let Some(error) = &record.error {
            return Err(CliError::Stopped(format!("line {}: {file} file: {}", error.line, error.reason)));
        }
        let header: Vec<String> = record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        for (i, name) in header.iter().enumerate() {
            if header.iter().take(i).any(|other| other == name) {
                return Err(CliError::Stopped(format!("{file} file: duplicate column {name:?}")));
            }
            if !known.contains(&name.as_str()) {
                return Err(CliError::Stopped(format!(
                    "{file} file: unknown column {name:?}, expected one of {}",
                    known.join(", ")
                )));
            }
        }
        let positions: Vec<Option<usize>> =
            known.iter().map(|name| header.iter().position(|other| other == *name)).collect();
        if let Some((_, name)) = positions.iter().zip(known).take(mandatory).find(|(position, _)| position.is_none()) {
            return Err(CliError::Stopped(format!("{file} file: missing column {name:?}")));
        }
        Ok(Self { positions, count: header.len() })
    }

    /// Checks that a record has the columns of the header, in UTF-8. If there are more or fewer, a quote or a comma is
    /// wrong somewhere.
    fn check(&self, record: &Record) -> Result<(), String> {
        if let Some(error) = &record.error {
            return Err(error.reason.clone());
        }
        if record.len() != self.count {
            return Err(format!("must have {} columns like the header, got {}", self.count, record.len()));
        }
        match record.iter().position(|field| std::str::from_utf8(field).is_err()) {
            Some(field) => Err(format!("field {}: must be UTF-8", field + 1)),
            None => Ok(()),
        }
    }

    /// A field; empty if the file does not have the column.
    fn text<'a>(&self, record: &'a Record, column: usize) -> &'a str {
        let position = self.positions.get(column).copied().flatten();
        position
            .and_then(|position| record.get(position))
            .and_then(|field| std::str::from_utf8(field).ok())
            .unwrap_or_default()
    }

    /// Project, type and ID, if they are certain. With a misplaced comma or quote they are certain only if they are the
    /// first columns and the error comes after them.
    fn identity(&self, record: &Record) -> Option<[String; IDENTITY]> {
        let is_in_front =
            self.positions.iter().take(IDENTITY).all(|position| position.is_some_and(|position| position < IDENTITY));
        // a last field may itself be cut off
        let complete = if record.error.is_some() { record.len() } else { record.len().saturating_sub(1) };
        let is_regular = record.error.is_none() && record.len() == self.count;
        let is_certain = is_regular || is_in_front && complete >= IDENTITY;
        if !is_certain {
            return None;
        }
        let identity = [0, 1, 2].map(|column| self.text(record, column).to_owned());
        identity.iter().all(|text| !text.is_empty()).then_some(identity)
    }
}

/// Sends all tags to the database. A row that cannot be imported is sent too, so that its resource is left unchanged. If
/// the row does not identify its resource, it could be any of them, so nothing is imported.
async fn stage_tags(
    stage: &mut TagStage,
    reader: &mut Csv,
    columns: &Columns,
    aliases: &Aliases,
    strict: bool,
) -> Result<(), CliError> {
    let mut rows = TagBatch::default();
    let mut record = Record::default();
    while reader.read(&mut record).map_err(|error| CliError::Stopped(format!("tags file: {error}")))? {
        let line = record.error_line();
        let mut row = tag_row(columns, &record, line).map_err(|reason| {
            let rest = "its resource cannot be identified, so nothing was imported";
            CliError::Stopped(format!("line {line}: tags file: {reason}; {rest}"))
        })?;
        aliases.resolve(&mut row.resource_type);
        rows.push(&row);
        if strict && row.error.is_some() {
            break;
        }
        if rows.bytes() >= TAG_BYTES {
            stage.add(&rows).await?;
            rows = TagBatch::default();
        }
    }
    stage.add(&rows).await?;
    Ok(())
}

/// A row for the staging table; an error if it cannot be imported and does not identify its resource.
fn tag_row(columns: &Columns, record: &Record, line: u64) -> Result<TagRow, String> {
    // check the tag here, where its own line is known
    let checked = columns.check(record).and_then(|()| {
        let text = |column| columns.text(record, column).to_owned();
        let tags = vec![Tag { key: text(3), value: text(4) }];
        check(text(0), text(1), text(2), tags)
    });
    let reason = match checked {
        Ok(registration) => return Ok(row_of(line, registration)),
        Err(reason) => reason,
    };
    let Some([project_id, resource_type, resource_id]) = columns.identity(record) else { return Err(reason) };
    // the identity is not one that a resource can have, so the row belongs to no resource
    let known = check(project_id, resource_type, resource_id, Vec::new()).unwrap_or_default();
    Ok(TagRow { error: Some(format!("{reason}; its resource was left unchanged")), ..row_of(line, known) })
}

fn check(
    project_id: String,
    resource_type: String,
    resource_id: String,
    tags: Vec<Tag>,
) -> Result<Registration, String> {
    let resource = Resource { resource_id, tags, ..Resource::default() };
    let registration = Registration { project_id, resource_type, resource, ..Registration::default() };
    line::check(registration).map_err(|error| error.to_string())
}

fn row_of(line: u64, registration: Registration) -> TagRow {
    let Registration { project_id, resource_type, resource, .. } = registration;
    let (key, value) = resource.tags.into_iter().next().map(|tag| (tag.key, tag.value)).unwrap_or_default();
    TagRow { line, project_id, resource_type, resource_id: resource.resource_id, key, value, error: None }
}

fn read_resources(
    builder: &mut BatchBuilder,
    reader: &mut Csv,
    columns: &Columns,
    aliases: &Aliases,
) -> Result<(), ReadError> {
    let mut record = Record::default();
    while reader.read(&mut record)? {
        let checked = registration(columns, &record)
            .and_then(|registration| line::check(registration).map_err(|error| error.to_string()));
        match checked {
            Ok(mut registration) => {
                aliases.resolve(&mut registration.resource_type);
                builder.push(record.line, record.bytes, &registration)?;
            }
            Err(reason) => {
                builder.reject(record.error_line(), record.bytes, format!("resources file: {reason}"))?;
            }
        }
    }
    Ok(())
}

fn registration(columns: &Columns, record: &Record) -> Result<Registration, String> {
    columns.check(record)?;
    let text = |column| columns.text(record, column).to_owned();
    // CSV does not distinguish an empty field from a missing one
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
