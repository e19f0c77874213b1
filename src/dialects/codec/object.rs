//! Long answers, written as JSON directly from the data.

use crate::{
    dialects::dialect::WireReply,
    domain::{Item, Page, tag::is_system_key},
};

/// A JSON object that is being written, field by field, into the buffer that is sent. Most responses of tagd are pages,
/// and serde would check each character of the field names, which are constant.
#[derive(Debug)]
pub(in crate::dialects) struct Object {
    json: Vec<u8>,
}

/// Initial capacity in bytes, enough for a small page.
const SMALL: usize = 512;

/// Additional capacity for each resource of a page, enough for a resource with a few tags.
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
    /// Writes a field with a number.
    pub(in crate::dialects) fn number(&mut self, name: &str, number: u64) {
        self.json(name, &number.to_string());
    }

    /// Writes a field with a text.
    pub(in crate::dialects) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.push_text(text);
    }

    /// Writes a field whose value is JSON already.
    pub(in crate::dialects) fn json(&mut self, name: &str, json: &str) {
        self.name(name);
        self.json.extend_from_slice(json.as_bytes());
    }

    /// Writes the field `tags`: `[{"key", "value"}]`; system tags only if the dialect shows them.
    pub(in crate::dialects) fn tags(&mut self, item: &Item, show_system: bool) {
        let shown = item.tags().filter(|(key, _)| show_system || !is_system_key(key));
        self.list("tags", shown, |tag, (key, value)| {
            tag.text("key", key);
            tag.text("value", value);
        });
    }

    /// Writes a field with a list of objects, each from an entry.
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

    /// Writes a field name; it is a constant of the dialect, so nothing in it has to be escaped.
    fn name(&mut self, name: &str) {
        self.separate();
        self.json.push(b'"');
        self.json.extend_from_slice(name.as_bytes());
        self.json.extend_from_slice(b"\":");
    }

    /// Writes a comma, except at the start of a list or object.
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
        // writing to a Vec cannot fail, and JSON can express every text
        let _ = serde_json::to_writer(json, text);
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
}

/// Whether a text has characters that JSON escapes.
#[expect(clippy::needless_bitwise_bool, reason = "without an early exit the loop can be vectorized")]
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
