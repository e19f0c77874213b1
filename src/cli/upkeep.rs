//! What a server does besides answering: totals for metrics, reports, the audit log of failed authentications, months of the history, retention.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{CliError, totals::Totals};
use crate::{
    domain::Caller,
    http::Failed,
    store::{MonthlyTable, Pruned, SessionProfile, Store, StoreSettings},
    telemetry,
};

/// How often failed authentications go to the audit log; the same as malformed requests to the log.
const EVERY: Duration = telemetry::MALFORMED_EVERY;
/// How often months are prepared and dropped.
const MONTHS_EVERY: Duration = Duration::from_hours(6);

/// The work of a server in the background.
pub(super) struct Upkeep {
    settings: StoreSettings,
    failed: Failed,
    totals: Totals,
}

impl Upkeep {
    pub(super) fn new(settings: StoreSettings, failed: Failed, totals: Totals) -> Self {
        Self { settings, failed, totals }
    }

    /// A store of its own for work that is seldom: no connection is kept for it.
    fn store(&self) -> Store {
        Store::connect_lazy(&self.settings, SessionProfile::Bulk).acting_for(server_caller())
    }

    /// Does it for as long as the server runs.
    pub(super) async fn run(&self) {
        let mut months_at = Instant::now() + MONTHS_EVERY;
        loop {
            let store = self.store();
            self.totals.refresh(&store).await;
            store.close().await;
            tokio::time::sleep(EVERY).await;
            self.report().await;
            if Instant::now() >= months_at {
                months_at += MONTHS_EVERY;
                let store = self.store();
                keep_months(&store).await;
                store.close().await;
            }
        }
    }

    /// Reports what happened since the last time.
    pub(super) async fn report(&self) {
        telemetry::report_malformed();
        let failures = self.failed.take();
        if failures.is_empty() {
            return;
        }
        let store = self.store();
        if let Err(error) = store.record_failures(&failures).await {
            tracing::warn!(%error, "failed authentications were not written to the audit log");
            self.failed.put_back(failures);
        }
        store.close().await;
    }
}

/// The server as the author of what it does by itself.
pub(super) fn server_caller() -> Arc<Caller> {
    Arc::new(Caller::command("serve"))
}

/// Makes the partitions of the history ahead, and drops those that are not kept.
async fn keep_months(store: &Store) {
    // without it, entries go to the default partition
    if let Err(error) = store.prepare_history().await {
        tracing::warn!(%error, "partitions of the history were not made ahead; tagd tries again in 6 hours");
    }
    apply_retention(store).await;
}

/// Drops the months of the history and of the audit log that their retention does not keep.
pub(super) async fn apply_retention(store: &Store) {
    for (table, what) in [(MonthlyTable::History, "history"), (MonthlyTable::Audit, "audit log")] {
        match store.apply_retention(table).await {
            Ok(Some(Pruned { kept_from, months, entries })) if months > 0 || entries > 0 => {
                tracing::info!(months, entries, kept_from, "dropped old months of the {what}");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the retention of the {what} was not applied; tagd tries again in 6 hours");
            }
        }
    }
}

/// Turns the history on or off for all programs of the database, if it is the other way.
pub(super) async fn switch_history(store: &Store, is_on: bool) -> Result<(), CliError> {
    if store.switch_history(is_on).await? {
        let state = if is_on { "on" } else { "off" };
        tracing::warn!("history is {state} from now on, for all programs of this database");
    }
    Ok(())
}
