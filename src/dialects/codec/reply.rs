//! The JSON of short answers.

use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::{
    dialects::dialect::WireReply,
    domain::{Answer, Command, Page, QueryOutput, RequestError, Tag},
};

/// Tags of an answer, `[{"key", "value"}]`; system tags only if the dialect shows them.
struct TagsReply<'a> {
    tags: &'a [Tag],
    show_system: bool,
}

#[derive(Serialize)]
struct TagReply<'a> {
    key: &'a str,
    value: &'a str,
}

impl Serialize for TagsReply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for tag in self.tags.iter().filter(|tag| self.show_system || !tag.is_system()) {
            list.serialize_element(&TagReply { key: &tag.key, value: &tag.value })?;
        }
        list.end()
    }
}

/// The tags of a resource; the same in every dialect except for system tags.
#[derive(Serialize)]
struct ListReply<'a> {
    tags: TagsReply<'a>,
}

/// Writes the tags of a resource.
pub(in crate::dialects) fn encode_tags(answer: &Answer, show_system: bool) -> Result<WireReply, RequestError> {
    match answer {
        Answer::Tags(tags) => encode(&ListReply { tags: TagsReply { tags, show_system } }),
        other => Err(mismatch(other)),
    }
}

/// Writes the answer to a change: a status without a body.
pub(in crate::dialects) fn encode_done(answer: &Answer, status: u16) -> Result<WireReply, RequestError> {
    match answer {
        Answer::Done => Ok(WireReply::empty(status)),
        other => Err(mismatch(other)),
    }
}

/// A count; the same in every dialect.
#[derive(Serialize)]
struct CountReply {
    total_count: u64,
}

/// Writes the answer to a count.
pub(in crate::dialects) fn encode_count(total_count: u64) -> Result<WireReply, RequestError> {
    encode(&CountReply { total_count })
}

/// Writes an answer as JSON, with status 200.
pub(in crate::dialects) fn encode(reply: &impl Serialize) -> Result<WireReply, RequestError> {
    serde_json::to_vec(reply).map(WireReply::ok).map_err(RequestError::internal)
}

/// Whether a query is only for the total.
pub(in crate::dialects) fn is_count(command: &Command) -> bool {
    matches!(command, Command::Query(query) if query.output == QueryOutput::Count)
}

/// The page that answers a query.
pub(in crate::dialects) fn page_of(answer: &Answer) -> Result<&Page, RequestError> {
    match answer {
        Answer::Page(page) => Ok(page),
        other => Err(mismatch(other)),
    }
}

/// The error for an answer that does not fit the command: a bug in tagd.
pub(in crate::dialects) fn mismatch(answer: &Answer) -> RequestError {
    RequestError::internal(format!("an answer of the wrong kind: {answer:?}"))
}
