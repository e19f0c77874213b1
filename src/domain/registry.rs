//! Types of the registry: projects, conditions on writes, and its errors.

use std::{collections::HashMap, error::Error, fmt};

use super::{credential::CredentialKind, error::RequestError, reason::quote, tag::Tag};

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

/// A project to register or change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// Identifier, as in request paths.
    pub project_id: String,
    /// Display name; empty for none.
    pub project_name: String,
    /// Account that the project is to belong to; empty for none. `None` to leave it where it is.
    pub domain_id: Option<String>,
}

/// Precondition of a write to a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// No condition.
    None,
    /// Its etag is one of these; `*` matches any.
    Matches(Vec<String>),
    /// The resource does not exist.
    Absent,
}

/// A resource in its current state, with its etag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Display name; empty if it has none.
    pub resource_name: String,
    /// The owning service's own JSON text, if any is stored.
    pub detail: Option<String>,
    /// Tags by key, byte order.
    pub tags: Vec<Tag>,
    /// Entity tag, which differs if name, detail or tags differ.
    pub etag: String,
}

/// The types of all aliases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aliases(HashMap<String, String>);

impl Aliases {
    /// Replaces an alias with the name of its type; other names are returned unchanged.
    pub fn resolve(&self, name: &mut String) {
        if let Some(resource_type) = self.0.get(name) {
            name.clone_from(resource_type);
        }
    }
}

impl Aliases {
    /// Notes that a type is registered, and which aliases it has from now on; `None` if it keeps its own.
    pub fn replace(&mut self, resource_type: &str, aliases: Option<&[String]>) {
        self.0.remove(resource_type);
        let Some(aliases) = aliases else { return };
        self.0.retain(|_, known| known != resource_type);
        self.0.extend(aliases.iter().map(|alias| (alias.clone(), resource_type.to_owned())));
    }
}

impl FromIterator<(String, String)> for Aliases {
    /// From aliases, each with its type.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// An error of the registry.
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
        /// Field with the name.
        field: String,
        /// The name.
        name: String,
        /// The type that it is an alias of; `None` where it is a type.
        alias_of: Option<String>,
    },
    /// The project has resources.
    ProjectInUse,
    /// No such credential, or none that the principal may see.
    UnknownCredential {
        /// Kind.
        kind: CredentialKind,
        /// The identifier as it was given.
        id: String,
    },
    /// The access key that was chosen is that of another key, or the identifier of a token.
    KeyExists {
        /// The access key.
        access_key: String,
    },
    /// No such policy, or none that the principal may see.
    UnknownPolicy {
        /// The name as it was given.
        name: String,
    },
    /// A policy for all domains, or one of another domain that would be taken for it, has the name.
    PolicyExists {
        /// The name.
        name: String,
    },
    /// The condition of the write does not hold.
    Condition,
    /// The history that is asked for is not kept.
    NotKept {
        /// The parameter, and since when there is history.
        reason: String,
    },
    /// An error that other requests have too.
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
            Self::UnknownCredential { kind, id } => write!(f, "id: unknown {} {}", kind.name(), quote(id)),
            Self::KeyExists { access_key } => write!(f, "access: {} is already taken", quote(access_key)),
            Self::UnknownPolicy { name } => write!(f, "policy_name: unknown policy {}", quote(name)),
            Self::PolicyExists { name } => {
                write!(f, "policy_name: {} is already taken by a policy that this request cannot replace", quote(name))
            }
            Self::Condition => {
                f.write_str("the condition in If-Match or If-None-Match is not met; nothing was changed")
            }
            Self::NotKept { reason } => f.write_str(reason),
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
