//! Import from two CSV files: resources in order, their tags in any order.
//!
//! The tags wait in a temporary table of the database, so that neither file has to fit in memory.

use std::{collections::VecDeque, io::Read};

use csv::{Reader, ReaderBuilder, StringRecord};

use super::CliError;
use crate::{
    domain::{Resource, Tag, change::Registration, registry::Aliases},
    store::{Store, StoreError, TagRow, TagStage},
    transfer::{
        batches::{Batches, Cutter, Stopped},
        line,
    },
};

/// Resources whose tags are fetched at a time.
const FETCHED: usize = 2_000;
/// Tags that go to the database in one piece.
const STAGED: usize = 20_000;
/// Tags without a resource that are fetched at a time.
const LEFT: i64 = 20_000;

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
    // both files may name a type as they like: resources and tags meet under one name
    let aliases = store.aliases().await?;
    let mut stage = store.stage_tags().await?;
    let bad_tags = stage_all(&mut stage, &mut tags, &tag_columns, &aliases, strict).await?;

    let (mut cutter, batches) = Cutter::new();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        // the stage gives back its connection where the runtime is known
        let _entered = runtime.enter();
        let mut stage = stage;
        let outcome = bad_tags
            .into_iter()
            .try_for_each(|(line, reason)| cutter.reject(line, 0, reason).map_err(|Stopped| None))
            .and_then(|()| {
                cut_all(&mut cutter, &mut resources, &resource_columns, &aliases, |wanted| {
                    runtime.block_on(stage.take(wanted)).map_err(broken)
                })
            })
            .and_then(|()| reject_left(&mut cutter, |after| runtime.block_on(stage.left(after, LEFT)).map_err(broken)));
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

/// Reports the tags that no resource took.
fn reject_left(
    cutter: &mut Cutter,
    mut left: impl FnMut(i64) -> Result<Vec<i64>, Option<std::io::Error>>,
) -> Result<(), Option<std::io::Error>> {
    let mut last = 0;
    loop {
        let lines = left(last)?;
        let Some(end) = lines.last() else { return Ok(()) };
        last = *end;
        for line in lines {
            let reason = "tags file: its resource is not in the resources file".to_owned();
            cutter.reject(u64::try_from(line).unwrap_or_default(), 0, reason).map_err(|Stopped| None)?;
        }
    }
}

/// A file that knows on which line each of its records begins: the parser counts blank lines and the second
/// half of a Windows line end to the record behind them.
struct Numbered {
    input: Box<dyn Read + Send>,
    offset: u64,
    line: u64,
    before: u8,
    /// Where a line has its first character, and its number; those that were not asked for yet.
    starts: VecDeque<(u64, u64)>,
}

impl Numbered {
    fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, offset: 0, line: 1, before: b'\n', starts: VecDeque::new() }
    }

    /// Number of the first line with something in it that begins at a byte or behind it. Bytes only grow.
    fn line_from(&mut self, byte: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < byte) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }
}

impl Read for Numbered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        for byte in buffer.iter().take(count) {
            if self.before == b'\n' || self.before == b'\r' {
                // a line ends with LF, CR LF or, long ago, CR
                if self.before == b'\r' && *byte != b'\n' {
                    self.line += 1;
                }
                if !matches!(byte, b'\n' | b'\r') {
                    self.starts.push_back((self.offset, self.line));
                }
            }
            if *byte == b'\n' {
                self.line += 1;
            }
            self.before = *byte;
            self.offset += 1;
        }
        Ok(count)
    }
}

type Csv = Reader<Numbered>;

fn open(input: Box<dyn Read + Send>) -> Csv {
    ReaderBuilder::new().flexible(true).from_reader(Numbered::new(input))
}

/// Where each column stands.
struct Columns {
    places: Vec<Option<usize>>,
    count: usize,
}

impl Columns {
    fn of(file: &str, reader: &mut Csv, known: &[&str], mandatory: usize) -> Result<Self, CliError> {
        let header = reader.headers().map_err(|error| CliError::Stopped(format!("{file} file: {error}")))?;
        for (i, name) in header.iter().enumerate() {
            if header.iter().take(i).any(|other| other == name) {
                return Err(CliError::Stopped(format!("{file} file: the column {name} stands twice")));
            }
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
        Ok(Self { places, count: header.len() })
    }

    /// A record with more or fewer columns than the header has lost a quote or a comma somewhere.
    fn check(&self, record: &StringRecord) -> Result<(), String> {
        if record.len() == self.count {
            Ok(())
        } else {
            Err(format!("{} columns, the header has {}", record.len(), self.count))
        }
    }

    /// A field; empty also where the file does not have the column.
    fn text(&self, record: &StringRecord, column: usize) -> String {
        let place = self.places.get(column).copied().flatten();
        place.and_then(|place| record.get(place)).unwrap_or_default().to_owned()
    }
}

async fn stage_all(
    stage: &mut TagStage,
    reader: &mut Csv,
    columns: &Columns,
    aliases: &Aliases,
    strict: bool,
) -> Result<Vec<(u64, String)>, CliError> {
    let mut bad = Vec::new();
    let mut rows = Vec::with_capacity(STAGED);
    let mut record = StringRecord::new();
    loop {
        let start = reader.position().byte();
        let read = reader.read_record(&mut record);
        let line = reader.get_mut().line_from(start);
        match read {
            Ok(false) => break,
            Ok(true) => match tag_row(columns, aliases, &record) {
                Ok(row) => rows.push((i64::try_from(line).unwrap_or_default(), row)),
                Err(reason) => bad.push((line, format!("tags file: {reason}"))),
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

fn tag_row(columns: &Columns, aliases: &Aliases, record: &StringRecord) -> Result<TagRow, String> {
    columns.check(record)?;
    let mut row = TagRow {
        project_id: columns.text(record, 0),
        resource_type: columns.text(record, 1),
        resource_id: columns.text(record, 2),
        key: columns.text(record, 3),
        value: columns.text(record, 4),
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
    aliases.resolve(&mut row.resource_type);
    Ok(row)
}

/// `Err(None)`: the import has stopped.
fn cut_all(
    cutter: &mut Cutter,
    reader: &mut Csv,
    columns: &Columns,
    aliases: &Aliases,
    mut take: impl FnMut(&[Registration]) -> Result<Vec<Vec<Tag>>, Option<std::io::Error>>,
) -> Result<(), Option<std::io::Error>> {
    let mut waiting: Vec<(u64, u64, Registration)> = Vec::with_capacity(FETCHED);
    let mut record = StringRecord::new();
    loop {
        let start = reader.position().byte();
        let read = reader.read_record(&mut record);
        let line = reader.get_mut().line_from(start);
        let more = match read {
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
                Ok(mut registration) => {
                    aliases.resolve(&mut registration.resource_type);
                    waiting.push((line, bytes, registration));
                }
                Err(reason) => {
                    let reason = format!("resources file: {reason}");
                    cutter.reject(line, bytes, reason).map_err(|Stopped| None)?;
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
    columns.check(record)?;
    // CSV cannot tell an empty field from none
    let optional = |column| Some(columns.text(record, column)).filter(|text| !text.is_empty());
    Ok(Registration {
        project_id: columns.text(record, 0),
        resource_type: columns.text(record, 1),
        project_name: optional(3),
        domain_id: optional(4),
        resource: Resource {
            resource_id: columns.text(record, 2),
            resource_name: optional(5).unwrap_or_default(),
            detail: optional(6).filter(|detail| detail != "null"),
            tags: Vec::new(),
        },
    })
}

fn is_io(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(_))
}
