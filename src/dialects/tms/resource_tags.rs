//! Tags of resources: changes of several at once, and the tags of one.

use serde::{Deserialize, Serialize};

use super::{WRITES, mandatory, named, project_of, wire_error};
use crate::{
    dialects::{
        codec::{self, Fields},
        dialect::{WireReply, WireRequest},
    },
    domain::{
        Answer, Command, FieldKind, RequestError,
        command::{ResourceRef, TagChange},
        limits::ListLimit,
        reason,
    },
};

// ---- limits

/// The limit on resources in one request. Source: OTC's and newer pages of the document; older ones say 20.
const RESOURCES: ListLimit = ListLimit { most: 50, entries: "resources", kind: FieldKind::General };

// ---- wire shapes

const CHANGE_FIELDS: &[&str] = &["project_id", "resources", "tags"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceBody {
    resource_id: Option<String>,
    resource_type: Option<String>,
}

#[derive(Serialize)]
struct ChangeReply<'a> {
    failed_resources: Vec<FailureReply<'a>>,
}

#[derive(Serialize)]
struct FailureReply<'a> {
    resource_id: &'a str,
    resource_type: &'a str,
    error_code: &'static str,
    error_msg: String,
}

// ---- decode and encode

pub(super) fn decode_put(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    decode_change(request, |fields| fields.put_tags("tags", &WRITES).map(TagChange::Put))
}

pub(super) fn decode_remove(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    decode_change(request, |fields| fields.remove_tags("tags", &WRITES).map(TagChange::Remove))
}

fn decode_change(
    request: &WireRequest<'_>,
    change: fn(&Fields<'_>) -> Result<TagChange, RequestError>,
) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, CHANGE_FIELDS)?;
    let project_id = project_of(&fields)?;
    let targets = decode_targets(&fields, project_id.as_deref())?;
    Ok(Command::ChangeMany { targets, change: change(&fields)? })
}

fn decode_targets(fields: &Fields<'_>, project_id: Option<&str>) -> Result<Vec<ResourceRef>, RequestError> {
    let invalid = |field: String, reason: String| RequestError::invalid(FieldKind::General, field, reason);
    let resources = fields.objects::<ResourceBody>("resources", RESOURCES)?.unwrap_or_default();
    if resources.is_empty() {
        return Err(invalid("resources".to_owned(), reason::too_few(RESOURCES.most, RESOURCES.entries)));
    }
    let mut targets = Vec::with_capacity(resources.len());
    for (i, resource) in resources.into_iter().enumerate() {
        let mandatory = |name: &str, value: Option<String>| match value {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) => Err(invalid(format!("resources[{i}].{name}"), reason::EMPTY.to_owned())),
            None => Err(invalid(format!("resources[{i}].{name}"), reason::REQUIRED.to_owned())),
        };
        targets.push(ResourceRef {
            project_id: project_id.map(ToOwned::to_owned),
            resource_id: mandatory("resource_id", resource.resource_id)?,
            resource_type: mandatory("resource_type", resource.resource_type)?,
        });
    }
    Ok(targets)
}

pub(super) fn encode(command: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let (Command::ChangeMany { targets, .. }, Answer::Failures(failures)) = (command, answer) else {
        return Err(codec::mismatch(answer));
    };
    let failed = failures.iter().filter_map(|(i, error)| {
        let target = targets.get(*i)?;
        Some(FailureReply {
            resource_id: &target.resource_id,
            resource_type: &target.resource_type,
            error_code: wire_error(error).code,
            error_msg: error.to_string(),
        })
    });
    codec::encode(&ChangeReply { failed_resources: failed.collect() })
}

pub(super) fn decode_list(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let parameters = codec::read_parameters(request.query, &["project_id", "resource_type"])?;
    Ok(Command::ListTags(ResourceRef {
        project_id: named(&parameters, "project_id").map(ToOwned::to_owned),
        resource_type: mandatory(&parameters, FieldKind::General, "resource_type")?.to_owned(),
        resource_id: request.path.get("resource_id").to_owned(),
    }))
}

pub(super) fn encode_list(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_tags(answer, false)
}
