//! The query across services.

use super::{TYPES, check_types, project_of};
use crate::{
    dialects::{
        codec::{self, Fields},
        dialect::{WireReply, WireRequest},
    },
    domain::{Answer, Command, FieldKind, QueryLimits, RequestError, ResourceQuery, ScopeSelector, TagQuery, reason},
};

// ---- limits

/// Source: the service's document, except where a line says otherwise.
const LIMITS: QueryLimits = QueryLimits {
    // source of keys and values: the SDK's definitions
    keys: 10,
    values: 10,
    key_length: 36,
    value_length: 43,
    // this dialect has no field `matches`
    match_length: 0,
    limit: 200,
    default_limit: 200,
    offset: u64::MAX,
    refuse_empty_list: false,
    values_mandatory: true,
    // the asterisk is not in the character set
    fuzzy: false,
    key_charset: Some("-_@"),
    // with the dot, which may occur in written values (docs/SEMANTICS.md, "Characters")
    value_charset: Some("-_@."),
};

// ---- wire shapes

const QUERY_FIELDS: &[&str] = &["project_id", "resource_types", "tags", "without_any_tag", "limit", "offset"];

// ---- decode and encode

pub(super) fn decode(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, QUERY_FIELDS)?;
    let resource_types = decode_types(&fields)?;
    let project_id = project_of(&fields)?;
    let mut query = TagQuery::default();
    codec::read_lists(&fields, &LIMITS, &mut query)?;
    let output = fields.page(&LIMITS)?;
    Ok(Command::Query(ResourceQuery { scopes: ScopeSelector::Types { resource_types, project_id }, query, output }))
}

fn decode_types(fields: &Fields<'_>) -> Result<Vec<String>, RequestError> {
    const FIELD: &str = "resource_types";
    let types = fields.list::<String>(FIELD, TYPES)?.ok_or_else(|| {
        let reason = format!("{}, must have between 1 and {} types", reason::REQUIRED, TYPES.most);
        RequestError::invalid(FieldKind::General, FIELD, reason)
    })?;
    check_types(&types)?;
    Ok(types)
}

pub(super) fn encode(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let page = codec::page_of(answer)?;
    Ok(codec::encode_page(page, |reply| {
        reply.list("resources", &page.items, |entry, item| {
            entry.text("project_id", &item.scope.project_id);
            entry.text("project_name", &item.scope.project_name);
            entry.text("resource_type", &item.scope.resource_type);
            entry.text("resource_id", item.resource_id());
            entry.text("resource_name", item.resource_name());
            // not in the document, but in the SDK's model
            if let Some(detail) = item.detail() {
                entry.json("resource_detail", detail);
            }
            entry.tags(item, false);
        });
        reply.json("errors", "[]");
        reply.number("total_count", page.total);
    }))
}
