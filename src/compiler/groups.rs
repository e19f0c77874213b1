//! The conditions of a query as groups of labels, and the choice of a strategy for them.

use std::collections::HashSet;

use super::{
    label::LabelKind,
    shape::{NameSearch, ResourceFilter, ScopeCount, Strategy},
};
use crate::domain::{NameMatch, TagQuery, Term, ValueMatch, is_storable, matching::fold, tag::is_system_key};

/// A label in a group: the kind, key and value that identify it.
#[derive(Clone, Copy)]
pub(super) struct LabelCondition<'a> {
    pub(super) group: i32,
    pub(super) kind: LabelKind,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// The labels of a key's values that contain a text.
#[derive(Clone, Copy)]
pub(super) struct SubstringCondition<'a> {
    pub(super) group: i32,
    pub(super) key: &'a str,
    pub(super) text: &'a str,
}

/// A condition on the name.
pub(super) enum NameCondition {
    Empty,
    /// The name contains this text, which is folded as names are.
    Contains(String),
}

/// The conditions of a query: see the table in the documentation of the parent module.
#[derive(Default)]
pub(super) struct Groups<'a> {
    pub(super) labels: Vec<LabelCondition<'a>>,
    pub(super) substrings: Vec<SubstringCondition<'a>>,
    pub(super) name: Option<NameCondition>,
    pub(super) id: Option<&'a str>,
    /// Number of groups above 0.
    pub(super) required: i32,
    /// Number of groups below 0.
    pub(super) excluded: i32,
}

impl<'a> Groups<'a> {
    pub(super) fn of(query: &'a TagQuery) -> Self {
        let mut groups = Self::default();
        if query.without_any_tag {
            groups.require(LabelKind::Untagged);
        } else {
            for term in &query.tags {
                groups.required += 1;
                groups.add(groups.required, term);
            }
            if !query.tags_any.is_empty() {
                groups.required += 1;
                for term in &query.tags_any {
                    groups.add(groups.required, term);
                }
            }
            if let [term] = query.not_tags.as_slice() {
                // "not all" of a single condition is "not any"
                groups.add(0, term);
            } else {
                for term in &query.not_tags {
                    groups.excluded += 1;
                    groups.add(-groups.excluded, term);
                }
            }
            for term in &query.not_tags_any {
                groups.add(0, term);
            }
        }
        for term in &query.sys_tags {
            if is_system_key(&term.key) {
                groups.required += 1;
                groups.add(groups.required, term);
            } else {
                groups.require(LabelKind::Nothing);
            }
        }
        match &query.resource_name {
            None => {}
            Some(NameMatch::Empty) => groups.name = Some(NameCondition::Empty),
            Some(NameMatch::Contains(text)) if !is_storable(text) => groups.require(LabelKind::Nothing),
            Some(NameMatch::Contains(text)) => groups.name = Some(NameCondition::Contains(fold(text))),
        }
        match &query.resource_id {
            Some(id) if !is_storable(id) => groups.require(LabelKind::Nothing),
            id => groups.id = id.as_deref(),
        }
        if groups.name.is_some() || groups.id.is_some() {
            groups.required += 1;
        }
        if groups.required == 0 {
            groups.push(1, LabelKind::All, "", "");
        }
        groups
    }

    fn push(&mut self, group: i32, kind: LabelKind, key: &'a str, value: &'a str) {
        self.labels.push(LabelCondition { group, kind, key, value });
    }

    fn require(&mut self, kind: LabelKind) {
        self.required += 1;
        self.push(self.required, kind, "", "");
    }

    /// Postgres refuses text with a NUL and cannot store any, so a condition with one is replaced by a label that does
    /// not exist.
    fn add(&mut self, group: i32, term: &'a Term) {
        let key = term.key.as_str();
        if !is_storable(key) {
            self.push(group, LabelKind::Nothing, "", "");
            return;
        }
        if term.values.is_empty() {
            self.push(group, LabelKind::Key, key, "");
        }
        for value in &term.values {
            match value {
                ValueMatch::Exact(text) | ValueMatch::Contains(text) if !is_storable(text) => {
                    self.push(group, LabelKind::Nothing, "", "");
                }
                ValueMatch::Exact(text) => self.push(group, LabelKind::Pair, key, text),
                ValueMatch::Contains(text) => self.substrings.push(SubstringCondition { group, key, text }),
            }
        }
    }

    /// The cheapest strategy that can express the groups.
    pub(super) fn strategy(&self, scopes: ScopeCount) -> Strategy {
        let filter = self.filter();
        let substring = !self.substrings.is_empty();
        match (self.labels.as_slice(), self.substrings.as_slice(), filter) {
            ([], [], Some(ResourceFilter::Name(search))) => Strategy::Names { scopes, search },
            (_, _, Some(_)) => Strategy::General { scopes, substring, filter },
            ([_], [], None) => Strategy::Single(scopes),
            ([], [_], None) if scopes == ScopeCount::One => Strategy::Values,
            _ if self.is_one_group() && self.is_disjoint() => Strategy::DisjointSum { scopes, substring },
            _ if substring || self.takes_away() => Strategy::General { scopes, substring, filter },
            _ if self.required == 1 => Strategy::Union(scopes),
            (labels, ..) if i32::try_from(labels.len()) == Ok(self.required) => Strategy::Intersection(scopes),
            _ => Strategy::General { scopes, substring, filter },
        }
    }

    fn filter(&self) -> Option<ResourceFilter> {
        Some(match (&self.name, self.id) {
            (None, None) => return None,
            (None, Some(_)) => ResourceFilter::Id,
            (Some(_), Some(_)) => ResourceFilter::IdAndName,
            (Some(NameCondition::Empty), None) => ResourceFilter::EmptyName,
            (Some(NameCondition::Contains(text)), None) if text.chars().nth(2).is_none() => ResourceFilter::ShortName,
            (Some(NameCondition::Contains(text)), None) => ResourceFilter::Name(if text.chars().all(is_of_word) {
                NameSearch::WithinWord
            } else {
                NameSearch::AcrossWords
            }),
        })
    }

    /// The labels of conditions: without *every resource*, which is only there to subtract others from it.
    fn conditions(&self) -> impl Iterator<Item = &LabelCondition<'a>> {
        self.labels.iter().filter(|condition| condition.kind != LabelKind::All)
    }

    /// Whether all conditions are in one group, which is required or subtracted from *every resource*.
    fn is_one_group(&self) -> bool {
        let labels = self.conditions().map(|condition| condition.group);
        let mut groups = labels.chain(self.substrings.iter().map(|condition| condition.group));
        groups.next().is_some_and(|first| groups.all(|group| group == first))
    }

    /// Whether no resource can have two of the labels: there is only one, or they are different values of one key.
    fn is_disjoint(&self) -> bool {
        let mut labels = self.conditions();
        match (labels.next(), self.substrings.as_slice()) {
            (None, [_]) => true,
            (Some(first), []) => {
                let is_value = |label: &LabelCondition<'a>| label.kind == LabelKind::Pair && label.key == first.key;
                let mut values = HashSet::from([first.value]);
                // a single label may be of any kind
                labels.all(|label| is_value(first) && is_value(label) && values.insert(label.value))
            }
            // two substrings, or a substring and a value, can match the same label
            _ => false,
        }
    }

    /// Whether labels are subtracted.
    pub(super) fn takes_away(&self) -> bool {
        let labels = self.labels.iter().map(|condition| condition.group);
        labels.chain(self.substrings.iter().map(|condition| condition.group)).any(|group| group <= 0)
    }
}

/// Whether the character can be in a word of the index, as in `tagd.words_of`; all others separate words.
fn is_of_word(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}
