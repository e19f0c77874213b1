//! TMS: tags across services.

mod account;
mod names;
mod predefined;
mod query;
mod resource_tags;
mod routes;

pub(super) use routes::TMS;
use serde_json::json;

use super::{
    codec::{Fields, Parameters},
    dialect::WireError,
};
use crate::domain::{
    FieldKind, Problem, RequestError, WriteLimits,
    limits::{ListLimit, check_number},
    reason,
};

/// Limits of predefined tags.
pub use predefined::LIMITS as PREDEFINED_LIMITS;

// ---- limits

/// Limits of tags on resources and of predefined tags. Source: `docs/SEMANTICS.md`, "Writes"; for the lengths, the
/// service's documents.
const WRITES: WriteLimits = WriteLimits {
    tags: 10,
    key_length: 36,
    value_length: 43,
    key_charset: "-_@",
    value_charset: "-_@.",
    trimmed_key: false,
    trimmed_value: false,
    remove_key_length: 36,
    remove_value_length: 43,
    remove_by_value: true,
};

/// The limit on resource types in one request. Source: the SDK's definitions.
const TYPES: ListLimit = ListLimit { most: 10, entries: "types", kind: FieldKind::General };

/// Refuses an empty list of resource types, too many types, and duplicates.
fn check_types(types: &[String]) -> Result<(), RequestError> {
    const FIELD: &str = "resource_types";
    if types.is_empty() {
        return Err(RequestError::invalid(FieldKind::General, FIELD, reason::too_few(TYPES.most, TYPES.entries)));
    }
    if types.len() > TYPES.most {
        return Err(TYPES.exceeded(FIELD));
    }
    for (i, name) in types.iter().enumerate() {
        if types.iter().take(i).any(|earlier| earlier == name) {
            let reason = reason::duplicate("resource type", name);
            return Err(RequestError::invalid(FieldKind::General, format!("{FIELD}[{i}]"), reason));
        }
    }
    Ok(())
}

/// The project in a body, if there is one: clients without a project send an empty text.
fn project_of(fields: &Fields<'_>) -> Result<Option<String>, RequestError> {
    Ok(fields.read::<String>("project_id")?.filter(|project_id| !project_id.is_empty()))
}

// ---- parameters of the query string

/// A parameter, if it is present.
fn text<'p>(parameters: &'p Parameters<'_>, name: &str) -> Option<&'p str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
}

/// A parameter, if it is present and not empty.
fn named<'p>(parameters: &'p Parameters<'_>, name: &str) -> Option<&'p str> {
    text(parameters, name).filter(|value| !value.is_empty())
}

/// A parameter that must be present and not be empty.
fn mandatory<'p>(parameters: &'p Parameters<'_>, kind: FieldKind, name: &str) -> Result<&'p str, RequestError> {
    match text(parameters, name) {
        Some(value) if !value.is_empty() => Ok(value),
        Some(_) => Err(RequestError::invalid(kind, name, reason::EMPTY)),
        None => Err(RequestError::invalid(kind, name, reason::REQUIRED)),
    }
}

/// An integer within bounds.
fn number(
    parameters: &Parameters<'_>,
    kind: FieldKind,
    name: &str,
    (least, most): (u64, u64),
    default: u64,
) -> Result<u64, RequestError> {
    match text(parameters, name) {
        None => Ok(default),
        Some(value) => check_number(kind, name, value, least, most),
    }
}

// ---- errors

fn wire_error(error: &RequestError) -> WireError {
    let (status, code) = match error {
        RequestError::Body { .. } | RequestError::TooManyTags { .. } => (400, "TMS.0002"),
        RequestError::Invalid { kind, field, .. } => match (code_of_field(field), kind) {
            (Some(code), _) => (400, code),
            (None, FieldKind::General) => (400, "TMS.0002"),
            (None, FieldKind::Action) => (400, "TMS.0011"),
            (None, FieldKind::Limit) => (400, "TMS.0007"),
            (None, FieldKind::Offset) => (400, "TMS.0017"),
            (None, FieldKind::Key) => (400, "TMS.0009"),
            (None, FieldKind::Value) => (400, "TMS.0010"),
            (None, FieldKind::Tags) => (400, "TMS.0012"),
            (None, FieldKind::Element) => (400, "TMS.0013"),
            (None, FieldKind::Values) => (400, "TMS.0016"),
        },
        RequestError::AgainstPolicy { refusal } => match refusal.violation.problem {
            Problem::Missing | Problem::Spelling => (400, "TMS.0009"),
            Problem::Value => (400, "TMS.0010"),
        },
        RequestError::UnknownType { .. } => (400, "TMS.5027"),
        RequestError::ProjectMissing { .. } | RequestError::AmbiguousResource => (400, "TMS.2011"),
        RequestError::TooManyPredefined { .. } => (400, "TMS.1001"),
        RequestError::UnknownPredefined => (400, "TMS.1002"),
        RequestError::PredefinedExists => (400, "TMS.1003"),
        RequestError::UnknownResource { .. } | RequestError::UnknownTag { .. } => (404, "TMS.0005"),
        RequestError::Unauthenticated { .. } => (401, "TMS.0003"),
        RequestError::Forbidden { .. } => (403, "TMS.0004"),
        RequestError::Unavailable { .. } => (503, "TMS.0001"),
        RequestError::Internal { .. } => (500, "TMS.0001"),
    };
    WireError { status, code }
}

/// The code of a field that has a code of its own for all its errors.
fn code_of_field(field: &str) -> Option<&'static str> {
    match field {
        "marker" => Some("TMS.0008"),
        "old_tag" => Some("TMS.1004"),
        "old_tag.key" => Some("TMS.1005"),
        "old_tag.value" => Some("TMS.1006"),
        "new_tag" => Some("TMS.1007"),
        "new_tag.key" => Some("TMS.1008"),
        "new_tag.value" => Some("TMS.1009"),
        "order_field" => Some("TMS.1010"),
        "order_method" => Some("TMS.1011"),
        _ => None,
    }
}

fn encode_error(code: &str, message: &str) -> Vec<u8> {
    json!({ "error_code": code, "error_msg": message }).to_string().into_bytes()
}
