//! What the text of a statement depends on: how labels are combined, over how many scopes, for a count or a page.

/// Whether a statement runs over one scope or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScopeCount {
    /// One, whose number is a parameter.
    One,
    /// Any number, given in order as an array.
    Many,
}

/// How a substring of the name is looked up in the indexes of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameSearch {
    /// The text lies within a word: by words that are labels and by the gram index.
    WithinWord,
    /// The text spans words: by the gram index.
    AcrossWords,
}

/// A condition for which there is no label: on identifier or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceFilter {
    /// The identifier.
    Id,
    /// The identifier and the name.
    IdAndName,
    /// A substring of the name, by index.
    Name(NameSearch),
    /// A substring of the name that is too short for the index: all names of the scope are read.
    ShortName,
    /// The name is empty.
    EmptyName,
}

/// How a statement finds its resources. [`Strategy::General`] can express every query; the others are cheaper for
/// some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// One label.
    Single(ScopeCount),
    /// Several queries of one label each, in one scope: see [`batch`](super::batch).
    BatchedSingle,
    /// Labels of which no two share a resource, either alone or subtracted from *every resource*: their counts are
    /// added up, and bits are read for the page only.
    DisjointSum {
        /// Scopes.
        scopes: ScopeCount,
        /// Whether some of the labels are values with a text in them.
        substring: bool,
    },
    /// The values of one key that contain a text, in one scope.
    Values,
    /// At least one of several labels.
    Union(ScopeCount),
    /// All of several labels.
    Intersection(ScopeCount),
    /// A substring of the name as the only condition, by index.
    Names {
        /// Scopes.
        scopes: ScopeCount,
        /// Which indexes are used.
        search: NameSearch,
    },
    /// Any groups of labels.
    General {
        /// Scopes.
        scopes: ScopeCount,
        /// Whether some of the labels are values with a text in them.
        substring: bool,
        /// Condition on identifier or name.
        filter: Option<ResourceFilter>,
    },
}

/// Everything that the text of a statement depends on. Every value of this type has a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How resources are found.
    pub strategy: Strategy,
    /// Whether a page of resources is returned with the total.
    pub page: bool,
}

impl Shape {
    /// Its name in metrics and log lines, which stays the same.
    pub fn name(self) -> String {
        let mut name = match self.strategy {
            Strategy::Single(_) => "single",
            Strategy::BatchedSingle => "batched_single",
            Strategy::DisjointSum { .. } => "disjoint_sum",
            Strategy::Values => "values",
            Strategy::Union(_) => "union",
            Strategy::Intersection(_) => "intersection",
            Strategy::Names { search: NameSearch::WithinWord, .. } => "names_within_word",
            Strategy::Names { search: NameSearch::AcrossWords, .. } => "names_across_words",
            Strategy::General { .. } => "general",
        }
        .to_owned();
        if let Strategy::DisjointSum { substring: true, .. } | Strategy::General { substring: true, .. } = self.strategy
        {
            name.push_str("_substring");
        }
        if let Strategy::General { filter: Some(filter), .. } = self.strategy {
            name.push_str(match filter {
                ResourceFilter::Id => "_id",
                ResourceFilter::IdAndName => "_id_and_name",
                ResourceFilter::Name(NameSearch::WithinWord) => "_name_within_word",
                ResourceFilter::Name(NameSearch::AcrossWords) => "_name_across_words",
                ResourceFilter::ShortName => "_short_name",
                ResourceFilter::EmptyName => "_empty_name",
            });
        }
        if self.strategy.scopes() == ScopeCount::Many {
            name.push_str("_many");
        }
        name.push_str(if self.page { "_page" } else { "_count" });
        name
    }
}

impl Strategy {
    /// Over how many scopes.
    pub fn scopes(self) -> ScopeCount {
        match self {
            Self::BatchedSingle | Self::Values => ScopeCount::One,
            Self::Single(scopes)
            | Self::Union(scopes)
            | Self::Intersection(scopes)
            | Self::DisjointSum { scopes, .. }
            | Self::Names { scopes, .. }
            | Self::General { scopes, .. } => scopes,
        }
    }
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
