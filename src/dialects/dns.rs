//! DNS: zones, record sets and PTR records.

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

/// The dialect of the Domain Name Service.
pub(super) static DNS: Dialect = Dialect { service: SERVICE, routes: ROUTES, wire_error, encode_error };

const SERVICE: CloudService = CloudService {
    name: "DNS",
    display_name: DisplayName { chinese: "云解析服务", english: "Domain Name Service" },
    types: &[
        ("DNS-private_recordset", DisplayName { chinese: "内网记录集", english: "Private record set" }),
        ("DNS-private_zone", DisplayName { chinese: "内网域名", english: "Private zone" }),
        ("DNS-ptr_record", DisplayName { chinese: "反向解析", english: "PTR record" }),
        ("DNS-public_recordset", DisplayName { chinese: "公网记录集", english: "Public record set" }),
        ("DNS-public_zone", DisplayName { chinese: "公网域名", english: "Public zone" }),
    ],
};

// ---- routes

const ROUTES: &[Route] = &[
    Route {
        method: Method::Post,
        path: "/v2/{project_id}/{resource_type}/resource_instances/action",
        operation: Operation { decode: decode_query, encode: encode_query, body: true },
    },
    Route {
        method: Method::Post,
        path: "/v2/{project_id}/{resource_type}/{resource_id}/tags",
        operation: Operation { decode: decode_add, encode: encode_done, body: true },
    },
    Route {
        method: Method::Get,
        path: "/v2/{project_id}/{resource_type}/{resource_id}/tags",
        operation: Operation { decode: decode_list, encode: encode_tags, body: false },
    },
    Route {
        method: Method::Post,
        path: "/v2/{project_id}/{resource_type}/{resource_id}/tags/action",
        operation: Operation { decode: decode_action, encode: encode_done, body: true },
    },
    Route {
        method: Method::Delete,
        path: "/v2/{project_id}/{resource_type}/{resource_id}/tags/{key}",
        operation: Operation { decode: decode_remove_key, encode: encode_done, body: false },
    },
    Route {
        method: Method::Get,
        path: "/v2/{project_id}/{resource_type}/tags",
        operation: Operation { decode: decode_list_project, encode: encode_project, body: false },
    },
];

// ---- limits

/// Source: the service's document, except where a line says otherwise.
const LIMITS: QueryLimits = QueryLimits {
    // another edition of the document says 20 and 20
    keys: 10,
    values: 10,
    key_length: 128,
    value_length: 255,
    match_length: 255,
    limit: 1000,
    default_limit: 1000,
    offset: 2_147_483_647,
    refuse_empty_list: false,
    // "if this parameter is not specified, any value is matched"
    values_mandatory: false,
    fuzzy: true,
    key_charset: None,
    value_charset: None,
};

const MATCHES: MatchRules = MatchRules { by_id: false, value_optional: true, forbidden: &[] };

/// Source: `docs/SEMANTICS.md`, "Writes". The documents do not limit the number of tags in one request.
const WRITES: WriteLimits = WriteLimits {
    tags: 100,
    key_length: 128,
    value_length: 255,
    key_charset: " _.:=+-@",
    value_charset: " _.:=+-@/",
    trimmed_key: true,
    trimmed_value: false,
    remove_key_length: 128,
    remove_value_length: 255,
    remove_by_value: false,
};

// ---- wire shapes

/// `without_any_tag` is not in the document: an extension, since every other dialect has it.
const QUERY_FIELDS: &[&str] =
    &["action", "tags", "tags_any", "not_tags", "not_tags_any", "without_any_tag", "matches", "limit", "offset"];

// ---- decode and encode

fn decode_query(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let resource_type = resource_type(request)?;
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, QUERY_FIELDS)?;
    let action = fields.action(None)?;
    let mut query = TagQuery::default();
    codec::read_lists(&fields, &LIMITS, &mut query)?;
    codec::read_matches(&fields, &LIMITS, MATCHES, &mut query)?;
    let output = match action {
        Action::Count => QueryOutput::Count,
        Action::Filter => fields.page(&LIMITS)?,
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
            entry.json("resource_detail", item.detail().unwrap_or("null"));
            entry.tags(item, false);
        });
    }))
}

/// The type in the path, which must be one of the service's.
fn resource_type(request: &WireRequest<'_>) -> Result<String, RequestError> {
    let resource_type = request.path.get("resource_type").to_owned();
    if SERVICE.type_name(&resource_type).is_some() {
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

fn decode_action(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_action(request, resource_ref(request)?, &WRITES)
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
    codec::read_parameters(request.query, &[])?;
    let project_id = request.path.get("project_id").to_owned();
    Ok(Command::ListScopeTags { project_id, resource_type, with_system: false, part: None })
}

fn encode_done(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_done(answer, 204)
}

fn encode_tags(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_tags(answer, false)
}

fn encode_project(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_list(answer, KeyList::plain())
}

// ---- errors

fn wire_error(error: &RequestError, command: Option<&Command>) -> WireError {
    let (status, code) = match error {
        RequestError::Body { .. }
        | RequestError::ProjectMissing { .. }
        | RequestError::AmbiguousResource
        // this dialect has no predefined tags
        | RequestError::TooManyPredefined { .. }
        | RequestError::UnknownPredefined
        | RequestError::PredefinedExists => (400, "DNS.0002"),
        RequestError::Invalid { kind, .. } => match kind {
            FieldKind::Limit => (400, "DNS.0006"),
            FieldKind::Offset => (400, "DNS.0017"),
            FieldKind::Key | FieldKind::Value | FieldKind::Tags | FieldKind::Element | FieldKind::Values => (400, "DNS.1003"),
            FieldKind::General | FieldKind::Action => (400, "DNS.0002"),
        },
        RequestError::UnknownType { .. } => (400, "DNS.1002"),
        RequestError::UnknownResource { .. } | RequestError::UnknownTag { .. } => (404, code_of_unknown(command)),
        RequestError::AgainstPolicy { .. } => (400, "DNS.1003"),
        RequestError::TooManyTags { .. } => (400, "DNS.1001"),
        RequestError::Unauthenticated { .. } => (401, "DNS.0005"),
        RequestError::Forbidden { .. } => (403, "DNS.0031"),
        RequestError::Unavailable { .. } => (503, "DNS.0000"),
        RequestError::Internal { .. } => (500, "DNS.0001"),
    };
    WireError { status, code }
}

/// Each kind of resource has its own code for "does not exist".
fn code_of_unknown(command: Option<&Command>) -> &'static str {
    match command.and_then(Command::target).map(|target| target.resource_type.as_str()) {
        Some("DNS-public_recordset" | "DNS-private_recordset") => "DNS.0313",
        Some("DNS-ptr_record") => "DNS.0507",
        _ => "DNS.0302",
    }
}

fn encode_error(code: &str, message: &str) -> Vec<u8> {
    json!({ "code": code, "message": message }).to_string().into_bytes()
}
