//! Tags that wait for their resources: those of a CSV import, in a temporary table.

use sqlx::{Executor, Row};

use super::{Store, StoreError, pool::PooledConnection};
use crate::domain::{Tag, change::Registration};

/// A tag with the resource it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagRow {
    /// Line of the file.
    pub line: i64,
    /// Project.
    pub project_id: String,
    /// Resource type.
    pub resource_type: String,
    /// Resource.
    pub resource_id: String,
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
    /// Why it is no tag, if it is none: then key and value say nothing.
    pub fault: Option<String>,
}

/// What the file says about a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenTags {
    /// Its tags by line, each with its line.
    pub tags: Vec<(i64, Tag)>,
    /// Whether a row of its is no tag.
    pub is_faulty: bool,
}

/// The table, with the connection it belongs to.
#[derive(Debug)]
pub struct TagStage {
    connection: PooledConnection,
}

impl Store {
    /// Makes the table.
    pub async fn stage_tags(&self) -> Result<TagStage, StoreError> {
        let begin = || async {
            let mut connection = self.pool.acquire().await?;
            connection
                .execute(
                    "create temporary table staged_tag (
                   line bigint, project_id text, resource_type text, resource_id text, key text, value text, fault text,
                   taken boolean not null default false)",
                )
                .await?;
            Ok(connection)
        };
        Ok(TagStage { connection: self.pool.begin(begin).await? })
    }
}

impl TagStage {
    /// Adds tags.
    pub async fn add(&mut self, rows: &[TagRow]) -> Result<(), StoreError> {
        let column = |part: fn(&TagRow) -> &String| rows.iter().map(|row| part(row).as_str()).collect::<Vec<_>>();
        sqlx::query(
            "insert into pg_temp.staged_tag (line, project_id, resource_type, resource_id, key, value, fault)
             select * from unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])",
        )
        .bind(rows.iter().map(|row| row.line).collect::<Vec<_>>())
        .bind(column(|row| &row.project_id))
        .bind(column(|row| &row.resource_type))
        .bind(column(|row| &row.resource_id))
        .bind(column(|row| &row.key))
        .bind(column(|row| &row.value))
        .bind(rows.iter().map(|row| row.fault.as_deref()).collect::<Vec<_>>())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Call when all are in, before the first [`TagStage::take`].
    pub async fn index(&mut self) -> Result<(), StoreError> {
        for statement in [
            "create index on pg_temp.staged_tag (resource_id, resource_type, project_id)",
            "create index on pg_temp.staged_tag (line)",
            "analyze pg_temp.staged_tag",
        ] {
            self.connection.execute(statement).await?;
        }
        Ok(())
    }

    /// Takes the tags of resources, in the order of the resources; one that comes again gets its tags again.
    pub async fn take(&mut self, wanted: &[&Registration]) -> Result<Vec<TakenTags>, StoreError> {
        let rows = sqlx::query(
            "with wanted as (
               select * from unnest($1::text[], $2::text[], $3::text[]) with ordinality as w (project_id, resource_type, resource_id, ord)),
             taken as (
               update pg_temp.staged_tag t
                  set taken = true
                 from wanted w
                where t.resource_id = w.resource_id and t.resource_type = w.resource_type and t.project_id = w.project_id
               returning t.line, t.project_id, t.resource_type, t.resource_id, t.key, t.value, t.fault)
             select w.ord, t.line, t.key, t.value, t.fault is not null
               from taken t
               join wanted w using (project_id, resource_type, resource_id)
              order by w.ord, t.line",
        )
        .bind(wanted.iter().map(|w| w.project_id.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.resource_type.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|w| w.resource.resource_id.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *self.connection)
        .await?;
        let mut taken = vec![TakenTags::default(); wanted.len()];
        for row in rows {
            let ord: i64 = row.try_get(0)?;
            let Some(taken) = usize::try_from(ord - 1).ok().and_then(|ord| taken.get_mut(ord)) else { continue };
            if row.try_get(4)? {
                taken.is_faulty = true;
            } else {
                taken.tags.push((row.try_get(1)?, Tag { key: row.try_get(2)?, value: row.try_get(3)? }));
            }
        }
        Ok(taken)
    }

    /// Rows that are no tags, each with what is wrong, the first ones behind a line.
    pub async fn faults(&mut self, after: i64, most: i64) -> Result<Vec<(i64, String)>, StoreError> {
        Ok(sqlx::query_as(
            "select line, fault
               from pg_temp.staged_tag
              where fault is not null and line > $1
              order by line
              limit $2",
        )
        .bind(after)
        .bind(most)
        .fetch_all(&mut *self.connection)
        .await?)
    }

    /// Lines of the tags that nobody took, the first ones behind a line.
    pub async fn left(&mut self, after: i64, most: i64) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select line
               from pg_temp.staged_tag
              where not taken and fault is null and line > $1
              order by line
              limit $2",
        )
        .bind(after)
        .bind(most)
        .fetch_all(&mut *self.connection)
        .await?)
    }
}
