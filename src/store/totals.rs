//! Totals of a database for metrics: resources, the index, the history.

use super::{Store, StoreError, forms::Form, retry::Retry};

/// How much there is in a database, and what was last found out about its index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataTotals {
    /// Resources.
    pub resources: i64,
    /// Resource types in projects.
    pub scopes: i64,
    /// Bytes of the index: its tables with their own indexes.
    pub index_bytes: i64,
    /// Scopes whose index and tags differed when they were last compared.
    pub drift_scopes: i64,
    /// The oldest of the last comparisons of each scope, in seconds since 1970; `None` if there was none.
    pub verified_at: Option<f64>,
    /// Partitions of the history.
    pub history_partitions: i64,
    /// Bytes of the history with its indexes.
    pub history_bytes: i64,
    /// From when on there is history, in seconds since 1970; `None` if it has never been on.
    pub history_since: Option<f64>,
}

impl Store {
    /// Counts them. It reads one label of each scope and nothing of resources.
    pub async fn data_totals(&self) -> Result<DataTotals, StoreError> {
        let resources = self
            .expensive(Form::DataTotals)
            .fetch_one(Retry::Never, || {
                sqlx::query_scalar!(
                    r#"select coalesce(sum(coalesce(cardinality(l.slots),
                                                    (select sum(c.hits) from tagd.chunk c
                                                      where c.scope_id = l.scope_id and c.label_id = l.label_id))), 0)::int8 as "resources!"
                         from tagd.scope s
                         join tagd.label l on l.scope_id = s.scope_id and l.key = '' and l.kind = 0 and l.value = ''"#
                )
            })
            .await?;
        let row = self
            .expensive(Form::DataTotals)
            .fetch_one(Retry::Never, || {
                sqlx::query!(
                    r#"select (select count(*) from tagd.scope) as "scopes!",
                              pg_total_relation_size('tagd.label') + pg_total_relation_size('tagd.chunk')
                                + pg_total_relation_size('tagd.name') as "index_bytes!",
                              (select count(*) from tagd.verification v join tagd.scope s on s.scope_id = v.scope_id
                                where v.differences > 0) as "drift_scopes!",
                              (select extract(epoch from min(v.verified_at))::float8
                                 from tagd.verification v join tagd.scope s on s.scope_id = v.scope_id) as verified_at,
                              (select count(*) from pg_partition_tree('tagd.history') p where p.isleaf) as "history_partitions!",
                              (select coalesce(sum(pg_total_relation_size(p.relid)), 0)::int8
                                 from pg_partition_tree('tagd.history') p) as "history_bytes!",
                              (select extract(epoch from greatest(t.kept_from, min(s.began_at)))::float8
                                 from tagd.history_span s) as history_since
                         from tagd.history_state t"#
                )
            })
            .await?;
        Ok(DataTotals {
            resources,
            scopes: row.scopes,
            index_bytes: row.index_bytes,
            drift_scopes: row.drift_scopes,
            verified_at: row.verified_at,
            history_partitions: row.history_partitions,
            history_bytes: row.history_bytes,
            history_since: row.history_since,
        })
    }
}
