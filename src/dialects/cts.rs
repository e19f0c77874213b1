//! CTS: trackers.

use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{
    codec::{self, Action, Fields, MatchRules, TagsReply},
    dialect::{Dialect, Method, Operation, Route, WireError, WireReply, WireRequest},
};
use crate::domain::{Answer, Ask, Aspect, Command, Fault, QueryLimits, Reach, TagQuery, Want};

/// The dialect of the Cloud Trace Service.
pub(super) static CTS: Dialect = Dialect { name: "CTS", routes: ROUTES, wire_error, encode_error };

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
];

// ---- limits

/// Source: the service's document, except where a line says otherwise.
const LIMITS: QueryLimits = QueryLimits {
    keys: 20,
    values: 20,
    key_length: 128,
    // not in the query's own table; that of a tag's value
    value_length: 255,
    match_length: 255,
    limit: 1000,
    default_limit: 1000,
    offset: u64::MAX,
    refuse_empty_list: false,
    values_mandatory: false,
    // only the document's example shows it
    fuzzy: true,
    key_charset: None,
    value_charset: None,
};

/// "It cannot contain underscores or percent signs."
const MATCHES: MatchRules = MatchRules { by_id: false, value_optional: true, forbidden: &['_', '%'] };

/// The only resource type of the service.
const TYPE: &str = "cts-tracker";

// ---- wire shapes

/// The document's tables have only `without_any_tag`, `tags` and `matches`; its example has them all.
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

#[derive(Serialize)]
struct QueryReply<'a> {
    total_count: u64,
    resources: Vec<ResourceReply<'a>>,
}

#[derive(Serialize)]
struct ResourceReply<'a> {
    resource_id: &'a str,
    resource_name: &'a str,
    resource_detail: Box<RawValue>,
    tags: TagsReply<'a>,
}

// ---- decode and encode

fn decode_filter(request: &WireRequest<'_>) -> Result<Command, Fault> {
    decode_query(request, |fields| fields.action(Some(Action::Filter)))
}

/// Here the path says what is wanted; an action in the body must still be one.
fn decode_count(request: &WireRequest<'_>) -> Result<Command, Fault> {
    decode_query(request, |fields| fields.action(Some(Action::Count)).map(|_| Action::Count))
}

fn decode_query(request: &WireRequest<'_>, action: fn(&Fields<'_>) -> Result<Action, Fault>) -> Result<Command, Fault> {
    let resource_type = request.path.get("resource_type");
    if resource_type != TYPE {
        return Err(Fault::UnknownType { field: "resource_type".to_owned(), resource_type: resource_type.to_owned() });
    }
    let parameters = codec::read_parameters(request.query, &["limit", "offset"])?;
    let fields = Fields::parse(request.body, QUERY_FIELDS)?;
    let action = action(&fields)?;
    let mut query = TagQuery::default();
    codec::read_lists(&fields, &LIMITS, &mut query)?;
    query.sys_tags = fields.terms("sys_tags", &LIMITS)?;
    codec::read_matches(&fields, &LIMITS, MATCHES, &mut query)?;
    let want = match action {
        Action::Count => Want::Count,
        Action::Filter => fields.page_or(&parameters, &LIMITS)?,
    };
    let reach =
        Reach::Scope { project_id: request.path.get("project_id").to_owned(), resource_type: resource_type.to_owned() };
    Ok(Command::Query(Ask { reach, query, want }))
}

fn encode_query(command: &Command, answer: &Answer) -> Result<WireReply, Fault> {
    let page = codec::page_of(answer)?;
    if codec::is_count(command) {
        return codec::encode_count(page.total);
    }
    let resources = page.items.iter().map(|item| {
        Ok(ResourceReply {
            resource_id: &item.resource.resource_id,
            resource_name: &item.resource.resource_name,
            resource_detail: codec::detail_of(item.resource.detail.as_deref(), "\"\"")?,
            tags: TagsReply { tags: &item.resource.tags, show_system: true },
        })
    });
    codec::encode(&QueryReply { total_count: page.total, resources: resources.collect::<Result<_, Fault>>()? })
}

// ---- errors

fn wire_error(fault: &Fault) -> WireError {
    let (status, code) = match fault {
        Fault::Body { .. } | Fault::UnknownType { .. } | Fault::ProjectMissing { .. } | Fault::TooManyTags { .. } => {
            (400, "CTS.0003")
        }
        Fault::Invalid { aspect, .. } => match aspect {
            Aspect::General
            | Aspect::Action
            | Aspect::Limit
            | Aspect::Offset
            | Aspect::Key
            | Aspect::Value
            | Aspect::Tags
            | Aspect::Element
            | Aspect::Values => (400, "CTS.0003"),
        },
        // the predefined tags are not of this dialect
        Fault::AmbiguousResource
        | Fault::TooManyPredefined { .. }
        | Fault::UnknownPredefined
        | Fault::PredefinedExists => (400, "CTS.0003"),
        Fault::UnknownResource | Fault::UnknownTag { .. } => (404, "CTS.0214"),
        Fault::Unavailable { .. } => (503, "CTS.0005"),
        Fault::Internal { .. } => (500, "CTS.0005"),
    };
    WireError { status, code }
}

fn encode_error(code: &str, message: &str) -> Vec<u8> {
    json!({ "error_code": code, "error_msg": message }).to_string().into_bytes()
}
