//! Export: every resource in order, from one snapshot.

use futures_util::TryStreamExt;
use sqlx::Executor;

use super::{Store, StoreError, pool::PooledConnection, rows::tags_of};
use crate::domain::{ProjectFilter, Resource, change::Registration};

/// An export in progress: a connection that reads one snapshot.
#[derive(Debug)]
pub struct Exporter {
    connection: PooledConnection,
    scopes: Vec<ExportScope>,
}

/// A scope, with the columns of its project that each line has.
#[derive(Debug)]
struct ExportScope {
    scope_id: i64,
    project_id: String,
    project_name: String,
    domain_id: String,
    resource_type: String,
}

/// The size of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportTotals {
    /// Resources.
    pub resources: u64,
}

impl Store {
    /// Takes the snapshot and checks that it can be read: once an answer has begun, an error can no longer be reported.
    pub async fn export(&self, covered: ProjectFilter<'_>) -> Result<Exporter, StoreError> {
        let begin = || async {
            let mut connection = self.cheap().acquire().await?;
            connection.execute("begin isolation level repeatable read read only").await?;
            // reads along the primary key, so that the first row comes immediately and nothing is sorted on disk
            connection.execute("select set_config('enable_sort', 'off', true)").await?;
            let scopes = sqlx::query_as!(
                ExportScope,
                "select s.scope_id, s.project_id, p.project_name, p.domain_id, s.resource_type
               from tagd.scope s
               join tagd.project p on p.project_id = s.project_id
              where ($1::text is null or p.domain_id = $1)
                and ($2::text[] is null or p.project_id = any($2))
              order by s.project_id, s.resource_type",
                covered.domain_id,
                covered.projects
            )
            .fetch_all(&mut *connection)
            .await?;
            connection.execute("select from tagd.resource limit 0").await?;
            Ok(Exporter { connection, scopes })
        };
        Ok(self.cheap().begin(begin).await?)
    }
}

impl Exporter {
    /// The number of resources in the snapshot.
    pub async fn totals(&mut self) -> Result<ExportTotals, StoreError> {
        let scopes: Vec<i64> = self.scopes.iter().map(|scope| scope.scope_id).collect();
        let resources = sqlx::query_scalar!(
            r#"select coalesce(sum(coalesce(cardinality(l.slots),
                                        (select sum(c.hits) from tagd.chunk c
                                          where c.scope_id = l.scope_id and c.label_id = l.label_id))), 0)::int8 as "resources!"
                 from tagd.label l
                where l.scope_id = any($1) and l.key = '' and l.kind = 0 and l.value = ''"#,
            &scopes
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(ExportTotals { resources: u64::try_from(resources).unwrap_or_default() })
    }

    /// Passes every resource to `each`, ordered by project, type and registration.
    ///
    /// Projects are ordered by ID, not by the number of the scope, which depends on the order of registration: an export
    /// that is imported elsewhere and exported again is identical.
    pub async fn run<E: From<StoreError>>(
        mut self,
        mut each: impl AsyncFnMut(Registration) -> Result<(), E>,
    ) -> Result<(), E> {
        let watcher = self.connection.watcher();
        for scope in self.scopes {
            let mut rows = sqlx::query!(
                "select r.resource_id, r.resource_name, r.detail::text as detail, r.tags
                   from tagd.resource r
                  where r.scope_id = $1
                  order by r.slot",
                scope.scope_id
            )
            .fetch(&mut *self.connection);
            while let Some(row) = watcher.watch(rows.try_next()).await.map_err(StoreError::of)? {
                each(Registration {
                    project_id: scope.project_id.clone(),
                    project_name: Some(scope.project_name.clone()).filter(|name| !name.is_empty()),
                    domain_id: Some(scope.domain_id.clone()).filter(|id| !id.is_empty()),
                    resource_type: scope.resource_type.clone(),
                    resource: Resource {
                        resource_id: row.resource_id,
                        resource_name: row.resource_name,
                        detail: row.detail,
                        tags: tags_of(row.tags),
                    },
                })
                .await?;
            }
        }
        Ok(())
    }
}
