//! What an import into one domain may have.

use std::collections::HashSet;

use super::{Store, StoreError, retry::Retry};

impl Store {
    /// The projects of other domains, and the names of the resource types: what an import into one domain may not have, and
    /// what it needs.
    pub async fn foreign_projects_and_types(
        &self,
        domain_id: &str,
    ) -> Result<(HashSet<String>, HashSet<String>), StoreError> {
        let foreign = self
            .pool
            .fetch_all(Retry::Begin, || {
                sqlx::query_scalar!("select p.project_id from tagd.project p where p.domain_id <> $1", domain_id)
            })
            .await?;
        let types = self
            .pool
            .fetch_all(Retry::Begin, || {
                sqlx::query_scalar!("select t.resource_type from tagd.resource_type t where t.alias_of is null")
            })
            .await?;
        Ok((foreign.into_iter().collect(), types.into_iter().collect()))
    }

    /// Those of some projects that a domain has.
    pub async fn existing_projects(&self, domain_id: &str, projects: &[String]) -> Result<Vec<String>, StoreError> {
        let existing = self.pool.fetch_all(Retry::Begin, || {
            sqlx::query_scalar!(
                "select p.project_id from tagd.project p where p.domain_id = $1 and p.project_id = any($2)",
                domain_id,
                projects
            )
        });
        Ok(existing.await?)
    }
}
