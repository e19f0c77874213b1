//! The query across services.

use serde::Serialize;

use super::{TYPES, check_project, check_types};
use crate::{
    dialects::{
        codec::{self, Fields, TagsReply},
        dialect::{WireReply, WireRequest},
    },
    domain::{Answer, Ask, Aspect, Command, Fault, QueryLimits, Reach, TagQuery},
};

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

pub(super) fn decode(request: &WireRequest<'_>) -> Result<Command, Fault> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, QUERY_FIELDS)?;
    let resource_types = decode_types(&fields)?;
    let project_id = fields.read::<String>("project_id")?;
    check_project(project_id.as_deref())?;
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
    check_types(&types)?;
    Ok(types)
}

pub(super) fn encode(_: &Command, answer: &Answer) -> Result<WireReply, Fault> {
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
