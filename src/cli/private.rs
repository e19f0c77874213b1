//! Keeps the private Postgres of a server running: starts it again when it is gone.

use std::time::{Duration, Instant};

use super::totals::Totals;
use crate::cluster::{Cluster, ClusterError};

/// How often it is checked.
const EVERY: Duration = Duration::from_secs(1);
/// The shortest and the longest pause between two starts.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// A Postgres that ran for this long may be started again at once.
const STEADY: Duration = Duration::from_mins(1);

/// Returns when it cannot be started any more, with the reason; never for a database that was given.
pub(super) async fn keep_running(cluster: &mut Option<Cluster>, totals: &Totals) -> ClusterError {
    let Some(cluster) = cluster else { return std::future::pending().await };
    let mut pauses = Pauses { next: Duration::ZERO };
    let mut begun = Instant::now();
    loop {
        tokio::time::sleep(EVERY).await;
        if !cluster.is_lost() {
            continue;
        }
        if begun.elapsed() > STEADY {
            pauses.next = Duration::ZERO;
        }
        tracing::warn!("the private Postgres has ended; starting it again");
        match start_again(cluster, &mut pauses).await {
            Ok(found) => *cluster = found,
            Err(error) => return error,
        }
        totals.count_restart();
        tracing::info!("the private Postgres is running again");
        begun = Instant::now();
    }
}

/// Tries until it runs, with growing pauses. Other servers may do the same: the first one starts it, the others join.
async fn start_again(cluster: &Cluster, pauses: &mut Pauses) -> Result<Cluster, ClusterError> {
    loop {
        pauses.wait().await;
        let revival = cluster.revival();
        match tokio::task::spawn_blocking(move || Cluster::attach_again(&revival)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) if !error.may_pass() => return Err(error),
            Ok(Err(error)) => tell(&error, pauses),
            Err(error) => tell(&error, pauses),
        }
    }
}

fn tell(error: &dyn std::fmt::Display, pauses: &Pauses) {
    tracing::error!("the private Postgres was not started, next attempt in {} s: {error}", pauses.next.as_secs());
}

/// The pauses between two starts, each twice as long as the one before.
struct Pauses {
    next: Duration,
}

impl Pauses {
    async fn wait(&mut self) {
        let (shortest, longest) = PAUSES;
        let pause = self.next;
        self.next = (pause * 2).clamp(shortest, longest);
        tokio::time::sleep(pause).await;
    }
}
