//! What the registry speaks of: projects, conditions on a write, and what else can go wrong there.

use std::{collections::HashMap, error::Error, fmt};

use super::{error::RequestError, reason::quote, tag::Tag};

/// A project: the owner of resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Identifier, as in request paths.
    pub project_id: String,
    /// Display name; empty if it has none.
    pub project_name: String,
    /// Account that the project belongs to; empty if none was given.
    pub domain_id: String,
}

/// What must be true of a resource for a write to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    None,
    /// It is one of these, by etag; `*` is any.
    Matches(Vec<String>),
    /// There is none.
    Absent,
}

/// A resource as it is, with the short name of this state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Display name; empty if it has none.
    pub resource_name: String,
    /// The owning service's own JSON text, if any is stored.
    pub detail: Option<String>,
    /// Tags by key, byte order.
    pub tags: Vec<Tag>,
    /// Differs where name, detail or tags do.
    pub etag: String,
}

/// The types of all aliases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aliases(HashMap<String, String>);

impl Aliases {
    /// Makes the name of a type of an alias; another name stays as it is.
    pub fn resolve(&self, name: &mut String) {
        if let Some(resource_type) = self.0.get(name) {
            name.clone_from(resource_type);
        }
    }
}

impl FromIterator<(String, String)> for Aliases {
    /// Of aliases, each with its type.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Why the registry cannot do what it is asked.
#[derive(Debug)]
pub enum RegistryError {
    /// No such resource type.
    UnknownType {
        /// The type as it was given.
        resource_type: String,
    },
    /// No such project.
    UnknownProject {
        /// The project as it was given.
        project_id: String,
    },
    /// The resource type has or had resources.
    TypeInUse,
    /// A name of a resource type is taken.
    NameTaken {
        /// Field that has the name.
        field: String,
        /// The name.
        name: String,
        /// The type that it is an alias of; `None` where it is a type.
        alias_of: Option<String>,
    },
    /// The project has resources.
    ProjectInUse,
    /// The condition of the write does not hold.
    Condition,
    /// What can go wrong elsewhere too.
    Other(RequestError),
}

impl RegistryError {
    /// No such resource type.
    pub fn unknown_type(resource_type: impl Into<String>) -> Self {
        Self::UnknownType { resource_type: resource_type.into() }
    }

    /// No such project.
    pub fn unknown_project(project_id: impl Into<String>) -> Self {
        Self::UnknownProject { project_id: project_id.into() }
    }
}

impl From<RequestError> for RegistryError {
    fn from(error: RequestError) -> Self {
        Self::Other(error)
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType { resource_type } => {
                write!(f, "resource_type: unknown resource type {}", quote(resource_type))
            }
            Self::UnknownProject { project_id } => write!(f, "project_id: unknown project {}", quote(project_id)),
            Self::TypeInUse => f.write_str("resource_type: cannot be deleted, because it has or had resources"),
            Self::NameTaken { field, name, alias_of: None } => {
                write!(f, "{field}: {} is already a resource type", quote(name))
            }
            Self::NameTaken { field, name, alias_of: Some(resource_type) } => {
                write!(f, "{field}: {} is an alias of {}", quote(name), quote(resource_type))
            }
            Self::ProjectInUse => {
                f.write_str("project_id: has resources; add with_resources=true to delete it with all of them")
            }
            Self::Condition => {
                f.write_str("the condition in If-Match or If-None-Match is not met; nothing was changed")
            }
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Other(error) => error.source(),
            _ => None,
        }
    }
}
