//! A list of tags that need not be in memory as a whole: it is read and written piece by piece.

use super::tag::Tag;

/// A list of tags, as far as it has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagList {
    /// The first piece.
    pub tags: Vec<Tag>,
    /// What is still to be read; `None` if that was all.
    pub rest: Option<TagWalk>,
    /// Marker of the next part, where a part was asked for and this one is not empty.
    pub next: Option<String>,
}

/// How far a list has been read. Each tag that is in use from the first piece to the last comes exactly once; one that
/// comes or goes meanwhile may be there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagWalk {
    /// The scopes whose tags are listed.
    pub scopes: Vec<i64>,
    /// Order of the list, in which no two tags are equal.
    pub order: TagOrder,
    /// Whether system tags are listed.
    pub with_system: bool,
    /// Only tags with one of these keys, sorted; `None` for all.
    pub keys: Option<Vec<String>>,
    /// The last tag that was read.
    pub behind: Option<Tag>,
    /// Tags to pass over.
    pub skip: u64,
    /// Most tags to read.
    pub left: u64,
}

impl TagWalk {
    /// A walk through all tags of scopes, or those with some keys, by key.
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
