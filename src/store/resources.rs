//! Runs compiled queries and reads their pages.

use std::sync::Arc;

use sqlx::{
    Decode, Postgres, Row,
    error::BoxDynError,
    postgres::{PgArguments, PgRow, PgValueRef},
    query::Query,
};

use super::{Store, failure::fault_of, read_queue::Joined};
use crate::{
    compiler::{Argument, Compiled},
    domain::{Item, Page, RequestError, Scope, Tag},
};

impl Store {
    /// Runs a compiled count.
    pub async fn count(&self, compiled: &Compiled) -> Result<u64, RequestError> {
        let rows = self.rows(compiled).await?;
        let row = rows.first().ok_or_else(|| fault_of(sqlx::Error::RowNotFound))?;
        total_of(row).map_err(fault_of)
    }

    /// Runs a compiled page; `scopes` are those it was compiled for.
    pub async fn list(&self, compiled: &Compiled, scopes: &[Arc<Scope>]) -> Result<Page, RequestError> {
        let rows = self.rows(compiled).await?;
        // the total stands beside an empty page too: without a row there is no answer
        if rows.is_empty() {
            return Err(fault_of(sqlx::Error::RowNotFound));
        }
        page_of(&rows, scopes).map_err(fault_of)
    }

    /// The rows of a query, asked by itself or together with others.
    async fn rows(&self, compiled: &Compiled) -> Result<Vec<PgRow>, RequestError> {
        // the head lives to the end of the statement
        let _head = match self.reads.join(compiled).await {
            Joined::Rows(rows) => return Ok(rows),
            Joined::Alone(head) => head,
            Joined::Failed(fault) => return Err(fault),
        };
        self.read(|| async {
            let mut loan = self.pool.borrow().await?;
            let outcome = bind(compiled).fetch_all(&mut *loan).await;
            loan.end(outcome)
        })
        .await
    }
}

pub(super) fn bind(compiled: &Compiled) -> Query<'_, Postgres, PgArguments> {
    compiled.arguments.iter().fold(sqlx::query(compiled.text), |query, argument| match argument {
        Argument::Kind(value) => query.bind(value),
        Argument::Integer(value) => query.bind(value),
        Argument::Text(value) => query.bind(value),
        Argument::Integers(values) => query.bind(values),
        Argument::Groups(values) => query.bind(values),
        Argument::Kinds(values) => query.bind(values),
        Argument::Texts(values) => query.bind(values),
    })
}

fn total_of(row: &PgRow) -> Result<u64, sqlx::Error> {
    let total: i64 = row.try_get_unchecked(0)?;
    u64::try_from(total).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The columns are those of every compiled page, which `sqlx-data.json` holds; so their types are not looked at in
/// each row.
fn page_of(rows: &[PgRow], scopes: &[Arc<Scope>]) -> Result<Page, sqlx::Error> {
    let mut page = Page { total: 0, items: Vec::with_capacity(rows.len()) };
    for row in rows {
        page.total = total_of(row)?;
        // an empty page is one row without a resource
        let Some(resource_id) = row.try_get_unchecked::<Option<&str>, _>(2)? else { break };
        page.items.push(Item::new(
            scope_of(row, scopes)?,
            resource_id,
            row.try_get_unchecked(3)?,
            row.try_get_unchecked(4)?,
            &row.try_get_unchecked::<Texts<'_>, _>(5)?.0,
        ));
    }
    Ok(page)
}

/// The scope of a resource, with the name that its project has now.
fn scope_of(row: &PgRow, scopes: &[Arc<Scope>]) -> Result<Arc<Scope>, sqlx::Error> {
    // in a statement of one scope the column may tell queries apart
    if let [only] = scopes {
        return Ok(Arc::clone(only));
    }
    let rank: i64 = row.try_get_unchecked(1)?;
    let scope = usize::try_from(rank - 1).ok().and_then(|rank| scopes.get(rank));
    let scope =
        scope.ok_or_else(|| sqlx::Error::Decode(format!("a page names rank {rank} of {}", scopes.len()).into()))?;
    let project_name = row.try_get_unchecked::<Option<&str>, _>(6)?.unwrap_or_default();
    if project_name == scope.project_name {
        return Ok(Arc::clone(scope));
    }
    Ok(Arc::new(Scope { project_name: project_name.to_owned(), ..Scope::clone(scope) }))
}

/// A `text[]` without nulls, borrowed from its row; sqlx makes a `String` of each element.
struct Texts<'r>(Vec<&'r str>);

impl<'r> Decode<'r, Postgres> for Texts<'r> {
    /// Reads what `array_send` writes: dimensions, whether there are nulls, the type; of each dimension the length and
    /// the first index; of each element the length and its bytes. All numbers have four bytes.
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let mut rest = value.as_bytes()?;
        let dimensions = next_number(&mut rest)?;
        let (_nulls, _type) = (next_number(&mut rest)?, next_number(&mut rest)?);
        let count = match dimensions {
            0 => return Ok(Self(Vec::new())),
            1 => usize::try_from(next_number(&mut rest)?)?,
            other => return Err(format!("tags in {other} dimensions").into()),
        };
        let _first = next_number(&mut rest)?;
        let mut texts = Vec::with_capacity(count.min(rest.len()));
        for _ in 0..count {
            let length = usize::try_from(next_number(&mut rest)?)?;
            let (text, behind) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
            texts.push(std::str::from_utf8(text)?);
            rest = behind;
        }
        Ok(Self(texts))
    }
}

const CUT_SHORT: &str = "an array that is cut short";

fn next_number(rest: &mut &[u8]) -> Result<i32, BoxDynError> {
    let (number, behind) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
    *rest = behind;
    Ok(i32::from_be_bytes(*number))
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
