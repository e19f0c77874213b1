//! What credentials of one domain cover: of an import, and of a list that has begun.

use std::collections::HashSet;

use super::{Store, StoreError, forms::Form, retry::Retry};
use crate::domain::RequestError;

impl Store {
    /// The projects of other domains, and the names of the resource types: what an import into one domain may not have, and
    /// what it needs.
    pub async fn foreign_projects_and_types(
        &self,
        domain_id: &str,
    ) -> Result<(HashSet<String>, HashSet<String>), StoreError> {
        let foreign = self
            .cheap(Form::ForeignProjectsAndTypes)
            .fetch_all(Retry::Begin, || {
                sqlx::query_scalar!("select p.project_id from tagd.project p where p.domain_id <> $1", domain_id)
            })
            .await?;
        let types = self
            .cheap(Form::ForeignProjectsAndTypes)
            .fetch_all(Retry::Begin, || {
                sqlx::query_scalar!("select t.resource_type from tagd.resource_type t where t.alias_of is null")
            })
            .await?;
        Ok((foreign.into_iter().collect(), types.into_iter().collect()))
    }

    /// Whether one of these scopes belongs to a project of another domain.
    pub async fn any_foreign(&self, scopes: &[i64], domain_id: &str) -> Result<bool, RequestError> {
        let foreign = self.cheap(Form::AnyForeign).fetch_optional(Retry::Read, || {
            sqlx::query_scalar!(
                r#"select true as "is_foreign!"
                     from unnest($1::bigint[]) as w (scope_id)
                     join tagd.scope s on s.scope_id = w.scope_id
                     join tagd.project p on p.project_id = s.project_id
                    where p.domain_id <> $2
                    limit 1"#,
                scopes,
                domain_id
            )
        });
        Ok(foreign.await?.is_some())
    }

    /// Those of some projects that a domain has.
    pub async fn existing_projects(&self, domain_id: &str, projects: &[String]) -> Result<Vec<String>, StoreError> {
        let existing = self.cheap(Form::ExistingProjects).fetch_all(Retry::Begin, || {
            sqlx::query_scalar!(
                "select p.project_id from tagd.project p where p.domain_id = $1 and p.project_id = any($2)",
                domain_id,
                projects
            )
        });
        Ok(existing.await?)
    }
}
