//! What can be asked: a tag query, the scopes it runs over and what it outputs.

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
    /// Several types, answered in this order; in one project or in every one of the caller's domain.
    Types {
        /// Resource types, without repetition.
        resource_types: Vec<String>,
        /// The project; none for all, which only global types allow.
        project_id: Option<String>,
    },
}

/// What a query outputs besides the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryOutput {
    /// Nothing.
    Count,
    /// These resources, newest first.
    Page {
        /// Most resources on the page.
        limit: u32,
        /// Resources to pass over.
        offset: u64,
    },
}

/// A whole request for resources, as every dialect's query decodes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceQuery {
    /// Where to look.
    pub scopes: ScopeSelector,
    /// What to look for.
    pub query: TagQuery,
    /// What to answer.
    pub output: QueryOutput,
}
