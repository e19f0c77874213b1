//! Waiting for what a test needs to see, so that none depends on how fast the machine is.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use sqlx::PgConnection;
use tokio::task::JoinHandle;

/// The end of all waiting: on the busiest machine nothing that a test waits for takes this long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until something is found.
pub async fn eventually_found<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The server's processes of a database that wait for a row, a table or a transaction.
pub async fn waiting_for_locks(connection: &mut PgConnection) -> BTreeSet<i32> {
    // within a transaction the view stays as it was first read
    sqlx::query("select pg_stat_clear_snapshot()").execute(&mut *connection).await.unwrap();
    let found: Vec<i32> = sqlx::query_scalar(
        // the times of last use of credentials are written at any time, and nobody waits for that
        "select pid from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock' and backend_type = 'client backend'
            and query not like '%tagd.touch_credentials(%'",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    found.into_iter().collect()
}

/// Begins something that goes on by itself. It has gone as far as it could without waiting once this returns: what is
/// begun after it comes after it.
pub fn begin<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let mut future = Box::pin(future);
    match (&mut future).now_or_never() {
        Some(outcome) => tokio::spawn(std::future::ready(outcome)),
        None => tokio::spawn(future),
    }
}
