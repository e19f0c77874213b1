//! The services that own resource types, and how people call them.

/// A name for people, in the languages of the cross-service API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisplayName {
    /// In Chinese.
    pub chinese: &'static str,
    /// In English.
    pub english: &'static str,
}

/// A service that owns resource types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloudService {
    /// Short name, as the registry has it: `DNS`.
    pub name: &'static str,
    /// Name for people.
    pub display_name: DisplayName,
    /// Names for people of its resource types. A type that is missing here is shown by its own name.
    pub types: &'static [(&'static str, DisplayName)],
}

impl CloudService {
    /// The name for people of a resource type.
    pub fn type_name(&self, resource_type: &str) -> Option<DisplayName> {
        self.types.iter().find(|(name, _)| *name == resource_type).map(|(_, display_name)| *display_name)
    }
}
