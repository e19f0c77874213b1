//! What an export has besides resources: resource types, projects, predefined tags and policies.

use super::{
    change::Registration,
    command::ResourceType,
    policy::{CheckedPolicy, Policy},
    registry::NewProject,
    tag::Tag,
    write_limits::WriteLimits,
};

/// What a line of an import or export describes, in the order of an export: types before what uses them, and policies last, so
/// that those which are enforced do not refuse the resources before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A resource type with its aliases.
    Type,
    /// A project.
    Project,
    /// A tag that an account keeps ready.
    PredefinedTag,
    /// A resource with its tags.
    Resource,
    /// A policy.
    Policy,
}

impl Kind {
    /// Every kind, in the order of an export.
    pub const ALL: [Self; 5] = [Self::Type, Self::Project, Self::PredefinedTag, Self::Resource, Self::Policy];

    /// Its name in a line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Project => "project",
            Self::PredefinedTag => "predefined_tag",
            Self::Resource => "resource",
            Self::Policy => "policy",
        }
    }

    /// What messages call several of them.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Type => "resource types",
            Self::Project => "projects",
            Self::PredefinedTag => "predefined tags",
            Self::Resource => "resources",
            Self::Policy => "policies",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One line of an import or export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A resource with its tags.
    Resource(Registration),
    /// Anything else.
    Definition(Definition),
}

impl Entry {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Resource(_) => Kind::Resource,
            Self::Definition(definition) => definition.kind(),
        }
    }
}

/// A resource type, a project, a predefined tag or a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// A resource type.
    Type(NewType),
    /// A project.
    Project(NewProject),
    /// A predefined tag.
    PredefinedTag(NewPredefined),
    /// A policy.
    Policy(Policy),
}

/// A resource type to register or change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewType {
    /// The type, without aliases.
    pub resource_type: ResourceType,
    /// Its aliases; `None` to keep those it has.
    pub aliases: Option<Vec<String>>,
}

/// A predefined tag to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPredefined {
    /// Account; `None` for that of the principal.
    pub domain_id: Option<String>,
    /// The tag.
    pub tag: Tag,
    /// When it was last written, in microseconds since 1970; `None` for now, or for the time it has.
    pub updated_at: Option<i64>,
}

impl Definition {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Type(_) => Kind::Type,
            Self::Project(_) => Kind::Project,
            Self::PredefinedTag(_) => Kind::PredefinedTag,
            Self::Policy(_) => Kind::Policy,
        }
    }
}

/// A definition that the principal of an import may store.
#[derive(Debug, Clone)]
pub enum AdmittedDefinition {
    /// A resource type.
    Type(NewType),
    /// A project, with the domain that it gets.
    Project(NewProject),
    /// A predefined tag.
    PredefinedTag {
        /// Account.
        domain_id: String,
        /// The tag.
        tag: Tag,
        /// When it was last written, in microseconds since 1970.
        updated_at: Option<i64>,
        /// How many the account may have.
        quota: u32,
    },
    /// A policy.
    Policy {
        /// The policy.
        checked: Box<CheckedPolicy>,
        /// The only projects whose policies the principal may change; `None` for all.
        projects: Option<Vec<String>>,
    },
}

impl AdmittedDefinition {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Type(_) => Kind::Type,
            Self::Project(_) => Kind::Project,
            Self::PredefinedTag { .. } => Kind::PredefinedTag,
            Self::Policy { .. } => Kind::Policy,
        }
    }
}

/// Limits of definitions that belong to the dialects.
#[derive(Debug, Clone)]
pub struct DefinitionLimits {
    /// Short names of the services that may own a resource type.
    pub services: Vec<&'static str>,
    /// Limits of predefined tags.
    pub predefined: &'static WriteLimits,
}
