//! Arguments of compiled statements as parameters, and rows as domain types.

use std::sync::Arc;

use sqlx::{
    Decode, Postgres, Row,
    error::BoxDynError,
    postgres::{PgArguments, PgRow, PgValueRef},
    query::Query,
};

use crate::{
    compiler::{Argument, Compiled},
    domain::{Item, Page, Scope, Tag},
};

/// A compiled statement with its arguments.
pub(super) fn bind(compiled: &Compiled) -> Query<'static, Postgres, PgArguments> {
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

/// A row of a compiled statement.
pub(super) struct Found {
    total: u64,
    /// `None` in a count, and in the only row of an empty page.
    item: Option<Item>,
}

/// Reads a row of a compiled statement over scopes. Also the size of its resource.
///
/// The columns are those of every compiled page, which `tests/it/compiler/compiled.rs` checks, so their types are not
/// checked in each row.
pub(super) fn read_found(row: &PgRow, scopes: &[Arc<Scope>]) -> Result<(Found, usize), sqlx::Error> {
    let total: i64 = row.try_get_unchecked(0)?;
    let total = u64::try_from(total).map_err(|error| sqlx::Error::Decode(error.into()))?;
    // a count has the total, and in a batch the number of its query
    let resource_id = if row.len() > 2 { row.try_get_unchecked::<Option<&str>, _>(2)? } else { None };
    let Some(resource_id) = resource_id else { return Ok((Found { total, item: None }, 0)) };
    let item = Item::new(
        scope_of(row, scopes)?,
        resource_id,
        row.try_get_unchecked(3)?,
        row.try_get_unchecked(4)?,
        &row.try_get_unchecked::<Texts<'_>, _>(5)?.0,
    );
    let size = item.size();
    Ok((Found { total, item: Some(item) }, size))
}

/// What the rows of a compiled statement say. An empty page has a row with the total too, so a result without rows is an error.
pub(super) fn page_of(rows: Vec<Found>) -> Result<Page, sqlx::Error> {
    let total = rows.last().ok_or(sqlx::Error::RowNotFound)?.total;
    Ok(Page { total, items: rows.into_iter().filter_map(|row| row.item).collect() })
}

/// The scope of a resource, with the current name of its project.
fn scope_of(row: &PgRow, scopes: &[Arc<Scope>]) -> Result<Arc<Scope>, sqlx::Error> {
    // in a statement over one scope the column may identify the query of a batch
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

/// A `text[]` without nulls, borrowed from its row; sqlx would allocate a `String` for each element.
struct Texts<'r>(Vec<&'r str>);

impl<'r> Decode<'r, Postgres> for Texts<'r> {
    /// Parses the format of `array_send`: number of dimensions, whether there are nulls, and element type; for each
    /// dimension its length and lower bound; for each element its length and bytes. All numbers have four bytes.
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

/// Tags in the form of the column and of the arguments of the writing functions.
pub(super) fn parts_of(tags: &[Tag]) -> Vec<String> {
    tags.iter().flat_map(|tag| [tag.key.clone(), tag.value.clone()]).collect()
}
