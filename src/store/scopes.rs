//! Scopes by project and resource type.

use std::{collections::HashMap, sync::Arc};

use super::{Store, forms::Form, retry::Retry};
use crate::{
    compiler::Cost,
    domain::{ProjectFilter, RequestError, Scope},
};

/// The scopes of resource types.
#[derive(Debug, Clone, Default)]
pub struct TypeScopes {
    /// Scopes in the order of the requested types, then of projects. Their types have the names in the request.
    pub scopes: Vec<Arc<Scope>>,
    /// The type of each requested name.
    pub types: Vec<String>,
    /// A requested type that is not registered or requires a project, if any.
    pub unknown: Option<Unknown>,
}

/// Why a type has no scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The type is not registered.
    Type {
        /// Position in the request, from 0.
        index: usize,
    },
    /// The type is regional, and no project was named.
    Project {
        /// Position in the request, from 0.
        index: usize,
    },
}

impl Store {
    /// The number of a scope; `None` if no resource was ever registered in it.
    pub async fn find_scope(&self, project_id: &str, resource_type: &str) -> Result<Option<i64>, RequestError> {
        Ok(self
            .cheap(Form::FindScope)
            .fetch_optional(Retry::Read, || {
                sqlx::query_scalar!(
                    "select s.scope_id
                       from tagd.scope s
                      where s.resource_type = $1 and s.project_id = $2",
                    resource_type,
                    project_id
                )
            })
            .await?)
    }

    /// The names of projects.
    pub async fn project_names(&self, projects: &[String]) -> Result<HashMap<String, String>, RequestError> {
        let rows = self
            .cheap(Form::ProjectNames)
            .fetch_all(Retry::Read, || {
                sqlx::query!(
                    "select p.project_id, p.project_name from tagd.project p where p.project_id = any($1)",
                    projects
                )
            })
            .await?;
        Ok(rows.into_iter().map(|row| (row.project_id, row.project_name)).collect())
    }

    /// The scopes of types, by name or alias, in one project, in all projects of a domain, or in all projects.
    pub async fn find_scopes(
        &self,
        resource_types: &[String],
        project_id: Option<&str>,
        covered: ProjectFilter<'_>,
    ) -> Result<TypeScopes, RequestError> {
        // those of all projects may be many
        let cost = if project_id.is_some() { Cost::Cheap } else { Cost::Expensive };
        let rows = self.reading(cost, Form::FindScopes).fetch_all(Retry::Read, || { sqlx::query!(
                    r#"select w.ord as "ord!", t.regional as "regional?", w.resource_type as "resource_type!",
                              coalesce(t.resource_type, w.resource_type) as "named!",
                              s.scope_id as "scope_id?", s.project_id as "project_id?", p.project_name as "project_name?"
                         from unnest($1::text[]) with ordinality as w (resource_type, ord)
                         left join tagd.resource_type n on n.resource_type = w.resource_type
                         left join tagd.resource_type t on t.resource_type = coalesce(n.alias_of, n.resource_type)
                         left join (tagd.scope s
                                    join tagd.project p on p.project_id = s.project_id)
                           on s.resource_type = t.resource_type
                          and ($2::text is null or s.project_id = $2)
                          and ($3::text is null or p.domain_id = $3)
                          and ($4::text[] is null or p.project_id = any($4))
                        order by w.ord, s.project_id"#,
                    resource_types,
                    project_id,
                    covered.domain_id,
                    covered.projects
                ) }).await?;
        let mut found = TypeScopes::default();
        for row in rows {
            let index = usize::try_from(row.ord - 1).unwrap_or_default();
            if found.types.len() == index {
                found.types.push(row.named);
            }
            let unknown = match row.regional {
                None => Some(Unknown::Type { index }),
                Some(true) if project_id.is_none() => Some(Unknown::Project { index }),
                Some(_) => None,
            };
            if unknown.is_some() && found.unknown.is_none() {
                found.unknown = unknown;
            }
            if let (Some(scope_id), Some(project_id)) = (row.scope_id, row.project_id) {
                found.scopes.push(Arc::new(Scope {
                    scope_id,
                    project_id,
                    project_name: row.project_name.unwrap_or_default(),
                    resource_type: row.resource_type,
                }));
            }
        }
        Ok(found)
    }
}
