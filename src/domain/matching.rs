//! The semantics of a query in plain Rust, which are the oracle of the tests.

use super::{
    query::{NameMatch, TagQuery, Term, ValueMatch},
    resource::Resource,
    tag::Tag,
};

impl TagQuery {
    /// Whether a resource satisfies every condition of the query.
    ///
    /// The four lists are matched against all tags of the resource, system tags included; only `without_any_tag` ignores
    /// system tags.
    pub fn matches(&self, resource: &Resource) -> bool {
        let tags = &resource.tags;
        let hit = |term: &Term| tags.iter().any(|tag| term.matches(tag));
        let lists = if self.without_any_tag {
            tags.iter().all(Tag::is_system)
        } else {
            self.tags.iter().all(hit)
                && (self.tags_any.is_empty() || self.tags_any.iter().any(hit))
                && (self.not_tags.is_empty() || !self.not_tags.iter().all(hit))
                && !self.not_tags_any.iter().any(hit)
        };
        lists
            && self.sys_tags.iter().all(|term| tags.iter().any(|tag| tag.is_system() && term.matches(tag)))
            && self.resource_id.as_ref().is_none_or(|id| *id == resource.resource_id)
            && self.resource_name.as_ref().is_none_or(|name| name.matches(&resource.resource_name))
    }
}

impl Term {
    /// Whether a tag has the key and one of the values.
    pub fn matches(&self, tag: &Tag) -> bool {
        self.key == tag.key && (self.values.is_empty() || self.values.iter().any(|value| value.matches(&tag.value)))
    }
}

impl ValueMatch {
    /// Whether a tag's value matches.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => value == text,
            Self::Contains(text) => value.contains(text),
        }
    }
}

impl NameMatch {
    /// Whether a resource's name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Empty => name.is_empty(),
            Self::Contains(text) => fold(name).contains(&fold(text)),
        }
    }
}

/// A case-folded name, as it is stored for search and compared.
///
/// Folds each character separately, so that a substring of a name folds to a substring of the folded name; the two small
/// sigmas are one letter. Databases differ in `lower()`, so names are only folded here.
pub fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(tags: &[(&str, &str)]) -> Resource {
        let tags = tags.iter().map(|(k, v)| Tag { key: (*k).into(), value: (*v).into() }).collect();
        Resource { resource_id: "r1".into(), resource_name: "Web-Straße".into(), detail: None, tags }
    }

    fn term(key: &str, values: &[&str]) -> Term {
        Term { key: key.into(), values: values.iter().map(|v| ValueMatch::Exact((*v).into())).collect() }
    }

    #[test]
    fn not_tags_keeps_a_resource_that_lacks_one_entry() {
        let query = TagQuery { not_tags: vec![term("a", &["1"]), term("b", &["2"])], ..TagQuery::default() };
        assert!(query.matches(&resource(&[("a", "1")])));
        assert!(!query.matches(&resource(&[("a", "1"), ("b", "2")])));
    }

    #[test]
    fn not_tags_any_keeps_only_a_resource_that_lacks_all_entries() {
        let query = TagQuery { not_tags_any: vec![term("a", &["1"]), term("b", &["2"])], ..TagQuery::default() };
        assert!(!query.matches(&resource(&[("a", "1")])));
        assert!(query.matches(&resource(&[("a", "2")])));
    }

    #[test]
    fn system_tags_do_not_count_as_tags() {
        let query = TagQuery { without_any_tag: true, tags: vec![term("ignored", &[])], ..TagQuery::default() };
        assert!(query.matches(&resource(&[("_sys_project", "0")])));
        assert!(!query.matches(&resource(&[("a", "")])));
    }

    #[test]
    fn sys_tags_never_match_a_user_tag() {
        let query = TagQuery { sys_tags: vec![term("a", &[])], ..TagQuery::default() };
        assert!(!query.matches(&resource(&[("a", "1")])));
    }

    #[test]
    fn values_compare_with_case_and_names_without() {
        let contains = Term { key: "a".into(), values: vec![ValueMatch::Contains("rod".into())] };
        let query = TagQuery { tags: vec![contains], ..TagQuery::default() };
        assert!(query.matches(&resource(&[("a", "prod")])));
        assert!(!query.matches(&resource(&[("a", "pROD")])));
        let named =
            |text: &str| TagQuery { resource_name: Some(NameMatch::Contains(text.into())), ..TagQuery::default() };
        assert!(named("web-STRA").matches(&resource(&[])));
        assert!(!named("strasse").matches(&resource(&[])));
        assert_eq!(fold("ΟΔΟΣ"), fold("οδος"));
    }
}
