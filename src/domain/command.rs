//! Commands that requests decode to, and their answers: the one language between dialects and service.

use std::sync::Arc;

use super::{
    error::RequestError, page::Page, query::ResourceQuery, services::CloudService, tag::Tag, tag_list::TagList,
};

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Asks for resources. Answered by [`Answer::Page`].
    Query(ResourceQuery),
    /// The tags of a resource. [`Answer::Tags`].
    ListTags(ResourceRef),
    /// Keys with their values in use on the resources of a type in a project. [`Answer::TagList`], by key.
    ListScopeTags {
        /// Project.
        project_id: String,
        /// Resource type.
        resource_type: String,
        /// Whether system tags are listed.
        with_system: bool,
        /// Page of the keys; `None` for all.
        part: Option<KeysetPage>,
    },
    /// Different tags in use on the resources of a type: of a project or of all the caller's domain, or of one resource.
    /// System tags are left out. [`Answer::TagList`], by text.
    ListUsedTags {
        /// Project, if one is named.
        project_id: Option<String>,
        /// Resource type.
        resource_type: String,
        /// The one resource; a list of an unknown one is empty.
        resource_id: Option<String>,
        /// Most tags.
        limit: u32,
        /// Tags to pass over.
        offset: u64,
    },
    /// Keys with values in use on the resources of several types in a project, without system tags. [`Answer::TagList`], by
    /// key.
    ListTypeTags {
        /// Project.
        project_id: String,
        /// Resource types.
        resource_types: Vec<String>,
    },
    /// Keys in use anywhere in the caller's domain. [`Answer::Names`].
    ListKeys {
        /// Region, if only one is wanted; where it is not tagd's there is nothing.
        region: Option<String>,
        /// Page of the keys.
        part: KeysetPage,
    },
    /// Values in use with a key anywhere in the caller's domain. [`Answer::Names`].
    ListValues {
        /// Region, if only one is wanted; where it is not tagd's there is nothing.
        region: Option<String>,
        /// Key.
        key: String,
        /// Page of the values.
        part: KeysetPage,
    },
    /// Changes the tags of a resource. [`Answer::Done`].
    ChangeTags {
        /// Resource.
        target: ResourceRef,
        /// Change.
        change: TagChange,
    },
    /// Changes the tags of several resources, each by itself. [`Answer::Failures`].
    ChangeMany {
        /// Resources.
        targets: Vec<ResourceRef>,
        /// Change.
        change: TagChange,
    },
    /// Adds predefined tags. [`Answer::Done`].
    PutPredefined(Vec<Tag>),
    /// Removes predefined tags; absent ones are ignored. [`Answer::Done`].
    RemovePredefined(Vec<Tag>),
    /// Makes one predefined tag another. [`Answer::Done`].
    ReplacePredefined {
        /// The tag that is there.
        old: Tag,
        /// What it becomes.
        new: Tag,
    },
    /// Predefined tags. [`Answer::Predefined`].
    ListPredefined(PredefinedQuery),
    /// How many predefined tags there are and may be. [`Answer::Quota`].
    CountPredefined,
    /// The services that own resource types, as the cross-service API shows them. [`Answer::Providers`].
    ListProviders(ProviderQuery),
    /// Nothing: the dialect knows the answer. [`Answer::Done`].
    Nothing,
}

impl Command {
    /// Whether the command changes anything.
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Self::ChangeTags { .. }
                | Self::ChangeMany { .. }
                | Self::PutPredefined(_)
                | Self::RemovePredefined(_)
                | Self::ReplacePredefined { .. }
        )
    }

    /// The one resource that the command is about, if it is about one.
    pub fn target(&self) -> Option<&ResourceRef> {
        match self {
            Self::ListTags(target) | Self::ChangeTags { target, .. } => Some(target),
            _ => None,
        }
    }
}

/// One resource. Where the request names no project, the resource is looked for in all of the caller's domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRef {
    /// Project, if one is named.
    pub project_id: Option<String>,
    /// Resource type.
    pub resource_type: String,
    /// Identifier.
    pub resource_id: String,
}

/// A change of a resource's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChange {
    /// Adds tags; a key that is there gets the new value. Each key once.
    Put(Vec<Tag>),
    /// Removes tags by key and, where one is given, value; absent ones are ignored.
    Remove(Vec<(String, Option<String>)>),
    /// Removes the tag with this key; [`RequestError::UnknownTag`] if there is none.
    RemoveKey(String),
}

/// A part of a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysetPage {
    /// Most entries.
    pub limit: u32,
    /// The entry after which the part begins; `None` for the start.
    pub marker: Option<String>,
}

/// What to list of the predefined tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredefinedQuery {
    /// Text that occurs in the key, whatever its case.
    pub key: Option<String>,
    /// Text that occurs in the value, whatever its case.
    pub value: Option<String>,
    /// Most entries; 0 for all.
    pub limit: u32,
    /// Tags to pass over: the marker of the page before.
    pub offset: u64,
    /// What the list is sorted by.
    pub order: PredefinedOrder,
    /// Whether largest first.
    pub descending: bool,
}

/// What to list of the services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderQuery {
    /// Only the service of this name.
    pub provider: Option<String>,
    /// Whether names for people are English; else they are Chinese.
    pub english: bool,
    /// Most services.
    pub limit: u64,
    /// Services to pass over.
    pub offset: u64,
}

/// What predefined tags are sorted by. Ties: see the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredefinedOrder {
    /// When they were last written; ties by key, value.
    UpdateTime,
    /// Key; ties newest first, then by value.
    Key,
    /// Value; ties newest first, then by key.
    Value,
}

/// A predefined tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predefined {
    /// Key and value: together the identity.
    pub tag: Tag,
    /// When it was last written, as `2026-11-21T18:39:12.123456Z`.
    pub updated_at: String,
}

/// A kind of resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceType {
    /// Name.
    pub resource_type: String,
    /// Short name of the service that owns it; TMS where only the cross-service API reaches the type.
    pub service: String,
    /// Whether a query must name the project.
    pub regional: bool,
    /// Most tags on a resource, system tags not counted.
    pub tag_quota: u32,
    /// Other names by which the cross-service API knows it, sorted.
    pub aliases: Vec<String>,
}

impl ResourceType {
    /// Whether this is a name of the type.
    pub fn is_called(&self, name: &str) -> bool {
        self.resource_type == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// What comes of a command.
#[derive(Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// Resources.
    Page(Page),
    /// Tags of a resource, by key.
    Tags(Vec<Tag>),
    /// Tags in use, as far as they have been read.
    TagList(TagList),
    /// Sorted names; and where the next part begins.
    Names {
        /// Names.
        names: Vec<String>,
        /// Where the next part begins, as above.
        next: Option<String>,
    },
    /// What could not be changed, by position in the command, and why.
    Failures(Vec<(usize, RequestError)>),
    /// Predefined tags.
    Predefined {
        /// The page.
        tags: Vec<Predefined>,
        /// How many there are in all.
        total: u64,
    },
    /// How many there are and may be.
    Quota {
        /// There are.
        used: u64,
        /// There may be.
        limit: u64,
    },
    /// Every resource type, who owns it, and where it is served.
    Providers {
        /// Resource types by service and name.
        types: Vec<ResourceType>,
        /// The services that have an API of their own.
        services: Arc<[CloudService]>,
        /// The region of this tagd.
        region: String,
    },
}
