//! The writing functions of the database, each call of which is one transaction.
//!
//! A call is one statement without `begin`, so that a request that is dropped half-way never leaves a connection inside
//! a transaction.

use std::time::Duration;

use super::{
    Store,
    failure::{fault_of, is_stale, meaning_of},
    pool::Pool,
    states::Meaning,
    write_queue::{Mode, TagWrite, Written},
};
use crate::domain::{RequestError, Tag};

/// How often a write is tried when others stand in its way. The functions take locks in one order,
/// so this is for what the server itself may do under pressure.
const TRIES: u32 = 5;

impl Store {
    /// Forgets a resource with its tags. False if it is unknown.
    pub async fn remove_resource(&self, scope_id: i64, resource_id: &str) -> Result<bool, RequestError> {
        let removed = self
            .write(|| async {
                let mut loan = self.pool.borrow().await?;
                let outcome = sqlx::query_scalar!("select tagd.remove_resource($1, $2)", scope_id, resource_id)
                    .fetch_one(&mut *loan)
                    .await;
                loan.end(outcome)
            })
            .await?;
        Ok(removed.unwrap_or_default())
    }

    /// Adds tags; a key that is there gets the new value.
    pub async fn put_tags(&self, scope_id: i64, resource_id: &str, tags: &[Tag]) -> Result<(), RequestError> {
        self.write_tags(scope_id, resource_id, Mode::Put, tags.iter().flat_map(of_tag)).await.map(|_| ())
    }

    /// Removes tags by key; where a value is given, only if the tag has it. Absent tags are no error.
    pub async fn remove_tags(
        &self,
        scope_id: i64,
        resource_id: &str,
        tags: &[(String, Option<String>)],
    ) -> Result<(), RequestError> {
        let parts = tags.iter().flat_map(|(key, value)| [Some(key.clone()), value.clone()]);
        self.write_tags(scope_id, resource_id, Mode::Remove, parts).await.map(|_| ())
    }

    /// Removes one tag by key. False if the resource has none with it.
    pub async fn remove_tag(&self, scope_id: i64, resource_id: &str, key: &str) -> Result<bool, RequestError> {
        let written = self.write_tags(scope_id, resource_id, Mode::Remove, [Some(key.to_owned()), None]).await?;
        Ok(written == Written::Changed)
    }

    /// Makes these the tags of a resource.
    pub async fn replace_tags(&self, scope_id: i64, resource_id: &str, tags: &[Tag]) -> Result<(), RequestError> {
        self.write_tags(scope_id, resource_id, Mode::Replace, tags.iter().flat_map(of_tag)).await.map(|_| ())
    }

    async fn write_tags(
        &self,
        scope_id: i64,
        resource_id: &str,
        mode: Mode,
        parts: impl IntoIterator<Item = Option<String>>,
    ) -> Result<Written, RequestError> {
        let write = TagWrite { resource_id: resource_id.to_owned(), mode, parts: parts.into_iter().collect() };
        self.queue.write(scope_id, write).await
    }

    pub(super) async fn write<T, F>(&self, statement: impl Fn() -> F) -> Result<T, RequestError>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        retried(&self.pool, statement).await.map_err(fault_of)
    }
}

/// Runs a write, again where the server rolls it back for its own reasons, and once where it may have been refused for
/// what the session remembers: either way nothing of it was done.
pub(super) async fn retried<T, F>(pool: &Pool, statement: impl Fn() -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    let mut tried = 1;
    loop {
        match pool.in_time(statement()).await {
            // whole, so it may simply run again
            Err(error) if tried < TRIES && matches!(meaning_of(&error), Meaning::RolledBack | Meaning::Gone) => {
                tracing::warn!(%error, tried, "a write was rolled back by the server, trying again");
                tokio::time::sleep(Duration::from_millis(5 << tried)).await;
                tried += 1;
            }
            Err(error) if tried < TRIES && is_stale(&error) => tried = TRIES,
            other => return other,
        }
    }
}

fn of_tag(tag: &Tag) -> [Option<String>; 2] {
    [Some(tag.key.clone()), Some(tag.value.clone())]
}
