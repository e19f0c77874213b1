//! Answers that are long, written as JSON straight from what they show.

use crate::{
    dialects::dialect::WireReply,
    domain::{Item, Page, tag::is_system_key},
};

/// A JSON object under way. Field by field it is written where it will be sent from: pages are most of what tagd
/// answers, and serde looks at each character of names that are known.
#[derive(Debug)]
pub(in crate::dialects) struct Object {
    json: Vec<u8>,
}

/// Bytes to begin with: of a small page.
const SMALL: usize = 512;

/// Bytes for each resource of a page: of one with a few tags.
const ENTRY: usize = 384;

/// Writes a page as a JSON object, with status 200.
pub(in crate::dialects) fn encode_page(page: &Page, write: impl FnOnce(&mut Object)) -> WireReply {
    let mut object = Object { json: Vec::with_capacity(SMALL + page.items.len() * ENTRY) };
    object.json.push(b'{');
    write(&mut object);
    object.json.push(b'}');
    WireReply::ok(object.json)
}

impl Object {
    /// A number.
    pub(in crate::dialects) fn number(&mut self, name: &str, number: u64) {
        self.json(name, &number.to_string());
    }

    /// A text.
    pub(in crate::dialects) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.push_text(text);
    }

    /// What is JSON already.
    pub(in crate::dialects) fn json(&mut self, name: &str, json: &str) {
        self.name(name);
        self.json.extend_from_slice(json.as_bytes());
    }

    /// The field `tags`: `[{"key", "value"}]`; system tags only where the dialect shows them.
    pub(in crate::dialects) fn tags(&mut self, item: &Item, show_system: bool) {
        let shown = item.tags().filter(|(key, _)| show_system || !is_system_key(key));
        self.list("tags", shown, |tag, (key, value)| {
            tag.text("key", key);
            tag.text("value", value);
        });
    }

    /// A list of objects, each written from an entry.
    pub(in crate::dialects) fn list<T>(
        &mut self,
        name: &str,
        entries: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.name(name);
        self.json.push(b'[');
        for entry in entries {
            self.separate();
            self.json.push(b'{');
            write(self, entry);
            self.json.push(b'}');
        }
        self.json.push(b']');
    }

    /// A name, one of the dialect's own: nothing in it is escaped.
    fn name(&mut self, name: &str) {
        self.separate();
        self.json.push(b'"');
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
    }

    /// A comma, but for the first of a list or object.
    fn separate(&mut self) {
        if !matches!(self.json.last(), Some(b'{' | b'[')) {
            self.json.push(b',');
        }
    }

    fn push_text(&mut self, text: &str) {
        push_text(text, &mut self.json);
    }
}

/// Writes a text as JSON.
pub(in crate::dialects) fn push_text(text: &str, json: &mut Vec<u8>) {
    if has_escape(text) {
        // writing to a Vec cannot fail, nor has a text anything that JSON has not
        let _ = serde_json::to_writer(json, text);
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
}

/// Whether JSON writes anything in a text in another way.
#[expect(clippy::needless_bitwise_bool, reason = "without a way out of the loop it runs over many bytes at a time")]
fn has_escape(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_written_is_what_serde_reads() {
        let texts = [
            "",
            "a",
            "\"",
            "\\",
            "\n\t\0\u{1f}\u{7f}",
            "é\u{2028}𝄞",
            "{",
            "[",
            "a long text with a \" in it, and some more",
        ];
        for text in texts {
            let item = Item::new(Arc::default(), text, "", None, &["k", text, text, "v", "_sys_k", "s"]);
            let reply = encode_page(&Page::default(), |page| {
                page.list("none", [] as [(); 0], |_, ()| {});
                page.list("some", [&item, &item], |entry, item| {
                    entry.text("id", item.resource_id());
                    entry.json("detail", "{}");
                    entry.tags(item, false);
                });
                page.number("n", u64::MAX);
            });
            let tags = json!([{ "key": "k", "value": text }, { "key": text, "value": "v" }]);
            let entry = json!({ "id": text, "detail": {}, "tags": tags });
            let read: Value = serde_json::from_slice(&reply.body).unwrap();
            assert_eq!(read, json!({ "none": [], "some": [entry, entry], "n": u64::MAX }));
        }
    }
}
