//! The fields of a body, read one by one, with errors that say where they are.

use std::{borrow::Cow, cell::Cell, fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    domain::{RequestError, limits::ListLimit, reason::quote},
    json::{JsonError, ListSeed, Object},
    text,
};

/// The fields of a body that is a JSON object, each still as it was sent.
///
/// Fields are read one by one, because what is valid in one can depend on another: with `without_any_tag` the lists may
/// contain anything, and so may `limit` and `offset` in a count.
#[derive(Debug)]
pub(in crate::dialects) struct Fields<'a> {
    entries: Vec<(&'static str, &'a RawValue)>,
    body: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the outer object; an unknown or duplicate field is an error.
    pub(in crate::dialects) fn parse(body: &'a [u8], known: &'static [&'static str]) -> Result<Self, RequestError> {
        let body = text::begin(body).map_err(|wrong| RequestError::Body { reason: format!("body: {wrong}") })?;
        if body.is_empty() {
            return Err(RequestError::Body {
                reason: "body: must not be empty, expected a JSON object (line 1, column 1)".into(),
            });
        }
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let entries = deserializer
            .deserialize_map(FieldsVisitor { known })
            .and_then(|entries| deserializer.end().map(|()| entries))
            .map_err(|error| RequestError::Body { reason: JsonError::new("body", &error).to_string() })?;
        Ok(Self { entries, body })
    }

    fn raw(&self, field: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.entries.iter().find(|(name, _)| *name == field)?;
        // null means the same as leaving the field out
        Some(*raw).filter(|raw| raw.get() != "null")
    }

    /// A field of a given type, if it is present.
    pub(in crate::dialects) fn read<T: DeserializeOwned>(
        &self,
        field: &'static str,
    ) -> Result<Option<T>, RequestError> {
        self.read_seed(field, PhantomData, &TooLong::default())
    }

    /// A list, if it is present. If it is too long, it is not read past the last allowed entry.
    pub(in crate::dialects) fn list<T: DeserializeOwned>(
        &self,
        field: &'static str,
        limit: ListLimit,
    ) -> Result<Option<Vec<T>>, RequestError> {
        let too_long = TooLong::default();
        self.read_seed(field, too_long.list(PhantomData, limit), &too_long)
    }

    /// A list of objects, if it is present.
    pub(in crate::dialects) fn objects<T: DeserializeOwned>(
        &self,
        field: &'static str,
        limit: ListLimit,
    ) -> Result<Option<Vec<T>>, RequestError> {
        let entries = self.list::<Object<T>>(field, limit)?;
        Ok(entries.map(|entries| entries.into_iter().map(|Object(entry)| entry).collect()))
    }

    /// A field that `seed` reads; `too_long` is set if a list in it is too long.
    pub(super) fn read_seed<S: DeserializeSeed<'a> + Copy>(
        &self,
        field: &'static str,
        seed: S,
        too_long: &TooLong,
    ) -> Result<Option<S::Value>, RequestError> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        // tracking the path takes longer than reading, so a field is only read again with its path if it is invalid
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        if let Ok(value) = seed.deserialize(&mut deserializer) {
            return Ok(Some(value));
        }
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        seed.deserialize(tracked).map(Some).map_err(|error| {
            let path = track.path().to_string();
            let path = match path.as_str() {
                "." => field.to_owned(),
                path if path.starts_with('[') => format!("{field}{path}"),
                path => format!("{field}.{path}"),
            };
            match too_long.0.get() {
                Some(limit) => limit.exceeded(path),
                None => JsonError::new(&path, &error).within(self.body, raw.get().as_bytes()).into(),
            }
        })
    }

    /// A boolean; false if it is absent.
    pub(in crate::dialects) fn flag(&self, field: &'static str) -> Result<bool, RequestError> {
        Ok(self.read(field)?.unwrap_or_default())
    }

    /// The text of a number, which may be sent as a string as well.
    pub(super) fn number(&self, field: &'static str) -> Result<Option<Cow<'a, str>>, RequestError> {
        let Some(raw) = self.raw(field) else { return Ok(None) };
        if raw.get().starts_with('"') {
            self.read::<String>(field).map(|text| text.map(Cow::Owned))
        } else {
            Ok(Some(Cow::Borrowed(raw.get())))
        }
    }
}

/// The limit that a list exceeds, if one does. Some dialects have a separate code for each limit, but serde's errors
/// are only texts.
#[derive(Debug, Default)]
pub(super) struct TooLong(Cell<Option<ListLimit>>);

impl TooLong {
    /// Reads a list within its limit.
    pub(super) fn list<S: Copy>(&self, entry: S, limit: ListLimit) -> ListSeed<S, impl Fn() -> String + Copy> {
        let too_long = move || {
            self.0.set(Some(limit));
            String::new()
        };
        ListSeed { entry, most: limit.most, too_long }
    }
}

struct FieldsVisitor {
    known: &'static [&'static str],
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Vec<(&'static str, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Self::Value = Vec::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Some(known) = self.known.iter().find(|known| **known == name) else {
                return Err(A::Error::custom(format!(
                    "unknown field {}, expected one of {}",
                    quote(&name),
                    self.known.join(", ")
                )));
            };
            if entries.iter().any(|(other, _)| other == known) {
                return Err(A::Error::custom(format!("duplicate field {}", quote(&name))));
            }
            entries.push((known, map.next_value()?));
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Entry {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        key: String,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path_line_and_column() {
        let path = |body: &str, is_list: bool| {
            let fields = Fields::parse(body.as_bytes(), &["tag", "tags"]).unwrap();
            if is_list {
                fields.read::<Vec<Object<Entry>>>("tags").unwrap_err().to_string()
            } else {
                fields.read::<Object<Entry>>("tag").unwrap_err().to_string()
            }
        };
        let number = "invalid type: integer `1`, expected a string";
        assert_eq!(path(r#"{"tag":{"key":1}}"#, false), format!("tag.key: {number} (line 1, column 15)"));
        assert_eq!(path("{\"tag\":\n {\"key\":1}}", false), format!("tag.key: {number} (line 2, column 9)"));
        let body = "{\"tags\":[{\"key\":\"a\"},\n{\"key\":1}]}";
        assert_eq!(path(body, true), format!("tags[1].key: {number} (line 2, column 8)"));
        assert!(path(r#"{"tag":[]}"#, false).starts_with("tag: invalid type: sequence, expected a JSON object"));
    }
}
