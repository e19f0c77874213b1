//! Metrics of what is in the database, read once a minute in the background.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    metrics::{Counter, Page, Source},
    store::{DataTotals, Store},
};

/// How long a reading may take. The next one is a minute later.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The last reading, and how often the private Postgres was started again. Clones share both.
#[derive(Debug, Clone, Default)]
pub(super) struct Totals(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    last: Mutex<Option<DataTotals>>,
    restarts: Counter,
}

impl Totals {
    /// Reads them. If that fails, the values of before are shown no more.
    pub(super) async fn refresh(&self, store: &Store) {
        let read = tokio::time::timeout(TIMEOUT, store.data_totals()).await;
        let read = match read {
            Ok(Ok(totals)) => Some(totals),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the totals of the database for metrics were not read");
                None
            }
            Err(_) => None,
        };
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = read;
    }

    /// The private Postgres was started again.
    pub(super) fn count_restart(&self) {
        self.0.restarts.increment();
    }
}

impl Source for Totals {
    fn write(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        page.counter(
            "tagd_cluster_restarts_total",
            "How often this process has started the private Postgres again, beside the times that its keeper did.",
            self.0.restarts.value(),
        )?;
        let last = *self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(totals) = last else { return Ok(()) };
        page.gauge("tagd_resources", "Resources.", totals.resources)?;
        page.gauge("tagd_scopes", "Resource types in projects.", totals.scopes)?;
        page.gauge("tagd_index_bytes", "Size of the index.", totals.index_bytes)?;
        page.gauge(
            "tagd_index_drift_scopes",
            "Scopes whose index and tags differed when tagd index verify last compared them.",
            totals.drift_scopes,
        )?;
        if let Some(verified_at) = totals.verified_at {
            page.gauge(
                "tagd_index_verified_timestamp_seconds",
                "The oldest of the last comparisons of each scope, in seconds since 1970.",
                verified_at,
            )?;
        }
        page.gauge("tagd_history_partitions", "Partitions of the history.", totals.history_partitions)?;
        page.gauge("tagd_history_bytes", "Size of the history with its indexes.", totals.history_bytes)?;
        if let Some(since) = totals.history_since {
            page.gauge(
                "tagd_history_oldest_timestamp_seconds",
                "From when on there is history, in seconds since 1970.",
                since,
            )?;
        }
        Ok(())
    }
}
