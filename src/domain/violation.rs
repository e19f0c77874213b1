//! What is wrong with the tags of a resource by a policy, and the refusal of a write that would make it so.

use std::fmt;

use super::{
    pattern::quote_pattern,
    reason::{self, quote},
};

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The resource does not have the key.
    Missing,
    /// The key has a value that is not allowed.
    Value,
    /// The resource has the key in another spelling.
    Spelling,
}

impl Problem {
    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Value => "value",
            Self::Spelling => "spelling",
        }
    }

    /// The problem with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Missing, Self::Value, Self::Spelling].into_iter().find(|problem| problem.name() == name)
    }
}

/// What is wrong with the tags of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Name of the policy.
    pub policy: String,
    /// Its key.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
    /// The value that is not allowed, or the key in another spelling.
    pub found: Option<String>,
}

/// A write that was refused, because it would have added a violation of an enforced policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRefusal {
    /// The violation.
    pub violation: Violation,
    /// The values that the policy allows, or the first of them.
    pub values: Option<Vec<String>>,
    /// How many more values it allows.
    pub more: u64,
    /// The pattern of the values that it allows.
    pub pattern: Option<String>,
}

/// What the policy wants and what was found.
impl fmt::Display for PolicyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { policy, key, problem, found } = &self.violation;
        let (policy, key) = (quote(policy), quote(key));
        let found = quote(found.as_deref().unwrap_or_default());
        match problem {
            Problem::Missing => {
                write!(f, "tags: policy {policy} requires the key {key}")?;
                if self.values.is_some() || self.pattern.is_some() {
                    f.write_str(" with a value that ")?;
                    self.write_allowed(f)?;
                }
                Ok(())
            }
            Problem::Value => {
                write!(f, "tags: policy {policy} requires a value of the key {key} that ")?;
                self.write_allowed(f)?;
                write!(f, ", got {found}")
            }
            Problem::Spelling => write!(f, "tags: policy {policy} requires the spelling {key} of the key, got {found}"),
        }
    }
}

impl PolicyRefusal {
    fn write_allowed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(pattern) = &self.pattern {
            return write!(f, "matches the pattern {}", quote_pattern(pattern));
        }
        let values: Vec<&str> = self.values.iter().flatten().map(String::as_str).collect();
        // "must be" of a field in words for a value
        let one_of = reason::one_of(&values);
        let one_of = one_of.strip_prefix("must be ").unwrap_or(&one_of);
        match self.more {
            0 => write!(f, "is {one_of}"),
            more => write!(f, "is {one_of}, or one of {more} others"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_policy_key_and_what_is_allowed() {
        let of = |problem, found: Option<&str>, values: Option<&[&str]>, pattern: Option<&str>| {
            let (policy, key) = ("p".into(), "env".into());
            let violation = Violation { policy, key, problem, found: found.map(ToOwned::to_owned) };
            let values = values.map(|values| values.iter().map(|&value| value.to_owned()).collect());
            PolicyRefusal { violation, values, more: 0, pattern: pattern.map(ToOwned::to_owned) }
        };
        for (refusal, said) in [
            (of(Problem::Missing, None, None, None), r#"tags: policy "p" requires the key "env""#),
            (
                of(Problem::Missing, None, Some(&["a", "b"]), None),
                r#"tags: policy "p" requires the key "env" with a value that is "a" or "b""#,
            ),
            (
                of(Problem::Value, Some("c"), Some(&["a", "b"]), None),
                r#"tags: policy "p" requires a value of the key "env" that is "a" or "b", got "c""#,
            ),
            (
                PolicyRefusal { more: 3, ..of(Problem::Value, Some("c"), Some(&["a"]), None) },
                r#"tags: policy "p" requires a value of the key "env" that is "a", or one of 3 others, got "c""#,
            ),
            (
                of(Problem::Value, Some(""), None, Some(r"[a-z]+\d")),
                r#"tags: policy "p" requires a value of the key "env" that matches the pattern "[a-z]+\d", got """#,
            ),
            (
                of(Problem::Spelling, Some("Env"), None, None),
                r#"tags: policy "p" requires the spelling "env" of the key, got "Env""#,
            ),
        ] {
            assert_eq!(refusal.to_string(), said);
        }
    }
}
