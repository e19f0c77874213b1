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
    /// File to write; - for standard output. A new file is for its owner only; one whose name ends in .gz is gzip
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
        let (kept, file) = Partial::create(&args.file).map_err(failed)?;
        partial = Some(kept);
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
        // whoever read the output has had enough
        Err(CliError::File { source, .. }) if to_stdout && source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error),
        Ok(count) => {
            if let Some(partial) = partial {
                partial.keep().map_err(failed)?;
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
            ExportError::Output(error) => error,
        })
        .and_then(|()| out.flush().and_then(|()| out.get_mut().finish()).map_err(&failed));
    progress.finish_and_clear();
    outcome.map(|()| count)
}

/// Whether there is a pipe or a device, to be written as it is.
fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// What is written to.
enum Output {
    Plain(Box<dyn Write>),
    Gzip(GzEncoder<Box<dyn Write>>),
}

impl Output {
    fn new(out: Box<dyn Write>, is_packed: bool) -> Self {
        if is_packed { Self::Gzip(GzEncoder::new(out, Compression::default())) } else { Self::Plain(out) }
    }

    /// Call behind the last byte.
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
            // a flush in the middle of gzip costs room and is of no use
            Self::Gzip(_) => Ok(()),
        }
    }
}

/// A file that is written beside its place and put there when it is whole: an export that fails leaves no half
/// file, and none that was there is lost.
///
/// Others may write in the folder too: what is there is never written into nor followed, and nobody else may read.
struct Partial {
    path: PathBuf,
    place: PathBuf,
    made: Metadata,
}

impl Partial {
    fn create(place: &Path) -> std::io::Result<(Self, File)> {
        if place.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        // a link stays one
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let path = place.with_added_extension("partial");
        // of an export that was killed, or a link that somebody laid: the link goes, not what it points to
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let made = file.metadata()?;
        Ok((Self { path, place, made }, file))
    }

    /// Whether the file is still the one that was made.
    fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.made.dev(), self.made.ino()))
    }

    fn keep(self) -> std::io::Result<()> {
        if !self.is_there() {
            return Err(std::io::Error::other(format!("{} was taken away or replaced", self.path.display())));
        }
        fs::rename(&self.path, &self.place)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // not there any more if it was kept
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
