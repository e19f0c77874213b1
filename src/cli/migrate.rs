//! `tagd migrate`: brings the schema up to date.

use super::{CliError, open::open};
use crate::{config::Settings, store::migrate};

pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let report = migrate(&opened.store).await?;
    if report.from == report.to {
        println!("schema version {}: nothing to do", report.to);
    } else {
        println!("schema version {} -> {}", report.from, report.to);
    }
    opened.close().await;
    Ok(())
}
