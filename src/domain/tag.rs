//! A tag: a key with a value on a resource.

/// Keys that start with this belong to the system: only the registry and imports write them.
pub const SYSTEM_PREFIX: &str = "_sys_";

/// A key with its value. A resource carries each key at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Key, at least one character.
    pub key: String,
    /// Value; may be empty.
    pub value: String,
}

impl Tag {
    /// Whether the tag belongs to the system.
    pub fn is_system(&self) -> bool {
        is_system_key(&self.key)
    }
}

/// Whether a key belongs to the system.
pub fn is_system_key(key: &str) -> bool {
    key.starts_with(SYSTEM_PREFIX)
}
