//! `tagd index`: proof and repair of the tag index.

use clap::Subcommand;

use super::{
    CliError,
    open::open,
    progress::{Unit, bar},
};
use crate::{
    config::Settings,
    store::{IndexMismatch, SessionProfile},
};

#[derive(Debug, Subcommand)]
pub(super) enum IndexCommand {
    /// Compare the index with the tags, bit by bit; exit code 1 if they disagree
    Verify,
    /// Make the index anew from the tags, scope by scope, while reads go on
    Rebuild,
}

pub(super) async fn run(settings: &Settings, command: IndexCommand) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let scopes = store.list_scopes().await?;
    let progress = bar(Some(scopes.iter().map(|scope| scope.slots).sum()), Unit::Count);
    progress.set_message("resources");
    let mut drifts = 0;
    let mut rows = 0;
    for scope in &scopes {
        match command {
            IndexCommand::Verify => {
                for drift in store.verify_scope(scope.scope_id).await? {
                    drifts += 1;
                    progress.suspend(|| {
                        eprintln!("project {} type {}: {}", scope.project_id, scope.resource_type, describe(&drift));
                    });
                }
                let names = store.verify_names(scope.scope_id).await?;
                if let Some((slot, _)) = names.first() {
                    drifts += 1;
                    progress.suspend(|| {
                        eprintln!(
                            "project {} type {}: {} names to search are not right, the first in slot {slot}",
                            scope.project_id,
                            scope.resource_type,
                            names.len()
                        );
                    });
                }
            }
            IndexCommand::Rebuild => {
                rows += store.rebuild_scope(scope.scope_id).await?;
                let names = store.verify_names(scope.scope_id).await?;
                store.mend_names(scope.scope_id, &names).await?;
            }
        }
        progress.inc(scope.slots);
    }
    progress.finish_and_clear();
    store.close().await;
    opened.close().await;
    match command {
        IndexCommand::Rebuild => println!("{} scopes, {rows} index rows made", scopes.len()),
        IndexCommand::Verify if drifts == 0 => println!("{} scopes, index and tags agree", scopes.len()),
        IndexCommand::Verify => {
            eprintln!("tagd: index and tags disagree in {drifts} places; `tagd index rebuild` makes the index anew");
            return Err(CliError::Said);
        }
    }
    Ok(())
}

fn describe(drift: &IndexMismatch) -> String {
    let IndexMismatch { kind, key, value, block, missing, surplus } = drift;
    match kind {
        -7 => format!(
            "value {value:?} of key {key:?}: the index of values lacks {missing} entries, has {surplus} too many"
        ),
        -6 => format!(
            "block {block}: the index of names lacks {missing} names, has {surplus} under grams that are not theirs"
        ),
        -5 => format!("block {block}: {surplus} names kept under words that are not theirs"),
        -4 => format!("label {key:?} = {value:?}, block {block}: {surplus} slots kept in a form that is not its own"),
        -3 => {
            format!("label {key:?} = {value:?}, block {block}: {missing} bits not counted, {surplus} counted too many")
        }
        -2 => format!("block {block}: {surplus} tags of resources that are not there"),
        -1 => format!("block {block}: {missing} resources whose copy of their tags is not right"),
        0 => format!("label every resource, block {block}: {missing} bits missing, {surplus} too many"),
        1 => format!("label untagged, block {block}: {missing} bits missing, {surplus} too many"),
        4 => format!("word {value:?} of names, block {block}: {missing} bits missing, {surplus} too many"),
        2 => format!("label {key:?}, block {block}: {missing} bits missing, {surplus} too many"),
        _ => format!("label {key:?} = {value:?}, block {block}: {missing} bits missing, {surplus} too many"),
    }
}
