//! Everything that can go wrong with a request, free of any transport; only dialects render it.

use std::{error::Error, fmt};

use super::{
    outage::Outage,
    reason::{REQUIRED, quote},
};

/// Which part of a request breaks a rule; some dialects have a code of their own for it.
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
    /// A list of tags that may not be empty.
    Tags,
    /// An entry of a list of tags with nothing in it.
    Element,
    /// More values for a key than allowed.
    Values,
}

/// Why a request cannot be answered.
#[derive(Debug)]
pub enum RequestError {
    /// The body is not what the operation takes: not JSON, not an object, a wrong type, an unknown field.
    Body {
        /// What and where, with line and column where they are known.
        reason: String,
    },
    /// A field breaks a rule.
    Invalid {
        /// Kind of the field.
        kind: FieldKind,
        /// Path of the field, such as `tags[2].values[0]`.
        field: String,
        /// The offending value and the limit.
        reason: String,
    },
    /// A resource type that the service does not have.
    UnknownType {
        /// Path of the field.
        field: String,
        /// The type as it was given.
        resource_type: String,
    },
    /// A type of a region was asked for without a project.
    ProjectMissing {
        /// The type.
        resource_type: String,
    },
    /// No such resource.
    UnknownResource {
        /// The identifier as it was given.
        resource_id: String,
    },
    /// An identifier that several projects have, and the request names none.
    AmbiguousResource,
    /// The resource has no tag with this key.
    UnknownTag {
        /// Key.
        key: String,
    },
    /// The account would have more predefined tags than it may.
    TooManyPredefined {
        /// How many it would have.
        count: u64,
        /// How many it may.
        quota: u64,
    },
    /// The predefined tag that is to be changed is not there.
    UnknownPredefined,
    /// The predefined tag that another is to become is there already.
    PredefinedExists,
    /// The resource would carry more tags than its type allows.
    TooManyTags {
        /// How many it would carry.
        count: u64,
        /// How many it may.
        quota: u64,
    },
    /// The database is in a state in which it cannot do this.
    Unavailable {
        /// Which.
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
    /// A field that breaks a rule.
    pub fn invalid(kind: FieldKind, field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { kind, field: field.into(), reason: reason.into() }
    }

    /// No such resource.
    pub fn unknown_resource(resource_id: impl Into<String>) -> Self {
        Self::UnknownResource { resource_id: resource_id.into() }
    }

    /// An error of tagd itself.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal { source: source.into() }
    }
}

/// What the caller is told: the field, the value and the limit, never SQL or internals.
impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body { reason } => f.write_str(reason),
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
