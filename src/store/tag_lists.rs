//! Tags as lists: of a resource, of a scope, of everything an account has.

use super::{Store, resources::tags_of};
use crate::domain::{Fault, Tag, tag::is_system_key};

impl Store {
    /// The tags of a resource; `None` if there is no such resource.
    pub async fn list_tags(&self, scope_id: i64, resource_id: &str) -> Result<Option<Vec<Tag>>, Fault> {
        let parts = self
            .read(|| async {
                let mut loan = self.pool.borrow().await?;
                let outcome = sqlx::query_scalar!(
                    "select r.tags from tagd.resource r where r.scope_id = $1 and r.resource_id = $2",
                    scope_id,
                    resource_id
                )
                .fetch_optional(&mut *loan)
                .await;
                loan.end(outcome)
            })
            .await?;
        Ok(parts.map(tags_of))
    }

    /// The scopes of a type that have a resource with this identifier, at most two: more than one is ambiguous.
    pub async fn find_resource(
        &self,
        resource_type: &str,
        resource_id: &str,
        domain_id: Option<&str>,
    ) -> Result<Vec<i64>, Fault> {
        self.read(|| async {
            let mut loan = self.pool.borrow().await?;
            let outcome = sqlx::query_scalar!(
                "select s.scope_id
                   from tagd.scope s
                   join tagd.project p on p.project_id = s.project_id
                   join tagd.resource r on r.scope_id = s.scope_id and r.resource_id = $2
                  where s.resource_type = $1
                    and ($3::text is null or p.domain_id = $3)
                  order by s.scope_id
                  limit 2",
                resource_type,
                resource_id,
                domain_id
            )
            .fetch_all(&mut *loan)
            .await;
            loan.end(outcome)
        })
        .await
    }

    /// Keys in use in scopes, behind a marker, each with its values, both sorted. System keys only on demand.
    pub async fn list_key_values(
        &self,
        scopes: &[i64],
        marker: Option<&str>,
        limit: Option<u32>,
        with_system: bool,
    ) -> Result<Vec<(String, Vec<String>)>, Fault> {
        // a label is in use while it has slots or, if it is dense, a chunk: one without a bit set is not kept
        let rows = self
            .read(|| async { let mut loan = self.pool.borrow().await?; let outcome = sqlx::query!(
                    r#"select l.key, array_agg(distinct l.value order by l.value) as "values!"
                         from tagd.label l
                        where l.scope_id = any($1)
                          and l.kind = 3
                          and ($2::text is null or l.key > $2)
                          and ($3 or not starts_with(l.key, '_sys_'))
                          and (cardinality(l.slots) > 0
                         or l.slots is null
                            and exists (select from tagd.chunk c where c.scope_id = l.scope_id and c.label_id = l.label_id))
                        group by l.key
                        order by l.key
                        limit $4"#,
                    scopes,
                    marker,
                    with_system,
                    limit.map(i64::from)
                )
                .fetch_all(&mut *loan)
                .await; loan.end(outcome) })
            .await?;
        Ok(rows.into_iter().map(|row| (row.key, row.values)).collect())
    }

    /// Keys in use in all projects of an account, or in all there are, behind a marker, sorted.
    pub async fn list_keys(
        &self,
        domain_id: Option<&str>,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        self.read(|| async {
            let mut loan = self.pool.borrow().await?;
            let outcome = sqlx::query_scalar!(
                "select distinct l.key
                   from tagd.scope s
                   join tagd.project p on p.project_id = s.project_id
                   join tagd.label l on l.scope_id = s.scope_id and l.kind = 2
                  where ($1::text is null or p.domain_id = $1)
                    and ($2::text is null or l.key > $2)
                    and not starts_with(l.key, '_sys_')
                    and (cardinality(l.slots) > 0
                         or l.slots is null
                            and exists (select from tagd.chunk c where c.scope_id = l.scope_id and c.label_id = l.label_id))
                  order by l.key
                  limit $3",
                domain_id,
                marker,
                i64::from(limit)
            )
            .fetch_all(&mut *loan)
            .await;
            loan.end(outcome)
        })
        .await
    }

    /// Values in use with a key in all projects of an account, or in all there are, behind a marker, sorted.
    pub async fn list_values(
        &self,
        domain_id: Option<&str>,
        key: &str,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Fault> {
        // system tags are nobody's to see here, whatever is asked
        if is_system_key(key) {
            return Ok(Vec::new());
        }
        self.read(|| async {
            let mut loan = self.pool.borrow().await?;
            let outcome = sqlx::query_scalar!(
                "select distinct l.value
                   from tagd.scope s
                   join tagd.project p on p.project_id = s.project_id
                   join tagd.label l on l.scope_id = s.scope_id and l.key = $2 and l.kind = 3
                  where ($1::text is null or p.domain_id = $1)
                    and ($3::text is null or l.value > $3)
                    and (cardinality(l.slots) > 0
                         or l.slots is null
                            and exists (select from tagd.chunk c where c.scope_id = l.scope_id and c.label_id = l.label_id))
                  order by l.value
                  limit $4",
                domain_id,
                key,
                marker,
                i64::from(limit)
            )
            .fetch_all(&mut *loan)
            .await;
            loan.end(outcome)
        })
        .await
    }
}
