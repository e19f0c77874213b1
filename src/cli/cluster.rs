//! `tagd cluster`: what the private Postgres is, and its upgrade to a newer major version.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use tokio::task::block_in_place;

use super::{
    CliError,
    open::{DATABASE, cluster_settings},
    progress::{Unit, bar},
};
use crate::{
    cluster::{Cluster, ClusterSettings, ClusterStatus, Planned, Upgrade, has_cluster},
    config::Settings,
    store::{SessionProfile, Store, StoreSettings, analyze, count_rows, is_built_with_lz4, list_databases},
};

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Show the version of the private Postgres, its size and whether it runs; exit code 1 if there is no cluster
    ///
    /// It does not start Postgres.
    Status,
    /// Move the private Postgres to a newer major version
    ///
    /// tagd must not be running. The old and the new version must both be installed. All databases and roles are copied into
    /// a new cluster, all rows are counted and the tag index is verified; then the new cluster takes the place of the old
    /// one, which is kept. If anything fails, or the command is killed, the old cluster stays in use.
    Upgrade(UpgradeArgs),
}

#[derive(Debug, Args)]
pub(super) struct UpgradeArgs {
    /// Directory with the programs of the new version [default: the newest on this machine]
    #[arg(long, value_name = "DIR")]
    to_bin: Option<PathBuf>,
    /// Directory with the programs of the cluster's version [default: found on this machine]
    #[arg(long, value_name = "DIR")]
    from_bin: Option<PathBuf>,
    /// Only check and say what would be done
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(settings: &Settings, command: ClusterCommand) -> Result<(), CliError> {
    if settings.database_url.is_some() {
        return Err(CliError::Stopped(
            "a database URL is given, so there is no private Postgres; `tagd cluster` is for the private one only"
                .to_owned(),
        ));
    }
    let wanted = cluster_settings(settings);
    match command {
        ClusterCommand::Status => status(&wanted),
        ClusterCommand::Upgrade(args) => upgrade(settings, &wanted, args).await,
    }
}

/// The error of a command that looks for data where there is none.
fn no_cluster(wanted: &ClusterSettings) -> CliError {
    CliError::Stopped(format!("there is no cluster in {} yet", wanted.data_dir.join("postgres").display()))
}

/// An error if there is neither a database URL nor a private Postgres yet. For commands that only make sense with data: a new, empty
/// cluster would look as if all had gone, and an export of it like a backup.
pub(super) fn expect_data(settings: &Settings) -> Result<(), CliError> {
    let wanted = cluster_settings(settings);
    if settings.database_url.is_none() && !has_cluster(&wanted)? {
        return Err(no_cluster(&wanted));
    }
    Ok(())
}

fn status(wanted: &ClusterSettings) -> Result<(), CliError> {
    let Some(found) = ClusterStatus::of(wanted)? else {
        return Err(no_cluster(wanted));
    };
    println!("version   Postgres {}", found.major);
    println!("data      {}", found.data.display());
    println!("size      {}", megabytes(found.size));
    if found.is_switching {
        println!("upgrade   interrupted while it put this cluster in place; the next start of tagd finishes it");
    }
    match found.process {
        Some(process) => println!("running   yes, process {process}"),
        None => println!("running   no"),
    }
    match &found.programs {
        Some(dir) => println!("programs  {}", dir.display()),
        None => println!("programs  none of Postgres {} on this machine", found.major),
    }
    if let Some((major, dir)) = &found.newer {
        println!("newer     Postgres {major} in {}; `tagd cluster upgrade` moves the cluster to it", dir.display());
    }
    for (path, size) in &found.kept {
        println!("kept      {} ({}), from before an upgrade", path.display(), megabytes(*size));
    }
    Ok(())
}

async fn upgrade(settings: &Settings, wanted: &ClusterSettings, args: UpgradeArgs) -> Result<(), CliError> {
    let planned =
        block_in_place(|| Upgrade::plan(wanted, args.from_bin.as_deref(), args.to_bin.as_deref(), args.dry_run))?;
    let upgrade = match planned {
        Planned::Nothing { major } => {
            println!("the cluster has Postgres {major}, and there is no newer one to move it to: nothing to do");
            return Ok(());
        }
        Planned::Upgrade(upgrade) => *upgrade,
    };
    println!("{}", upgrade.describe());
    if args.dry_run {
        println!("nothing was changed");
        return Ok(());
    }
    match carry_out(&upgrade).await {
        Ok(()) => finish(settings, upgrade),
        Err(error) => {
            // the reason of the failure says more than that of the clean-up
            if let Err(left) = block_in_place(|| upgrade.abandon()) {
                tracing::warn!("the unfinished cluster was not removed: {left}");
            }
            eprintln!("tagd: the upgrade failed, and the cluster is as it was");
            Err(error)
        }
    }
}

/// Copies the cluster and verifies the copy.
async fn carry_out(upgrade: &Upgrade) -> Result<(), CliError> {
    println!("1/5 starting Postgres {} for reading, and a new cluster of Postgres {}", upgrade.from(), upgrade.to());
    let old = block_in_place(|| upgrade.start_old())?;
    let new = block_in_place(|| upgrade.start_new())?;
    println!("2/5 copying roles and databases");
    let progress = bar(None, Unit::Bytes);
    progress.set_message("copied");
    let with_lz4 = is_built_with_lz4(&StoreSettings::of_cluster(&new, "postgres")).await?;
    block_in_place(|| upgrade.copy(&old, &new, with_lz4, |bytes| progress.set_position(bytes)))?;
    progress.finish_and_clear();
    println!("3/5 comparing the rows of all tables");
    let counted = count(&old).await?;
    block_in_place(|| upgrade.stop(old))?;
    block_in_place(|| upgrade.stop(new))?;
    // from here on as it will run, with the administrator's settings
    let new = block_in_place(|| upgrade.start_copied())?;
    compare(&counted, &count(&new).await?)?;
    let rows: i64 = counted.iter().filter(|(name, _)| !name.contains("sequence ")).map(|(_, rows)| rows).sum();
    println!("    {} tables and sequences, {rows} rows", counted.len());
    println!("4/5 verifying the tag index");
    let at = StoreSettings::of_cluster(&new, DATABASE);
    if list_databases(&at).await?.iter().any(|name| name == DATABASE) {
        println!("    {} scopes, index and tags agree", verify(&at).await?);
        analyze(&at, DATABASE).await?;
    }
    Ok(block_in_place(|| upgrade.stop(new))?)
}

/// Counts the rows of all databases.
async fn count(cluster: &Cluster) -> Result<BTreeMap<String, i64>, CliError> {
    let settings = StoreSettings::of_cluster(cluster, "postgres");
    let mut counts = BTreeMap::new();
    for database in list_databases(&settings).await? {
        let found = count_rows(&settings, &database).await?;
        counts.extend(found.into_iter().map(|(name, rows)| (format!("{database}: {name}"), rows)));
    }
    Ok(counts)
}

fn compare(old: &BTreeMap<String, i64>, new: &BTreeMap<String, i64>) -> Result<(), CliError> {
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|name| old.get(*name) != new.get(*name)).collect();
    match differ.first() {
        None => Ok(()),
        Some(name) => Err(CliError::Stopped(format!(
            "the copy differs from the cluster in {} tables or sequences; the first is {name}, with {:?} before and {:?} \
             in the copy",
            differ.len(),
            old.get(*name),
            new.get(*name)
        ))),
    }
}

/// Verifies the index as `tagd index verify` does; how many scopes there are. It brings the schema up to date first.
async fn verify(settings: &StoreSettings) -> Result<usize, CliError> {
    let store = Store::open_migrated(settings, SessionProfile::Bulk).await?;
    let scopes = store.list_scopes().await?;
    let progress = bar(Some(scopes.iter().map(|scope| scope.slots).sum()), Unit::Count);
    progress.set_message("resources");
    for scope in &scopes {
        let differences =
            store.verify_scope(scope.scope_id).await?.len() + store.verify_names(scope.scope_id).await?.len();
        if differences > 0 {
            return Err(CliError::Stopped(format!(
                "in the copy, index and tags of project {} type {} disagree; verify the cluster itself with \
                 `tagd index verify`, and rebuild its index if it says the same",
                scope.project_id, scope.resource_type
            )));
        }
        progress.inc(scope.slots);
    }
    progress.finish_and_clear();
    store.close().await;
    Ok(scopes.len())
}

/// Puts the new cluster in place and says what is left to do.
fn finish(settings: &Settings, upgrade: Upgrade) -> Result<(), CliError> {
    println!("5/5 switching");
    let (from, to) = (upgrade.from(), upgrade.to());
    let programs = upgrade.new_programs().to_path_buf();
    let is_found = upgrade.are_programs_found();
    let ends_archiving = block_in_place(|| upgrade.ends_archiving())?;
    let kept = block_in_place(|| upgrade.switch())?;
    println!("the cluster has Postgres {to} now");
    if !is_found {
        let given = if settings.postgres_bin.is_some() { "change" } else { "set" };
        println!("before the next start, {given} --postgres-bin or TAGD_POSTGRES_BIN to {}", programs.display());
    }
    if ends_archiving {
        println!(
            "archiving of the WAL is off now (archive_mode): name another folder in archive_command, switch it on again, \
             and make a new base backup; the archive of before is of use for the kept cluster only"
        );
    }
    println!("the cluster of Postgres {from} is kept in {}", kept.display());
    println!("once you no longer need it, remove it: rm -r '{}'", kept.display());
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
