//! The registration of a resource with its tags.

use super::resource::Resource;

/// A complete resource, tags included, as the registry or an import registers it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// Project of the resource.
    pub project_id: String,
    /// Display name of the project; `None` keeps the current one.
    pub project_name: Option<String>,
    /// Account of the project; `None` keeps the current one.
    pub domain_id: Option<String>,
    /// Resource type.
    pub resource_type: String,
    /// The resource. Its tags are by key, byte order, each key once.
    pub resource: Resource,
}
