//! The demo fleet that ships with the program: `tagd demo` loads it, and so does `tagd serve --with-demo`.

use super::{
    CliError, import,
    open::{Opened, open},
};
use crate::{config::Settings, store::Purpose, transfer::Outcome};

/// Two projects of a web shop: images, zones, records, servers, disks, a content network, trackers.
const FLEET: &str = include_str!("demo.ndjson");

/// The first of its projects.
const PROJECT: &str = "fd73a4a14a4a4dfb9771a8475e5198ea";

pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let outcome = load(&opened).await;
    opened.close().await;
    let Outcome { created, changed, unchanged, .. } = outcome?;
    println!("demo fleet: {created} new, {changed} changed, {unchanged} unchanged");
    Ok(())
}

async fn load(opened: &Opened) -> Result<Outcome, CliError> {
    let store = opened.store(Purpose::Work).await?;
    let outcome = import::load(&store, Box::new(FLEET.as_bytes()), None, false).await;
    store.close().await;
    outcome
}

/// Loads the fleet into a database that has never had a resource. Number of its resources; `None` if it was left out.
pub(super) async fn load_if_empty(opened: &Opened) -> Result<Option<u64>, CliError> {
    let store = opened.store(Purpose::Work).await?;
    // scopes are never deleted, so what was removed from a database does not come back
    let scopes = store.list_scopes().await;
    store.close().await;
    if !scopes?.is_empty() {
        return Ok(None);
    }
    let outcome = load(opened).await?;
    Ok(Some(outcome.created + outcome.changed + outcome.unchanged))
}

/// A command that asks a server at an address for something that its database has.
pub(super) async fn query_to_try(opened: &Opened, address: &str) -> Result<String, CliError> {
    let store = opened.store(Purpose::Work).await?;
    let scopes = store.list_scopes().await;
    store.close().await;
    let has_demo = scopes?.iter().any(|scope| scope.project_id == PROJECT && scope.resource_type == "images");
    Ok(if has_demo {
        // without quotes, which a log in JSON would escape
        format!("curl -s http://{address}/v2/{PROJECT}/images/tags")
    } else {
        // the keys in use, whatever there is
        format!("curl -s http://{address}/v1.0/tag-keys")
    })
}
