//! Divides the input into batches, on its own thread, a few batches ahead of the database.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Error, ErrorKind, Read},
};

use tokio::sync::mpsc;

use super::{
    covered::Covered,
    line::{self, BadLine, LINE_BYTES},
};
use crate::{
    domain::{
        change::Registration,
        definition::{Definition, DefinitionLimits, Entry, Kind},
        reason,
        registry::Aliases,
    },
    store::ImportBatch,
    text,
};

/// Resources in a batch, which is one transaction.
const BATCH_LINES: usize = 10_000;
/// Definitions in a batch, unless the last is a resource type: a transaction keeps the locks of those it has stored. Types may
/// exchange names only within a batch.
const BATCH_DEFINITIONS: usize = 500;
/// Maximum bytes of lines in a batch, which bounds memory if lines are long.
pub(crate) const BATCH_BYTES: u64 = 6 * 1024 * 1024;

/// Batches in the order of the input.
pub(crate) type Batches = mpsc::Receiver<Batch>;

/// A batch of the input.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What is not a resource; it comes before the resources.
    pub(crate) definitions: Vec<Defined>,
    /// Resources, each once.
    pub(crate) resources: ImportBatch,
    /// The line number of each.
    pub(crate) lines: Vec<u64>,
    /// Lines that were not imported.
    pub(crate) rejected: Vec<Rejected>,
    /// Where the reader waits for the aliases of types as they are after the batch; `None` if all its lines will hold.
    pub(crate) aliases: Option<mpsc::Sender<Option<Aliases>>>,
    /// Bytes read so far.
    pub(crate) read: u64,
    /// Why reading stopped, unless the input is at its end.
    pub(crate) broken: Option<Error>,
}

/// A line that is not a resource.
#[derive(Debug)]
pub(crate) struct Defined {
    /// Number of the line, from 1.
    pub(crate) line: u64,
    /// The line itself.
    pub(crate) text: Vec<u8>,
    /// What it describes.
    pub(crate) definition: Definition,
}

/// A line that was not imported.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// Number of the line, from 1.
    pub(crate) line: u64,
    /// What it describes.
    pub(crate) kind: Kind,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// Groups resources into batches.
pub(crate) struct BatchBuilder {
    sender: mpsc::Sender<Batch>,
    batch: Batch,
    bytes: u64,
    /// Hashes of the resources in the batch. A collision only ends the batch early.
    seen: HashSet<u64>,
    hasher: RandomState,
}

/// Answers a reader that waits for the aliases of types.
pub(super) fn answer(reader: Option<mpsc::Sender<Option<Aliases>>>, aliases: Option<Aliases>) {
    if let Some(reader) = reader {
        // a reader that is gone needs no answer
        let _ = reader.try_send(aliases);
    }
}

/// The receiver has been dropped: the import has stopped.
#[derive(Debug)]
pub(crate) struct Stopped;

impl BatchBuilder {
    pub(crate) fn new() -> (Self, Batches) {
        // one batch waits while another is imported; more would only use memory
        let (sender, receiver) = mpsc::channel(1);
        (Self { sender, batch: Batch::default(), bytes: 0, seen: HashSet::new(), hasher: RandomState::new() }, receiver)
    }

    /// Adds a resource of `bytes` input bytes.
    pub(crate) fn push(&mut self, line: u64, bytes: u64, registration: &Registration) -> Result<(), Stopped> {
        let identity = self.hasher.hash_one((
            &registration.project_id,
            &registration.resource_type,
            &registration.resource.resource_id,
        ));
        // a repeated resource begins a new batch, since it replaces what the earlier line registered
        if !self.seen.insert(identity) {
            self.flush()?;
            self.seen.insert(identity);
        }
        self.batch.resources.push(registration);
        self.batch.lines.push(line);
        self.advance(bytes)
    }

    /// Adds a resource type, a project, a predefined tag or a policy.
    fn define(&mut self, defined: Defined, bytes: u64) -> Result<(), Stopped> {
        let is_policy = defined.definition.kind() == Kind::Policy;
        let ends = self.batch.definitions.last().is_some_and(|Defined { definition: last, .. }| {
            // a transaction with a policy holds up all that change policies
            is_policy != (last.kind() == Kind::Policy)
                || self.batch.definitions.len() >= BATCH_DEFINITIONS && last.kind() != Kind::Type
        });
        if ends || !self.batch.lines.is_empty() {
            self.flush()?;
        }
        self.batch.definitions.push(defined);
        self.advance(bytes)
    }

    /// Sends the batch, and waits for the aliases of types as they are after it.
    fn wait_for_aliases(&mut self) -> Result<Option<Aliases>, Stopped> {
        let (sender, mut receiver) = mpsc::channel(1);
        self.batch.aliases = Some(sender);
        self.flush()?;
        receiver.blocking_recv().ok_or(Stopped)
    }

    /// Adds a line of a resource that cannot be imported.
    pub(crate) fn reject(&mut self, line: u64, bytes: u64, reason: String) -> Result<(), Stopped> {
        self.reject_kind(line, bytes, BadLine { kind: Kind::Resource, reason })
    }

    fn reject_kind(&mut self, line: u64, bytes: u64, bad: BadLine) -> Result<(), Stopped> {
        let BadLine { kind, reason } = bad;
        self.batch.rejected.push(Rejected { line, kind, reason });
        self.advance(bytes)
    }

    /// Counts input without a resource.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.batch.read += bytes;
    }

    fn advance(&mut self, bytes: u64) -> Result<(), Stopped> {
        self.batch.read += bytes;
        self.bytes += bytes;
        let Batch { definitions, lines, rejected, .. } = &self.batch;
        let full = definitions.len() + lines.len() + rejected.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    /// Sends the batch and begins the next.
    pub(crate) fn flush(&mut self) -> Result<(), Stopped> {
        let read = self.batch.read;
        let batch = std::mem::replace(&mut self.batch, Batch { read, ..Batch::default() });
        self.bytes = 0;
        self.seen.clear();
        self.sender.blocking_send(batch).map_err(|_| Stopped)
    }

    /// Sends the rest.
    pub(crate) fn finish(mut self, broken: Option<Error>) {
        self.batch.broken = broken;
        // an import that has stopped needs no more
        let _ = self.flush();
    }
}

/// What NDJSON is read by.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The types of all aliases. An alias is replaced by the type's own name, so that a resource has only one name.
    pub(crate) aliases: Aliases,
    /// Resources that are not covered are rejected.
    pub(crate) covered: Option<Covered>,
    /// Maximum number of consecutive bytes without a line that can be read.
    pub(crate) most_idle: Option<u64>,
    /// Limits of what is not a resource.
    pub(crate) limits: DefinitionLimits,
}

/// Reads batches from NDJSON.
pub(crate) fn of_ndjson(input: Box<dyn Read + Send>, mut reading: Reading) -> Batches {
    let (builder, batches) = BatchBuilder::new();
    std::thread::spawn(move || {
        let mut builder = builder;
        let read = match text::begin_input(input) {
            Ok(input) => {
                let input = BufReader::with_capacity(256 * 1024, input);
                read_ndjson(input, &mut reading, &mut builder)
            }
            Err(error) => Ok(Some(error)),
        };
        // an import that has stopped needs no more
        if let Ok(broken) = read {
            builder.finish(broken);
        }
    });
    batches
}

fn read_ndjson(
    mut input: impl BufRead,
    reading: &mut Reading,
    builder: &mut BatchBuilder,
) -> Result<Option<Error>, Stopped> {
    let Reading { aliases, covered, most_idle, limits } = reading;
    let most_idle = most_idle.unwrap_or(u64::MAX);
    // bytes since the last line that could be read
    let mut idle = 0;
    // whether lines of types have come whose outcome is not known
    let mut has_new_aliases = false;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let bytes = match input.by_ref().take(LINE_BYTES + 1).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(bytes) => u64::try_from(bytes).unwrap_or_default(),
            Err(error) => return Ok(Some(error)),
        };
        if idle > most_idle {
            return Ok(Some(too_idle(most_idle)));
        }
        if bytes > LINE_BYTES && !line.ends_with(b"\n") {
            let rest = match skip_line(&mut input, most_idle) {
                Ok(rest) => rest,
                Err(error) => return Ok(Some(error)),
            };
            builder.reject(number, bytes + rest, reason::too_large(LINE_BYTES, bytes + rest))?;
            idle += bytes + rest;
            continue;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            builder.skip(bytes);
            idle += bytes;
            continue;
        }
        let read = match line::decode(text, limits) {
            Ok(Entry::Definition(definition)) => {
                if let Definition::Type(new) = &definition {
                    aliases.replace(&new.resource_type.resource_type, new.aliases.as_deref());
                    has_new_aliases = true;
                }
                builder.define(Defined { line: number, text: text.to_vec(), definition }, bytes)?;
                idle = 0;
                continue;
            }
            Ok(Entry::Resource(mut registration)) => {
                if has_new_aliases {
                    if let Some(current) = builder.wait_for_aliases()? {
                        *aliases = current;
                    }
                    has_new_aliases = false;
                }
                aliases.resolve(&mut registration.resource_type);
                let admitted = covered.as_ref().map_or(Ok(()), |covered| covered.admit(&mut registration));
                admitted.map(|()| registration).map_err(|reason| BadLine { kind: Kind::Resource, reason })
            }
            Err(bad) => Err(bad),
        };
        match read {
            Ok(registration) => {
                builder.push(number, bytes, &registration)?;
                idle = 0;
            }
            Err(bad) => {
                builder.reject_kind(number, bytes, bad)?;
                idle += bytes;
            }
        }
    }
    Ok(None)
}

/// The error for an input that has too many bytes without a line that can be read.
fn too_idle(bytes: u64) -> Error {
    Error::new(ErrorKind::InvalidData, format!("more than {bytes} bytes without a line that can be read"))
}

/// Reads to the end of a line without keeping it.
fn skip_line(input: &mut impl BufRead, most: u64) -> std::io::Result<u64> {
    let mut skipped = 0;
    loop {
        if skipped > most {
            return Err(too_idle(most));
        }
        let buffer = input.fill_buf()?;
        let (used, found) = match buffer.iter().position(|b| *b == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        skipped += u64::try_from(used).unwrap_or_default();
        if found {
            return Ok(skipped);
        }
    }
}
