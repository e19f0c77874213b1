//! A resource with its tags.

use super::tag::Tag;

/// One resource of a scope, with its tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resource {
    /// Identifier, unique in its scope.
    pub resource_id: String,
    /// Display name; empty if it has none.
    pub resource_name: String,
    /// The owning service's own JSON text, if any is stored.
    pub detail: Option<String>,
    /// Tags sorted by key, in byte order.
    pub tags: Vec<Tag>,
}

impl Resource {
    /// About as many bytes of memory as it takes.
    pub fn size(&self) -> usize {
        let texts = self.resource_id.len() + self.resource_name.len() + self.detail.as_ref().map_or(0, String::len);
        size_of::<Self>() + texts + self.tags.iter().map(Tag::size).sum::<usize>()
    }
}
