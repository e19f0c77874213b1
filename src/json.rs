//! Reads JSON: objects must be objects, lists are not read past their limit, and errors give their position.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::MapAccessDeserializer,
    },
};

use crate::domain::{
    FieldKind, RequestError,
    reason::{self, shorten},
};

/// Why JSON cannot be read, with the position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonError {
    path: String,
    reason: String,
    line: usize,
    column: usize,
}

impl JsonError {
    /// An error of serde in the field with this path.
    pub(crate) fn new(path: &str, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        // serde_json puts line and column at the end
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        // serde quotes the invalid text in full
        let (path, reason) = (shorten(path).into_owned(), shorten(reason).into_owned());
        // an error at the first character has column 0
        Self { path, reason, line: error.line(), column: error.column().max(1) }
    }

    /// The same error with its position in `text`, of which `part` was read.
    pub(crate) fn within(self, text: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let before = text.get(..start).unwrap_or_default();
        let lines_before = before.split(|byte| *byte == b'\n').count().saturating_sub(1);
        let column_before = before.iter().rev().take_while(|byte| **byte != b'\n').count();
        let column = if self.line <= 1 { column_before + self.column } else { self.column };
        Self { line: lines_before + self.line, column, ..self }
    }

    /// The message without the line number, for text that is a single line of an input.
    pub(crate) fn on_its_line(&self) -> String {
        let separator = if self.path.is_empty() { "" } else { ": " };
        format!("{}{separator}{} (column {})", self.path, self.reason, self.column)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, reason, line, column } = self;
        let separator = if path.is_empty() { "" } else { ": " };
        write!(f, "{path}{separator}{reason} (line {line}, column {column})")
    }
}

impl From<JsonError> for RequestError {
    fn from(error: JsonError) -> Self {
        // a list that is too long is an invalid field; the position where reading stopped is of no use
        if error.reason.starts_with(TOO_MANY) {
            Self::invalid(FieldKind::General, error.path, error.reason)
        } else {
            Self::Body { reason: error.to_string() }
        }
    }
}

/// The beginning of the error for a [`List`] that is too long; no other error begins like this.
const TOO_MANY: &str = "must have at most ";

/// Reads one JSON object, which must be the whole text. `whole` is its name in errors.
pub(crate) fn read_object<T: DeserializeOwned>(text: &[u8], whole: &str) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read: Result<Object<T>, _> = serde_path_to_error::deserialize(&mut deserializer);
    let Object(value) = read.map_err(|error| {
        let path = error.path().to_string();
        // the path ends with a question mark if the text ends inside an object
        let path = path.trim_end_matches(['.', '?']);
        JsonError::new(if path.is_empty() { whole } else { path }, error.inner())
    })?;
    deserializer.end().map_err(|error| JsonError::new(whole, &error))?;
    Ok(value)
}

/// The same for an object with secrets, whose errors have none of its values.
pub(crate) fn read_object_with_secrets<T: DeserializeOwned>(text: &[u8], whole: &str) -> Result<T, JsonError> {
    read_object(text, whole)
        .map_err(|error| JsonError { reason: reason::without_value(&error.reason).into_owned(), ..error })
}

/// Checks that a text is JSON. Values are skipped without recursion, so that no depth can exhaust the stack.
pub(crate) fn check(text: &str) -> Result<(), JsonError> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| JsonError::new("", &error))
}

/// A value that is only read from a JSON object. By itself, serde would also accept an array with the values of the
/// fields in order.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A tag. `K` is `String` if a missing key is an error of the JSON, and `Option<String>` if it is checked later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagBody<K> {
    pub(crate) key: K,
    pub(crate) value: Option<String>,
}

/// A list of at most `MOST` entries. A longer one is not read past the last allowed entry.
#[derive(Debug)]
pub(crate) struct List<T, const MOST: usize>(pub(crate) Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let too_long = || reason::too_many(MOST, "entries");
        ListSeed { entry: PhantomData, most: MOST, too_long }.deserialize(deserializer).map(Self)
    }
}

/// Reads a list whose limit is only known at run time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListSeed<S, F> {
    /// Reads an entry.
    pub(crate) entry: S,
    /// Maximum number of entries.
    pub(crate) most: usize,
    /// The error for a longer list.
    pub(crate) too_long: F,
}

impl<'de, S: DeserializeSeed<'de> + Copy, F: Fn() -> String> DeserializeSeed<'de> for ListSeed<S, F> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy, F: Fn() -> String> Visitor<'de> for ListSeed<S, F> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while entries.len() < self.most {
            match list.next_element_seed(self.entry)? {
                Some(entry) => entries.push(entry),
                None => return Ok(entries),
            }
        }
        match list.next_element_seed(Unread)? {
            Some(()) => Err(A::Error::custom((self.too_long)())),
            None => Ok(entries),
        }
    }
}

/// Detects that there is another entry without reading it. Nothing can be read afterwards.
struct Unread;

impl<'de> DeserializeSeed<'de> for Unread {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<u8>, String> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let read: Result<List<u8, 2>, _> = serde_path_to_error::deserialize(&mut deserializer);
        read.map(|List(entries)| entries).map_err(|error| format!("{}: {}", error.path(), error.inner()))
    }

    #[test]
    fn a_list_is_read_up_to_its_limit_and_no_further() {
        assert_eq!(read("[]"), Ok(vec![]));
        assert_eq!(read("[1]"), Ok(vec![1]));
        assert_eq!(read("[1, 2 ]"), Ok(vec![1, 2]));
        // whatever follows the second entry, be it JSON or not
        for rest in ["3]", "\"x\"]", "{\"", "[[[", "nonsense"] {
            let error = read(&format!("[1,2,{rest}")).unwrap_err();
            assert!(error.starts_with(".: must have at most 2 entries at line 1 column "), "{rest}: {error}");
        }
        // within the limit, everything is checked
        assert!(read("[1,\"x\",3]").unwrap_err().starts_with("[1]: invalid type"));
        assert!(read("[1,2").unwrap_err().contains("EOF"));
        assert!(read("[1,2,]").unwrap_err().contains("trailing comma"));
        assert!(read("{}").unwrap_err().contains("expected a sequence"));
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        list: List<u8, 2>,
    }

    #[test]
    fn an_error_has_path_line_and_column_and_a_long_list_has_only_its_path() {
        let error = |text: &str| read_object::<Body>(text.as_bytes(), "body").unwrap_err();
        assert_eq!(
            error("{\n\"list\": [1, \"x\"]}").to_string(),
            "list[1]: invalid type: string \"x\", expected u8 (line 2, column 15)"
        );
        assert_eq!(error("{} x").to_string(), "body: missing field `list` (line 1, column 2)");
        assert_eq!(error("{\"list\":[]} x").to_string(), "body: trailing characters (line 1, column 13)");
        assert_eq!(error("{\"list\":[]} x").on_its_line(), "body: trailing characters (column 13)");
        assert_eq!(error("").to_string(), "body: EOF while parsing a value (line 1, column 1)");
        let long = RequestError::from(error("{\"list\": [1, 2, 3]}"));
        assert_eq!(long.to_string(), "list: must have at most 2 entries");
        assert!(matches!(long, RequestError::Invalid { .. }));
        assert!(matches!(RequestError::from(error("[]")), RequestError::Body { .. }));
        assert_eq!(check("[1,]").unwrap_err().on_its_line(), "expected value (column 4)");
    }

    #[test]
    fn a_place_in_a_part_is_told_as_one_in_the_whole() {
        let text = b"{\n \"a\": 1x}";
        let part = &text[8..];
        let error = serde_json::from_slice::<u8>(part).unwrap_err();
        let shown = JsonError::new("a", &error).within(text, part).to_string();
        assert_eq!(shown, "a: trailing characters (line 2, column 8)");
    }
}
