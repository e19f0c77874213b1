//! The registry's wire format: path, query string, headers, request and response bodies.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, http::header};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned, ser::SerializeSeq};
use serde_json::value::RawValue;

use super::refusal::Refusal;
use crate::{
    dialects::PathParameters,
    domain::{
        FieldKind, RequestError, Resource, Tag,
        command::{ResourceRef, ResourceType},
        definition::Kind,
        is_storable,
        limits::check_number,
        reason::{self, quote},
        registry::{Condition, Project},
    },
    http::{
        conditions::{self, EntityTag, Tags},
        path,
    },
    json, parameters,
    service::Start,
    text,
    transfer::{Atomicity, DefinitionCounts, PRUNE_LIMIT, Strict, line},
};

/// Maximum page size; the minimum is 1.
const LIMIT: u32 = 1000;
/// Default page size.
const DEFAULT_LIMIT: u32 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeBody {
    pub(super) service: String,
    pub(super) regional: bool,
    pub(super) tag_quota: u32,
    pub(super) aliases: Option<line::AliasesBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectBody {
    pub(super) project_name: Option<String>,
    pub(super) domain_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceBody {
    pub(super) resource_name: Option<String>,
    pub(super) resource_detail: Option<Box<RawValue>>,
    pub(super) tags: Option<line::TagsBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagsBody {
    pub(super) tags: line::TagsBody,
}

#[derive(Serialize)]
pub(super) struct TypesReply<'a> {
    pub(super) resource_types: Vec<TypeReply<'a>>,
}

#[derive(Serialize)]
pub(super) struct TypeReply<'a> {
    resource_type: &'a str,
    service: &'a str,
    regional: bool,
    tag_quota: u32,
    aliases: &'a [String],
}

impl<'a> TypeReply<'a> {
    pub(super) fn of(resource_type: &'a ResourceType) -> Self {
        Self {
            resource_type: &resource_type.resource_type,
            service: &resource_type.service,
            regional: resource_type.regional,
            tag_quota: resource_type.tag_quota,
            aliases: &resource_type.aliases,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ProjectsReply<'a> {
    pub(super) projects: Vec<ProjectReply<'a>>,
    /// Null on an empty page.
    pub(super) next_marker: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ProjectReply<'a> {
    project_id: &'a str,
    project_name: &'a str,
    domain_id: &'a str,
}

impl<'a> ProjectReply<'a> {
    pub(super) fn of(project: &'a Project) -> Self {
        Self { project_id: &project.project_id, project_name: &project.project_name, domain_id: &project.domain_id }
    }
}

#[derive(Serialize)]
pub(super) struct ResourcesReply<'a> {
    pub(super) total_count: u64,
    pub(super) resources: Vec<ResourceReply<'a>>,
    /// Null on an empty page; left out of a page by offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_marker: Option<MarkerReply>,
}

/// A marker, null on an empty page.
#[derive(Serialize)]
pub(super) struct MarkerReply(pub(super) Option<String>);

#[derive(Serialize)]
pub(super) struct ResourceReply<'a> {
    resource_id: &'a str,
    resource_name: &'a str,
    /// Null if there is none.
    resource_detail: Option<Box<RawValue>>,
    tags: TagList<'a>,
}

impl<'a> ResourceReply<'a> {
    pub(super) fn new(
        resource_id: &'a str,
        resource_name: &'a str,
        detail: Option<&str>,
        tags: &'a [Tag],
    ) -> Result<Self, RequestError> {
        let resource_detail = detail
            .map(|detail| RawValue::from_string(detail.to_owned()))
            .transpose()
            .map_err(RequestError::internal)?;
        Ok(Self { resource_id, resource_name, resource_detail, tags: TagList(tags) })
    }

    pub(super) fn of(resource: &'a Resource) -> Result<Self, RequestError> {
        Self::new(&resource.resource_id, &resource.resource_name, resource.detail.as_deref(), &resource.tags)
    }
}

#[derive(Serialize)]
pub(super) struct TagsReply<'a> {
    pub(super) tags: TagList<'a>,
}

/// Tags as `[{"key", "value"}]`, system tags included.
pub(super) struct TagList<'a>(pub(super) &'a [Tag]);

#[derive(Serialize)]
struct TagReply<'a> {
    key: &'a str,
    value: &'a str,
}

impl Serialize for TagList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for tag in self.0 {
            list.serialize_element(&TagReply { key: &tag.key, value: &tag.value })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
pub(super) struct ImportReply {
    pub(super) created: u64,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
    /// Resources that were not in the input.
    pub(super) removed: u64,
    /// Whether all of this was undone.
    pub(super) dry_run: bool,
    /// The first ones.
    pub(super) rejected: Vec<RejectedReply>,
    pub(super) rejected_count: u64,
    /// What became of lines that are not resources, by kind.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) definitions: BTreeMap<&'static str, CountsReply>,
}

#[derive(Serialize)]
pub(super) struct CountsReply {
    created: u64,
    changed: u64,
    unchanged: u64,
    rejected: u64,
}

impl CountsReply {
    pub(super) fn of(counts: DefinitionCounts) -> Self {
        let DefinitionCounts { created, changed, unchanged, rejected } = counts;
        Self { created, changed, unchanged, rejected }
    }
}

#[derive(Serialize)]
pub(super) struct RejectedReply {
    pub(super) line: u64,
    pub(super) reason: String,
}

/// The variable segments of the path.
pub(super) fn path(request: &HttpRequest) -> Result<PathParameters, Refusal> {
    path::parameters(request).ok_or(Refusal::Path)
}

/// The resource that the path names.
pub(super) fn resource_ref(path: &PathParameters) -> ResourceRef {
    ResourceRef {
        project_id: Some(path.get("project_id").to_owned()),
        resource_type: path.get("resource_type").to_owned(),
        resource_id: path.get("resource_id").to_owned(),
    }
}

/// Reads a body that must be a JSON object.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
    Ok(json::read_object(begin(body)?, "body")?)
}

/// The same for a body with secrets, which no error shows.
pub(super) fn decode_with_secrets<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
    Ok(json::read_object_with_secrets(begin(body)?, "body")?)
}

fn begin(body: &[u8]) -> Result<&[u8], RequestError> {
    text::begin(body).map_err(|wrong| RequestError::Body { reason: format!("body: {wrong}") })
}

/// Parameters of the query string.
pub(super) struct Parameters<'a>(parameters::Parameters<'a>);

impl<'a> Parameters<'a> {
    /// Refuses unknown and repeated parameters.
    pub(super) fn read(request: &'a HttpRequest, known: &[&str]) -> Result<Self, RequestError> {
        parameters::read_parameters(request.query_string(), known).map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// The size of a page.
    pub(super) fn limit(&self) -> Result<u32, RequestError> {
        match self.get("limit") {
            None => Ok(DEFAULT_LIMIT),
            Some(text) => check_number(FieldKind::Limit, "limit", text, 1, LIMIT.into())
                .map(|limit| u32::try_from(limit).unwrap_or(LIMIT)),
        }
    }

    /// Where a page of resources begins: by marker unless an offset is given.
    pub(super) fn start(&self) -> Result<Start<'_>, RequestError> {
        match (self.get("marker"), self.get("offset")) {
            (Some(_), Some(_)) => {
                Err(RequestError::invalid(FieldKind::General, "marker", "must not be combined with \"offset\""))
            }
            (None, Some(_)) => self.offset().map(Start::Offset),
            (_, None) => self.marker().map(Start::Marker),
        }
    }

    fn offset(&self) -> Result<u64, RequestError> {
        match self.get("offset") {
            None => Ok(0),
            Some(text) => check_number(FieldKind::Offset, "offset", text, 0, u64::MAX),
        }
    }

    /// The entry after which a page begins; an empty marker is that of the first page.
    pub(super) fn marker(&self) -> Result<Option<&str>, RequestError> {
        match self.get("marker") {
            Some(text) if !is_storable(text) => Err(RequestError::not_a_marker(text)),
            marker => Ok(marker.filter(|marker| !marker.is_empty())),
        }
    }

    /// The kinds of lines that an export is to have: all, or those in a list with commas.
    pub(super) fn kinds(&self) -> Result<Vec<Kind>, RequestError> {
        let Some(list) = self.get("only") else { return Ok(Kind::ALL.to_vec()) };
        let read = |name: &str| {
            let reason = || reason::not_one_of(&Kind::ALL.map(Kind::name), name);
            Kind::from_name(name).ok_or_else(|| RequestError::invalid(FieldKind::General, "only", reason()))
        };
        list.split(',').map(read).collect()
    }

    /// A boolean parameter.
    pub(super) fn flag(&self, name: &str) -> Result<bool, RequestError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(text) => {
                let reason = format!("must be true or false, got {}", quote(text));
                Err(RequestError::invalid(FieldKind::General, name, reason))
            }
        }
    }
}

/// What the parameters of an import ask for.
pub(super) fn atomicity(request: &HttpRequest) -> Result<Atomicity, RequestError> {
    let parameters = Parameters::read(request, &["strict", "prune", "prune_limit", "dry_run"])?;
    let refused = |name: &str, needed: &str| {
        RequestError::invalid(FieldKind::General, name, format!("is only supported with {needed}=true"))
    };
    let is_strict = parameters.flag("strict")?;
    let prune = parameters.flag("prune")?;
    let is_dry_run = parameters.flag("dry_run")?;
    let limit = match parameters.get("prune_limit") {
        None => PRUNE_LIMIT,
        Some(_) if !prune => return Err(refused("prune_limit", "prune")),
        Some(text) => check_number(FieldKind::Limit, "prune_limit", text, 0, u64::MAX)?,
    };
    match (is_strict, prune, is_dry_run) {
        (true, ..) => Ok(Atomicity::Nothing(Strict { prune: prune.then_some(limit), is_dry_run })),
        (false, true, _) => Err(refused("prune", "strict")),
        (false, false, true) => Err(refused("dry_run", "strict")),
        (false, false, false) => Ok(Atomicity::Batches),
    }
}

/// The condition of a write to a resource.
pub(super) fn condition(request: &HttpRequest, may_create: bool) -> Result<Condition, RequestError> {
    let if_match = conditions::read(request, &header::IF_MATCH)?;
    let if_none_match = conditions::read(request, &header::IF_NONE_MATCH)?;
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::None),
        (Some(Tags::Any), None) => Ok(Condition::Matches(vec!["*".to_owned()])),
        (Some(Tags::Listed(tags)), None) => Ok(Condition::Matches(tags.iter().map(etag_of).collect())),
        (None, Some(Tags::Any)) if may_create => Ok(Condition::Absent),
        (None, Some(_)) => {
            let reason = if may_create { "must be *" } else { "is only supported on PUT of a resource or a policy" };
            Err(RequestError::invalid(FieldKind::General, "If-None-Match", reason))
        }
        (Some(_), Some(_)) => {
            Err(RequestError::invalid(FieldKind::General, "If-Match", "must not be combined with If-None-Match"))
        }
    }
}

/// Refuses conditions on paths without an `ETag`.
pub(super) fn no_condition(request: &HttpRequest) -> Result<(), RequestError> {
    conditions::none(request, "is not supported here, only resources and policies have an ETag")
}

/// An `ETag` that tagd could have created; for any other, weak ones included, the empty text, which matches no resource.
fn etag_of(given: &EntityTag) -> String {
    match str::from_utf8(&given.tag) {
        Ok(tag) if !given.weak && tag.bytes().all(|b| b.is_ascii_hexdigit()) => tag.to_owned(),
        _ => String::new(),
    }
}
