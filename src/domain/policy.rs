//! Policies: which keys resources must have, with which values, and what is wrong with those that have not.

use super::{
    error::{FieldKind, RequestError},
    limits::check_length,
    matching::fold,
    pattern::{PATTERN_LENGTH, Pattern},
    reason,
    registration::{ID_LENGTH, TEXT_LENGTH, check_domain_id, check_project_id, check_text, check_type_name},
    tag::Tag,
    violation::{PolicyRefusal, Problem, Violation},
};

/// Characters of the name of a policy.
pub const NAME_LENGTH: usize = 64;
/// Characters of the description.
pub const DESCRIPTION_LENGTH: usize = 1000;
/// Values that a policy may list.
pub const MOST_VALUES: usize = 500;
/// Values that a message lists; `tagd.new_violation` has the same number.
const SHOWN_VALUES: usize = 10;
/// Resource types that a policy may name.
pub const MOST_TYPES: usize = 100;

/// A rule about the tags of resources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Name.
    pub name: String,
    /// Domain whose projects it concerns; `None` for all domains.
    pub domain_id: Option<String>,
    /// The only project that it concerns; `None` for all projects of the domain.
    pub project_id: Option<String>,
    /// The only resource types that it concerns; `None` for all.
    pub resource_types: Option<Vec<String>>,
    /// The key that it is about.
    pub key: String,
    /// Whether a resource must have the key.
    pub is_required: bool,
    /// Whether keys that differ only in upper and lower case are violations.
    pub is_exact: bool,
    /// The values that the key may have; `None` for any.
    pub values: Option<Vec<String>>,
    /// The pattern that its values must match; `None` for any. A policy has values or a pattern or neither.
    pub pattern: Option<String>,
    /// Whether writes that would add a violation are refused. Otherwise violations are only reported.
    pub is_enforced: bool,
    /// What it is for, in words.
    pub description: String,
}

/// A policy as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Number in the database.
    pub id: i64,
    /// The policy.
    pub policy: Policy,
    /// Entity tag, which differs if anything about the policy differs.
    pub etag: String,
    /// When it was created, in seconds since 1970.
    pub created_at: i64,
    /// When it was last changed, in seconds since 1970.
    pub updated_at: i64,
}

/// A policy that meets the limits.
#[derive(Debug, Clone)]
pub struct CheckedPolicy {
    policy: Policy,
    pattern: Option<Pattern>,
}

/// How resources of a type in a project comply with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compliance {
    /// Project.
    pub project_id: String,
    /// Resource type.
    pub resource_type: String,
    /// Name of the policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// Whether it is enforced.
    pub is_enforced: bool,
    /// Number of resources.
    pub resources: u64,
    /// Those that violate the policy.
    pub violating: u64,
    /// Those that lack the key.
    pub missing: u64,
    /// Those that have the key with a value that is not allowed.
    pub wrong_value: u64,
    /// Those that have the key in another spelling.
    pub misspelled: u64,
}

/// A resource that violates policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offender {
    /// Project.
    pub project_id: String,
    /// Resource type.
    pub resource_type: String,
    /// Position in the order of registration.
    pub slot: i32,
    /// Identifier.
    pub resource_id: String,
    /// Display name.
    pub resource_name: String,
    /// What is wrong with its tags.
    pub violations: Vec<Violation>,
}

impl CheckedPolicy {
    /// Checks a policy against the limits.
    pub fn new(policy: Policy) -> Result<Self, RequestError> {
        check_policy_name(&policy.name)?;
        if let Some(domain_id) = policy.domain_id.as_deref().filter(|domain_id| !domain_id.is_empty()) {
            check_domain_id(domain_id)?;
        }
        if let Some(project_id) = &policy.project_id {
            check_project_id("project_id", project_id)?;
        }
        if let Some(types) = &policy.resource_types {
            check_list("resource_types", types, MOST_TYPES, "resource types", check_type_name)?;
        }
        check_text("key", &policy.key, 1, TEXT_LENGTH)?;
        check_text("description", &policy.description, 0, DESCRIPTION_LENGTH)?;
        if let Some(values) = &policy.values {
            let check = |field: &str, value: &str| check_text(field, value, 0, TEXT_LENGTH);
            check_list("values", values, MOST_VALUES, "values", check)?;
        }
        if policy.values.is_some() && policy.pattern.is_some() {
            return Err(invalid("pattern", r#"must not be combined with "values""#));
        }
        let pattern = policy.pattern.as_deref().map(check_pattern).transpose()?;
        if !policy.is_required && !policy.is_exact && policy.values.is_none() && pattern.is_none() {
            return Err(invalid(
                "required",
                r#"must be true if there are no "values", "pattern" and "exact_spelling""#,
            ));
        }
        Ok(Self { policy, pattern })
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same for other types, such as the types that the aliases in it mean.
    #[must_use]
    pub fn with_types(mut self, resource_types: Option<Vec<String>>) -> Self {
        self.policy.resource_types = resource_types;
        self
    }

    /// Its pattern.
    pub fn pattern(&self) -> Option<&Pattern> {
        self.pattern.as_ref()
    }

    /// What is wrong with the tags of a resource that it concerns. `tagd.violations_of` says the same.
    pub fn violations(&self, tags: &[Tag]) -> Vec<Violation> {
        let violation = |problem, found: Option<&str>| Violation {
            policy: self.policy.name.clone(),
            key: self.policy.key.clone(),
            problem,
            found: found.map(ToOwned::to_owned),
        };
        let mut violations = Vec::new();
        match tags.iter().find(|tag| tag.key == self.policy.key) {
            None if self.policy.is_required => violations.push(violation(Problem::Missing, None)),
            Some(tag) if !self.allows(&tag.value) => violations.push(violation(Problem::Value, Some(&tag.value))),
            _ => {}
        }
        if self.policy.is_exact {
            let folded = fold(&self.policy.key);
            let others = tags.iter().filter(|tag| tag.key != self.policy.key && fold(&tag.key) == folded);
            violations.extend(others.map(|tag| violation(Problem::Spelling, Some(&tag.key))));
        }
        violations
    }

    /// The refusal of a write that would add a violation.
    pub fn refusal(&self, violation: Violation) -> PolicyRefusal {
        let values = self.policy.values.as_deref().unwrap_or_default();
        let (shown, more) = values.split_at(values.len().min(SHOWN_VALUES));
        PolicyRefusal {
            violation,
            values: self.policy.values.is_some().then(|| shown.to_vec()),
            more: u64::try_from(more.len()).unwrap_or_default(),
            pattern: self.policy.pattern.clone(),
        }
    }

    fn allows(&self, value: &str) -> bool {
        self.policy.values.as_ref().is_none_or(|values| values.iter().any(|allowed| allowed == value))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(value))
    }
}

/// Checks the name of a policy.
pub fn check_policy_name(name: &str) -> Result<(), RequestError> {
    check_text("policy_name", name, 1, NAME_LENGTH)?;
    check_type_name("policy_name", name)
}

fn check_pattern(pattern: &str) -> Result<Pattern, RequestError> {
    check_length(FieldKind::General, "pattern", pattern, PATTERN_LENGTH)?;
    Pattern::parse(pattern).map_err(|reason| invalid("pattern", reason))
}

fn check_list(
    field: &str,
    entries: &[String],
    most: usize,
    what: &str,
    check: impl Fn(&str, &str) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    match entries.len() {
        0 => return Err(invalid(field, reason::EMPTY_LIST)),
        count if count > most => return Err(invalid(field, reason::too_many(most, what))),
        _ => {}
    }
    for (i, entry) in entries.iter().enumerate() {
        let field = format!("{field}[{i}]");
        check_text(&field, entry, 0, TEXT_LENGTH)?;
        check(&field, entry)?;
        if entries.iter().take(i).any(|other| other == entry) {
            return Err(invalid(&field, reason::duplicate("entry", entry)));
        }
    }
    Ok(())
}

fn invalid(field: &str, reason: impl Into<String>) -> RequestError {
    RequestError::invalid(FieldKind::General, field, reason)
}

/// Checks the domain of a policy in a request, which is empty for projects without one.
pub fn check_policy_domain(domain_id: &str) -> Result<(), RequestError> {
    check_text("domain_id", domain_id, 0, ID_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl FnOnce(&mut Policy)) -> Result<CheckedPolicy, RequestError> {
        let mut policy = Policy { name: "n".into(), key: "env".into(), is_required: true, ..Policy::default() };
        change(&mut policy);
        CheckedPolicy::new(policy)
    }

    #[test]
    fn what_breaks_a_limit_is_named() {
        type Change = Box<dyn FnOnce(&mut Policy)>;
        let texts = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>());
        let cases: [(Change, &str); 12] = [
            (Box::new(|p| p.name = String::new()), "policy_name: must not be empty"),
            (Box::new(|p| p.name = "a b".into()), "policy_name: must contain only a-z"),
            (Box::new(|p| p.key = String::new()), "key: must not be empty"),
            (Box::new(|p| p.key = "x".repeat(256)), "key: must be at most 255 characters, got 256"),
            (Box::new(|p| p.project_id = Some(String::new())), "project_id: must not be empty"),
            (Box::new(|p| p.resource_types = Some(Vec::new())), "resource_types: must not be empty; omit"),
            (Box::new(move |p| p.resource_types = texts(&["a", "a"])), "resource_types[1]: duplicate entry \"a\""),
            (Box::new(move |p| p.values = texts(&["a", "b\0"])), "values[1]: must not contain NUL characters"),
            (
                Box::new(|p| p.values = Some((0..501).map(|i| i.to_string()).collect())),
                "values: must have at most 500 values",
            ),
            (Box::new(|p| p.pattern = Some("x".repeat(257))), "pattern: must be at most 256 characters, got 257"),
            (
                Box::new(move |p| (p.values, p.pattern) = (texts(&["a"]), Some("a".into()))),
                "pattern: must not be combined with \"values\"",
            ),
            (Box::new(|p| p.is_required = false), "required: must be true if there are no"),
        ];
        for (change, reason) in cases {
            let refused = of(change).unwrap_err().to_string();
            assert!(refused.starts_with(reason), "{refused}");
        }
    }
}
