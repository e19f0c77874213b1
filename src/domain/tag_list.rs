//! A list of tags that is read and written piece by piece, so that it is never in memory as a whole.

use super::tag::Tag;

/// A list of tags, as far as it has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagList {
    /// The first piece.
    pub tags: Vec<Tag>,
    /// The rest, which is still to be read; `None` at the end.
    pub rest: Option<TagWalk>,
    /// Marker of the next page, if a page was requested and this one is not empty.
    pub next: Option<String>,
}

/// How far a list has been read. Each tag that is in use throughout is listed exactly once; one that is added or removed
/// meanwhile may or may not be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagWalk {
    /// The scopes whose tags are listed.
    pub scopes: Vec<i64>,
    /// Order of the list; no two tags in it are equal.
    pub order: TagOrder,
    /// Whether system tags are listed.
    pub with_system: bool,
    /// Only tags with one of these keys, sorted; `None` for all.
    pub keys: Option<Vec<String>>,
    /// The last tag that was read.
    pub behind: Option<Tag>,
    /// Tags to skip.
    pub skip: u64,
    /// Maximum number of tags to read.
    pub left: u64,
}

impl TagWalk {
    /// Lists all tags of scopes, or those with some keys, sorted by key.
    pub fn by_key(scopes: Vec<i64>, with_system: bool, keys: Option<Vec<String>>) -> Self {
        Self { scopes, order: TagOrder::Key, with_system, keys, behind: None, skip: 0, left: u64::MAX }
    }
}

/// How a list of tags is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagOrder {
    /// By key, then by value.
    Key,
    /// By [text](Tag::text). Of several tags with the same text only one is listed.
    Text,
}
