//! What the text of a statement depends on: how labels are combined, over how many scopes, for a count or a page.

/// How many scopes a statement runs over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScopeCount {
    /// One: its number is a parameter.
    One,
    /// Any number, in the order of an array.
    Many,
}

/// How a text in the name is looked up in the indexes of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameSearch {
    /// The text lies within a word: words that are labels, and the gram index.
    WithinWord,
    /// The text spans words: the gram index.
    AcrossWords,
}

/// A condition on columns of the resource, which has no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceFilter {
    /// The identifier.
    Id,
    /// The identifier and the name.
    IdAndName,
    /// A text in the name, by index.
    Name(NameSearch),
    /// A text in the name that is too short for the index: all names of the scope are read.
    ShortName,
    /// The name is empty.
    EmptyName,
}

/// How a statement finds its resources. [`Strategy::General`] can express every query; the others are cheaper for some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// One label.
    Single(ScopeCount),
    /// Several queries of one label each, in one scope: see [`batch`](super::batch).
    BatchedSingle,
    /// Labels of which no two share a resource, less labels that lie within them: their counts are added up, and
    /// bits are read for the page alone.
    DisjointSum {
        /// Scopes.
        scopes: ScopeCount,
        /// Whether some of the labels are values with a text in them.
        substring: bool,
    },
    /// Values of one key that have a text in them, in one scope.
    Values,
    /// At least one of several labels.
    Union(ScopeCount),
    /// All of several labels.
    Intersection(ScopeCount),
    /// A text in the name and nothing else, by index.
    Names {
        /// Scopes.
        scopes: ScopeCount,
        /// Which indexes.
        search: NameSearch,
    },
    /// Groups of labels, in full.
    General {
        /// Scopes.
        scopes: ScopeCount,
        /// Whether some of the labels are values with a text in them.
        substring: bool,
        /// Condition on columns of the resource.
        filter: Option<ResourceFilter>,
    },
}

/// What the text of a statement depends on. Every value of this type has a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How resources are found.
    pub strategy: Strategy,
    /// Whether a page of resources is returned with the total.
    pub page: bool,
}

/// Every shape, in a fixed order.
pub fn shapes() -> Vec<Shape> {
    const FILTERS: [Option<ResourceFilter>; 7] = [
        None,
        Some(ResourceFilter::Id),
        Some(ResourceFilter::IdAndName),
        Some(ResourceFilter::Name(NameSearch::WithinWord)),
        Some(ResourceFilter::Name(NameSearch::AcrossWords)),
        Some(ResourceFilter::ShortName),
        Some(ResourceFilter::EmptyName),
    ];
    let mut strategies = vec![Strategy::BatchedSingle, Strategy::Values];
    for scopes in [ScopeCount::One, ScopeCount::Many] {
        strategies.extend([Strategy::Single(scopes), Strategy::Union(scopes), Strategy::Intersection(scopes)]);
        for search in [NameSearch::WithinWord, NameSearch::AcrossWords] {
            strategies.push(Strategy::Names { scopes, search });
        }
        for substring in [false, true] {
            strategies.push(Strategy::DisjointSum { scopes, substring });
            strategies.extend(FILTERS.map(|filter| Strategy::General { scopes, substring, filter }));
        }
    }
    strategies.into_iter().flat_map(|strategy| [false, true].map(|page| Shape { strategy, page })).collect()
}
