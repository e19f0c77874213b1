//! Waits for transactions that are writing.

use std::time::{Duration, Instant};

use super::{Store, forms::Form, retry::Retry};
use crate::domain::{Outage, RequestError};

/// How long it is until they are looked for again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

impl Store {
    /// Waits until no write is running any more that may not have seen what was committed before: after a policy was put, no
    /// write that began before is still being decided by the policies of before. As long as a statement may take.
    pub async fn await_writers(&self) -> Result<(), RequestError> {
        // Every writer locks the table resource before it reads policies, and Postgres takes the lock of a statement before its
        // snapshot. So a writer that has not read the policies as they are now has the lock already.
        let writers = self
            .cheap(Form::AwaitWriters)
            .fetch_one(Retry::Read, || sqlx::query_scalar!(r#"select tagd.writers_of('tagd.resource') as "writers!""#))
            .await?;
        let until = self.connections.cheap.statement_timeout().map(|timeout| Instant::now() + timeout);
        if self.have_ended(&writers, until).await? {
            return Ok(());
        }
        let source = "a write takes long that may have been decided before the policy was put".into();
        Err(RequestError::Unavailable { outage: Outage::Busy, source })
    }

    /// Waits until some transactions have ended; false if they have not by a time.
    pub(super) async fn have_ended(&self, writers: &[String], until: Option<Instant>) -> Result<bool, RequestError> {
        if writers.is_empty() {
            return Ok(true);
        }
        let (mut pause, longest) = PAUSES;
        while until.is_none_or(|until| Instant::now() < until) {
            // without a connection: many may be waiting here
            tokio::time::sleep(pause).await;
            let ended = self
                .cheap(Form::HaveEnded)
                .fetch_one(Retry::Read, || {
                    sqlx::query_scalar!(
                        r#"select not exists (select from pg_locks l where l.locktype = 'virtualxid' and l.virtualxid = any($1)) as "ended!""#,
                        writers
                    )
                })
                .await?;
            if ended {
                return Ok(true);
            }
            pause = longest.min(pause * 2);
        }
        Ok(false)
    }
}
