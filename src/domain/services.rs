//! The services that own resource types, and their display names.

/// A display name, in the languages of the cross-service API.
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
    /// Display name.
    pub display_name: DisplayName,
    /// Display names of its resource types. A type that is missing here is shown by its own name.
    pub types: &'static [(&'static str, DisplayName)],
}

impl CloudService {
    /// The display name of a resource type.
    pub fn type_name(&self, resource_type: &str) -> Option<DisplayName> {
        self.types.iter().find(|(name, _)| *name == resource_type).map(|(_, display_name)| *display_name)
    }
}
