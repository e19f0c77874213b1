//! The tags of a CSV import: copied to temporary tables first, and joined to the batches of resources there.

use std::{fmt::Write, sync::Arc};

use futures_util::TryStreamExt;
use sqlx::{Executor, Row};

use super::{
    Store, StoreError,
    copy_text::{copy_rows, write_column},
    pool::PooledConnection,
};
use crate::domain::{
    Caller,
    tag::{MOST_SYSTEM_TAGS, MOST_TAGS, SYSTEM_PREFIX},
};

/// A row of the tags file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagRow {
    /// Line of the file.
    pub line: u64,
    /// Project of the resource.
    pub project_id: String,
    /// Resource type.
    pub resource_type: String,
    /// Resource.
    pub resource_id: String,
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// Why the row cannot be imported; its key and value are then empty.
    pub error: Option<String>,
}

/// Rows to import, as text for COPY.
#[derive(Debug, Default)]
pub struct TagBatch {
    text: String,
}

impl TagBatch {
    /// Adds a row.
    pub fn push(&mut self, row: &TagRow) {
        // writing to a String cannot fail
        let _ = write!(self.text, "{}", row.line);
        let texts = [&row.project_id, &row.resource_type, &row.resource_id, &row.key, &row.value];
        for column in texts.map(|text| Some(text.as_str())).into_iter().chain([row.error.as_deref()]) {
            self.text.push('\t');
            write_column(&mut self.text, column);
        }
        self.text.push('\n');
    }

    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }
}

/// Why the tags of a staged resource cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagError {
    /// An earlier line has the same resource and key.
    DuplicateKey {
        /// Line of the tags file.
        line: u64,
        /// The key.
        key: String,
    },
    /// The resource has more tags than are allowed.
    TooMany {
        /// Position of the resource in its batch.
        resource: usize,
        /// Its tags other than system tags.
        tags: usize,
        /// Its system tags.
        system_tags: usize,
    },
}

/// The staging table of the tags, on the connection that will import their resources.
#[derive(Debug)]
pub struct TagStage {
    pub(super) connection: PooledConnection,
    pub(super) caller: Arc<Caller>,
}

impl Store {
    /// Starts an import in which all tags are added before the resources.
    pub async fn stage_tags(&self) -> Result<TagStage, StoreError> {
        let mut connection = self.import_connection().await?;
        connection
            .execute(
                r#"create temporary table staged_tag (
                     line          bigint not null,
                     project_id    text collate "C" not null,
                     resource_type text collate "C" not null,
                     resource_id   text collate "C" not null,
                     key           text collate "C" not null,
                     value         text collate "C" not null,
                     error         text)"#,
            )
            .await
            .map_err(StoreError::of)?;
        Ok(TagStage { connection, caller: Arc::clone(&self.caller) })
    }
}

impl TagStage {
    /// Adds rows.
    pub async fn add(&mut self, rows: &TagBatch) -> Result<(), StoreError> {
        let statement = "copy pg_temp.staged_tag
               (line, project_id, resource_type, resource_id, key, value, error)
             from stdin";
        copy_rows(&mut self.connection, statement, &rows.text).await.map_err(StoreError::of)
    }

    /// Passes each row that cannot be imported to `each`: its line and the reason, ordered by line.
    pub async fn malformed(&mut self, each: impl FnMut(u64, String)) -> Result<(), StoreError> {
        let statement = "select t.line, t.error
                           from pg_temp.staged_tag t
                          where t.error is not null
                          order by t.line";
        report(&mut self.connection, statement, each).await
    }
}

/// Passes each line of the tags file whose resource was not staged to `each`, with the reason, ordered by line.
pub(super) async fn report_unused(
    connection: &mut PooledConnection,
    each: impl FnMut(u64, String),
) -> Result<(), StoreError> {
    let statement = "select l.line, 'its resource is not in the resources file'
                       from pg_temp.resource_tags g, unnest(g.lines) as l (line)
                      where not exists (select from pg_temp.used_tags u where u.tags_id = g.tags_id)
                      order by l.line";
    report(connection, statement, each).await
}

/// Streams lines with the reason for each, since they may not fit in memory.
async fn report(
    connection: &mut PooledConnection,
    statement: &'static str,
    mut each: impl FnMut(u64, String),
) -> Result<(), StoreError> {
    let mut rows = sqlx::query_as(statement).fetch(&mut **connection);
    while let Some((line, reason)) = rows.try_next().await.map_err(StoreError::of)? {
        each(line_of(line), reason);
    }
    Ok(())
}

/// Groups the rows by resource, after all have been added.
///
/// For each resource, it keeps the lines of all rows, but of the tags only as many as are allowed, with their total
/// number.
pub(super) async fn group(connection: &mut PooledConnection) -> Result<(), sqlx::Error> {
    connection
        .execute(
            r#"create temporary table resource_tags (
                 tags_id        bigint generated always as identity,
                 project_id     text collate "C" not null,
                 resource_type  text collate "C" not null,
                 resource_id    text collate "C" not null,
                 -- pairs of key and value, by key
                 tags           text[] collate "C",
                 tag_count      bigint not null,
                 system_count   bigint not null,
                 lines          bigint[],
                 is_malformed   boolean not null,
                 has_duplicates boolean not null);
               create temporary table duplicate_tag (tags_id bigint not null, line bigint not null, key text not null);
               create temporary table used_tags (tags_id bigint not null)"#,
        )
        .await?;
    sqlx::query(
        "with tag as (
           -- one window, so one sort for everything below
           select t.*,
                  row_number() over by_key as position,
                  coalesce(lag(t.key) over by_key = t.key, false) as is_duplicate
             from pg_temp.staged_tag t
           window by_key as (partition by t.resource_id, t.resource_type, t.project_id order by t.key))
         insert into pg_temp.resource_tags
           (project_id, resource_type, resource_id, tags, tag_count, system_count, lines, is_malformed, has_duplicates)
         select t.project_id, t.resource_type, t.resource_id,
                array_agg(array[t.key, t.value] order by t.key) filter (where t.error is null and t.position <= $1),
                count(*) filter (where t.error is null and not starts_with(t.key, $2)),
                count(*) filter (where t.error is null and starts_with(t.key, $2)),
                array_agg(t.line) filter (where t.error is null),
                bool_or(t.error is not null),
                bool_or(t.error is null and t.is_duplicate)
           from tag t
          group by t.resource_id, t.resource_type, t.project_id",
    )
    .bind(count_of(MOST_TAGS + MOST_SYSTEM_TAGS))
    .bind(SYSTEM_PREFIX)
    .execute(&mut **connection)
    .await?;
    connection
        .execute(
            "create unique index on pg_temp.resource_tags (resource_id, resource_type, project_id);
             analyze pg_temp.resource_tags;
             insert into pg_temp.duplicate_tag (tags_id, line, key)
             select d.tags_id, d.line, d.key
               from (select g.tags_id, t.line, t.key,
                            row_number() over (partition by g.tags_id, t.key order by t.line) as occurrence
                       from pg_temp.resource_tags g
                       join pg_temp.staged_tag t using (resource_id, resource_type, project_id)
                      where g.has_duplicates and t.error is null) d
              where d.occurrence > 1;
             create index on pg_temp.duplicate_tag (tags_id);
             drop table pg_temp.staged_tag",
        )
        .await?;
    Ok(())
}

/// Marks the tags of the resources that were staged after position `after` up to `last` as used, and removes resources
/// whose tags cannot be imported, so that they remain unchanged. Returns the reasons, except for malformed rows, which
/// are reported already.
pub(super) async fn use_tags(
    connection: &mut PooledConnection,
    after: i64,
    last: i64,
) -> Result<Vec<TagError>, sqlx::Error> {
    let rows = sqlx::query(
        "with resource as (
           select s.place, s.line, g.tags_id, g.tag_count, g.system_count, g.is_malformed, g.has_duplicates
             from pg_temp.staged_line s
             join pg_temp.resource_tags g using (resource_id, resource_type, project_id)
            where s.place > $1 and s.place <= $2),
         used as (
           insert into pg_temp.used_tags (tags_id) select r.tags_id from resource r),
         removed as (
           delete from pg_temp.staged_line s
            using resource r
            where s.place = r.place
              and (r.is_malformed or r.has_duplicates or r.tag_count > $3 or r.system_count > $4)
           returning r.*)
         select r.line, r.tag_count, r.system_count, d.line, d.key
           from removed r
           left join pg_temp.duplicate_tag d on d.tags_id = r.tags_id
          where d.line is not null or not r.is_malformed
          order by r.place, d.line",
    )
    .bind(after)
    .bind(last)
    .bind(count_of(MOST_TAGS))
    .bind(count_of(MOST_SYSTEM_TAGS))
    .fetch_all(&mut **connection)
    .await?;
    let size = |count: i64| usize::try_from(count).unwrap_or_default();
    rows.into_iter()
        .map(|row| {
            Ok(match (row.try_get(3)?, row.try_get(4)?) {
                (Some(line), Some(key)) => TagError::DuplicateKey { line: line_of(line), key },
                _ => TagError::TooMany {
                    resource: size(row.try_get(0)?),
                    tags: size(row.try_get(1)?),
                    system_tags: size(row.try_get(2)?),
                },
            })
        })
        .collect()
}

fn line_of(line: i64) -> u64 {
    u64::try_from(line).unwrap_or_default()
}

fn count_of(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
