//! Policies: who may read and change them, and how resources comply with them.

use super::{
    Registry,
    access::{Action, Grant, Target},
};
use crate::{
    auth::Principal,
    domain::{
        CheckedPolicy, FieldKind, Policy, PolicyRefusal, RequestError, Tag, is_storable,
        policy::{Compliance, Offender, StoredPolicy, check_policy_domain},
        registry::{Condition, RegistryError},
    },
    store::{ComplianceFilter, ComplianceMarker, OffenderMarker, PolicyPlace},
};

/// A policy by its name. The same name may be that of policies of several domains, of which an operator sees all.
#[derive(Debug, Clone, Copy)]
pub struct PolicyRef<'a> {
    /// Name.
    pub name: &'a str,
    /// Domain of the policy, if one is named.
    pub domain_id: Option<&'a str>,
}

/// Which compliance is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComplianceQuery<'a> {
    /// Only this project.
    pub project_id: Option<&'a str>,
    /// Only this resource type, or the type of this alias.
    pub resource_type: Option<&'a str>,
    /// Only with this policy.
    pub policy: Option<PolicyRef<'a>>,
}

/// A page of resources that violate policies.
#[derive(Debug)]
pub struct OffenderPage {
    /// The total.
    pub total: u64,
    /// The page.
    pub offenders: Vec<Offender>,
    /// Marker of the next page, if this one is not empty.
    pub next_marker: Option<String>,
}

/// What a policy would do.
#[derive(Debug)]
pub struct TriedPolicy {
    /// The resources that it would concern.
    pub resources: u64,
    /// Those that would violate it.
    pub violating: u64,
    /// How they comply with it, by project and type: the first 1000 rows.
    pub compliance: Vec<Compliance>,
    /// How many rows there are in all.
    pub rows: usize,
    /// Why a resource with certain tags would be refused, if there are any.
    pub refused: Option<Vec<PolicyRefusal>>,
}

/// Rows of the compliance with a policy that is only tried; beyond that, a summary is too long to read.
const TRIED: usize = 1000;

impl Registry {
    /// A page of the policies that concern projects of the principal, by name, and the marker of the next page.
    pub async fn list_policies(
        &self,
        principal: &Principal,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<StoredPolicy>, Option<String>), RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::Everywhere).await?;
        // no name has a slash
        let marker = marker.map(|marker| match marker.split_once('/') {
            None => (marker, None),
            Some((name, domain_id)) => (name, Some(domain_id)),
        });
        let found = grant.store().list_policies(grant.covered(), marker, limit).await?;
        let next = found.last().map(|StoredPolicy { policy, .. }| match &policy.domain_id {
            None => policy.name.clone(),
            Some(domain_id) => format!("{}/{domain_id}", policy.name),
        });
        Ok((found, next))
    }

    /// A policy.
    pub async fn find_policy(
        &self,
        principal: &Principal,
        policy: PolicyRef<'_>,
    ) -> Result<StoredPolicy, RegistryError> {
        self.access.may(principal, Action::Read, Target::Everywhere).await?.find_policy(policy).await
    }

    /// Creates a policy or replaces one. A policy of a principal that is confined to a domain is one of this domain. Returns
    /// true if it is new. When an enforced policy is answered, no write is running any more that does not know it.
    pub async fn put_policy(
        &self,
        principal: &Principal,
        policy: Policy,
        condition: &Condition,
    ) -> Result<(bool, StoredPolicy), RegistryError> {
        let (grant, checked) = self.check_policy(principal, policy).await?;
        let put = grant.writer().put_policy(&checked, grant.covered().projects, condition).await?;
        if put.stored.policy.is_enforced {
            grant.store().await_writers().await?;
        }
        Ok((put.created, put.stored))
    }

    /// Deletes a policy.
    pub async fn remove_policy(
        &self,
        principal: &Principal,
        policy: PolicyRef<'_>,
        condition: &Condition,
    ) -> Result<(), RegistryError> {
        let grant = self.access.may(principal, Action::ManagePolicies, Target::Everywhere).await?;
        let found = match grant.find_policy(policy).await {
            Err(RegistryError::UnknownPolicy { .. }) if matches!(condition, Condition::Matches(_)) => {
                return Err(RegistryError::Condition);
            }
            found => found?.policy,
        };
        let covered = grant.covered();
        let is_own = found.domain_id.as_deref() == covered.domain_id || covered.domain_id.is_none();
        let is_covered =
            covered.projects.is_none_or(|projects| found.project_id.is_some_and(|id| projects.contains(&id)));
        if !is_own || !is_covered {
            let reason = "policy_name: the policy concerns more than these credentials may change";
            return Err(RequestError::Forbidden { reason: reason.to_owned() }.into());
        }
        let domain_id = found.domain_id.as_deref();
        if grant.writer().remove_policy(domain_id, policy.name, covered.projects, condition).await? {
            Ok(())
        } else {
            Err(unknown(policy.name))
        }
    }

    /// A page of how resources comply with policies, by project, type and policy, and the marker of the next page.
    pub async fn compliance(
        &self,
        principal: &Principal,
        query: ComplianceQuery<'_>,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<(Vec<Compliance>, Option<String>), RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::projects(query.project_id)).await?;
        let resource_type = grant.check_query(&query).await?;
        let filter = grant.filter(&query, resource_type.as_deref()).await?;
        let marker = marker
            .map(|marker| compliance_marker(marker).ok_or_else(|| RequestError::not_a_marker(marker)))
            .transpose()?;
        let found = grant.store().compliance(&filter, marker, limit).await?;
        let next = found.last().map(|row| format!("{}/{}/{}", row.project_id, row.resource_type, row.policy));
        Ok((found, next))
    }

    /// How resources would comply with a policy that is not stored, and what would be wrong with one that has these tags.
    pub async fn try_policy(
        &self,
        principal: &Principal,
        mut policy: Policy,
        tags: Option<&[Tag]>,
    ) -> Result<TriedPolicy, RegistryError> {
        if policy.name.is_empty() {
            // only the answer names it
            "trial".clone_into(&mut policy.name);
        }
        let (grant, checked) = self.check_policy(principal, policy).await?;
        if let Some(project_id) = &checked.policy().project_id {
            grant.find_project(project_id).await?;
        }
        let mut types = checked.policy().resource_types.clone();
        for name in types.iter_mut().flatten() {
            *name = grant.find_type(name).await?.resource_type;
        }
        let checked = checked.with_types(types);
        let mut compliance = grant.store().try_policy(&checked, grant.covered()).await?;
        let sum = |count: fn(&Compliance) -> u64| compliance.iter().map(count).sum();
        let (resources, violating, rows) = (sum(|row| row.resources), sum(|row| row.violating), compliance.len());
        compliance.truncate(TRIED);
        let refusals =
            |tags| checked.violations(tags).into_iter().map(|violation| checked.refusal(violation)).collect();
        Ok(TriedPolicy { resources, violating, compliance, rows, refused: tags.map(refusals) })
    }

    /// A page of the resources that violate policies: those of the query, or all that concern the projects of the principal. By
    /// project and type, and in each the newest first.
    pub async fn offenders(
        &self,
        principal: &Principal,
        query: ComplianceQuery<'_>,
        marker: Option<&str>,
        limit: u32,
    ) -> Result<OffenderPage, RegistryError> {
        let grant = self.access.may(principal, Action::Read, Target::projects(query.project_id)).await?;
        let resource_type = grant.check_query(&query).await?;
        let filter = grant.filter(&query, resource_type.as_deref()).await?;
        let marker = marker
            .map(|marker| offender_marker(marker).ok_or_else(|| RequestError::not_a_marker(marker)))
            .transpose()?;
        let (total, offenders) = grant.store().offenders(&filter, marker, limit).await?;
        let next_marker =
            offenders.last().map(|last| format!("{:08x}/{}/{}", last.slot, last.resource_type, last.project_id));
        Ok(OffenderPage { total, offenders, next_marker })
    }

    /// Whether a principal may put a policy of all projects or of one. It may be about to be registered.
    pub(super) async fn may_put_policy<'a>(
        &'a self,
        principal: &'a Principal,
        project_id: Option<&str>,
        may_be_new: bool,
    ) -> Result<Grant<'a>, RequestError> {
        // a project has to be one of the principal's
        if let Some(project_id) = project_id {
            let target = if may_be_new { Target::NewProject(project_id) } else { Target::Project(project_id) };
            self.access.may(principal, Action::ManagePolicies, target).await?;
        }
        let target = if project_id.is_some() { Target::Everywhere } else { Target::Account };
        self.access.may(principal, Action::ManagePolicies, target).await
    }

    /// The same for a policy, which must meet the limits, with its domain.
    async fn check_policy<'a>(
        &'a self,
        principal: &'a Principal,
        policy: Policy,
    ) -> Result<(Grant<'a>, CheckedPolicy), RequestError> {
        let grant = self.may_put_policy(principal, policy.project_id.as_deref(), false).await?;
        let checked = grant.with_limits(policy)?;
        grant.check_pattern(&checked).await?;
        Ok((grant, checked))
    }
}

impl<'a> Grant<'a> {
    /// A policy with its domain, if it meets the limits.
    pub(super) fn with_limits(&self, policy: Policy) -> Result<CheckedPolicy, RequestError> {
        let domain_id = self.domain_of(policy.domain_id.as_deref())?.map(ToOwned::to_owned);
        CheckedPolicy::new(Policy { domain_id, ..policy })
    }

    /// Whether Postgres prepares the pattern of a policy in time.
    pub(super) async fn check_pattern(&self, checked: &CheckedPolicy) -> Result<(), RequestError> {
        let Some(pattern) = checked.pattern() else { return Ok(()) };
        if self.store().is_prepared_in_time(pattern.are()).await? {
            return Ok(());
        }
        let reason =
            "takes the database too long to prepare; use fewer optional parts in a row, or fewer different characters";
        Err(RequestError::invalid(FieldKind::General, "pattern", reason))
    }

    /// The domain of what is not in a project: that to which the principal is confined, or otherwise the one that is named.
    pub(super) fn domain_of<'d>(&self, given: Option<&'d str>) -> Result<Option<&'d str>, RequestError>
    where
        'a: 'd,
    {
        match (given, self.confined_to()) {
            (Some(given), Some(own)) if given != own => Err(RequestError::forbidden_domain()),
            (_, Some(own)) => Ok(Some(own)),
            (given, None) => Ok(given),
        }
    }

    async fn find_policy(&self, policy: PolicyRef<'_>) -> Result<StoredPolicy, RegistryError> {
        if let Some(domain_id) = policy.domain_id {
            check_policy_domain(domain_id)?;
        }
        if !is_storable(policy.name) {
            return Err(unknown(policy.name));
        }
        let domain_id = self.domain_of(policy.domain_id)?;
        let or_of_all = policy.domain_id.is_none() && self.confined_to().is_some();
        let place = PolicyPlace { domain_id, or_of_all, covered: self.covered() };
        self.store().find_policy(policy.name, place).await?.ok_or_else(|| unknown(policy.name))
    }

    /// Refuses a project or a type that does not exist. Returns the own name of the type.
    async fn check_query(&self, query: &ComplianceQuery<'_>) -> Result<Option<String>, RegistryError> {
        if let Some(project_id) = query.project_id {
            self.find_project(project_id).await?;
        }
        match query.resource_type {
            None => Ok(None),
            Some(name) => Ok(Some(self.find_type(name).await?.resource_type)),
        }
    }

    async fn filter<'f>(
        &'f self,
        query: &ComplianceQuery<'f>,
        resource_type: Option<&'f str>,
    ) -> Result<ComplianceFilter<'f>, RegistryError> {
        let policy_id = match query.policy {
            None => None,
            Some(policy) => Some(self.find_policy(policy).await?.id),
        };
        Ok(ComplianceFilter { covered: self.covered(), project_id: query.project_id, resource_type, policy_id })
    }
}

/// Types and policies have no slash in their names.
fn compliance_marker(marker: &str) -> Option<ComplianceMarker<'_>> {
    let mut parts = marker.rsplitn(3, '/');
    let (policy, resource_type, project_id) = (parts.next()?, parts.next()?, parts.next()?);
    is_storable(marker).then_some(ComplianceMarker { project_id, resource_type, policy })
}

fn offender_marker(marker: &str) -> Option<OffenderMarker<'_>> {
    let mut parts = marker.splitn(3, '/');
    let (slot, resource_type, project_id) = (parts.next()?, parts.next()?, parts.next()?);
    // only as it was written: from_str_radix takes a sign and upper case
    let slot = i32::from_str_radix(slot, 16).ok().filter(|number| *number >= 0 && format!("{number:08x}") == slot)?;
    is_storable(marker).then_some(OffenderMarker { project_id, resource_type, slot })
}

fn unknown(name: &str) -> RegistryError {
    RegistryError::UnknownPolicy { name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_of_offenders_is_taken_as_it_was_written_only() {
        let slot = |marker: &str| offender_marker(marker).map(|marker| marker.slot);
        assert_eq!(slot("0000000a/ecs/p"), Some(10));
        for wrong in ["0000000A/ecs/p", "+000000a/ecs/p", "a/ecs/p", "8000000a/ecs/p", "-000000a/ecs/p", "0000000a/ecs"]
        {
            assert_eq!(slot(wrong), None, "{wrong}");
        }
    }
}
