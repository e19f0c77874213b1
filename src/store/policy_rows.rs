//! Policies and violations as JSON, in which they are passed to the functions of the database and back.

use serde_json::{Value, json};

use crate::domain::{CheckedPolicy, Pattern, PolicyRefusal, Problem, RequestError, Violation, matching::fold};

/// A policy as an object with the columns of `tagd.policy`.
pub(super) fn row_of(checked: &CheckedPolicy) -> Value {
    let policy = checked.policy();
    json!({
        "policy_name": policy.name,
        "domain_id": policy.domain_id,
        "project_id": policy.project_id,
        "resource_types": policy.resource_types,
        "key": policy.key,
        "folded_key": fold(&policy.key),
        "is_required": policy.is_required,
        "is_exact": policy.is_exact,
        "allowed_values": policy.values,
        "pattern": policy.pattern,
        "pattern_are": checked.pattern().map(Pattern::are),
        "is_enforced": policy.is_enforced,
        "description": policy.description,
    })
}

/// The error for a write that a policy forbids, from what `tagd.new_violation` returned.
pub(super) fn against_policy(violation: &str) -> RequestError {
    refusal_of(violation).map_or_else(
        || RequestError::internal(format!("tagd.new_violation answered {violation}")),
        |refusal| RequestError::AgainstPolicy { refusal: Box::new(refusal) },
    )
}

fn refusal_of(violation: &str) -> Option<PolicyRefusal> {
    let found: Value = serde_json::from_str(violation).ok()?;
    let values = found.get("values").and_then(Value::as_array);
    Some(PolicyRefusal {
        violation: violation_of(&found, "policy")?,
        values: values.map(|values| values.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()),
        more: found.get("more").and_then(Value::as_u64).unwrap_or_default(),
        pattern: found.get("pattern").and_then(Value::as_str).map(ToOwned::to_owned),
    })
}

/// Rows of `tagd.violation` as JSON; null if there are none.
pub(super) fn violations_of(rows: &Value) -> Vec<Violation> {
    rows.as_array().into_iter().flatten().filter_map(|row| violation_of(row, "policy_name")).collect()
}

/// A violation from an object that has the name of the policy under `name`.
fn violation_of(row: &Value, name: &str) -> Option<Violation> {
    let text = |field: &str| row.get(field).and_then(Value::as_str);
    Some(Violation {
        policy: text(name)?.to_owned(),
        key: text("key")?.to_owned(),
        problem: Problem::from_name(text("problem")?)?,
        found: text("found").map(ToOwned::to_owned),
    })
}
