//! A query: its filters, the scopes it runs over and its output.

/// The filters of a query; all of them must hold. An absent list is an empty one: no condition.
///
/// Source of every rule: `docs/SEMANTICS.md`, "Queries". The meaning in code is
/// [`TagQuery::matches`](TagQuery::matches).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagQuery {
    /// Every entry matches.
    pub tags: Vec<Term>,
    /// At least one entry matches.
    pub tags_any: Vec<Term>,
    /// Not every entry matches.
    pub not_tags: Vec<Term>,
    /// No entry matches.
    pub not_tags_any: Vec<Term>,
    /// Every entry matches a system tag.
    pub sys_tags: Vec<Term>,
    /// Only resources without a tag; the four lists of user tags are then ignored.
    pub without_any_tag: bool,
    /// Condition on the name.
    pub resource_name: Option<NameMatch>,
    /// Exactly this identifier.
    pub resource_id: Option<String>,
}

/// One entry of a list: a key and the values it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Key, compared byte by byte.
    pub key: String,
    /// One of these; empty for any value.
    pub values: Vec<ValueMatch>,
}

/// How a value is compared; always with case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// The whole value.
    Exact(String),
    /// The text occurs anywhere in the value.
    Contains(String),
}

/// How a name is compared; never with case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameMatch {
    /// The resource has no name.
    Empty,
    /// The text, not empty, occurs anywhere in the name.
    Contains(String),
}

/// Which scopes a query runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeSelector {
    /// One type in one project.
    Scope {
        /// Project.
        project_id: String,
        /// Resource type.
        resource_type: String,
    },
    /// Several types, in this order in the result; in one project or in all projects of the caller's domain.
    Types {
        /// Resource types, without duplicates.
        resource_types: Vec<String>,
        /// The project; `None` for all, which only global types allow.
        project_id: Option<String>,
    },
}

/// The output of a query besides the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryOutput {
    /// Nothing.
    Count,
    /// These resources, newest first.
    Page {
        /// Maximum number of resources on the page.
        limit: u32,
        /// Resources to skip.
        offset: u64,
    },
}

/// A complete request for resources, which the queries of all dialects are decoded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceQuery {
    /// The scopes to search.
    pub scopes: ScopeSelector,
    /// The filters.
    pub query: TagQuery,
    /// The output.
    pub output: QueryOutput,
}
