//! Predefined tags: key-value pairs that an account prepares, without a resource.

use serde::Serialize;

use super::{WRITES, number, text};
use crate::{
    dialects::{
        codec::{self, Fields, Parameters},
        dialect::{WireReply, WireRequest},
    },
    domain::{
        Answer, Command, FieldKind, RequestError, WriteLimits,
        command::{PredefinedOrder, PredefinedQuery},
        limits::{check_charset, check_length},
        reason,
    },
};

// ---- limits

/// Source: `docs/SEMANTICS.md`, "Predefined tags".
pub const LIMITS: WriteLimits = WriteLimits { tags: 50, ..WRITES };

/// Minimum and maximum number of tags in one answer; 0 means all.
const LIMIT: (u64, u64) = (0, 1000);
const DEFAULT_LIMIT: u64 = 10;

// ---- wire shapes

const ACTION_FIELDS: &[&str] = &["action", "tags"];
const REPLACE_FIELDS: &[&str] = &["old_tag", "new_tag"];
const LIST_PARAMETERS: &[&str] = &["key", "value", "limit", "marker", "order_field", "order_method"];

#[derive(Serialize)]
struct ListReply<'a> {
    marker: String,
    total_count: u64,
    tags: Vec<TagReply<'a>>,
}

#[derive(Serialize)]
struct TagReply<'a> {
    key: &'a str,
    value: &'a str,
    update_time: &'a str,
}

// ---- decode and encode

pub(super) fn decode_action(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, ACTION_FIELDS)?;
    let invalid = |reason: String| RequestError::invalid(FieldKind::Action, "action", reason);
    match fields.read::<String>("action")?.as_deref() {
        Some("create") => fields.put_pairs("tags", &LIMITS).map(Command::PutPredefined),
        Some("delete") => fields.remove_pairs("tags", &LIMITS).map(Command::RemovePredefined),
        Some(other) => Err(invalid(reason::not_one_of(codec::ACTIONS, other))),
        None => Err(invalid(reason::required_one_of(codec::ACTIONS))),
    }
}

pub(super) fn decode_replace(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, REPLACE_FIELDS)?;
    let old = fields.put_tag("old_tag", &LIMITS)?;
    let new = fields.put_tag("new_tag", &LIMITS)?;
    Ok(Command::ReplacePredefined { old, new })
}

pub(super) fn encode_replace(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_done(answer, 200)
}

pub(super) fn decode_list(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let parameters = codec::read_parameters(request.query, LIST_PARAMETERS)?;
    let key = decode_part(&parameters, FieldKind::Key, "key", LIMITS.key_length, LIMITS.key_charset)?;
    let value = decode_part(&parameters, FieldKind::Value, "value", LIMITS.value_length, LIMITS.value_charset)?;
    let limit = number(&parameters, FieldKind::Limit, "limit", LIMIT, DEFAULT_LIMIT)?;
    let limit = u32::try_from(limit).map_err(RequestError::internal)?;
    let offset = match text(&parameters, "marker") {
        // clients send an empty marker for the first page
        Some("") => 0,
        _ => number(&parameters, FieldKind::General, "marker", (0, u64::MAX), 0)?,
    };
    let order = match text(&parameters, "order_field") {
        None | Some("update_time") => PredefinedOrder::UpdateTime,
        Some("key") => PredefinedOrder::Key,
        Some("value") => PredefinedOrder::Value,
        Some(other) => {
            let reason = reason::not_one_of(&["update_time", "key", "value"], other);
            return Err(RequestError::invalid(FieldKind::General, "order_field", reason));
        }
    };
    let descending = match text(&parameters, "order_method") {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(other) => {
            let reason = reason::not_one_of(&["asc", "desc"], other);
            return Err(RequestError::invalid(FieldKind::General, "order_method", reason));
        }
    };
    Ok(Command::ListPredefined(PredefinedQuery { key, value, limit, offset, order, descending }))
}

/// A text to search for in keys or values.
fn decode_part(
    parameters: &Parameters<'_>,
    kind: FieldKind,
    name: &str,
    length: usize,
    charset: &str,
) -> Result<Option<String>, RequestError> {
    let Some(part) = text(parameters, name) else { return Ok(None) };
    check_length(kind, name, part, length)?;
    check_charset(kind, name, part, Some(charset))?;
    Ok(Some(part.to_owned()))
}

pub(super) fn encode_list(command: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let (Command::ListPredefined(query), Answer::Predefined { tags, total }) = (command, answer) else {
        return Err(codec::mismatch(answer));
    };
    // the position of the last tag of the page in the whole list, counted from 1; clients stop at an empty marker
    let marker = match u64::try_from(tags.len()).map_err(RequestError::internal)? {
        0 => String::new(),
        count => query.offset.saturating_add(count).to_string(),
    };
    let shown = tags.iter().map(|entry| TagReply {
        key: &entry.tag.key,
        value: &entry.tag.value,
        update_time: &entry.updated_at,
    });
    codec::encode(&ListReply { marker, total_count: *total, tags: shown.collect() })
}
