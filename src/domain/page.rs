//! The result of a query: the exact total and a page of resources.

use std::sync::Arc;

use super::{resource::Resource, tag::Tag};

/// A scope: the resources of one type in one project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Number of the scope.
    pub scope_id: i64,
    /// Project of the scope.
    pub project_id: String,
    /// Display name of the project; only known in queries over several types.
    pub project_name: String,
    /// Resource type of the scope.
    pub resource_type: String,
}

/// A resource on a page, with the scope it belongs to.
///
/// A page is encoded once and dropped, so all texts of a resource are in one allocation: a separate one for each text
/// would cost more than the rest of the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Scope of the resource.
    pub scope: Arc<Scope>,
    /// Identifier, name, detail, and the keys and values of the tags, one after the other.
    texts: String,
    /// Where each of them ends.
    ends: Vec<usize>,
    has_detail: bool,
}

impl Item {
    /// A resource with its tags as alternating keys and values: key, value, key, value ...
    pub fn new(
        scope: Arc<Scope>,
        resource_id: &str,
        resource_name: &str,
        detail: Option<&str>,
        tag_parts: &[&str],
    ) -> Self {
        let head = [resource_id, resource_name, detail.unwrap_or_default()];
        let length = head.iter().chain(tag_parts).map(|text| text.len()).sum();
        let mut item = Self {
            scope,
            texts: String::with_capacity(length),
            ends: Vec::with_capacity(head.len() + tag_parts.len()),
            has_detail: detail.is_some(),
        };
        for text in head.iter().chain(tag_parts) {
            item.texts.push_str(text);
            item.ends.push(item.texts.len());
        }
        item
    }

    /// Identifier, unique in its scope.
    pub fn resource_id(&self) -> &str {
        self.text(0)
    }

    /// Display name; empty if it has none.
    pub fn resource_name(&self) -> &str {
        self.text(1)
    }

    /// The owning service's own JSON text, if any is stored.
    pub fn detail(&self) -> Option<&str> {
        self.has_detail.then(|| self.text(2))
    }

    /// Keys and values of the tags, sorted by key in byte order.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        (3..self.ends.len()).step_by(2).map(|at| (self.text(at), self.text(at + 1)))
    }

    /// About as many bytes of memory as it takes.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.texts.len() + size_of_val(self.ends.as_slice())
    }

    /// The parts of the resource.
    pub fn resource(&self) -> Resource {
        let tags = self.tags().map(|(key, value)| Tag { key: key.to_owned(), value: value.to_owned() });
        Resource {
            resource_id: self.resource_id().to_owned(),
            resource_name: self.resource_name().to_owned(),
            detail: self.detail().map(ToOwned::to_owned),
            tags: tags.collect(),
        }
    }

    fn text(&self, at: usize) -> &str {
        let end_of = |at: usize| self.ends.get(at).copied().unwrap_or_default();
        let start = at.checked_sub(1).map_or(0, end_of);
        self.texts.get(start..end_of(at)).unwrap_or_default()
    }
}

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The total number of matching resources.
    pub total: u64,
    /// The page: in the order of the requested scopes, and in each scope the most recently registered first.
    pub items: Vec<Item>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_gives_back_what_it_was_made_of() {
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
        for (detail, parts, tags) in [
            (None, &[][..], vec![]),
            (Some(""), &["k", ""][..], vec![tag("k", "")]),
            (Some("{}"), &["ключ", "v", "k", "值"][..], vec![tag("ключ", "v"), tag("k", "值")]),
        ] {
            let item = Item::new(Arc::default(), "id", "", detail, parts);
            let detail = detail.map(ToOwned::to_owned);
            let whole = Resource { resource_id: "id".into(), resource_name: String::new(), detail, tags };
            assert_eq!(item.resource(), whole);
        }
    }
}
