//! `tagd demo`: a small fleet that ships with the program.

use super::{CliError, import, open::open};
use crate::{config::Settings, store::Purpose, transfer::Outcome};

/// Two projects of a web shop: images, zones, records, servers, disks, a content network, trackers.
const FLEET: &str = include_str!("demo.ndjson");

pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let store = opened.store(Purpose::Work).await?;
    let outcome = import::load(&store, Box::new(FLEET.as_bytes()), None, false).await;
    store.close().await;
    opened.close().await;
    let Outcome { created, changed, unchanged, .. } = outcome?;
    println!("demo fleet: {created} new, {changed} changed, {unchanged} unchanged");
    Ok(())
}
