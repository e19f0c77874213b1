//! `tagd export`: resource types, projects, predefined tags, resources and policies as NDJSON.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata, OpenOptions},
    io::{BufWriter, ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use clap::Args;
use flate2::{Compression, write::GzEncoder};

use super::{
    CliError,
    open::open,
    progress::{Unit, bar},
};
use crate::{
    app,
    auth::Principal,
    config::Settings,
    domain::{
        definition::{Entry, Kind},
        reason,
    },
    service::ExportError,
    store::{SessionProfile, Store},
    transfer::line,
};

#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub(super) struct ExportArgs {
    /// File to write; - for standard output. A new file is readable by its owner only, and compressed with gzip if its
    /// name ends in .gz
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,

    /// Write only lines of these kinds, with commas between them: type, project, predefined_tag, resource, policy
    /// [default: all]
    #[arg(long, value_name = "KINDS", value_parser = read_kind, value_delimiter = ',')]
    only: Vec<Kind>,
}

fn read_kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| reason::one_of(&Kind::ALL.map(Kind::name)))
}

pub(super) async fn run(settings: &Settings, args: ExportArgs) -> Result<(), CliError> {
    let failed = |source| CliError::File { what: format!("cannot write {}", args.file.display()), source };
    let to_stdout = args.file.as_os_str() == "-";
    let mut partial = None;
    let out: Box<dyn Write> = if to_stdout {
        Box::new(std::io::stdout())
    } else if is_stream(&args.file) {
        Box::new(File::options().write(true).open(&args.file).map_err(failed)?)
    } else {
        let (created, file) = Partial::create(&args.file).map_err(failed)?;
        partial = Some(created);
        Box::new(file)
    };
    let is_packed = !to_stdout && args.file.extension().is_some_and(|ending| ending == "gz");
    let mut out = BufWriter::with_capacity(256 * 1024, Output::new(out, is_packed));

    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let kinds = if args.only.is_empty() { Kind::ALL.as_slice() } else { &args.only };
    let outcome = write(&store, &mut out, kinds, failed).await;
    store.close().await;
    opened.close().await;
    match outcome {
        // the reader of the output has closed it
        Err(CliError::File { source, .. }) if to_stdout && source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error),
        Ok(counts) => {
            if let Some(partial) = partial {
                partial.publish().map_err(failed)?;
            }
            eprintln!("{}", summary(&counts));
            Ok(())
        }
    }
}

/// Lines by kind, without kinds that have none.
type Counts = BTreeMap<Kind, u64>;

/// The counts: of resources always, of others if there are any.
fn summary(counts: &Counts) -> String {
    let resources = counts.get(&Kind::Resource).copied().unwrap_or_default();
    let others = counts.iter().filter(|(kind, _)| **kind != Kind::Resource);
    let others: Vec<String> = others.map(|(kind, count)| format!("{}: {count}", kind.plural())).collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    format!("{resources} resources{others}")
}

async fn write(
    store: &Store,
    out: &mut BufWriter<Output>,
    kinds: &[Kind],
    failed: impl Fn(std::io::Error) -> CliError,
) -> Result<Counts, CliError> {
    let (registry, principal) = (app::registry_of(store), Principal::command("export"));
    let mut export = registry.export(&principal).await?.begin(kinds).await?;
    let totals = export.totals().await?;
    if totals.lost_policies > 0 {
        eprintln!(
            "tagd: warning: policies whose project is now in another domain concern nothing and are left out: {}",
            totals.lost_policies
        );
    }
    let progress = bar(Some(totals.resources), Unit::Count);
    progress.set_message("resources");
    let mut counts = Counts::new();
    let outcome = export
        .run(async |entry| {
            line::encode(out, &entry).map_err(&failed)?;
            let count = counts.entry(entry.kind()).or_default();
            *count += 1;
            if matches!(entry, Entry::Resource(_)) && count.is_multiple_of(1000) {
                progress.set_position(*count);
            }
            Ok(())
        })
        .await
        .map_err(|error| match error {
            ExportError::Store(error) => error.into(),
            ExportError::Denied(error) => error.into(),
            ExportError::Output(error) => error,
        })
        .and_then(|()| out.flush().and_then(|()| out.get_mut().finish()).map_err(&failed));
    progress.finish_and_clear();
    outcome.map(|()| counts)
}

/// Whether the path is a pipe or a device, which is written to directly.
fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The destination, compressed or not.
enum Output {
    Plain(Box<dyn Write>),
    Gzip(GzEncoder<Box<dyn Write>>),
}

impl Output {
    fn new(out: Box<dyn Write>, is_packed: bool) -> Self {
        if is_packed { Self::Gzip(GzEncoder::new(out, Compression::default())) } else { Self::Plain(out) }
    }

    /// Finishes the file; call it after the last byte.
    fn finish(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            Self::Gzip(out) => out.try_finish().and_then(|()| out.get_mut().flush()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(out) => out.flush(),
            // flushing within a gzip stream makes the file larger without any benefit
            Self::Gzip(_) => Ok(()),
        }
    }
}

/// A file that is written under a temporary name and renamed when it is complete: a failed export leaves no partial file,
/// and does not destroy an existing one.
///
/// Other users may be able to write to the folder, so existing files are never opened, links are never followed, and only
/// the owner can read the file.
struct Partial {
    path: PathBuf,
    destination: PathBuf,
    created: Metadata,
}

impl Partial {
    fn create(destination: &Path) -> std::io::Result<(Self, File)> {
        if destination.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        // a link remains a link
        let destination = fs::canonicalize(destination).unwrap_or_else(|_| destination.to_owned());
        let path = destination.with_added_extension("partial");
        // left by an export that was killed, or a link that another user created: the link is removed, not its target
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let created = file.metadata()?;
        Ok((Self { path, destination, created }, file))
    }

    /// Whether the file is still the one that was created.
    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.created.dev(), self.created.ino()))
    }

    fn publish(self) -> std::io::Result<()> {
        if !self.is_there() {
            return Err(std::io::Error::other(format!("{} was taken away or replaced", self.path.display())));
        }
        fs::rename(&self.path, &self.destination)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // no longer there if the file was renamed to its final name
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
