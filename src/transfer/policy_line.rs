//! A policy as JSON: the body of a request, and a line of an export.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        Policy,
        policy::{MOST_TYPES, MOST_VALUES},
    },
    json::{self, List},
};

/// A policy as a client sends it. A request names it in its path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyBody {
    /// May be repeated from an export.
    #[serde(rename = "kind")]
    _kind: Option<PolicyKind>,
    pub(crate) policy_name: Option<String>,
    pub(crate) domain_id: Option<String>,
    project_id: Option<String>,
    resource_types: Option<List<String, MOST_TYPES>>,
    key: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    exact_spelling: bool,
    values: Option<List<String, MOST_VALUES>>,
    pattern: Option<String>,
    #[serde(default)]
    enforced: bool,
    description: Option<String>,
}

/// The only kind that a policy has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicyKind {
    Policy,
}

impl PolicyBody {
    /// The policy, of the name that it has in the path of a request, or otherwise in the body.
    pub(crate) fn into_policy(self) -> Policy {
        Policy {
            name: self.policy_name.unwrap_or_default(),
            domain_id: self.domain_id,
            project_id: self.project_id,
            resource_types: self.resource_types.map(|List(types)| types),
            key: self.key,
            is_required: self.required,
            is_exact: self.exact_spelling,
            values: self.values.map(|List(values)| values),
            pattern: self.pattern,
            is_enforced: self.enforced,
            description: self.description.unwrap_or_default(),
        }
    }
}

/// A policy as it is answered and exported.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyFields<'a> {
    policy_name: &'a str,
    /// Null for all domains.
    domain_id: Option<&'a str>,
    /// Null for all projects of the domain.
    project_id: Option<&'a str>,
    /// Null for all types.
    resource_types: Option<&'a [String]>,
    key: &'a str,
    required: bool,
    exact_spelling: bool,
    /// Null for any.
    values: Option<&'a [String]>,
    /// Null for any.
    pattern: Option<&'a str>,
    enforced: bool,
    description: &'a str,
}

impl<'a> PolicyFields<'a> {
    pub(crate) fn of(policy: &'a Policy) -> Self {
        Self {
            policy_name: &policy.name,
            domain_id: policy.domain_id.as_deref(),
            project_id: policy.project_id.as_deref(),
            resource_types: policy.resource_types.as_deref(),
            key: &policy.key,
            required: policy.is_required,
            exact_spelling: policy.is_exact,
            values: policy.values.as_deref(),
            pattern: policy.pattern.as_deref(),
            enforced: policy.is_enforced,
            description: &policy.description,
        }
    }
}

/// Reads a line. The error says what is wrong with it.
pub(crate) fn decode(line: &[u8]) -> Result<Policy, String> {
    let body: PolicyBody = json::read_object(line, "").map_err(|error| error.on_its_line())?;
    Ok(body.into_policy())
}
