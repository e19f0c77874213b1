//! `tagd history`: how much history there is, for how long it is kept, and pruning.

use clap::{Args, Subcommand};

use super::{CliError, open::open, time::read_time};
use crate::{
    config::Settings,
    domain::Caller,
    store::{MonthlyTable, SessionProfile, prune_months, set_retention},
};

/// Commands of the history.
#[derive(Debug, Subcommand)]
pub(super) enum HistoryCommand {
    /// Show whether history is on, from when on it is kept, and its size
    Status,
    /// Drop the months that end before a time, which must be done with the login of the schema's owner
    Prune {
        /// The time, such as 2026-11-30 or 2026-11-30T08:00:00Z; dates are in UTC. Months that lie partly after it stay
        #[arg(long, value_name = "TIME", value_parser = read_time)]
        before: i64,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Set for how long entries are kept: servers then drop older months by themselves. With the login of the schema's owner
    Retention {
        /// Days, 1 to 36500, such as 400d; or forever
        #[arg(value_name = "DAYS", value_parser = read_retention)]
        keep: Keep,
        #[command(flatten)]
        log: LogArgs,
    },
}

/// What is pruned or kept.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LogArgs {
    /// The audit log instead of the history
    #[arg(long)]
    audit: bool,
}

impl LogArgs {
    fn table(self) -> MonthlyTable {
        if self.audit { MonthlyTable::Audit } else { MonthlyTable::History }
    }

    fn name(self) -> &'static str {
        if self.audit { "the audit log" } else { "history" }
    }
}

/// For how many days history is kept; `None` for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keep(Option<u32>);

fn read_retention(text: &str) -> Result<Keep, String> {
    if text == "forever" {
        return Ok(Keep(None));
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok()).filter(|days| (1..=36_500).contains(days));
    days.map(|days| Keep(Some(days))).ok_or_else(|| "must be 1d to 36500d, or forever".to_owned())
}

fn retention(days: Option<u32>) -> String {
    days.map_or_else(|| "forever".to_owned(), |days| format!("{days} days"))
}

pub(super) async fn run(settings: &Settings, command: HistoryCommand) -> Result<(), CliError> {
    let opened = open(settings).await?;
    let store = opened.store(SessionProfile::Bulk).await?;
    let outcome = async {
        match command {
            HistoryCommand::Status => {
                let status = store.history_status().await?;
                println!("history: {}", if status.is_on { "on" } else { "off" });
                println!("kept from: {}", status.kept_from.as_deref().unwrap_or("-"));
                for gap in &status.gaps {
                    println!("off from {} to {}", gap.from, gap.to);
                }
                println!("retention: {}", retention(status.keep_days));
                println!("size: {} bytes", status.bytes);
                println!("retention of the audit log: {}", retention(status.audit_keep_days));
                println!("size of the audit log: {} bytes", status.audit_bytes);
            }
            HistoryCommand::Prune { before, log } => {
                let pruned = prune_months(&opened.store, log.table(), before, &Caller::command("history")).await?;
                let others = match pruned.entries {
                    0 => String::new(),
                    entries => format!(" and {entries} entries of other months"),
                };
                println!("{} months{others} dropped, kept from {}", pruned.months, pruned.kept_from);
            }
            HistoryCommand::Retention { keep: Keep(days), log } => {
                set_retention(&opened.store, log.table(), days, &Caller::command("history")).await?;
                match days {
                    Some(days) => println!("{} is kept for {days} days at least", log.name()),
                    None => println!("{} is kept forever", log.name()),
                }
            }
        }
        Ok(())
    }
    .await;
    store.close().await;
    opened.close().await;
    outcome
}
