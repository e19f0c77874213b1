//! Runs compiled queries and reads their pages.

use std::sync::Arc;

use sqlx::{
    Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{Store, failure::fault_of};
use crate::{
    compiler::{Argument, Compiled},
    domain::{Fault, Item, Page, Resource, Scope, Tag},
};

impl Store {
    /// Runs a compiled count.
    pub async fn count(&self, compiled: &Compiled) -> Result<u64, Fault> {
        let row = self
            .read(|| async {
                let mut loan = self.pool.borrow().await?;
                let outcome = bind(compiled).fetch_one(&mut *loan).await;
                loan.end(outcome)
            })
            .await?;
        total_of(&row).map_err(fault_of)
    }

    /// Runs a compiled page; `scopes` are those it was compiled for.
    pub async fn list(&self, compiled: &Compiled, scopes: &[Arc<Scope>]) -> Result<Page, Fault> {
        let rows = self
            .read(|| async {
                let mut loan = self.pool.borrow().await?;
                let outcome = bind(compiled).fetch_all(&mut *loan).await;
                loan.end(outcome)
            })
            .await?;
        page_of(&rows, scopes).map_err(fault_of)
    }
}

fn bind(compiled: &Compiled) -> Query<'_, sqlx::Postgres, PgArguments> {
    compiled.arguments.iter().fold(sqlx::query(compiled.text), |query, argument| match argument {
        Argument::Integer(value) => query.bind(value),
        Argument::Text(value) => query.bind(value),
        Argument::Integers(values) => query.bind(values),
        Argument::Groups(values) => query.bind(values),
        Argument::Kinds(values) => query.bind(values),
        Argument::Texts(values) => query.bind(values),
    })
}

fn total_of(row: &PgRow) -> Result<u64, sqlx::Error> {
    let total: i64 = row.try_get(0)?;
    u64::try_from(total).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn page_of(rows: &[PgRow], scopes: &[Arc<Scope>]) -> Result<Page, sqlx::Error> {
    let mut page = Page { total: 0, items: Vec::with_capacity(rows.len()) };
    for row in rows {
        page.total = total_of(row)?;
        // an empty page is one row without a resource
        let Some(resource_id) = row.try_get::<Option<String>, _>(2)? else { break };
        let rank: i64 = row.try_get(1)?;
        let scope = usize::try_from(rank - 1).ok().and_then(|rank| scopes.get(rank));
        let scope =
            scope.ok_or_else(|| sqlx::Error::Decode(format!("a page names rank {rank} of {}", scopes.len()).into()))?;
        page.items.push(Item {
            scope: Arc::clone(scope),
            resource: Resource {
                resource_id,
                resource_name: row.try_get(3)?,
                detail: row.try_get(4)?,
                tags: tags_of(row.try_get(5)?),
            },
        });
    }
    Ok(page)
}

/// Tags from the column `tags`: key, value, key, value ...
pub(super) fn tags_of(parts: Vec<String>) -> Vec<Tag> {
    let mut tags = Vec::with_capacity(parts.len() / 2);
    let mut parts = parts.into_iter();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        tags.push(Tag { key, value });
    }
    tags
}

/// Tags as the column and the writing functions hold them.
pub(super) fn parts_of(tags: &[Tag]) -> Vec<String> {
    tags.iter().flat_map(|tag| [tag.key.clone(), tag.value.clone()]).collect()
}
