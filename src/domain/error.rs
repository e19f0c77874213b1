//! Errors of requests, independent of the transport; only dialects render them.

use std::{error::Error, fmt};

use super::{
    outage::Outage,
    reason::{REQUIRED, quote},
    violation::PolicyRefusal,
};

/// The part of a request that is invalid; some dialects have a separate code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// The body as a whole, or a field that no other kind names.
    General,
    /// The action.
    Action,
    /// The size of the page.
    Limit,
    /// The start of the page.
    Offset,
    /// A tag's key.
    Key,
    /// A tag's value.
    Value,
    /// An empty list of tags.
    Tags,
    /// An empty entry in a list of tags.
    Element,
    /// Too many values of a key.
    Values,
}

/// Why a request cannot be answered.
#[derive(Debug)]
pub enum RequestError {
    /// The body does not match the operation: not JSON, not an object, a wrong type, an unknown field.
    Body {
        /// The problem and its location, with line and column if they are known.
        reason: String,
    },
    /// A field is invalid.
    Invalid {
        /// Kind of the field.
        kind: FieldKind,
        /// Path of the field, such as `tags[2].values[0]`.
        field: String,
        /// The invalid value and the limit.
        reason: String,
    },
    /// A resource type that the service does not have.
    UnknownType {
        /// Path of the field.
        field: String,
        /// The type as it was given.
        resource_type: String,
    },
    /// A query for a regional type names no project.
    ProjectMissing {
        /// The type.
        resource_type: String,
    },
    /// No such resource.
    UnknownResource {
        /// The identifier as it was given.
        resource_id: String,
    },
    /// Several projects have a resource with this identifier, and the request names no project.
    AmbiguousResource,
    /// The resource has no tag with this key.
    UnknownTag {
        /// Key.
        key: String,
    },
    /// The account would exceed its quota of predefined tags.
    TooManyPredefined {
        /// The number it would have.
        count: u64,
        /// The quota.
        quota: u64,
    },
    /// The predefined tag to change does not exist.
    UnknownPredefined,
    /// A predefined tag with the new key and value already exists.
    PredefinedExists,
    /// The resource would have more tags than the quota of its type.
    TooManyTags {
        /// The number it would have.
        count: u64,
        /// The quota.
        quota: u64,
    },
    /// The write would add a violation of an enforced policy.
    AgainstPolicy {
        /// Which, and what the policy allows.
        refusal: Box<PolicyRefusal>,
    },
    /// The request has no valid credentials.
    Unauthenticated {
        /// What is missing or wrong, never a secret.
        reason: String,
    },
    /// The credentials do not allow this.
    Forbidden {
        /// What is not allowed.
        reason: String,
    },
    /// The database is unavailable, or the Keystone that validates tokens, or memory.
    Unavailable {
        /// Why.
        outage: Outage,
        /// For the log.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An error of tagd itself.
    Internal {
        /// For the log.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl RequestError {
    /// An invalid field.
    pub fn invalid(kind: FieldKind, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { kind, field: field.into(), reason: reason.into() }
    }

    /// No such resource.
    pub fn unknown_resource(resource_id: impl Into<String>) -> Self {
        Self::UnknownResource { resource_id: resource_id.into() }
    }

    /// The request has no valid credentials.
    pub fn unauthenticated(reason: impl Into<String>) -> Self {
        Self::Unauthenticated { reason: reason.into() }
    }

    /// The project is not one of the principal's, or does not exist: the error does not show which.
    pub fn forbidden_project(project_id: &str) -> Self {
        Self::Forbidden { reason: format!("project_id: access to project {} is not allowed", quote(project_id)) }
    }

    /// The same where the project is not known by name: it was registered in another domain, or moved to it, since access to
    /// it was allowed.
    pub fn lost_project() -> Self {
        Self::Forbidden { reason: "project_id: access to the project is not allowed".to_owned() }
    }

    /// A marker that no page of the list has given.
    pub fn not_a_marker(marker: &str) -> Self {
        let reason = format!("must be a next_marker of this list, got {}", quote(marker));
        Self::invalid(FieldKind::General, "marker", reason)
    }

    /// The domain is not the principal's.
    pub fn forbidden_domain() -> Self {
        Self::Forbidden { reason: "domain_id: must be the domain of the credentials".to_owned() }
    }

    /// An error of tagd itself.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal { source: source.into() }
    }
}

/// The message for the caller: the field, the value and the limit, never SQL or internals.
impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body { reason } | Self::Unauthenticated { reason } | Self::Forbidden { reason } => {
                f.write_str(reason)
            }
            Self::Invalid { field, reason, .. } => write!(f, "{field}: {reason}"),
            Self::UnknownType { field, resource_type } => {
                write!(f, "{field}: unknown resource type {}", quote(resource_type))
            }
            Self::ProjectMissing { resource_type } => {
                write!(f, "project_id: {REQUIRED} for the regional resource type {}", quote(resource_type))
            }
            Self::UnknownResource { resource_id } => {
                write!(f, "resource_id: unknown resource {}", quote(resource_id))
            }
            Self::AmbiguousResource => f.write_str(
                "resource_id: several projects have a resource with this ID, the request must name the project",
            ),
            Self::UnknownTag { key } => write!(f, "key: the resource has no tag with the key {}", quote(key)),
            Self::TooManyPredefined { count, quota } => {
                write!(f, "tags: must not exceed the quota of {quota} predefined tags, got {count}")
            }
            Self::UnknownPredefined => f.write_str("old_tag: unknown predefined tag"),
            Self::PredefinedExists => f.write_str("new_tag: predefined tag already exists"),
            Self::AgainstPolicy { refusal } => refusal.fmt(f),
            Self::TooManyTags { count, quota } => {
                write!(f, "tags: must not exceed the quota of {quota} tags on a resource, got {count}")
            }
            Self::Unavailable { outage, .. } => write!(f, "{outage}; try again later"),
            Self::Internal { .. } => f.write_str("internal error"),
        }
    }
}

impl Error for RequestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable { source, .. } | Self::Internal { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_resource_is_named_and_a_long_one_cut() {
        assert_eq!(RequestError::unknown_resource("a\n\"b").to_string(), r#"resource_id: unknown resource "a\n\"b""#);
        let long = RequestError::unknown_resource("x".repeat(1000)).to_string();
        assert_eq!(long, format!("resource_id: unknown resource \"{}…\"", "x".repeat(64)));
    }
}
