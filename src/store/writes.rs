//! The writing functions of the database, one call each and so one transaction each.
//!
//! A write is one statement without `begin`, so that a request that is dropped half-way never leaves
//! a connection inside a transaction.

use std::time::Duration;

use super::{
    Store,
    failure::{fault_of, fault_on},
    resources::parts_of,
};
use crate::domain::{Fault, Tag};

/// How often a write is tried when others stand in its way. The functions take locks in one order,
/// so this is for what the server itself may do under pressure.
const TRIES: u32 = 5;

impl Store {
    /// Forgets a resource with its tags. False if it is unknown.
    pub async fn remove_resource(&self, scope_id: i64, resource_id: &str) -> Result<bool, Fault> {
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
    pub async fn put_tags(&self, scope_id: i64, resource_id: &str, tags: &[Tag]) -> Result<(), Fault> {
        let parts = parts_of(tags);
        self.write_on(resource_id, || async {
            let mut loan = self.pool.borrow().await?;
            let outcome = sqlx::query!("select tagd.put_tags($1, $2, $3)", scope_id, resource_id, &parts)
                .execute(&mut *loan)
                .await;
            loan.end(outcome)
        })
        .await?;
        Ok(())
    }

    /// Removes tags by key; where a value is given, only if the tag has it. Absent tags are no error.
    pub async fn remove_tags(
        &self,
        scope_id: i64,
        resource_id: &str,
        tags: &[(String, Option<String>)],
    ) -> Result<(), Fault> {
        let parts: Vec<Option<String>> =
            tags.iter().flat_map(|(key, value)| [Some(key.clone()), value.clone()]).collect();
        self.write_on(resource_id, || async {
            let mut loan = self.pool.borrow().await?;
            let outcome =
                sqlx::query!("select tagd.remove_tags($1, $2, $3)", scope_id, resource_id, &parts as &[Option<String>])
                    .execute(&mut *loan)
                    .await;
            loan.end(outcome)
        })
        .await?;
        Ok(())
    }

    /// Removes one tag by key. False if the resource has none with it.
    pub async fn remove_tag(&self, scope_id: i64, resource_id: &str, key: &str) -> Result<bool, Fault> {
        let removed = self
            .write_on(resource_id, || async {
                let mut loan = self.pool.borrow().await?;
                let outcome = sqlx::query_scalar!("select tagd.remove_tag($1, $2, $3)", scope_id, resource_id, key)
                    .fetch_one(&mut *loan)
                    .await;
                loan.end(outcome)
            })
            .await?;
        Ok(removed.unwrap_or_default())
    }

    /// Makes these the tags of a resource.
    pub async fn replace_tags(&self, scope_id: i64, resource_id: &str, tags: &[Tag]) -> Result<(), Fault> {
        let parts = parts_of(tags);
        self.write_on(resource_id, || async {
            let mut loan = self.pool.borrow().await?;
            let outcome = sqlx::query!("select tagd.replace_tags($1, $2, $3)", scope_id, resource_id, &parts)
                .execute(&mut *loan)
                .await;
            loan.end(outcome)
        })
        .await?;
        Ok(())
    }

    /// A write on one resource, which must be there.
    async fn write_on<T, F>(&self, resource_id: &str, statement: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        self.try_write(statement).await.map_err(|error| fault_on(resource_id, error))
    }

    pub(super) async fn write<T, F>(&self, statement: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        self.try_write(statement).await.map_err(fault_of)
    }

    /// The same for those who sort out what went wrong by themselves.
    pub(super) async fn try_write<T, F>(&self, statement: impl Fn() -> F) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let mut tried = 1;
        loop {
            match statement().await {
                // 40: the server rolled the write back whole, so it may simply run again
                Err(sqlx::Error::Database(refusal))
                    if tried < TRIES && refusal.code().is_some_and(|code| code.starts_with("40")) =>
                {
                    tracing::warn!(code = ?refusal.code(), tried, "a write was rolled back by the server, trying again");
                    tokio::time::sleep(Duration::from_millis(5 << tried)).await;
                    tried += 1;
                }
                other => return other,
            }
        }
    }
}
