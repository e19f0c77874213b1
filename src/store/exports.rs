//! Export: every resource in order, from one snapshot.

use futures_util::TryStreamExt;
use sqlx::{Executor, Postgres, pool::PoolConnection};

use super::{Store, StoreError, resources::tags_of};
use crate::domain::{Resource, change::Registration};

/// An export under way: a connection that looks at one snapshot.
#[derive(Debug)]
pub struct Exporter {
    connection: PoolConnection<Postgres>,
}

/// What an export will write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportTotals {
    /// Resources.
    pub resources: u64,
}

impl Store {
    /// Takes the snapshot.
    pub async fn export(&self) -> Result<Exporter, StoreError> {
        let mut connection = self.pool.acquire().await?;
        connection.close_on_drop();
        connection.execute("begin isolation level repeatable read read only").await?;
        // along the primary keys, so that the first row comes at once and nothing is sorted on disk
        connection
            .execute("select set_config('enable_sort', 'off', true), set_config('enable_hashjoin', 'off', true)")
            .await?;
        Ok(Exporter { connection })
    }
}

impl Exporter {
    /// How many resources the snapshot holds.
    pub async fn totals(&mut self) -> Result<ExportTotals, StoreError> {
        let resources = sqlx::query_scalar!(
            r#"select coalesce(sum(bit_count(b.bits & b.bits)), 0)::int8 as "resources!"
                 from tagd.label l
                 join tagd.bitmap b on b.scope_id = l.scope_id and b.label_id = l.label_id
                where l.kind = 0"#
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(ExportTotals { resources: u64::try_from(resources).unwrap_or_default() })
    }

    /// Hands every resource to `each`, by scope and, within a scope, in the order of registration.
    pub async fn run<E: From<StoreError>>(
        mut self,
        mut each: impl AsyncFnMut(Registration) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rows = sqlx::query!(
            r#"select s.project_id, p.project_name, p.domain_id, s.resource_type, r.resource_id, r.resource_name,
                      r.detail::text as detail, r.tags
                 from tagd.scope s
                 join tagd.project p on p.project_id = s.project_id
                 join tagd.resource r on r.scope_id = s.scope_id
                order by s.scope_id, r.slot"#
        )
        .fetch(&mut *self.connection);
        while let Some(row) = rows.try_next().await.map_err(StoreError::of)? {
            each(Registration {
                project_id: row.project_id,
                project_name: Some(row.project_name).filter(|name| !name.is_empty()),
                domain_id: Some(row.domain_id).filter(|id| !id.is_empty()),
                resource_type: row.resource_type,
                resource: Resource {
                    resource_id: row.resource_id,
                    resource_name: row.resource_name,
                    detail: row.detail,
                    tags: tags_of(row.tags),
                },
            })
            .await?;
        }
        Ok(())
    }
}
