//! What changes the truth: the registration of a resource with its tags.

use super::resource::Resource;

/// A resource as the registry or an import states it: all of it, tags included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// Project of the resource.
    pub project_id: String,
    /// Display name of the project; `None` leaves what is known.
    pub project_name: Option<String>,
    /// Account of the project; `None` leaves what is known.
    pub domain_id: Option<String>,
    /// Resource type.
    pub resource_type: String,
    /// The resource. Its tags are by key, byte order, each key once.
    pub resource: Resource,
}
