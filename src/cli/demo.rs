//! The demo fleet that ships with the program: `tagd demo` loads it, and so does `tagd serve --with-demo`.

use super::{CliError, import, open::open};
use crate::{
    config::Settings,
    store::{SessionProfile, Store},
    transfer::{Atomicity, Outcome},
};

/// Two projects of a web shop: images, zones, records, servers, disks, a content network, trackers.
const FLEET: &str = include_str!("demo.ndjson");

/// The first project in it.
const PROJECT: &str = "fd73a4a14a4a4dfb9771a8475e5198ea";

pub(super) async fn run(settings: &Settings) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let outcome = match opened.store(SessionProfile::Bulk).await {
        Ok(store) => {
            let outcome = load(&store).await;
            store.close().await;
            outcome
        }
        Err(error) => Err(error),
    };
    opened.close().await;
    let Outcome { created, changed, unchanged, .. } = outcome?;
    println!("demo fleet: {created} new, {changed} changed, {unchanged} unchanged");
    Ok(())
}

async fn load(store: &Store) -> Result<Outcome, CliError> {
    import::load(store, Box::new(FLEET.as_bytes()), None, None, Atomicity::Lines).await
}

/// Loads the fleet into a database that has never had a resource. Returns the number of resources in the fleet; `None` if
/// the database has had some.
pub(super) async fn load_if_empty(store: &Store) -> Result<Option<u64>, CliError> {
    // scopes are never deleted, so the fleet is not loaded again after its resources were removed
    if !store.list_scopes().await?.is_empty() {
        return Ok(None);
    }
    let outcome = load(store).await?;
    Ok(Some(outcome.created + outcome.changed + outcome.unchanged))
}

/// A shell command that sends the server at a URL a query with matches in its database; `headers` are arguments of curl.
pub(super) async fn query_to_try(store: &Store, url: &str, headers: &str) -> Result<String, CliError> {
    let scopes = store.list_scopes().await?;
    let has_demo = scopes.iter().any(|scope| scope.project_id == PROJECT && scope.resource_type == "images");
    Ok(if has_demo {
        // without double quotes, which a JSON log would escape
        format!("curl -s{headers} {url}/v2/{PROJECT}/images/tags")
    } else {
        // any keys that are in use
        format!("curl -s{headers} {url}/v1.0/tag-keys")
    })
}
