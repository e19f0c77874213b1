//! `tagd export`: every resource as NDJSON.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    CliError,
    open::open,
    progress::{Unit, bar},
};
use crate::{
    config::Settings,
    store::{Purpose, Store},
    transfer::line,
};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// File to write; - for standard output
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
    let mut out = BufWriter::with_capacity(256 * 1024, out);

    let opened = open(settings).await?;
    let store = opened.store(Purpose::Work).await?;
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
    out: &mut impl Write,
    failed: impl Fn(std::io::Error) -> CliError,
) -> Result<u64, CliError> {
    let mut export = store.export().await?;
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
        .and_then(|()| out.flush().map_err(&failed));
    progress.finish_and_clear();
    outcome.map(|()| count)
}

/// Whether there is a pipe or a device, to be written as it is.
fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A file that is written beside its place and put there when it is whole: an export that fails leaves no half
/// file, and none that was there is lost.
struct Partial {
    path: PathBuf,
    place: PathBuf,
}

impl Partial {
    fn create(place: &Path) -> std::io::Result<(Self, File)> {
        if place.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        // a link stays one
        let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let path = place.with_added_extension("partial");
        let file = File::create(&path)?;
        Ok((Self { path, place }, file))
    }

    fn keep(self) -> std::io::Result<()> {
        fs::rename(&self.path, &self.place)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // not there any more if it was kept
        let _ = fs::remove_file(&self.path);
    }
}
