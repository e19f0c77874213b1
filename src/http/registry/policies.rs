//! Policies over HTTP, and how resources comply with them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Payload, ServiceConfig},
};
use serde::{Deserialize, Serialize};

use super::{
    credentials::time_of,
    refusal::Refusal,
    respond::{ALL, Handled, READ, RegistryAccess, only, put_status, read, reply, reply_read, reply_with},
    wire::{self, MarkerReply, Parameters},
};
use crate::{
    domain::{
        FieldKind, Policy, PolicyRefusal, RequestError, Violation,
        policy::{Compliance, Offender, StoredPolicy},
        registration,
    },
    http::{body, path::get_or_head},
    json::Object,
    service::{ComplianceQuery, OffenderPage, PolicyRef},
    transfer::{
        line::{self, TagsBody},
        policy_line::{PolicyBody, PolicyFields},
    },
};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(only("/policies", READ).route(get_or_head().to(list)))
        .service(
            only("/policies/{policy}", ALL)
                .route(get_or_head().to(get))
                .route(web::put().to(put))
                .route(web::delete().to(delete)),
        )
        .service(only("/policies/{policy}/offenders", READ).route(get_or_head().to(offenders_of_policy)))
        .service(only("/projects/{project_id}/offenders", READ).route(get_or_head().to(offenders_in_project)))
        .service(
            only("/compliance", "GET, HEAD, OPTIONS, POST")
                .route(get_or_head().to(compliance))
                .route(web::post().to(try_policy)),
        );
}

#[derive(Serialize)]
struct PoliciesReply<'a> {
    policies: Vec<PolicyReply<'a>>,
    /// Null on an empty page.
    next_marker: Option<String>,
}

#[derive(Serialize)]
struct PolicyReply<'a> {
    #[serde(flatten)]
    fields: PolicyFields<'a>,
    created_at: String,
    updated_at: String,
}

impl<'a> PolicyReply<'a> {
    fn of(stored: &'a StoredPolicy) -> Self {
        Self {
            fields: PolicyFields::of(&stored.policy),
            created_at: time_of(stored.created_at),
            updated_at: time_of(stored.updated_at),
        }
    }
}

#[derive(Serialize)]
struct ComplianceReply<'a> {
    compliance: Vec<ComplianceRow<'a>>,
    /// Null on an empty page.
    next_marker: Option<String>,
}

/// A policy that is tried, and the tags of a resource that might be registered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrialBody {
    policy: Object<PolicyBody>,
    tags: Option<TagsBody>,
}

#[derive(Serialize)]
struct TrialReply<'a> {
    resources: u64,
    violating: u64,
    compliance: Vec<ComplianceRow<'a>>,
    /// What is wrong with the tags, so that they would be refused; null if none were given.
    refused: Option<Vec<RefusalReply<'a>>>,
}

/// Numbers of resources of a type in a project.
#[derive(Serialize)]
struct ComplianceRow<'a> {
    project_id: &'a str,
    resource_type: &'a str,
    policy_name: &'a str,
    key: &'a str,
    enforced: bool,
    resources: u64,
    violating: u64,
    missing: u64,
    wrong_value: u64,
    misspelled: u64,
}

impl<'a> ComplianceRow<'a> {
    fn of(row: &'a Compliance) -> Self {
        Self {
            project_id: &row.project_id,
            resource_type: &row.resource_type,
            policy_name: &row.policy,
            key: &row.key,
            enforced: row.is_enforced,
            resources: row.resources,
            violating: row.violating,
            missing: row.missing,
            wrong_value: row.wrong_value,
            misspelled: row.misspelled,
        }
    }
}

#[derive(Serialize)]
struct OffendersReply<'a> {
    total_count: u64,
    offenders: Vec<OffenderReply<'a>>,
    next_marker: MarkerReply,
}

#[derive(Serialize)]
struct OffenderReply<'a> {
    project_id: &'a str,
    resource_type: &'a str,
    resource_id: &'a str,
    resource_name: &'a str,
    violations: Vec<ViolationReply<'a>>,
}

#[derive(Serialize)]
struct ViolationReply<'a> {
    policy_name: &'a str,
    key: &'a str,
    problem: &'static str,
    /// The value, or the key in another spelling; null if the key is missing.
    found: Option<&'a str>,
}

#[derive(Serialize)]
struct RefusalReply<'a> {
    #[serde(flatten)]
    violation: ViolationReply<'a>,
    message: String,
}

impl<'a> RefusalReply<'a> {
    fn of(refusal: &'a PolicyRefusal) -> Self {
        Self { violation: ViolationReply::of(&refusal.violation), message: refusal.to_string() }
    }
}

impl<'a> ViolationReply<'a> {
    fn of(violation: &'a Violation) -> Self {
        let Violation { policy, key, problem, found } = violation;
        Self { policy_name: policy, key, problem: problem.name(), found: found.as_deref() }
    }
}

impl<'a> OffenderReply<'a> {
    fn of(offender: &'a Offender) -> Self {
        let Offender { project_id, resource_type, slot: _, resource_id, resource_name, violations } = offender;
        let violations = violations.iter().map(ViolationReply::of).collect();
        Self { project_id, resource_type, resource_id, resource_name, violations }
    }
}

async fn list(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["limit", "marker"])?;
    let (policies, next_marker) =
        access.state.registry.list_policies(&access.principal, parameters.marker()?, parameters.limit()?).await?;
    reply_read(&request, None, &PoliciesReply { policies: policies.iter().map(PolicyReply::of).collect(), next_marker })
}

async fn get(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["domain_id"])?;
    let path = wire::path(&request)?;
    let policy = PolicyRef { name: path.get("policy"), domain_id: parameters.get("domain_id") };
    let found = access.state.registry.find_policy(&access.principal, policy).await?;
    reply_read(&request, Some(&found.etag), &PolicyReply::of(&found))
}

async fn put(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    let parameters = Parameters::read(&request, &["domain_id"])?;
    let condition = wire::condition(&request, true)?;
    let body: PolicyBody = read(&request, payload).await?;
    let path = wire::path(&request)?;
    let name = path.get("policy");
    if body.policy_name.as_deref().is_some_and(|given| given != name) {
        return Err(invalid("policy_name", "must be the name in the path").into());
    }
    let domain_id = match (parameters.get("domain_id"), body.domain_id.as_deref()) {
        (Some(asked), Some(given)) if asked != given => {
            return Err(invalid("domain_id", "must be the same in the query string and in the body").into());
        }
        (asked, given) => asked.or(given).map(ToOwned::to_owned),
    };
    let policy = Policy { name: name.to_owned(), domain_id, ..body.into_policy() };
    let (created, stored) = access.state.registry.put_policy(&access.principal, policy, &condition).await?;
    Ok(reply_with(put_status(created), &stored.etag, &PolicyReply::of(&stored)))
}

fn invalid(field: &str, reason: &str) -> RequestError {
    RequestError::invalid(FieldKind::General, field, reason)
}

async fn delete(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["domain_id"])?;
    let condition = wire::condition(&request, false)?;
    body::check_change(&request).map_err(Refusal::Type)?;
    let path = wire::path(&request)?;
    let policy = PolicyRef { name: path.get("policy"), domain_id: parameters.get("domain_id") };
    access.state.registry.remove_policy(&access.principal, policy, &condition).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn compliance(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters =
        Parameters::read(&request, &["domain_id", "limit", "marker", "policy_name", "project_id", "resource_type"])?;
    let domain_id = parameters.get("domain_id");
    let policy = parameters.get("policy_name").map(|name| PolicyRef { name, domain_id });
    if policy.is_none() && domain_id.is_some() {
        return Err(invalid("domain_id", r#"must be given together with "policy_name""#).into());
    }
    let query = ComplianceQuery {
        project_id: parameters.get("project_id"),
        resource_type: parameters.get("resource_type"),
        policy,
    };
    let (limit, marker) = (parameters.limit()?, parameters.marker()?);
    let (rows, next_marker) = access.state.registry.compliance(&access.principal, query, marker, limit).await?;
    let compliance = rows.iter().map(ComplianceRow::of).collect();
    reply_read(&request, None, &ComplianceReply { compliance, next_marker })
}

async fn try_policy(request: HttpRequest, access: RegistryAccess, payload: Payload) -> Handled {
    Parameters::read(&request, &[])?;
    wire::no_condition(&request)?;
    let TrialBody { policy: Object(policy), tags } = read(&request, payload).await?;
    let tags = tags.map(|tags| registration::check_tags(line::tags_of(tags))).transpose()?;
    let tried = access.state.registry.try_policy(&access.principal, policy.into_policy(), tags.as_deref()).await?;
    let reply_body = TrialReply {
        resources: tried.resources,
        violating: tried.violating,
        compliance: tried.compliance.iter().map(ComplianceRow::of).collect(),
        refused: tried.refused.as_ref().map(|refused| refused.iter().map(RefusalReply::of).collect()),
    };
    Ok(reply(StatusCode::OK, &reply_body))
}

async fn offenders_of_policy(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["domain_id", "limit", "marker", "project_id", "resource_type"])?;
    let path = wire::path(&request)?;
    let query = ComplianceQuery {
        project_id: parameters.get("project_id"),
        resource_type: parameters.get("resource_type"),
        policy: Some(PolicyRef { name: path.get("policy"), domain_id: parameters.get("domain_id") }),
    };
    let (limit, marker) = (parameters.limit()?, parameters.marker()?);
    reply_offenders(&request, access.state.registry.offenders(&access.principal, query, marker, limit).await?)
}

async fn offenders_in_project(request: HttpRequest, access: RegistryAccess) -> Handled {
    let parameters = Parameters::read(&request, &["limit", "marker", "resource_type"])?;
    let path = wire::path(&request)?;
    let query = ComplianceQuery {
        project_id: Some(path.get("project_id")),
        resource_type: parameters.get("resource_type"),
        policy: None,
    };
    let (limit, marker) = (parameters.limit()?, parameters.marker()?);
    reply_offenders(&request, access.state.registry.offenders(&access.principal, query, marker, limit).await?)
}

fn reply_offenders(request: &HttpRequest, page: OffenderPage) -> Handled {
    let offenders = page.offenders.iter().map(OffenderReply::of).collect();
    let next_marker = MarkerReply(page.next_marker);
    reply_read(request, None, &OffendersReply { total_count: page.total, offenders, next_marker })
}
