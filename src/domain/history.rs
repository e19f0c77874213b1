//! The history of changes, and the audit log.

use super::tag::Tag;

/// A change of a resource or its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When it was made: RFC 3339, UTC, with microseconds.
    pub changed_at: String,
    /// Project of the resource.
    pub project_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its identifier.
    pub resource_id: String,
    /// What was done, such as `tag` or `import`.
    pub operation: String,
    /// Who did it.
    pub principal: String,
    /// Its credential, if it had one.
    pub credential_id: Option<String>,
    /// In which request; empty for a command.
    pub request_id: String,
    /// Name before, of a resource that was renamed or removed.
    pub old_name: Option<String>,
    /// Name after, of a resource that was renamed or registered.
    pub new_name: Option<String>,
    /// All tags before; `None` if it was registered.
    pub old_tags: Option<Vec<Tag>>,
    /// All tags after; `None` if it was removed.
    pub new_tags: Option<Vec<Tag>>,
}

impl Change {
    /// About as many bytes of memory as it takes: its tags, and some for the rest.
    pub fn size(&self) -> usize {
        let tags = self.old_tags.iter().chain(&self.new_tags).flatten();
        2 * size_of::<Self>() + tags.map(Tag::size).sum::<usize>()
    }
}

/// Which changes are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Only those of this principal.
    pub principal: Option<String>,
    /// Only those that added or removed a tag with this key, or gave it another value.
    pub key: Option<String>,
    /// Only those at this time or later, in microseconds since 1970.
    pub since: Option<i64>,
    /// Only those before this time.
    pub until: Option<i64>,
}

/// A place in the feed of all changes: what is up to it has been passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedPosition {
    /// Span of the history.
    pub span_id: i32,
    /// Its token: after a restore, another span may have the number.
    pub span_token: i64,
    /// Entry.
    pub change_id: i64,
    /// A hash of where entries were numbered: after a restore or a promotion, other entries may have the same numbers.
    pub origin: i64,
}

/// The end of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedEnd {
    /// The last position.
    pub last: FeedPosition,
    /// Whether no writer is active any more that may have entries up to it.
    pub is_settled: bool,
}

/// A time in which history was off, so that changes are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// When it was turned off.
    pub from: String,
    /// When it was turned on again.
    pub to: String,
}

/// A part of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feed {
    /// Changes; those of a resource are in order.
    pub changes: Vec<Change>,
    /// Where the next part begins.
    pub next: FeedPosition,
    /// Times without history before that.
    pub gaps: Vec<Gap>,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// When it was written.
    pub recorded_at: String,
    /// What was done, such as `project.put`.
    pub operation: String,
    /// What it was done to.
    pub object: String,
    /// Domain of the object, if it belongs to one.
    pub domain_id: Option<String>,
    /// Who did it; empty for failed authentications.
    pub principal: String,
    /// Its credential, if it had one.
    pub credential_id: Option<String>,
    /// In which request; empty for a command.
    pub request_id: String,
    /// Address of the client; `None` for a command.
    pub address: Option<String>,
    /// What the act set, a JSON object.
    pub detail: String,
}

/// Which acts are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActFilter {
    /// Only those of this principal.
    pub principal: Option<String>,
    /// Only this operation.
    pub operation: Option<String>,
    /// Only those at this time or later, in microseconds since 1970.
    pub since: Option<i64>,
    /// Only those before this time.
    pub until: Option<i64>,
}

/// How much history there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryStatus {
    /// Whether changes are recorded.
    pub is_on: bool,
    /// From when on history is kept; `None` if there is none.
    pub kept_from: Option<String>,
    /// The times in which it was off since then.
    pub gaps: Vec<Gap>,
    /// Days that an entry is kept at least; `None` for ever.
    pub keep_days: Option<u32>,
    /// Days that an entry of the audit log is kept at least; `None` for ever.
    pub audit_keep_days: Option<u32>,
    /// Size of the history in bytes.
    pub bytes: u64,
    /// Size of the audit log in bytes.
    pub audit_bytes: u64,
}
