//! CTS: trackers.

use serde_json::json;

use super::{
    codec::{self, Action, Fields, KeyList, MatchRules},
    dialect::{Dialect, Method, Operation, Route, WireError, WireReply, WireRequest},
};
use crate::domain::{
    Answer, Command, FieldKind, QueryLimits, QueryOutput, RequestError, ResourceQuery, ScopeSelector, TagQuery,
    WriteLimits,
    command::ResourceRef,
    services::{CloudService, DisplayName},
};

/// The dialect of the Cloud Trace Service.
pub(super) static CTS: Dialect = Dialect { service: SERVICE, routes: ROUTES, wire_error, encode_error };

const SERVICE: CloudService = CloudService {
    name: "CTS",
    display_name: DisplayName { chinese: "云审计服务", english: "Cloud Trace Service" },
    types: &[("cts-tracker", DisplayName { chinese: "追踪器", english: "Tracker" })],
};

// ---- routes

const ROUTES: &[Route] = &[
    Route {
        method: Method::Post,
        path: "/v3/{project_id}/{resource_type}/resource-instances/filter",
        operation: Operation { decode: decode_filter, encode: encode_query, body: true },
    },
    Route {
        method: Method::Post,
        path: "/v3/{project_id}/{resource_type}/resource-instances/count",
        operation: Operation { decode: decode_count, encode: encode_query, body: true },
    },
    Route {
        method: Method::Post,
        path: "/v3/{project_id}/{resource_type}/{resource_id}/tags/create",
        operation: Operation { decode: decode_create, encode: encode_created, body: true },
    },
    Route {
        method: Method::Delete,
        path: "/v3/{project_id}/{resource_type}/{resource_id}/tags/delete",
        operation: Operation { decode: decode_delete, encode: encode_done, body: true },
    },
    Route {
        method: Method::Post,
        path: "/v3/{project_id}/{resource_type}/{resource_id}/tags",
        operation: Operation { decode: decode_add, encode: encode_done, body: true },
    },
    Route {
        method: Method::Get,
        path: "/v3/{project_id}/{resource_type}/{resource_id}/tags",
        operation: Operation { decode: decode_list, encode: encode_tags, body: false },
    },
    Route {
        method: Method::Delete,
        path: "/v3/{project_id}/{resource_type}/{resource_id}/tags/{key}",
        operation: Operation { decode: decode_remove_key, encode: encode_done, body: false },
    },
    Route {
        method: Method::Get,
        path: "/v3/{project_id}/{resource_type}/tags",
        operation: Operation { decode: decode_list_project, encode: encode_project, body: false },
    },
];

// ---- limits

/// Source: the service's document, except where a line says otherwise.
const LIMITS: QueryLimits = QueryLimits {
    keys: 20,
    values: 20,
    key_length: 128,
    // not in the table of the query; this is the maximum length of a tag's value
    value_length: 255,
    match_length: 255,
    limit: 1000,
    default_limit: 1000,
    offset: u64::MAX,
    refuse_empty_list: false,
    values_mandatory: false,
    // only in the document's example
    fuzzy: true,
    key_charset: None,
    value_charset: None,
};

/// "It cannot contain underscores or percent signs."
const MATCHES: MatchRules = MatchRules { by_id: false, value_optional: true, forbidden: &['_', '%'] };

/// Source: `docs/SEMANTICS.md`, "Writes"; for `tags`: the SDK's definitions.
const WRITES: WriteLimits = WriteLimits {
    tags: 20,
    key_length: 128,
    value_length: 255,
    key_charset: " _.:=+-@",
    value_charset: " _.:=+-@/",
    trimmed_key: true,
    trimmed_value: true,
    remove_key_length: 128,
    remove_value_length: 255,
    remove_by_value: true,
};

/// Maximum number of keys on a page of a project's list.
const PART: u32 = 200;

/// The only resource type of the service.
const TYPE: &str = "cts-tracker";

// ---- wire shapes

/// The document's tables have only `without_any_tag`, `tags` and `matches`; its example has all of these.
const QUERY_FIELDS: &[&str] = &[
    "action",
    "tags",
    "tags_any",
    "not_tags",
    "not_tags_any",
    "sys_tags",
    "without_any_tag",
    "matches",
    "limit",
    "offset",
];

// ---- decode and encode

fn decode_filter(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    decode_query(request, |fields| fields.action(Some(Action::Filter)))
}

/// The path alone selects a count; an action in the body is ignored, but must be valid.
fn decode_count(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    decode_query(request, |fields| fields.action(Some(Action::Count)).map(|_| Action::Count))
}

fn decode_query(
    request: &WireRequest<'_>,
    action: fn(&Fields<'_>) -> Result<Action, RequestError>,
) -> Result<Command, RequestError> {
    let resource_type = resource_type(request)?;
    let parameters = codec::read_parameters(request.query, &["limit", "offset"])?;
    let fields = Fields::parse(request.body, QUERY_FIELDS)?;
    let action = action(&fields)?;
    let mut query = TagQuery::default();
    codec::read_lists(&fields, &LIMITS, &mut query)?;
    query.sys_tags = fields.terms("sys_tags", &LIMITS)?;
    codec::read_matches(&fields, &LIMITS, MATCHES, &mut query)?;
    let output = match action {
        Action::Count => QueryOutput::Count,
        Action::Filter => fields.page_or(&parameters, &LIMITS)?,
    };
    let scopes = ScopeSelector::Scope { project_id: request.path.get("project_id").to_owned(), resource_type };
    Ok(Command::Query(ResourceQuery { scopes, query, output }))
}

fn encode_query(command: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let page = codec::page_of(answer)?;
    if codec::is_count(command) {
        return codec::encode_count(page.total);
    }
    Ok(codec::encode_page(page, |reply| {
        reply.number("total_count", page.total);
        reply.list("resources", &page.items, |entry, item| {
            entry.text("resource_id", item.resource_id());
            entry.text("resource_name", item.resource_name());
            entry.json("resource_detail", item.detail().unwrap_or("\"\""));
            entry.tags(item, true);
        });
    }))
}

/// The type in the path, which must be the service's only one.
fn resource_type(request: &WireRequest<'_>) -> Result<String, RequestError> {
    let resource_type = request.path.get("resource_type").to_owned();
    if resource_type == TYPE {
        Ok(resource_type)
    } else {
        Err(RequestError::UnknownType { field: "resource_type".to_owned(), resource_type })
    }
}

fn resource_ref(request: &WireRequest<'_>) -> Result<ResourceRef, RequestError> {
    Ok(ResourceRef {
        project_id: Some(request.path.get("project_id").to_owned()),
        resource_type: resource_type(request)?,
        resource_id: request.path.get("resource_id").to_owned(),
    })
}

fn decode_add(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_add(request, resource_ref(request)?, &WRITES)
}

fn decode_create(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_create(request, resource_ref(request)?, &WRITES)
}

fn decode_delete(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_delete(request, resource_ref(request)?, &WRITES)
}

fn decode_remove_key(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_remove_key(request, resource_ref(request)?, "key")
}

fn decode_list(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    Ok(Command::ListTags(resource_ref(request)?))
}

fn decode_list_project(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let resource_type = resource_type(request)?;
    let parameters = codec::read_parameters(request.query, &["limit", "marker"])?;
    let part = codec::read_part(&parameters, PART)?;
    let project_id = request.path.get("project_id").to_owned();
    Ok(Command::ListScopeTags { project_id, resource_type, with_system: true, part: Some(part) })
}

fn encode_done(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_done(answer, 204)
}

/// According to the document, only this change returns 200.
fn encode_created(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_done(answer, 200)
}

fn encode_tags(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_tags(answer, true)
}

fn encode_project(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    // the marker is empty on an empty page
    let tail = |keys: usize, next: Option<&str>, json: &mut Vec<u8>| {
        json.extend_from_slice(format!(r#","page_info":{{"current_count":{keys},"next_marker":"#).as_bytes());
        codec::push_text(next.unwrap_or_default(), json);
        json.extend_from_slice(b"}}");
    };
    codec::encode_list(answer, KeyList::new(tail))
}

// ---- errors

fn wire_error(error: &RequestError, command: Option<&Command>) -> WireError {
    let server = if command.is_some_and(Command::is_write) { "CTS.0004" } else { "CTS.0005" };
    let (status, code) = match error {
        RequestError::Body { .. }
        | RequestError::UnknownType { .. }
        | RequestError::ProjectMissing { .. }
        | RequestError::AmbiguousResource
        | RequestError::TooManyTags { .. }
        | RequestError::AgainstPolicy { .. }
        // this dialect has no predefined tags
        | RequestError::TooManyPredefined { .. }
        | RequestError::UnknownPredefined
        | RequestError::PredefinedExists => (400, "CTS.0003"),
        RequestError::Invalid { kind, .. } => match kind {
            FieldKind::General
            | FieldKind::Action
            | FieldKind::Limit
            | FieldKind::Offset
            | FieldKind::Key
            | FieldKind::Value
            | FieldKind::Tags
            | FieldKind::Element
            | FieldKind::Values => (400, "CTS.0003"),
        },
        RequestError::UnknownResource { .. } | RequestError::UnknownTag { .. } => (404, "CTS.0214"),
        RequestError::Unauthenticated { .. } => (401, "APIGW.0301"),
        RequestError::Forbidden { .. } => (403, "CTS.0013"),
        RequestError::Unavailable { .. } => (503, server),
        RequestError::Internal { .. } => (500, server),
    };
    WireError { status, code }
}

fn encode_error(code: &str, message: &str) -> Vec<u8> {
    json!({ "error_code": code, "error_msg": message }).to_string().into_bytes()
}
