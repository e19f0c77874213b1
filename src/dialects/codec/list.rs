//! Lists of tags, which may be written in pieces.

use super::{mismatch, push_text};
use crate::{
    dialects::dialect::{ListWriter, WireReply},
    domain::{Answer, RequestError, Tag},
};

/// Writes a list of tags, with status 200: all of it, or its first piece if it has a rest.
pub(in crate::dialects) fn encode_list(
    answer: &Answer,
    mut writer: impl ListWriter + 'static,
) -> Result<WireReply, RequestError> {
    let Answer::TagList(list) = answer else { return Err(mismatch(answer)) };
    let mut json = Vec::new();
    writer.begin(&mut json);
    writer.each(&list.tags, &mut json);
    if list.rest.is_some() {
        return Ok(WireReply { rest: Some(Box::new(writer)), ..WireReply::ok(json) });
    }
    writer.end(list.next.as_deref(), &mut json);
    Ok(WireReply::ok(json))
}

/// Writes `{"tags":[{"key":"env","values":["prod","test"]}]` from tags sorted by key, and then what the dialect adds.
#[derive(Debug)]
pub(in crate::dialects) struct KeyList {
    /// The key whose values are being written.
    key: Option<String>,
    /// Number of keys so far.
    keys: usize,
    tail: fn(keys: usize, next: Option<&str>, json: &mut Vec<u8>),
}

impl KeyList {
    /// A list; `tail` writes what follows it, including the closing brace, from the number of keys and the marker of
    /// the next page.
    pub(in crate::dialects) fn new(tail: fn(usize, Option<&str>, &mut Vec<u8>)) -> Self {
        Self { key: None, keys: 0, tail }
    }

    /// A list with nothing after it.
    pub(in crate::dialects) fn plain() -> Self {
        Self::new(|_, _, json| json.push(b'}'))
    }
}

impl ListWriter for KeyList {
    fn begin(&mut self, json: &mut Vec<u8>) {
        json.extend_from_slice(b"{\"tags\":[");
    }

    fn each(&mut self, tags: &[Tag], json: &mut Vec<u8>) {
        for tag in tags {
            if self.key.as_ref() == Some(&tag.key) {
                json.push(b',');
            } else {
                json.extend_from_slice(if self.keys == 0 { b"{\"key\":" } else { b"]},{\"key\":" });
                push_text(&tag.key, json);
                json.extend_from_slice(b",\"values\":[");
                self.key = Some(tag.key.clone());
                self.keys += 1;
            }
            push_text(&tag.value, json);
        }
    }

    fn end(&mut self, next: Option<&str>, json: &mut Vec<u8>) {
        json.extend_from_slice(if self.keys == 0 { b"]" } else { b"]}]" });
        (self.tail)(self.keys, next, json);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_list_reads_the_same_wherever_it_is_cut() {
        let tags = [tag("a", ""), tag("a", "\"q\""), tag("b", "x"), tag("b", "y"), tag("c", "ключ")];
        let whole = r#"{"tags":[{"key":"a","values":["","\"q\""]},{"key":"b","values":["x","y"]},{"key":"c","values":["ключ"]}],"n":3,"next":Some("m")}"#;
        for size in 1..=tags.len() {
            let mut list =
                KeyList::new(|keys, next, json| json.extend(format!(",\"n\":{keys},\"next\":{next:?}}}").bytes()));
            let mut json = Vec::new();
            list.begin(&mut json);
            for piece in tags.chunks(size) {
                list.each(piece, &mut json);
                list.each(&[], &mut json);
            }
            list.end(Some("m"), &mut json);
            assert_eq!(String::from_utf8(json).unwrap(), whole, "{size}");
        }
    }

    #[test]
    fn a_list_without_tags_is_an_empty_one() {
        let mut json = Vec::new();
        let mut list = KeyList::plain();
        list.begin(&mut json);
        list.end(None, &mut json);
        assert_eq!(json, b"{\"tags\":[]}");
    }
}
