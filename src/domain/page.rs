//! What a query answers: the exact total and a page of resources.

use std::sync::Arc;

use super::resource::Resource;

/// The resources of one type in one project: what a query runs over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Number of the scope.
    pub scope_id: i64,
    /// Project of the scope.
    pub project_id: String,
    /// Display name of the project; known only where a query spans projects.
    pub project_name: String,
    /// Resource type of the scope.
    pub resource_type: String,
}

/// A resource on a page, with the scope it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Scope of the resource.
    pub scope: Arc<Scope>,
    /// The resource.
    pub resource: Resource,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// How many resources match, whatever the page.
    pub total: u64,
    /// The page: in the order of the scopes asked, newest registered first in each.
    pub items: Vec<Item>,
}
