//! Statements that register or change a resource type or a project: of a single request, and within an import.

use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Map,
};

use super::caller::row_of;
use crate::domain::{Caller, command::ResourceType};

/// A statement whose row is made into a value.
pub(super) type Mapped<F> = Map<'static, Postgres, F, PgArguments>;

/// A type that was put.
pub(super) struct PutType {
    /// Whether it is new.
    pub(super) created: bool,
    /// Its aliases.
    pub(super) aliases: Vec<String>,
}

/// The statement that registers or changes a resource type.
pub(super) fn put_type_query(
    resource_type: &ResourceType,
    aliases: Option<&[String]>,
    caller: &Caller,
) -> Mapped<impl FnMut(PgRow) -> sqlx::Result<PutType> + Send + use<>> {
    sqlx::query_as!(
        PutType,
        r#"select created as "created!", aliases as "aliases!"
                         from tagd.put_type_with_aliases($1, $2, $3, $4, $5, $6::text::tagd.caller)"#,
        resource_type.resource_type,
        resource_type.service,
        resource_type.regional,
        i32::try_from(resource_type.tag_quota).unwrap_or(i32::MAX),
        aliases,
        row_of(caller)
    )
}

/// A project that was put.
pub(super) struct PutProject {
    /// Whether it is new; `None` if the caller may not change it.
    pub(super) created: Option<bool>,
    /// Its domain.
    pub(super) domain_id: String,
}

/// The statement that registers or changes a project.
pub(super) fn put_project_query(
    project_id: &str,
    project_name: &str,
    domain_id: Option<&str>,
    caller: &Caller,
) -> Mapped<impl FnMut(PgRow) -> sqlx::Result<PutProject> + Send + use<>> {
    sqlx::query_as!(
        PutProject,
        r#"with d as materialized (
                         select coalesce($3, (select p.domain_id from tagd.project p where p.project_id = $1), '') as domain_id)
                       select tagd.put_project($1, $2, d.domain_id, $4::text::tagd.caller) as created,
                              d.domain_id as "domain_id!"
                         from d"#,
        project_id,
        project_name,
        domain_id,
        row_of(caller)
    )
}
