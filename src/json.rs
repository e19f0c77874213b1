//! What JSON that is read must be: objects are objects, and lists are read no further than their limit.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// Something that is read from a JSON object and from nothing else. Serde alone also takes an array of the fields'
/// values in order.
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

/// A tag. `K` is `String` where one without a key cannot be read, and `Option<String>` where that has an error of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TagBody<K> {
    pub(crate) key: K,
    pub(crate) value: Option<String>,
}

/// A list of at most `MOST` entries. Of a longer one nothing is read behind the last entry that may be there.
#[derive(Debug)]
pub(crate) struct List<T, const MOST: usize>(pub(crate) Vec<T>);

impl<T, const MOST: usize> Default for List<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let too_long = || format!("{TOO_LONG}{MOST}");
        ListSeed { entry: PhantomData, most: MOST, too_long }.deserialize(deserializer).map(Self)
    }
}

const TOO_LONG: &str = "too many entries, at most ";

/// What is wrong with a [`List`] beyond its limit, if that is the error. Other errors begin with words of their own.
pub(crate) fn too_long(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let most: String = text.strip_prefix(TOO_LONG)?.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{TOO_LONG}{most}"))
}

/// Reads a list whose limit is only known while the program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListSeed<S, F> {
    /// Reads an entry.
    pub(crate) entry: S,
    /// Entries that may be there.
    pub(crate) most: usize,
    /// What to say of a list that goes on.
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

/// Finds that there is an entry, and leaves it where it is. Nothing can be read behind it.
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
        // whatever stands behind the second entry, be it JSON or not
        for rest in ["3]", "\"x\"]", "{\"", "[[[", "nonsense"] {
            let error = read(&format!("[1,2,{rest}")).unwrap_err();
            assert!(error.starts_with(".: too many entries, at most 2 at line 1 column "), "{rest}: {error}");
        }
        // within the limit everything is looked at
        assert!(read("[1,\"x\",3]").unwrap_err().starts_with("[1]: invalid type"));
        assert!(read("[1,2").unwrap_err().contains("EOF"));
        assert!(read("[1,2,]").unwrap_err().contains("trailing comma"));
        assert!(read("{}").unwrap_err().contains("expected a sequence"));
    }
}
