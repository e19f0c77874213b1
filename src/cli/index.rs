//! `tagd index`: verification and rebuild of the tag index.

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
    /// Compare the index with the tags, bit by bit; exit code 1 if they differ
    Verify,
    /// Rebuild the index from the tags, scope by scope, while reads go on
    Rebuild,
}

pub(super) async fn run(settings: &Settings, command: IndexCommand) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let scopes = store.list_scopes().await?;
    let progress = bar(Some(scopes.iter().map(|scope| scope.slots).sum()), Unit::Count);
    progress.set_message("resources");
    let mut mismatches = 0;
    let mut rows = 0;
    for scope in &scopes {
        match command {
            IndexCommand::Verify => {
                let found = store.verify_scope(scope.scope_id).await?;
                let mut differences = found.len();
                for mismatch in found {
                    progress.suspend(|| {
                        eprintln!("project {} type {}: {}", scope.project_id, scope.resource_type, describe(&mismatch));
                    });
                }
                let names = store.verify_names(scope.scope_id).await?;
                if let Some((slot, _)) = names.first() {
                    differences += 1;
                    progress.suspend(|| {
                        eprintln!(
                            "project {} type {}: {} names to search are wrong, the first in slot {slot}",
                            scope.project_id,
                            scope.resource_type,
                            names.len()
                        );
                    });
                }
                store.note_verification(scope.scope_id, differences).await?;
                mismatches += differences;
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
        IndexCommand::Verify if mismatches == 0 => println!("{} scopes, index and tags agree", scopes.len()),
        IndexCommand::Verify => {
            eprintln!("tagd: index and tags disagree in {mismatches} places; `tagd index rebuild` rebuilds the index");
            return Err(CliError::Reported);
        }
    }
    Ok(())
}

fn describe(mismatch: &IndexMismatch) -> String {
    let IndexMismatch { kind, key, value, block, missing, surplus } = mismatch;
    match kind {
        -7 => {
            format!("value {value:?} of key {key:?}: {missing} entries of the index of values missing, {surplus} extra")
        }
        -6 => format!("block {block}: {missing} entries of the index of names missing, {surplus} under wrong grams"),
        -5 => format!("block {block}: {surplus} names indexed under words they do not contain"),
        -4 => format!("label {key:?} = {value:?}, block {block}: {surplus} slots stored in the wrong form"),
        -3 => {
            format!("label {key:?} = {value:?}, block {block}: {missing} bits not counted, {surplus} counted in excess")
        }
        -2 => format!("block {block}: {surplus} tags of resources that do not exist"),
        -1 => format!("block {block}: {missing} resources whose copy of their tags is wrong"),
        0 => format!("label every resource, block {block}: {missing} bits missing, {surplus} extra"),
        1 => format!("label untagged, block {block}: {missing} bits missing, {surplus} extra"),
        4 => format!("word {value:?} of names, block {block}: {missing} bits missing, {surplus} extra"),
        2 => format!("label {key:?}, block {block}: {missing} bits missing, {surplus} extra"),
        _ => format!("label {key:?} = {value:?}, block {block}: {missing} bits missing, {surplus} extra"),
    }
}
