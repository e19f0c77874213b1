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
                    r#"select s.project_id as "project_id!", s.resource_type as "resource_type!", (s.policy).policy_name as "policy_name!",
                              (s.policy).key as "key!", (s.policy).is_enforced as "is_enforced!", c.resources as "resources!",
                              c.violating as "violating!", c.missing as "missing!", c.wrong_value as "wrong_value!",
                              c.misspelled as "misspelled!"
                         from (select s.scope_id, s.project_id, s.resource_type, s.policy
                                 from tagd.policy_scope s
                                where ($1::text is null or s.domain_id = $1)
                                  and ($2::text[] is null or s.project_id = any ($2))
                                  and ($3::text is null or s.project_id = $3)
                                  and ($4::text is null or s.resource_type = $4)
                                  and ($5::bigint is null or (s.policy).policy_id = $5)
                                  and ($6::text is null or (s.project_id, s.resource_type, (s.policy).policy_name) > ($6, $7, $8))
                                order by s.project_id, s.resource_type, (s.policy).policy_name
                                limit $9) s
                        cross join lateral tagd.count_violations(s.scope_id, s.policy) c
                        order by s.project_id, s.resource_type, (s.policy).policy_name"#,
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
                    r#"select s.project_id as "project_id!", s.resource_type as "resource_type!", (s.policy).policy_name as "policy_name!",
                              (s.policy).key as "key!", (s.policy).is_enforced as "is_enforced!", c.resources as "resources!",
                              c.violating as "violating!", c.missing as "missing!", c.wrong_value as "wrong_value!",
                              c.misspelled as "misspelled!"
                         from (select s.scope_id, s.project_id, s.resource_type, p.policy
                                 from (select jsonb_populate_record(null::tagd.policy, $1) as policy offset 0) p
                                 cross join tagd.scope s
                                 join tagd.project j on j.project_id = s.project_id
                                where tagd.concerns(p.policy, j.domain_id, s.project_id, s.resource_type)
                                  and ($2::text is null or j.domain_id = $2)
                                  and ($3::text[] is null or j.project_id = any ($3))
                                order by s.project_id, s.resource_type) s
                        cross join lateral tagd.count_violations(s.scope_id, s.policy) c
                        order by s.project_id, s.resource_type"#,
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
                    r#"with part as materialized (
                         select s.scope_id, s.project_id, s.resource_type, array_agg(s.policy order by (s.policy).policy_name) as policies
                           from tagd.policy_scope s
                          where ($1::text is null or s.domain_id = $1)
                            and ($2::text[] is null or s.project_id = any ($2))
                            and ($3::text is null or s.project_id = $3)
                            and ($4::text is null or s.resource_type = $4)
                            and ($5::bigint is null or (s.policy).policy_id = $5)
                          group by s.scope_id, s.project_id, s.resource_type),
                       counted as materialized (
                         select p.scope_id, p.project_id, p.resource_type, p.policies, o.total, o.slots
                           from part p
                          cross join lateral tagd.offenders(
                                  p.scope_id, p.policies, case when (p.project_id, p.resource_type) = ($6::text, $7::text) then $8::integer end,
                                  case when (p.project_id, p.resource_type) < ($6::text, $7::text) then 0 else $9::integer end) o),
                       page as (
                         select c.scope_id, c.project_id, c.resource_type, c.policies, e.slot
                           from counted c, unnest(c.slots) as e (slot)
                          order by c.project_id, c.resource_type, e.slot desc
                          limit $9)
                       select (select coalesce(sum(c.total), 0)::bigint from counted c) as "total!", p.project_id as "project_id?",
                              p.resource_type as "resource_type?", p.slot as "slot?", r.resource_id as "resource_id?",
                              r.resource_name as "resource_name?", to_jsonb(tagd.violations_of(p.policies, r.tags)) as violations
                         from (select) one
                         left join (page p join tagd.resource r on r.scope_id = p.scope_id and r.slot = p.slot) on true
                        order by p.project_id, p.resource_type, p.slot desc"#,
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
        let total = rows.first().map_or(0, |row| count_of(row.total));
        let offenders = rows.into_iter().filter_map(|row| {
            // an empty page is one row without a resource
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
