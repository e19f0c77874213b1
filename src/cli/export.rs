//! `tagd export`: every resource as NDJSON.

use std::{
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
    service::ExportError,
    store::{SessionProfile, Store},
    transfer::line,
};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// File to write; - for standard output. A new file is readable by its owner only, and compressed with gzip if its
    /// name ends in .gz
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
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
    let outcome = write(&store, &mut out, failed).await;
    store.close().await;
    opened.close().await;
    match outcome {
        // the reader of the output has closed it
        Err(CliError::File { source, .. }) if to_stdout && source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error),
        Ok(count) => {
            if let Some(partial) = partial {
                partial.publish().map_err(failed)?;
            }
            eprintln!("{count} resources");
            Ok(())
        }
    }
}

async fn write(
    store: &Store,
    out: &mut BufWriter<Output>,
    failed: impl Fn(std::io::Error) -> CliError,
) -> Result<u64, CliError> {
    let (registry, principal) = (app::registry_of(store), Principal::command("export"));
    let mut export = registry.export(&principal).await?.begin().await?;
    let progress = bar(Some(export.totals().await?.resources), Unit::Count);
    progress.set_message("resources");
    let mut count: u64 = 0;
    let outcome = export
        .run(async |registration| {
            line::encode(out, &registration).map_err(&failed)?;
            count += 1;
            if count.is_multiple_of(1000) {
                progress.set_position(count);
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
    outcome.map(|()| count)
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
