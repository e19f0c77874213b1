//! Statements of the registry: resource types, projects, and single resources with conditions.

use super::{
    Store, StoreError,
    caller::row_of,
    failure::{detail_of, refusal_of},
    forms::Form,
    put_queries::{put_project_query, put_type_query},
    retry::Retry,
    rows::{parts_of, tags_of},
    states::Refusal,
};
use crate::{
    compiler::Cost,
    domain::{
        ProjectFilter, RequestError, Resource, Tag,
        command::ResourceType,
        matching::fold,
        registry::{Aliases, Condition, Project, Registered, RegistryError},
    },
};

impl Store {
    /// A resource type by its name or by an alias; `None` if it is unknown.
    pub async fn find_type(&self, resource_type: &str) -> Result<Option<ResourceType>, RequestError> {
        let row = self
            .cheap(Form::FindType)
            .fetch_optional(Retry::Read, || {
                sqlx::query!(
                    r#"select t.resource_type, t.service, t.regional, t.tag_quota,
                              array(select a.resource_type from tagd.resource_type a
                                     where a.alias_of = t.resource_type
                                     order by a.resource_type) as "aliases!"
                         from tagd.resource_type n
                         join tagd.resource_type t on t.resource_type = coalesce(n.alias_of, n.resource_type)
                        where n.resource_type = $1"#,
                    resource_type
                )
            })
            .await?;
        Ok(row.map(|row| ResourceType {
            resource_type: row.resource_type,
            service: row.service,
            regional: row.regional,
            tag_quota: u32::try_from(row.tag_quota).unwrap_or_default(),
            aliases: row.aliases,
        }))
    }

    /// The types of all aliases.
    pub async fn aliases(&self) -> Result<Aliases, StoreError> {
        let rows = self
            .cheap(Form::Aliases)
            .fetch_all(Retry::Begin, || {
                sqlx::query!(
                    r#"select t.resource_type as alias, t.alias_of as "resource_type!"
                         from tagd.resource_type t
                        where t.alias_of is not null"#
                )
            })
            .await?;
        Ok(rows.into_iter().map(|row| (row.alias, row.resource_type)).collect())
    }

    /// Registers a resource type or changes an existing one, which keeps its aliases if none are given. Returns true if
    /// it is new, and its aliases.
    pub async fn put_type(
        &self,
        resource_type: &ResourceType,
        aliases: Option<&[String]>,
    ) -> Result<(bool, Vec<String>), RegistryError> {
        let statement = || put_type_query(resource_type, aliases, &self.caller);
        let put = self.writing(Form::PutType).fetch_one(Retry::Write, statement).await.map_err(registry_error)?;
        Ok((put.created, put.aliases))
    }

    /// Deletes a resource type that has no scopes, with its aliases.
    pub async fn remove_type(&self, resource_type: &str) -> Result<(), RegistryError> {
        let removed = self
            .writing(Form::RemoveType)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.remove_type($1, $2::text::tagd.caller)",
                    resource_type,
                    row_of(&self.caller)
                )
            })
            .await
            .map_err(registry_error)?;
        if removed.unwrap_or_default() { Ok(()) } else { Err(RegistryError::unknown_type(resource_type)) }
    }

    /// Projects by identifier: all, or those with a name and those whose names begin with it and an underscore. A project
    /// without a name has its identifier as its name.
    pub async fn find_projects(
        &self,
        name: Option<&str>,
        limit: u32,
        covered: ProjectFilter<'_>,
    ) -> Result<Vec<Project>, RequestError> {
        // there is no index of names
        let cost = if name.is_some() { Cost::Expensive } else { Cost::Cheap };
        Ok(self
            .reading(cost, Form::FindProjects)
            .fetch_all(Retry::Read, || {
                sqlx::query_as!(
                    Project,
                    "select p.project_id, p.project_name, p.domain_id
                       from tagd.project p
                      where ($1::text is null or p.project_name = $1 or starts_with(p.project_name, $1 || '_')
                             or p.project_name = '' and p.project_id = $1)
                        and ($3::text is null or p.domain_id = $3)
                        and ($4::text[] is null or p.project_id = any($4))
                      order by p.project_id
                      limit $2",
                    name,
                    i64::from(limit),
                    covered.domain_id,
                    covered.projects
                )
            })
            .await?)
    }

    /// The domains that projects belong to, sorted.
    pub async fn list_domains(&self, limit: u32) -> Result<Vec<String>, RequestError> {
        Ok(self
            .cheap(Form::ListDomains)
            .fetch_all(Retry::Read, || {
                sqlx::query_scalar!(
                    "select distinct p.domain_id from tagd.project p where p.domain_id <> '' order by 1 limit $1",
                    i64::from(limit)
                )
            })
            .await?)
    }

    /// Projects by identifier, behind a marker.
    pub async fn list_projects(
        &self,
        marker: Option<&str>,
        limit: u32,
        covered: ProjectFilter<'_>,
    ) -> Result<Vec<Project>, RequestError> {
        Ok(self
            .cheap(Form::ListProjects)
            .fetch_all(Retry::Read, || {
                sqlx::query_as!(
                    Project,
                    "select p.project_id, p.project_name, p.domain_id
                       from tagd.project p
                      where ($1::text is null or p.project_id > $1)
                        and ($3::text is null or p.domain_id = $3)
                        and ($4::text[] is null or p.project_id = any($4))
                      order by p.project_id
                      limit $2",
                    marker,
                    i64::from(limit),
                    covered.domain_id,
                    covered.projects
                )
            })
            .await?)
    }

    /// A project; `None` if it is unknown.
    pub async fn find_project(&self, project_id: &str) -> Result<Option<Project>, RequestError> {
        Ok(self
            .cheap(Form::FindProject)
            .fetch_optional(Retry::Read, || {
                sqlx::query_as!(
                    Project,
                    "select p.project_id, p.project_name, p.domain_id
                       from tagd.project p
                      where p.project_id = $1",
                    project_id
                )
            })
            .await?)
    }

    /// Registers a project, or changes name and domain of a known one, which keeps its domain if none is given. Returns true
    /// if it is new, and its domain; `None`, and changes nothing, if the caller may not change it.
    pub async fn put_project(
        &self,
        project_id: &str,
        project_name: &str,
        domain_id: Option<&str>,
    ) -> Result<Option<(bool, String)>, RequestError> {
        let statement = || put_project_query(project_id, project_name, domain_id, &self.caller);
        let put = self.writing(Form::PutProject).fetch_one(Retry::Write, statement).await?;
        Ok(put.created.map(|created| (created, put.domain_id)))
    }

    /// Deletes a project. If it has resources, they are deleted if `with_resources` is set; otherwise it is an error.
    pub async fn remove_project(&self, project_id: &str, with_resources: bool) -> Result<(), RegistryError> {
        let removed = self
            .writing(Form::RemoveProject)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.remove_project($1, $2, $3::text::tagd.caller)",
                    project_id,
                    with_resources,
                    row_of(&self.caller)
                )
            })
            .await
            .map_err(registry_error)?;
        if removed.unwrap_or_default() { Ok(()) } else { Err(RegistryError::unknown_project(project_id)) }
    }

    /// A resource in its current state; `None` if it is unknown.
    pub async fn find_registered(&self, scope_id: i64, resource_id: &str) -> Result<Option<Registered>, RequestError> {
        let row = self
            .cheap(Form::FindRegistered)
            .fetch_optional(Retry::Read, || {
                sqlx::query!(
                    r#"select r.resource_name, r.detail::text as detail, r.tags,
                              tagd.etag_of(r.resource_name, r.detail, r.tags) as "etag!"
                         from tagd.resource r
                        where r.scope_id = $1 and r.resource_id = $2"#,
                    scope_id,
                    resource_id
                )
            })
            .await?;
        Ok(row.map(|row| Registered {
            resource_name: row.resource_name,
            detail: row.detail,
            tags: tags_of(row.tags),
            etag: row.etag,
        }))
    }

    /// The number of resources of a scope, and a page of them with their slots, newest first. With `slot`, the page
    /// begins after that slot.
    pub async fn list_registered(
        &self,
        scope_id: i64,
        slot: Option<i32>,
        limit: u32,
    ) -> Result<(u64, Vec<(i32, Resource)>), RequestError> {
        // this slot is never assigned, so all resources come before it
        let slot = slot.unwrap_or(i32::MAX);
        let statement = || {
            sqlx::query!(
                r#"select t.total as "total!", r.slot as "slot?", r.resource_id as "resource_id?",
                              r.resource_name as "resource_name?", r.detail as "detail?", r.tags as "tags?"
                         from (select coalesce(sum(coalesce(cardinality(l.slots),
                                                            (select sum(c.hits) from tagd.chunk c
                                                              where c.scope_id = $1 and c.label_id = l.label_id))), 0)::int8 as total
                                 from tagd.label l
                                where l.scope_id = $1 and l.key = '' and l.kind = 0 and l.value = '') t
                         left join (
                           select e.slot, e.resource_id, e.resource_name, e.detail::text as detail, e.tags
                             from tagd.resource e
                            where e.scope_id = $1 and e.slot < $2
                            order by e.slot desc
                            limit $3) r on true
                        order by r.slot desc"#,
                scope_id,
                slot,
                i64::from(limit)
            )
        };
        let rows = self.cheap(Form::ListRegistered).fetch_large(Retry::Read, statement, |row| {
            let total = u64::try_from(row.total).unwrap_or_default();
            // an empty page is one row without a resource
            let (Some(slot), Some(resource_id), Some(resource_name), Some(tags)) =
                (row.slot, row.resource_id, row.resource_name, row.tags)
            else {
                return Ok(((total, None), 0));
            };
            let resource = Resource { resource_id, resource_name, detail: row.detail, tags: tags_of(tags) };
            let size = resource.size();
            Ok(((total, Some((slot, resource))), size))
        });
        let rows = rows.await?;
        let total = rows.first().map_or(0, |(total, _)| *total);
        Ok((total, rows.into_iter().filter_map(|(_, resource)| resource).collect()))
    }

    /// Registers a resource, or replaces an existing one, which keeps its tags unless `with_tags` is set. Returns true
    /// if it is new, and its current state.
    pub async fn register(
        &self,
        project_id: &str,
        resource_type: &str,
        resource: &Resource,
        with_tags: bool,
        condition: &Condition,
    ) -> Result<(bool, Registered), RegistryError> {
        let tags = with_tags.then(|| parts_of(&resource.tags));
        let row = self
            .writing(Form::Register)
            .fetch_one(Retry::Write, || {
                sqlx::query!(
                    r#"select created as "created!", detail::text as detail, tags as "tags!", etag as "etag!"
                             from tagd.register_resource($1, $2, $3, $4, $5, $6::text::json, $7, $8, $9, $10::text::tagd.caller)"#,
                    project_id,
                    resource_type,
                    resource.resource_id,
                    resource.resource_name,
                    fold(&resource.resource_name),
                    resource.detail,
                    tags.as_deref(),
                    matched(condition),
                    *condition == Condition::Absent,
                    row_of(&self.caller)
                )
            })
            .await
            .map_err(|error| match registry_error(error) {
                RegistryError::UnknownType { .. } => RegistryError::unknown_type(resource_type),
                other => other,
            })?;
        let registered = Registered {
            resource_name: resource.resource_name.clone(),
            detail: row.detail,
            tags: tags_of(row.tags),
            etag: row.etag,
        };
        Ok((row.created, registered))
    }

    /// Deletes a resource with its tags.
    pub async fn unregister(
        &self,
        scope_id: i64,
        resource_id: &str,
        condition: &Condition,
    ) -> Result<(), RegistryError> {
        self.writing(Form::Unregister)
            .execute(Retry::Write, || {
                sqlx::query!(
                    "select tagd.remove_resource($1, $2, $3, array[$4]::text[]::tagd.caller[])",
                    scope_id,
                    resource_id,
                    matched(condition),
                    row_of(&self.caller)
                )
            })
            .await
            .map_err(|error| resource_error(resource_id, error))?;
        Ok(())
    }

    /// Replaces all tags of a resource; `operation` is what the history calls it, `replace` or `restore`. Returns its new etag.
    pub async fn replace_tags_if(
        &self,
        scope_id: i64,
        resource_id: &str,
        tags: &[Tag],
        condition: &Condition,
        operation: &str,
    ) -> Result<String, RegistryError> {
        let parts = parts_of(tags);
        let etag = self
            .writing(Form::ReplaceTagsIf)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.replace_resource_tags($1, $2, $3, $4, array[$5]::text[]::tagd.caller[], $6)",
                    scope_id,
                    resource_id,
                    &parts,
                    matched(condition),
                    row_of(&self.caller),
                    operation
                )
            })
            .await
            .map_err(|error| resource_error(resource_id, error))?;
        Ok(etag.unwrap_or_default())
    }
}

/// The parameter for a condition: the resource must have one of these etags.
pub(super) fn matched(condition: &Condition) -> Option<&[String]> {
    match condition {
        Condition::Matches(etags) => Some(etags),
        Condition::None | Condition::Absent => None,
    }
}

/// The error for a failed write of one resource.
fn resource_error(resource_id: &str, error: sqlx::Error) -> RegistryError {
    match refusal_of(&error) {
        Some(Refusal::UnknownResource) => RequestError::unknown_resource(resource_id).into(),
        _ => registry_error(error),
    }
}

/// The error for a taken name; `detail` has the field, the name and, for an alias, its type.
fn name_taken(detail: &str) -> RegistryError {
    let mut parts = detail.split(' ').map(ToOwned::to_owned);
    RegistryError::NameTaken {
        field: parts.next().unwrap_or_default(),
        name: parts.next().unwrap_or_default(),
        alias_of: parts.next(),
    }
}

/// The error for a failed statement of the registry.
pub(super) fn registry_error(error: sqlx::Error) -> RegistryError {
    match refusal_of(&error) {
        Some(Refusal::Condition) => return RegistryError::Condition,
        Some(Refusal::UnknownType) => return RegistryError::unknown_type(""),
        Some(Refusal::ProjectInUse) => return RegistryError::ProjectInUse,
        Some(Refusal::TypeInUse) => return RegistryError::TypeInUse,
        Some(Refusal::NameTaken) => return name_taken(detail_of(&error)),
        _ => {}
    }
    RequestError::from(error).into()
}
