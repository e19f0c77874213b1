//! Whether a statement is cheap, as far as its form says.

use super::{
    groups::Groups,
    shape::{ResourceFilter, Strategy},
};

/// What a statement costs the database: about a millisecond, or possibly hundreds. Statements of each cost have
/// connections of their own, so that the expensive ones do not hold up the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cost {
    /// Bounded by a few labels, or by a page.
    Cheap = 0,
    /// It grows with the values of a key, the names or the scopes.
    Expensive = 1,
}

/// Labels, counted in each scope, that a cheap query has at most. In a scope of 400,000 resources a query with 40 takes
/// 5 ms.
const MOST_LABELS: usize = 32;

impl Cost {
    /// The cost of what is looked up so many times.
    pub fn of_lookups(lookups: usize) -> Self {
        if lookups <= MOST_LABELS { Self::Cheap } else { Self::Expensive }
    }

    /// The cost of a query over so many scopes. A page costs little beside what a query finds: 1,000 resources take 4 ms.
    pub(super) fn of_query(strategy: Strategy, groups: &Groups<'_>, scopes: usize) -> Self {
        let is_by_labels = match strategy {
            Strategy::Single(_) | Strategy::BatchedSingle | Strategy::Union(_) | Strategy::Intersection(_) => true,
            Strategy::DisjointSum { substring, .. } => !substring,
            // an identifier is one resource
            Strategy::General { substring, filter, .. } => {
                !substring && matches!(filter, None | Some(ResourceFilter::Id | ResourceFilter::IdAndName))
            }
            Strategy::Values | Strategy::Names { .. } => false,
        };
        if is_by_labels { Self::of_lookups(groups.labels.len() * scopes) } else { Self::Expensive }
    }
}
