//! A tag: a key with a value on a resource.

/// Keys that start with this belong to the system: only the registry and imports write them.
pub const SYSTEM_PREFIX: &str = "_sys_";

/// Largest tag quota of a resource type.
pub const MOST_QUOTA: u32 = 1000;

/// Maximum number of tags of a resource, without system tags. It is the largest possible quota, so that all tags that
/// were written one by one can be imported.
pub const MOST_TAGS: usize = MOST_QUOTA as usize;

/// Maximum number of system tags of a resource. They do not count towards quotas.
pub const MOST_SYSTEM_TAGS: usize = 256;

/// A key with its value. A resource carries each key at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Key, at least one character.
    pub key: String,
    /// Value; may be empty.
    pub value: String,
}

impl Tag {
    /// The tag as one text: the key alone if the value is empty, otherwise both, separated by a dot.
    pub fn text(&self) -> String {
        if self.value.is_empty() { self.key.clone() } else { format!("{}.{}", self.key, self.value) }
    }

    /// About as many bytes of memory as it takes.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.key.len() + self.value.len()
    }

    /// Whether the tag is a system tag.
    pub fn is_system(&self) -> bool {
        is_system_key(&self.key)
    }
}

/// Whether a key is the key of a system tag.
pub fn is_system_key(key: &str) -> bool {
    key.starts_with(SYSTEM_PREFIX)
}
