//! TMS: tags across services.

use serde::Serialize;
use serde_json::json;

use super::{
    codec::{self, Fields, TagsReply},
    dialect::{Dialect, Method, Operation, Route, WireError, WireReply, WireRequest},
};
use crate::domain::{Answer, Ask, Aspect, Command, Fault, QueryLimits, Reach, TagQuery, fault::quote};

/// The dialect of the Tag Management Service.
pub(super) static TMS: Dialect =
    Dialect { name: "TMS", routes: ROUTES, wire_error: |fault, _| wire_error(fault), encode_error };

// ---- routes

const ROUTES: &[Route] = &[Route {
    method: Method::Post,
    path: "/v1.0/resource-instances/filter",
    operation: Operation { decode: decode_query, encode: encode_query, body: true },
}];

// ---- limits

/// Source: the service's document, except where a line says otherwise.
const LIMITS: QueryLimits = QueryLimits {
    // these two: the SDK's definitions
    keys: 10,
    values: 10,
    key_length: 36,
    value_length: 43,
    // there is no match in this dialect
    match_length: 0,
    limit: 200,
    default_limit: 200,
    offset: u64::MAX,
    refuse_empty_list: false,
    values_mandatory: true,
    // the character set has no asterisk
    fuzzy: false,
    key_charset: Some("-_@"),
    // the point: what a value may be written with (reference/semantics.md, section 2)
    value_charset: Some("-_@."),
};

/// Resource types in one query. Source: the SDK's definitions.
const TYPES: usize = 10;

// ---- wire shapes

const QUERY_FIELDS: &[&str] = &["project_id", "resource_types", "tags", "without_any_tag", "limit", "offset"];

#[derive(Serialize)]
struct QueryReply<'a> {
    resources: Vec<ResourceReply<'a>>,
    errors: [(); 0],
    total_count: u64,
}

#[derive(Serialize)]
struct ResourceReply<'a> {
    project_id: &'a str,
    project_name: &'a str,
    resource_type: &'a str,
    resource_id: &'a str,
    resource_name: &'a str,
    tags: TagsReply<'a>,
}

// ---- decode and encode

fn decode_query(request: &WireRequest<'_>) -> Result<Command, Fault> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, QUERY_FIELDS)?;
    let resource_types = decode_types(&fields)?;
    let project_id = fields.read::<String>("project_id")?;
    if project_id.as_ref().is_some_and(String::is_empty) {
        return Err(Fault::invalid(
            Aspect::General,
            "project_id",
            "\"\" is empty; leave the field out for all projects",
        ));
    }
    let mut query = TagQuery::default();
    codec::read_lists(&fields, &LIMITS, &mut query)?;
    let want = fields.page(&LIMITS)?;
    Ok(Command::Query(Ask { reach: Reach::Types { resource_types, project_id }, query, want }))
}

fn decode_types(fields: &Fields<'_>) -> Result<Vec<String>, Fault> {
    const FIELD: &str = "resource_types";
    let types = fields
        .read::<Vec<String>>(FIELD)?
        .ok_or_else(|| Fault::invalid(Aspect::General, FIELD, format!("missing, 1 to {TYPES} types are mandatory")))?;
    if !(1..=TYPES).contains(&types.len()) {
        return Err(Fault::invalid(Aspect::General, FIELD, format!("{} types, 1 to {TYPES} are allowed", types.len())));
    }
    for (i, name) in types.iter().enumerate() {
        if types.iter().take(i).any(|earlier| earlier == name) {
            let reason = format!("{} stands twice, types must be unique", quote(name));
            return Err(Fault::invalid(Aspect::General, format!("{FIELD}[{i}]"), reason));
        }
    }
    Ok(types)
}

fn encode_query(_: &Command, answer: &Answer) -> Result<WireReply, Fault> {
    let page = codec::page_of(answer)?;
    let resources = page.items.iter().map(|item| ResourceReply {
        project_id: &item.scope.project_id,
        project_name: &item.scope.project_name,
        resource_type: &item.scope.resource_type,
        resource_id: &item.resource.resource_id,
        resource_name: &item.resource.resource_name,
        tags: TagsReply { tags: &item.resource.tags, show_system: false },
    });
    codec::encode(&QueryReply { resources: resources.collect(), errors: [], total_count: page.total })
}

// ---- errors

fn wire_error(fault: &Fault) -> WireError {
    let (status, code) = match fault {
        Fault::Body { .. } | Fault::TooManyTags { .. } => (400, "TMS.0002"),
        Fault::Invalid { aspect, .. } => match aspect {
            Aspect::General => (400, "TMS.0002"),
            Aspect::Action => (400, "TMS.0011"),
            Aspect::Limit => (400, "TMS.0007"),
            Aspect::Offset => (400, "TMS.0017"),
            Aspect::Key => (400, "TMS.0009"),
            Aspect::Value => (400, "TMS.0010"),
            Aspect::Tags => (400, "TMS.0012"),
            Aspect::Element => (400, "TMS.0013"),
            Aspect::Values => (400, "TMS.0016"),
        },
        Fault::UnknownType { .. } => (400, "TMS.5027"),
        Fault::ProjectMissing { .. } => (400, "TMS.2011"),
        Fault::TooManyPredefined { .. } => (400, "TMS.1001"),
        Fault::UnknownPredefined => (400, "TMS.1002"),
        Fault::PredefinedExists => (400, "TMS.1003"),
        Fault::AmbiguousResource => (400, "TMS.2011"),
        Fault::UnknownResource | Fault::UnknownTag { .. } => (404, "TMS.0005"),
        Fault::Unavailable { .. } => (503, "TMS.0001"),
        Fault::Internal { .. } => (500, "TMS.0001"),
    };
    WireError { status, code }
}

fn encode_error(code: &str, message: &str) -> Vec<u8> {
    json!({ "error_code": code, "error_msg": message }).to_string().into_bytes()
}
