//! Statements of policies.

use sqlx::{Executor, postgres::PgRow};

use super::{
    Store,
    caller::row_of as caller_row_of,
    failure::{detail_of, refusal_of, state_of},
    forms::Form,
    policy_rows::row_of,
    put_queries::Mapped,
    registry::matched,
    retry::Retry,
    states::Refusal,
};
use crate::domain::{
    Caller, CheckedPolicy, FieldKind, Policy, ProjectFilter, RequestError,
    policy::StoredPolicy,
    reason,
    registry::{Condition, RegistryError},
};

/// Where a policy is looked for.
#[derive(Debug, Clone, Copy)]
pub struct PolicyPlace<'a> {
    /// The domain of the policy; `None` for a policy of all domains.
    pub domain_id: Option<&'a str>,
    /// Whether a policy of all domains is found as well.
    pub or_of_all: bool,
    /// The projects that are covered: a policy for other projects is not found.
    pub covered: ProjectFilter<'a>,
}

/// A policy that was put.
#[derive(Debug)]
pub struct PutPolicy {
    /// Whether it is new.
    pub created: bool,
    /// The policy as it is now.
    pub stored: StoredPolicy,
}

/// A row of `tagd.policy`.
pub(super) struct PolicyRow {
    pub(super) policy_id: i64,
    pub(super) policy_name: String,
    pub(super) domain_id: Option<String>,
    pub(super) project_id: Option<String>,
    pub(super) resource_types: Option<Vec<String>>,
    pub(super) key: String,
    pub(super) is_required: bool,
    pub(super) is_exact: bool,
    pub(super) allowed_values: Option<Vec<String>>,
    pub(super) pattern: Option<String>,
    pub(super) is_enforced: bool,
    pub(super) description: String,
    pub(super) etag: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl PolicyRow {
    /// About as many bytes of memory as it takes.
    fn size(&self) -> usize {
        let lists = self.allowed_values.iter().chain(&self.resource_types).flatten();
        let pattern = self.pattern.as_ref().map_or(0, String::len);
        let texts = lists.map(|text| size_of::<String>() + text.len()).sum::<usize>();
        2 * size_of::<Self>() + self.description.len() + pattern + texts
    }
}

impl From<PolicyRow> for StoredPolicy {
    fn from(row: PolicyRow) -> Self {
        Self {
            id: row.policy_id,
            policy: Policy {
                name: row.policy_name,
                domain_id: row.domain_id,
                project_id: row.project_id,
                resource_types: row.resource_types,
                key: row.key,
                is_required: row.is_required,
                is_exact: row.is_exact,
                values: row.allowed_values,
                pattern: row.pattern,
                is_enforced: row.is_enforced,
                description: row.description,
            },
            etag: row.etag,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// How often the time of a regular expression is measured, if it is too long.
const TRIES: u32 = 10;

impl Store {
    /// Whether Postgres prepares a regular expression in 50 ms, which it would do once in each session that uses it. A write may
    /// need 24 of them.
    pub async fn is_prepared_in_time(&self, are: &str) -> Result<bool, RequestError> {
        let lane = self.expensive(Form::IsPreparedInTime);
        let prepared = lane.begin(|| async {
            let mut connection = lane.acquire().await?;
            let mut prepared = Ok(false);
            // one try in time is enough: the others may have waited for a processor
            for _ in 0..TRIES {
                connection.execute("begin").await?;
                connection.execute("select set_config('statement_timeout', '50', true)").await?;
                prepared = match sqlx::query("select '' ~ $1").bind(are).execute(&mut *connection).await {
                    Ok(_) => Ok(true),
                    Err(error) if state_of(&error).as_deref() == Some("57014") => Ok(false),
                    Err(error) => Err(error),
                };
                connection.execute("rollback").await?;
                if !matches!(prepared, Ok(false)) {
                    break;
                }
            }
            connection.release(prepared)
        });
        Ok(prepared.await?)
    }

    /// A page of the policies that concern the projects that are covered, by name and domain, behind a marker: name and domain
    /// of the last one.
    pub async fn list_policies(
        &self,
        covered: ProjectFilter<'_>,
        marker: Option<(&str, Option<&str>)>,
        limit: u32,
    ) -> Result<Vec<StoredPolicy>, RequestError> {
        let (name, domain_id) = marker.unzip();
        let domain_id = domain_id.flatten();
        let rows = self
            .cheap(Form::ListPolicies)
            .fetch_large(Retry::Read, || {
                sqlx::query_as!(
                    PolicyRow,
                    r#"select p.policy_id as "policy_id!", p.policy_name as "policy_name!", p.domain_id, p.project_id, p.resource_types, p.key as "key!",
                              p.is_required as "is_required!", p.is_exact as "is_exact!", p.allowed_values, p.pattern, p.is_enforced as "is_enforced!",
                              p.description as "description!", tagd.policy_etag(p.policy) as "etag!",
                              floor(extract(epoch from p.created_at))::bigint as "created_at!",
                              floor(extract(epoch from p.updated_at))::bigint as "updated_at!"
                         from tagd.policy_row p
                        where ($1::text is null or p.domain_id is null or p.domain_id = $1)
                          and ($2::text[] is null or p.project_id is null or p.project_id = any ($2))
                          and ($1::text is null or p.domain_id is not null or p.project_id is null
                               or exists (select from tagd.project j where j.project_id = p.project_id and j.domain_id = $1))
                          and ($3::text is null or p.policy_name > $3
                               or p.policy_name = $3 and p.domain_id is not null and ($4::text is null or p.domain_id > $4))
                        order by p.policy_name, p.domain_id nulls first
                        limit $5"#,
                    covered.domain_id,
                    covered.projects,
                    name,
                    domain_id,
                    i64::from(limit)
                )
            }, |row| {
                let size = row.size();
                Ok((StoredPolicy::from(row), size))
            })
            .await?;
        Ok(rows)
    }

    /// A policy; `None` if it is unknown.
    pub async fn find_policy(&self, name: &str, place: PolicyPlace<'_>) -> Result<Option<StoredPolicy>, RequestError> {
        let PolicyPlace { domain_id, or_of_all, covered } = place;
        let row = self
            .cheap(Form::FindPolicy)
            .fetch_optional(Retry::Read, || {
                sqlx::query_as!(
                    PolicyRow,
                    r#"select p.policy_id as "policy_id!", p.policy_name as "policy_name!", p.domain_id, p.project_id, p.resource_types, p.key as "key!",
                              p.is_required as "is_required!", p.is_exact as "is_exact!", p.allowed_values, p.pattern, p.is_enforced as "is_enforced!",
                              p.description as "description!", tagd.policy_etag(p.policy) as "etag!",
                              floor(extract(epoch from p.created_at))::bigint as "created_at!",
                              floor(extract(epoch from p.updated_at))::bigint as "updated_at!"
                         from tagd.policy_row p
                        where p.policy_name = $1
                          and (p.domain_id is not distinct from $2 or $3 and p.domain_id is null)
                          and ($5::text[] is null or p.project_id is null or p.project_id = any ($5))
                          and ($4::text is null or p.domain_id is not null or p.project_id is null
                               or exists (select from tagd.project j where j.project_id = p.project_id and j.domain_id = $4))"#,
                    name,
                    domain_id,
                    or_of_all,
                    covered.domain_id,
                    covered.projects
                )
            })
            .await?;
        Ok(row.map(StoredPolicy::from))
    }

    /// Creates a policy or replaces one. `projects` are the only ones whose policies the caller may change; `None` for all.
    pub async fn put_policy(
        &self,
        checked: &CheckedPolicy,
        projects: Option<&[String]>,
        condition: &Condition,
    ) -> Result<PutPolicy, RegistryError> {
        let row = self
            .writing(Form::PutPolicy)
            .fetch_one(Retry::Write, || put_policy_query(checked, projects, condition, &self.caller))
            .await
            .map_err(|error| put_error(checked, error))?;
        let policy = checked.clone().with_types(row.resource_types).policy().clone();
        let stored = StoredPolicy {
            id: row.policy_id,
            policy,
            etag: row.etag,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Ok(PutPolicy { created: row.created, stored })
    }

    /// Deletes a policy of a domain, or one of all domains. False if there is none that the caller may delete.
    pub async fn remove_policy(
        &self,
        domain_id: Option<&str>,
        name: &str,
        projects: Option<&[String]>,
        condition: &Condition,
    ) -> Result<bool, RegistryError> {
        let removed = self
            .writing(Form::RemovePolicy)
            .fetch_one(Retry::Write, || {
                sqlx::query_scalar!(
                    "select tagd.remove_policy($1, $2, $3, $4, $5::text::tagd.caller)",
                    domain_id,
                    name,
                    projects,
                    matched(condition),
                    caller_row_of(&self.caller)
                )
            })
            .await
            .map_err(policy_error)?;
        Ok(removed.unwrap_or_default())
    }
}

/// A row of `tagd.put_policy`.
pub(super) struct PutRow {
    pub(super) created: bool,
    pub(super) etag: String,
    policy_id: i64,
    resource_types: Option<Vec<String>>,
    created_at: i64,
    updated_at: i64,
}

/// The statement that creates or replaces a policy.
pub(super) fn put_policy_query(
    checked: &CheckedPolicy,
    projects: Option<&[String]>,
    condition: &Condition,
    caller: &Caller,
) -> Mapped<impl FnMut(PgRow) -> sqlx::Result<PutRow> + Send + use<>> {
    sqlx::query_as!(
        PutRow,
        r#"select r.created as "created!", r.etag as "etag!", (r.policy).policy_id as "policy_id!", (r.policy).resource_types,
                              floor(extract(epoch from (r.policy).created_at))::bigint as "created_at!",
                              floor(extract(epoch from (r.policy).updated_at))::bigint as "updated_at!"
                         from tagd.put_policy($1, $2, $3, $4, $5::text::tagd.caller) r"#,
        row_of(checked),
        projects,
        matched(condition),
        *condition == Condition::Absent,
        caller_row_of(caller)
    )
}

/// The error for a policy that could not be put.
pub(super) fn put_error(checked: &CheckedPolicy, error: sqlx::Error) -> RegistryError {
    match refusal_of(&error) {
        Some(Refusal::TooManyPatterns) => {
            let place = if checked.policy().domain_id.is_some() { "in a domain" } else { "for all domains" };
            let reason = format!("there may be at most {} policies with a pattern {place}", detail_of(&error));
            RequestError::invalid(FieldKind::General, "pattern", reason).into()
        }
        _ => policy_error(error),
    }
}

/// The error for a failed change of a policy.
fn policy_error(error: sqlx::Error) -> RegistryError {
    let detail = detail_of(&error);
    match refusal_of(&error) {
        Some(Refusal::Condition) => RegistryError::Condition,
        Some(Refusal::UnknownType) => RegistryError::unknown_type(detail),
        Some(Refusal::UnknownProject) => RegistryError::unknown_project(detail),
        Some(Refusal::PolicyExists) => RegistryError::PolicyExists { name: detail.to_owned() },
        Some(Refusal::TooManyPolicies) => {
            let most = detail.parse().unwrap_or_default();
            let reason = reason::too_many(most, "policies in a domain");
            RequestError::invalid(FieldKind::General, "policies", reason).into()
        }
        _ => RequestError::from(error).into(),
    }
}
