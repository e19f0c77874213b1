//! IMS: images.

use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{
    codec::{self, Action, Fields, MatchRules, TagsReply},
    dialect::{Dialect, Method, Operation, Route, WireError, WireReply, WireRequest},
};
use crate::domain::{Answer, Ask, Aspect, Command, Fault, QueryLimits, Reach, TagQuery, Want};

/// The dialect of the Image Management Service.
pub(super) static IMS: Dialect = Dialect { name: "IMS", routes: ROUTES, wire_error, encode_error };

// ---- routes

const ROUTES: &[Route] = &[Route {
    method: Method::Post,
    path: "/v2/{project_id}/images/resource_instances/action",
    operation: Operation { decode: decode_query, encode: encode_query, body: true },
}];

// ---- limits

/// Source: the service's document, except where a line says otherwise.
const LIMITS: QueryLimits = QueryLimits {
    keys: 10,
    values: 10,
    key_length: 127,
    value_length: 255,
    match_length: 255,
    limit: 1000,
    default_limit: 10,
    offset: u64::MAX,
    // "cannot be left blank and may not be transferred"
    refuse_empty_list: true,
    values_mandatory: true,
    // not documented for IMS; one meaning in all dialects but TMS
    fuzzy: true,
    key_charset: None,
    value_charset: None,
};

const MATCHES: MatchRules = MatchRules { by_id: true, value_optional: false, forbidden: &[] };

// ---- wire shapes

const QUERY_FIELDS: &[&str] =
    &["action", "tags", "tags_any", "not_tags", "not_tags_any", "without_any_tag", "matches", "limit", "offset"];

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

fn decode_query(request: &WireRequest<'_>) -> Result<Command, Fault> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, QUERY_FIELDS)?;
    let action = fields.action(None)?;
    let mut query = TagQuery::default();
    codec::read_lists(&fields, &LIMITS, &mut query)?;
    codec::read_matches(&fields, &LIMITS, MATCHES, &mut query)?;
    let want = match action {
        Action::Count => Want::Count,
        Action::Filter => fields.page(&LIMITS)?,
    };
    let reach =
        Reach::Scope { project_id: request.path.get("project_id").to_owned(), resource_type: "images".to_owned() };
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
            resource_detail: codec::detail_of(item.resource.detail.as_deref(), "{}")?,
            tags: TagsReply { tags: &item.resource.tags, show_system: false },
        })
    });
    codec::encode(&QueryReply { total_count: page.total, resources: resources.collect::<Result<_, Fault>>()? })
}

// ---- errors

fn wire_error(fault: &Fault) -> WireError {
    let (status, code) = match fault {
        Fault::Body { .. } | Fault::UnknownType { .. } | Fault::ProjectMissing { .. } => (400, "IMG.0001"),
        Fault::Invalid { aspect, .. } => match aspect {
            Aspect::Key | Aspect::Value | Aspect::Tags | Aspect::Element | Aspect::Values => (400, "IMG.0115"),
            Aspect::General | Aspect::Action | Aspect::Limit | Aspect::Offset => (400, "IMG.0001"),
        },
        // the predefined tags are not of this dialect
        Fault::AmbiguousResource
        | Fault::TooManyPredefined { .. }
        | Fault::UnknownPredefined
        | Fault::PredefinedExists => (400, "IMG.0001"),
        Fault::UnknownResource | Fault::UnknownTag { .. } => (404, "IMG.0144"),
        Fault::TooManyTags { .. } => (400, "IMG.0116"),
        Fault::Unavailable { .. } => (503, "IMG.0061"),
        Fault::Internal { .. } => (500, "IMG.0061"),
    };
    WireError { status, code }
}

fn encode_error(code: &str, message: &str) -> Vec<u8> {
    json!({ "error": { "code": code, "message": message } }).to_string().into_bytes()
}
