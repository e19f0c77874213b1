//! Commands that requests are decoded to, and their results: the interface between dialects and service.

use std::sync::Arc;

use super::{
    error::RequestError, page::Page, query::ResourceQuery, services::CloudService, tag::Tag, tag_list::TagList,
};

/// The command of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Query for resources. Returns [`Answer::Page`].
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
    /// Distinct tags in use on the resources of a type: in a project, in all projects of the caller's domain, or on one
    /// resource. Without system tags. [`Answer::TagList`], by text.
    ListUsedTags {
        /// Project, if one is named.
        project_id: Option<String>,
        /// Resource type.
        resource_type: String,
        /// The one resource; the list of an unknown one is empty.
        resource_id: Option<String>,
        /// Maximum number of tags.
        limit: u32,
        /// Tags to skip.
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
    /// Changes the tags of several resources independently. [`Answer::Failures`].
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
    /// Replaces a predefined tag with another. [`Answer::Done`].
    ReplacePredefined {
        /// The existing tag.
        old: Tag,
        /// The new tag.
        new: Tag,
    },
    /// Predefined tags. [`Answer::Predefined`].
    ListPredefined(PredefinedQuery),
    /// The number of predefined tags and their quota. [`Answer::Quota`].
    CountPredefined,
    /// The services that own resource types, as the cross-service API shows them. [`Answer::Providers`].
    ListProviders(ProviderQuery),
    /// Does nothing: the dialect has the response. [`Answer::Done`].
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

/// One resource. If the request names no project, all projects of the caller's domain are searched.
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
    /// Adds tags; an existing key gets the new value. Each key occurs once.
    Put(Vec<Tag>),
    /// Removes tags by key and, where one is given, value; absent ones are ignored.
    Remove(Vec<(String, Option<String>)>),
    /// Removes the tag with this key; [`RequestError::UnknownTag`] if it does not exist.
    RemoveKey(String),
}

/// A page of a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysetPage {
    /// Maximum number of entries.
    pub limit: u32,
    /// The entry after which the page begins; `None` for the start.
    pub marker: Option<String>,
}

/// Filters, order and page of a list of predefined tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredefinedQuery {
    /// Text that occurs in the key, ignoring case.
    pub key: Option<String>,
    /// Text that occurs in the value, ignoring case.
    pub value: Option<String>,
    /// Maximum number of entries; 0 for all.
    pub limit: u32,
    /// Tags to skip: the marker of the previous page.
    pub offset: u64,
    /// The sort key.
    pub order: PredefinedOrder,
    /// Whether to sort in descending order.
    pub descending: bool,
}

/// Filter, language and page of a list of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderQuery {
    /// Only the service with this name.
    pub provider: Option<String>,
    /// Whether display names are in English; otherwise they are in Chinese.
    pub english: bool,
    /// Maximum number of services.
    pub limit: u64,
    /// Services to skip.
    pub offset: u64,
}

/// The sort key of predefined tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredefinedOrder {
    /// Time of the last write; ties by key, value.
    UpdateTime,
    /// Key; ties newest first, then by value.
    Key,
    /// Value; ties newest first, then by key.
    Value,
}

/// A predefined tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predefined {
    /// Key and value, which together identify it.
    pub tag: Tag,
    /// Time of the last write, such as `2026-11-21T18:39:12.123456Z`.
    pub updated_at: String,
}

/// A resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceType {
    /// Name.
    pub resource_type: String,
    /// Short name of the service that owns it; TMS where only the cross-service API reaches the type.
    pub service: String,
    /// Whether a query must name the project.
    pub regional: bool,
    /// Maximum number of tags of a resource, not counting system tags.
    pub tag_quota: u32,
    /// Its aliases in the cross-service API, sorted.
    pub aliases: Vec<String>,
}

impl ResourceType {
    /// Whether this is the name or an alias of the type.
    pub fn is_called(&self, name: &str) -> bool {
        self.resource_type == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// The result of a command.
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
    /// Sorted names, and the marker of the next page.
    Names {
        /// Names.
        names: Vec<String>,
        /// Marker of the next page.
        next: Option<String>,
    },
    /// The changes that failed, by position in the command, with their errors.
    Failures(Vec<(usize, RequestError)>),
    /// Predefined tags.
    Predefined {
        /// The page.
        tags: Vec<Predefined>,
        /// The total.
        total: u64,
    },
    /// The number of predefined tags and their quota.
    Quota {
        /// The number.
        used: u64,
        /// The quota.
        limit: u64,
    },
    /// All resource types, the services that own them, and the region.
    Providers {
        /// Resource types by service and name.
        types: Vec<ResourceType>,
        /// The services that have an API of their own.
        services: Arc<[CloudService]>,
        /// The region of this tagd.
        region: String,
    },
}
