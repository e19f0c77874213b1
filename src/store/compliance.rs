//! Statements that say how resources comply with policies.

use super::{
    Store,
    forms::Form,
    policy_rows::{row_of, violations_of},
    retry::Retry,
};
use crate::domain::{
    CheckedPolicy, ProjectFilter, RequestError,
    policy::{Compliance, Offender},
};

/// Which policies and resources are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComplianceFilter<'a> {
    /// The projects that are covered.
    pub covered: ProjectFilter<'a>,
    /// Only this project.
    pub project_id: Option<&'a str>,
    /// Only this resource type.
    pub resource_type: Option<&'a str>,
    /// Only the policy with this number.
    pub policy_id: Option<i64>,
}

/// The last row of a page of compliance.
#[derive(Debug, Clone, Copy)]
pub struct ComplianceMarker<'a> {
    /// Project.
    pub project_id: &'a str,
    /// Resource type.
    pub resource_type: &'a str,
    /// Policy.
    pub policy: &'a str,
}

/// The last resource of a page of offenders.
#[derive(Debug, Clone, Copy)]
pub struct OffenderMarker<'a> {
    /// Project.
    pub project_id: &'a str,
    /// Resource type.
    pub resource_type: &'a str,
    /// Slot.
    pub slot: i32,
}

struct ComplianceRow {
    project_id: String,
    resource_type: String,
    policy_name: String,
    key: String,
    is_enforced: bool,
    resources: i64,
    violating: i64,
    missing: i64,
    wrong_value: i64,
    misspelled: i64,
}

impl From<ComplianceRow> for Compliance {
    fn from(row: ComplianceRow) -> Self {
        Self {
            project_id: row.project_id,
            resource_type: row.resource_type,
            policy: row.policy_name,
            key: row.key,
            is_enforced: row.is_enforced,
            resources: count_of(row.resources),
            violating: count_of(row.violating),
            missing: count_of(row.missing),
            wrong_value: count_of(row.wrong_value),
            misspelled: count_of(row.misspelled),
        }
    }
}

fn count_of(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

impl Store {
    /// How resources comply with policies, by project, type and policy, behind a marker.
    pub async fn compliance(
        &self,
        filter: &ComplianceFilter<'_>,
        marker: Option<ComplianceMarker<'_>>,
        limit: u32,
    ) -> Result<Vec<Compliance>, RequestError> {
        let rows = self
            .expensive(Form::Compliance)
            .fetch_all(Retry::Read, || {
                sqlx::query_as!(
                    ComplianceRow,
                    r#"select c.project_id as "project_id!", c.resource_type as "resource_type!", c.policy_name as "policy_name!", c.key as "key!",
                              c.is_enforced as "is_enforced!", c.resources as "resources!", c.violating as "violating!", c.missing as "missing!",
                              c.wrong_value as "wrong_value!", c.misspelled as "misspelled!"
                         from tagd.list_compliance($1, $2, $3, $4, $5, $6, $7, $8, $9) c"#,
                    filter.covered.domain_id,
                    filter.covered.projects,
                    filter.project_id,
                    filter.resource_type,
                    filter.policy_id,
                    marker.map(|marker| marker.project_id),
                    marker.map(|marker| marker.resource_type),
                    marker.map(|marker| marker.policy),
                    i64::from(limit)
                )
            })
            .await?;
        Ok(rows.into_iter().map(Compliance::from).collect())
    }

    /// The same for a policy that is not stored.
    pub async fn try_policy(
        &self,
        checked: &CheckedPolicy,
        covered: ProjectFilter<'_>,
    ) -> Result<Vec<Compliance>, RequestError> {
        let rows = self
            .expensive(Form::TryPolicy)
            .fetch_all(Retry::Read, || {
                sqlx::query_as!(
                    ComplianceRow,
                    r#"select c.project_id as "project_id!", c.resource_type as "resource_type!", $1::jsonb ->> 'policy_name' as "policy_name!",
                              $1 ->> 'key' as "key!", ($1 ->> 'is_enforced')::boolean as "is_enforced!", c.resources as "resources!",
                              c.violating as "violating!", c.missing as "missing!", c.wrong_value as "wrong_value!",
                              c.misspelled as "misspelled!"
                         from tagd.try_policy($1, $2, $3) c"#,
                    row_of(checked),
                    covered.domain_id,
                    covered.projects
                )
            })
            .await?;
        Ok(rows.into_iter().map(Compliance::from).collect())
    }

    /// The number of resources that violate the policies of the filter, and a page of them: by project and type, in each the
    /// newest first, behind a marker.
    pub async fn offenders(
        &self,
        filter: &ComplianceFilter<'_>,
        marker: Option<OffenderMarker<'_>>,
        limit: u32,
    ) -> Result<(u64, Vec<Offender>), RequestError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let rows = self
            .expensive(Form::Offenders)
            .fetch_all(Retry::Read, || {
                sqlx::query!(
                    r#"select o.total, o.project_id, o.resource_type, o.slot, o.resource_id, o.resource_name, to_jsonb(o.violations) as violations
                         from tagd.list_offenders($1, $2, $3, $4, $5, $6, $7, $8, $9) o"#,
                    filter.covered.domain_id,
                    filter.covered.projects,
                    filter.project_id,
                    filter.resource_type,
                    filter.policy_id,
                    marker.map(|marker| marker.project_id),
                    marker.map(|marker| marker.resource_type),
                    marker.map(|marker| marker.slot),
                    limit
                )
            })
            .await?;
        let total = rows.last().and_then(|row| row.total).map_or(0, count_of);
        let offenders = rows.into_iter().filter_map(|row| {
            // the last row has the total and no resource
            Some(Offender {
                project_id: row.project_id?,
                resource_type: row.resource_type?,
                slot: row.slot?,
                resource_id: row.resource_id?,
                resource_name: row.resource_name?,
                violations: violations_of(&row.violations.unwrap_or_default()),
            })
        });
        Ok((total, offenders.collect()))
    }
}
