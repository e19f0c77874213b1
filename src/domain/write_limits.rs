//! Limits of writes and their checks; each dialect has its own numbers.

use std::collections::HashSet;

use super::{
    error::{FieldKind, RequestError},
    limits::{KEY_REQUIRED, ListLimit, check_charset, check_length},
    reason::{self, quote},
    tag::{SYSTEM_PREFIX, Tag, is_system_key},
};

/// Limits of a dialect for writes. Lengths are in Unicode characters.
///
/// Source of the sets and lengths: `docs/SEMANTICS.md`, "Writes". Removing has fewer restrictions than adding, so that
/// tags older than a rule can still be removed.
#[derive(Debug, Clone, Copy)]
pub struct WriteLimits {
    /// Maximum number of tags in one request; the minimum is 1.
    pub tags: usize,
    /// Maximum length of a key.
    pub key_length: usize,
    /// Maximum length of a value.
    pub value_length: usize,
    /// Characters allowed in a key besides letters and digits of any language.
    pub key_charset: &'static str,
    /// The same for a value.
    pub value_charset: &'static str,
    /// Whether a key must not begin or end with a space.
    pub trimmed_key: bool,
    /// The same for a value.
    pub trimmed_value: bool,
    /// Maximum length of a key to remove; its characters are not restricted.
    pub remove_key_length: usize,
    /// Maximum length of a value to remove.
    pub remove_value_length: usize,
    /// Whether the value of a tag to remove is compared; otherwise only the key is.
    pub remove_by_value: bool,
}

/// A tag as it was sent.
#[derive(Debug, Clone)]
pub struct RawTag {
    /// Key, if one was sent.
    pub key: Option<String>,
    /// Value, if one was sent; in a write, an absent value is the empty value.
    pub value: Option<String>,
}

impl WriteLimits {
    /// The limit on tags in one request.
    pub const fn of_tags(&self) -> ListLimit {
        ListLimit { most: self.tags, entries: "tags", kind: FieldKind::General }
    }

    /// Checks a list of tags to write.
    pub fn check_put(&self, list: &str, tags: Vec<RawTag>) -> Result<Vec<Tag>, RequestError> {
        self.check_count(list, tags.len())?;
        let mut seen = HashSet::new();
        let mut checked = Vec::with_capacity(tags.len());
        for (i, tag) in tags.into_iter().enumerate() {
            let tag = self.check_put_one(&format!("{list}[{i}]"), tag)?;
            if !seen.insert(tag.key.clone()) {
                return Err(duplicate_key(list, i, &tag.key));
            }
            checked.push(tag);
        }
        Ok(checked)
    }

    /// Checks one tag to write.
    pub fn check_put_one(&self, field: &str, tag: RawTag) -> Result<Tag, RequestError> {
        // a tag that is not within another field has its own ones
        let within = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        let key_field = within("key");
        let key = check_key(field, &key_field, tag.key, tag.value.is_none())?;
        check_length(FieldKind::Key, &key_field, &key, self.key_length)?;
        check_charset(FieldKind::Key, &key_field, &key, Some(self.key_charset))?;
        check_edges(FieldKind::Key, &key_field, &key, self.trimmed_key)?;
        let value_field = within("value");
        let value = tag.value.unwrap_or_default();
        check_length(FieldKind::Value, &value_field, &value, self.value_length)?;
        check_charset(FieldKind::Value, &value_field, &value, Some(self.value_charset))?;
        check_edges(FieldKind::Value, &value_field, &value, self.trimmed_value)?;
        Ok(Tag { key, value })
    }

    /// Checks a list of tags to remove.
    pub fn check_remove(&self, list: &str, tags: Vec<RawTag>) -> Result<Vec<(String, Option<String>)>, RequestError> {
        self.check_count(list, tags.len())?;
        let mut seen = HashSet::new();
        let mut checked = Vec::with_capacity(tags.len());
        for (i, tag) in tags.into_iter().enumerate() {
            let (key, value) = self.check_remove_one(&format!("{list}[{i}]"), tag)?;
            if !seen.insert(key.clone()) {
                return Err(duplicate_key(list, i, &key));
            }
            checked.push((key, value.filter(|_| self.remove_by_value)));
        }
        Ok(checked)
    }

    fn check_remove_one(&self, field: &str, tag: RawTag) -> Result<(String, Option<String>), RequestError> {
        let (key_field, value_field) = (format!("{field}.key"), format!("{field}.value"));
        let key = check_key(field, &key_field, tag.key, tag.value.is_none())?;
        check_length(FieldKind::Key, &key_field, &key, self.remove_key_length)?;
        if let Some(value) = &tag.value {
            check_length(FieldKind::Value, &value_field, value, self.remove_value_length)?;
        }
        Ok((key, tag.value))
    }

    /// Checks a list of tags to write that are identified by key and value together, so a key may be repeated.
    pub fn check_put_pairs(&self, list: &str, tags: Vec<RawTag>) -> Result<Vec<Tag>, RequestError> {
        self.check_count(list, tags.len())?;
        let check = |(i, tag)| self.check_put_one(&format!("{list}[{i}]"), tag);
        check_pairs(list, tags.into_iter().enumerate().map(check).collect::<Result<_, RequestError>>()?)
    }

    /// The same for tags to remove; an absent value is the empty value.
    pub fn check_remove_pairs(&self, list: &str, tags: Vec<RawTag>) -> Result<Vec<Tag>, RequestError> {
        self.check_count(list, tags.len())?;
        let check = |(i, tag)| {
            let (key, value) = self.check_remove_one(&format!("{list}[{i}]"), tag)?;
            Ok(Tag { key, value: value.unwrap_or_default() })
        };
        check_pairs(list, tags.into_iter().enumerate().map(check).collect::<Result<_, RequestError>>()?)
    }

    fn check_count(&self, list: &str, count: usize) -> Result<(), RequestError> {
        match count {
            0 => Err(RequestError::invalid(FieldKind::Tags, list, reason::too_few(self.tags, "tags"))),
            count if count > self.tags => Err(self.of_tags().exceeded(list)),
            _ => Ok(()),
        }
    }
}

/// Refuses the key of a system tag, which only the registry and imports may write.
pub fn check_not_system(field: &str, key: &str) -> Result<(), RequestError> {
    if is_system_key(key) {
        let reason = format!("must not start with {SYSTEM_PREFIX:?}, which is reserved for system tags");
        return Err(RequestError::invalid(FieldKind::Key, field, reason));
    }
    Ok(())
}

fn check_key(entry: &str, field: &str, key: Option<String>, nothing_else: bool) -> Result<String, RequestError> {
    match key {
        None if nothing_else => Err(RequestError::invalid(FieldKind::Element, entry, KEY_REQUIRED)),
        None => Err(RequestError::invalid(FieldKind::Key, field, reason::REQUIRED)),
        Some(key) if key.is_empty() => Err(RequestError::invalid(FieldKind::Key, field, reason::EMPTY)),
        Some(key) => {
            check_not_system(field, &key)?;
            Ok(key)
        }
    }
}

fn check_edges(kind: FieldKind, field: &str, text: &str, trimmed: bool) -> Result<(), RequestError> {
    if trimmed && (text.starts_with(' ') || text.ends_with(' ')) {
        return Err(RequestError::invalid(kind, field, "must not begin or end with a space"));
    }
    Ok(())
}

fn check_pairs(list: &str, tags: Vec<Tag>) -> Result<Vec<Tag>, RequestError> {
    let mut seen = HashSet::new();
    for (i, tag) in tags.iter().enumerate() {
        if !seen.insert((&tag.key, &tag.value)) {
            let reason = format!("duplicate tag {} with value {}", quote(&tag.key), quote(&tag.value));
            return Err(RequestError::invalid(FieldKind::General, format!("{list}[{i}]"), reason));
        }
    }
    Ok(tags)
}

fn duplicate_key(list: &str, i: usize, key: &str) -> RequestError {
    RequestError::invalid(FieldKind::Key, format!("{list}[{i}].key"), reason::duplicate("key", key))
}
