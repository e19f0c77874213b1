//! Keys and values in use, without the resources.

use serde::Serialize;

use super::{check_types, mandatory, named};
use crate::{
    dialects::{
        codec::{self, KeyList, Parameters},
        dialect::{WireReply, WireRequest},
    },
    domain::{Answer, Command, FieldKind, RequestError, command::KeysetPage, reason},
};

// ---- limits

/// Maximum and default number of names in one answer. Source: the SDK; in another edition of the document, the default
/// for values is 10.
const LIMIT: u32 = 200;

// ---- wire shapes

#[derive(Serialize)]
struct KeysReply<'a> {
    keys: &'a [String],
    page_info: PageInfoReply<'a>,
}

#[derive(Serialize)]
struct ValuesReply<'a> {
    values: &'a [String],
    page_info: PageInfoReply<'a>,
}

/// An object, as in the document's table; its example has a list, which the SDK cannot use to get the next page.
#[derive(Serialize)]
struct PageInfoReply<'a> {
    next_marker: &'a str,
    current_count: usize,
}

/// The marker after the empty value, which sorts first: an empty marker would end the list. No value contains a NUL, so
/// no other value has this marker.
const BEHIND_EMPTY: &str = "\0";

// ---- decode and encode

pub(super) fn decode_keys(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let parameters = codec::read_parameters(request.query, &["region_id", "limit", "marker"])?;
    Ok(Command::ListKeys { region: decode_region(&parameters), part: decode_part(&parameters)? })
}

pub(super) fn decode_values(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let parameters = codec::read_parameters(request.query, &["key", "region_id", "limit", "marker"])?;
    // not restricted to keys that this dialect could write, since other dialects write keys too
    let key = mandatory(&parameters, FieldKind::Key, "key")?.to_owned();
    Ok(Command::ListValues { region: decode_region(&parameters), key, part: decode_part(&parameters)? })
}

fn decode_region(parameters: &Parameters<'_>) -> Option<String> {
    named(parameters, "region_id").map(ToOwned::to_owned)
}

fn decode_part(parameters: &Parameters<'_>) -> Result<KeysetPage, RequestError> {
    let KeysetPage { limit, marker } = codec::read_part(parameters, LIMIT)?;
    // clients send an empty marker for the first page
    Ok(KeysetPage { limit, marker: marker.filter(|marker| !marker.is_empty()) })
}

pub(super) fn encode_keys(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let (keys, page_info) = names_of(answer)?;
    codec::encode(&KeysReply { keys, page_info })
}

pub(super) fn encode_values(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let (values, page_info) = names_of(answer)?;
    codec::encode(&ValuesReply { values, page_info })
}

fn names_of(answer: &Answer) -> Result<(&[String], PageInfoReply<'_>), RequestError> {
    let Answer::Names { names, next } = answer else { return Err(codec::mismatch(answer)) };
    let next_marker = match next.as_deref() {
        None => "",
        Some("") => BEHIND_EMPTY,
        Some(name) => name,
    };
    Ok((names, PageInfoReply { next_marker, current_count: names.len() }))
}

pub(super) fn decode_tags(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let parameters = codec::read_parameters(request.query, &["resource_types", "project_id", "tag_types"])?;
    // one parameter, with types separated by commas
    let resource_types: Vec<String> =
        mandatory(&parameters, FieldKind::General, "resource_types")?.split(',').map(ToOwned::to_owned).collect();
    check_types(&resource_types)?;
    let project_id = mandatory(&parameters, FieldKind::General, "project_id")?.to_owned();
    let tag_types = mandatory(&parameters, FieldKind::General, "tag_types")?;
    if tag_types != "resource" {
        return Err(RequestError::invalid(
            FieldKind::General,
            "tag_types",
            reason::not_one_of(&["resource"], tag_types),
        ));
    }
    Ok(Command::ListTypeTags { project_id, resource_types })
}

pub(super) fn encode_tags(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_list(answer, KeyList::new(|_, _, json| json.extend_from_slice(br#","errors":[]}"#)))
}
