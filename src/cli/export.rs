//! `tagd export`: every resource as NDJSON.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    CliError,
    open::open,
    progress::{Unit, bar},
};
use crate::{config::Settings, store::Purpose, transfer::line};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// File to write; - for standard output
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(settings: &Settings, args: ExportArgs) -> Result<(), CliError> {
    let failed = |source| CliError::File { what: format!("cannot write {}", args.file.display()), source };
    let to_stdout = args.file.as_os_str() == "-";
    // written beside its place and renamed when whole: an export that fails leaves no half file
    let partial = args.file.with_added_extension("partial");
    let out: Box<dyn Write> =
        if to_stdout { Box::new(std::io::stdout()) } else { Box::new(File::create(&partial).map_err(failed)?) };
    let mut out = BufWriter::with_capacity(256 * 1024, out);

    let opened = open(settings).await?;
    let store = opened.store(Purpose::Work).await?;
    let mut export = store.export().await?;
    let progress = bar(Some(export.totals().await?.resources), Unit::Count);
    progress.set_message("resources");
    let mut count: u64 = 0;
    let outcome = export
        .run(async |registration| {
            line::encode(&mut out, &registration).map_err(failed)?;
            count += 1;
            if count.is_multiple_of(1000) {
                progress.set_position(count);
            }
            Ok(())
        })
        .await
        .and_then(|()| out.flush().map_err(failed));
    progress.finish_and_clear();
    store.close().await;
    opened.close().await;
    match outcome {
        // whoever read the output has had enough
        Err(CliError::File { source, .. }) if to_stdout && source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            if !to_stdout {
                let _ = std::fs::remove_file(&partial);
            }
            Err(error)
        }
        Ok(()) => {
            if !to_stdout {
                std::fs::rename(&partial, &args.file).map_err(failed)?;
            }
            eprintln!("{count} resources");
            Ok(())
        }
    }
}
