//! A resource type, a project, a predefined tag or a policy as a line of NDJSON.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::policy_line::{self, PolicyFields};
use crate::{
    domain::{
        FieldKind, RequestError,
        command::ResourceType,
        definition::{Definition, DefinitionLimits, Kind, NewPredefined, NewType},
        is_storable,
        limits::check_length,
        moment::{read_time, write_time},
        reason,
        registration::{ALIASES, ID_LENGTH, check_aliases, check_project, check_type},
        registry::NewProject,
        write_limits::RawTag,
    },
    json::{self, List},
};

/// Aliases of a type as the client sends them.
pub(crate) type AliasesBody = List<String, ALIASES>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeBody {
    #[serde(rename = "kind")]
    _kind: String,
    resource_type: String,
    service: String,
    regional: bool,
    tag_quota: u32,
    aliases: Option<AliasesBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectBody {
    #[serde(rename = "kind")]
    _kind: String,
    project_id: String,
    project_name: Option<String>,
    domain_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PredefinedBody {
    #[serde(rename = "kind")]
    _kind: String,
    domain_id: Option<String>,
    key: String,
    value: Option<String>,
    updated_at: Option<String>,
}

#[derive(Serialize)]
struct Line<F> {
    kind: &'static str,
    #[serde(flatten)]
    fields: F,
}

#[derive(Serialize)]
struct TypeFields<'a> {
    resource_type: &'a str,
    service: &'a str,
    regional: bool,
    tag_quota: u32,
    aliases: Option<&'a [String]>,
}

#[derive(Serialize)]
struct ProjectFields<'a> {
    project_id: &'a str,
    project_name: &'a str,
    domain_id: Option<&'a str>,
}

#[derive(Serialize)]
struct PredefinedFields<'a> {
    domain_id: Option<&'a str>,
    key: &'a str,
    value: &'a str,
    updated_at: Option<String>,
}

/// Reads a line of a kind, which is not that of a resource. The error names the field and the reason.
pub(super) fn decode(kind: Kind, line: &[u8], limits: &DefinitionLimits) -> Result<Definition, String> {
    let read = match kind {
        Kind::Type => read_type(read_body(line)?, limits).map(Definition::Type),
        Kind::Project => read_project(read_body(line)?).map(Definition::Project),
        Kind::PredefinedTag => read_predefined(read_body(line)?, limits).map(Definition::PredefinedTag),
        Kind::Policy => return policy_line::decode(line).map(Definition::Policy),
        Kind::Resource => Err(RequestError::invalid(FieldKind::General, "kind", reason::REQUIRED)),
    };
    read.map_err(|error| error.to_string())
}

fn read_body<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    json::read_object(line, "").map_err(|error| error.on_its_line())
}

fn read_type(body: TypeBody, limits: &DefinitionLimits) -> Result<NewType, RequestError> {
    let TypeBody { _kind, resource_type, service, regional, tag_quota, aliases } = body;
    let resource_type = ResourceType { resource_type, service, regional, tag_quota, aliases: Vec::new() };
    check_type(&resource_type, &limits.services)?;
    let mut aliases = aliases.map(|List(aliases)| aliases);
    if let Some(aliases) = &mut aliases {
        check_aliases(aliases)?;
        aliases.sort();
    }
    Ok(NewType { resource_type, aliases })
}

fn read_project(body: ProjectBody) -> Result<NewProject, RequestError> {
    let ProjectBody { _kind, project_id, project_name, domain_id } = body;
    let project = NewProject { project_id, project_name: project_name.unwrap_or_default(), domain_id };
    check_project(&project)?;
    Ok(project)
}

fn read_predefined(body: PredefinedBody, limits: &DefinitionLimits) -> Result<NewPredefined, RequestError> {
    let PredefinedBody { _kind, domain_id, key, value, updated_at } = body;
    if let Some(domain_id) = &domain_id {
        if !is_storable(domain_id) {
            return Err(RequestError::invalid(FieldKind::General, "domain_id", reason::NUL));
        }
        check_length(FieldKind::General, "domain_id", domain_id, ID_LENGTH)?;
    }
    let tag = limits.predefined.check_put_one("", RawTag { key: Some(key), value })?;
    let updated_at = updated_at.map(|text| read_time("updated_at", &text)).transpose()?;
    Ok(NewPredefined { domain_id, tag, updated_at })
}

/// Writes a line, without its end.
pub(super) fn encode(out: &mut impl Write, definition: &Definition) -> std::io::Result<()> {
    let kind = definition.kind().name();
    match definition {
        Definition::Type(NewType { resource_type, aliases }) => {
            let ResourceType { resource_type, service, regional, tag_quota, aliases: _ } = resource_type;
            let (regional, tag_quota, aliases) = (*regional, *tag_quota, aliases.as_deref());
            write(out, kind, TypeFields { resource_type, service, regional, tag_quota, aliases })
        }
        Definition::Project(NewProject { project_id, project_name, domain_id }) => {
            write(out, kind, ProjectFields { project_id, project_name, domain_id: domain_id.as_deref() })
        }
        Definition::PredefinedTag(NewPredefined { domain_id, tag, updated_at }) => {
            let (domain_id, updated_at) = (domain_id.as_deref(), updated_at.map(write_time));
            write(out, kind, PredefinedFields { domain_id, key: &tag.key, value: &tag.value, updated_at })
        }
        Definition::Policy(policy) => write(out, kind, PolicyFields::of(policy)),
    }
}

fn write(out: &mut impl Write, kind: &'static str, fields: impl Serialize) -> std::io::Result<()> {
    Ok(serde_json::to_writer(out, &Line { kind, fields })?)
}
