//! IMS: images.

use serde::Serialize;
use serde_json::json;

use super::{
    codec::{self, Action, Fields, KeyList, MatchRules},
    dialect::{Dialect, ListWriter, Method, Operation, Route, WireError, WireReply, WireRequest},
};
use crate::domain::{
    Answer, Command, FieldKind, QueryLimits, QueryOutput, RequestError, ResourceQuery, ScopeSelector, Tag, TagList,
    TagQuery, WriteLimits,
    command::{ResourceRef, TagChange},
    limits::check_number,
    reason,
    services::{CloudService, DisplayName},
    write_limits::RawTag,
};

/// The dialect of the Image Management Service.
pub(super) static IMS: Dialect = Dialect { service: SERVICE, routes: ROUTES, wire_error, encode_error };

const SERVICE: CloudService = CloudService {
    name: "IMS",
    display_name: DisplayName { chinese: "镜像服务", english: "Image Management Service" },
    types: &[("images", DisplayName { chinese: "镜像", english: "Image" })],
};

// ---- routes

const ROUTES: &[Route] = &[
    Route {
        method: Method::Post,
        path: "/v2/{project_id}/images/resource_instances/action",
        operation: Operation { decode: decode_query, encode: encode_query, body: true },
    },
    Route {
        method: Method::Post,
        path: "/v2/{project_id}/images/{image_id}/tags",
        operation: Operation { decode: decode_add, encode: encode_done, body: true },
    },
    Route {
        method: Method::Get,
        path: "/v2/{project_id}/images/{image_id}/tags",
        operation: Operation { decode: decode_list, encode: encode_tags, body: false },
    },
    Route {
        method: Method::Post,
        path: "/v2/{project_id}/images/{image_id}/tags/action",
        operation: Operation { decode: decode_action, encode: encode_done, body: true },
    },
    Route {
        method: Method::Delete,
        path: "/v2/{project_id}/images/{image_id}/tags/{key}",
        operation: Operation { decode: decode_remove_key, encode: encode_done, body: false },
    },
    Route {
        method: Method::Get,
        path: "/v2/{project_id}/images/tags",
        operation: Operation { decode: decode_list_project, encode: encode_project, body: false },
    },
    Route {
        method: Method::Put,
        path: "/v2/images/{image_id}/tags/{tag}",
        operation: Operation { decode: decode_native_add, encode: encode_done, body: false },
    },
    Route {
        method: Method::Delete,
        path: "/v2/images/{image_id}/tags/{tag}",
        operation: Operation { decode: decode_native_remove, encode: encode_done, body: false },
    },
    Route {
        method: Method::Delete,
        path: "/v1/{project_id}/cloudimages/{image_id}/tags/delete",
        operation: Operation { decode: decode_delete, encode: encode_done, body: true },
    },
    Route {
        method: Method::Put,
        path: "/v1/cloudimages/tags",
        operation: Operation { decode: decode_put_plain, encode: encode_done, body: true },
    },
    Route {
        method: Method::Get,
        path: "/v1/cloudimages/tags",
        operation: Operation { decode: decode_list_plain, encode: encode_plain, body: false },
    },
    versions("/v1", encode_first_version),
    versions("/v1/", encode_first_version),
    versions("/v2", encode_versions),
    versions("/v2/", encode_versions),
    versions("/v2.0", encode_versions),
    versions("/v2.0/", encode_versions),
];

/// The route that a client calls when it is configured with the URL of a version, with or without a trailing slash.
const fn versions(path: &'static str, encode: fn(&Command, &Answer) -> Result<WireReply, RequestError>) -> Route {
    Route { method: Method::Get, path, operation: Operation { decode: decode_versions, encode, body: false } }
}

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
    // not documented for IMS, but the same in all dialects except TMS
    fuzzy: true,
    key_charset: None,
    value_charset: None,
};

const MATCHES: MatchRules = MatchRules { by_id: true, value_optional: false, forbidden: &[] };

/// Source: `docs/SEMANTICS.md`, "Writes". Only the native interface would accept 255 characters. The documents do not
/// limit the number of tags in one request.
const WRITES: WriteLimits = WriteLimits {
    tags: 100,
    key_length: 36,
    value_length: 43,
    key_charset: "-_",
    value_charset: "-_.",
    trimmed_key: false,
    trimmed_value: false,
    remove_key_length: 127,
    remove_value_length: 255,
    remove_by_value: false,
};

/// The only resource type of the service.
const TYPE: &str = "images";

/// The parameters of the list of plain tags that tagd supports.
const PLAIN_PARAMETERS: &[&str] = &["limit", "page", "id", "__imagetype"];

/// Kinds of images: public, private, shared with the project, bought on the marketplace. Source: the SDK. All images in
/// tagd are private, since only those have tags.
const IMAGE_TYPES: [&str; 4] = ["gold", "private", "shared", "market"];
const PRIVATE: &str = "private";

/// Other documented parameters, which filter by properties of an image that tagd does not have.
const OTHER_PARAMETERS: &[&str] = &[
    "status",
    "name",
    "min_disk",
    "__platform",
    "__os_type",
    "member_status",
    "virtual_env_type",
    "enterprise_project_id",
    "architecture",
    "created_at",
    "updated_at",
];

// ---- wire shapes

const QUERY_FIELDS: &[&str] =
    &["action", "tags", "tags_any", "not_tags", "not_tags_any", "without_any_tag", "matches", "limit", "offset"];

/// A tag in version 1, which is an object (`image_tag`) or a single text (`tag`).
const PLAIN_FIELDS: &[&str] = &["image_id", "tag", "image_tag"];

/// Separators of key and value in a tag that is a single text. An older specification has the dot, a newer one the
/// equals sign; a key can have neither. Both are accepted; responses have the dot, as in the examples.
const SEPARATORS: [char; 2] = ['.', '='];

#[derive(Serialize)]
struct VersionsReply<'a> {
    versions: &'a [VersionReply],
}

#[derive(Serialize)]
struct VersionReply {
    id: &'static str,
    status: &'static str,
    links: [LinkReply; 1],
}

#[derive(Serialize)]
struct LinkReply {
    href: &'static str,
    rel: &'static str,
}

/// Sent with status 200, as by Glance at `/versions`: the 300 that it sends at `/` breaks clients that expect a
/// `Location` with that status. The links are relative, so that tagd need not know the address of a proxy in front of
/// it.
const fn version(id: &'static str, status: &'static str, href: &'static str) -> VersionReply {
    VersionReply { id, status, links: [LinkReply { href, rel: "self" }] }
}

/// DNS calls its version `v2`. Its paths begin with `/v2/` as well, so clients of both read this list.
const SECOND_VERSIONS: [VersionReply; 2] = [version("v2.0", "CURRENT", "/v2/"), version("v2", "CURRENT", "/v2/")];

const FIRST_VERSION: [VersionReply; 1] = [version("v1", "SUPPORTED", "/v1/")];

/// Writes `{"tags":["env.prod"]}` from tags sorted by text.
#[derive(Debug)]
struct PlainList {
    is_empty: bool,
}

impl ListWriter for PlainList {
    fn begin(&mut self, json: &mut Vec<u8>) {
        json.extend_from_slice(br#"{"tags":["#);
    }

    fn each(&mut self, tags: &[Tag], json: &mut Vec<u8>) {
        for tag in tags {
            if !self.is_empty {
                json.push(b',');
            }
            self.is_empty = false;
            codec::push_text(&tag.text(), json);
        }
    }

    fn end(&mut self, _: Option<&str>, json: &mut Vec<u8>) {
        json.extend_from_slice(b"]}");
    }
}

// ---- decode and encode

fn decode_versions(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    Ok(Command::Nothing)
}

fn encode_versions(_: &Command, _: &Answer) -> Result<WireReply, RequestError> {
    codec::encode(&VersionsReply { versions: &SECOND_VERSIONS })
}

fn encode_first_version(_: &Command, _: &Answer) -> Result<WireReply, RequestError> {
    codec::encode(&VersionsReply { versions: &FIRST_VERSION })
}

fn decode_query(request: &WireRequest<'_>) -> Result<Command, RequestError> {
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
    let scopes =
        ScopeSelector::Scope { project_id: request.path.get("project_id").to_owned(), resource_type: TYPE.to_owned() };
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
            entry.json("resource_detail", item.detail().unwrap_or("{}"));
            entry.tags(item, false);
        });
    }))
}

/// The image of a path that also has the project.
fn resource_ref(request: &WireRequest<'_>) -> ResourceRef {
    ResourceRef {
        project_id: Some(request.path.get("project_id").to_owned()),
        resource_type: TYPE.to_owned(),
        resource_id: request.path.get("image_id").to_owned(),
    }
}

/// An image of a request whose project can only be in a header.
fn resource_ref_of_client(request: &WireRequest<'_>, image_id: &str) -> ResourceRef {
    ResourceRef {
        project_id: client_project(request),
        resource_type: TYPE.to_owned(),
        resource_id: image_id.to_owned(),
    }
}

fn client_project(request: &WireRequest<'_>) -> Option<String> {
    request.client_project.filter(|project_id| !project_id.is_empty()).map(ToOwned::to_owned)
}

fn decode_add(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_add(request, resource_ref(request), &WRITES)
}

fn decode_action(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_action(request, resource_ref(request), &WRITES)
}

fn decode_delete(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_delete(request, resource_ref(request), &WRITES)
}

fn decode_remove_key(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_remove_key(request, resource_ref(request), "key")
}

fn decode_list(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    Ok(Command::ListTags(resource_ref(request)))
}

fn decode_list_project(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    let project_id = request.path.get("project_id").to_owned();
    Ok(Command::ListScopeTags { project_id, resource_type: TYPE.to_owned(), with_system: false, part: None })
}

/// A native tag is a key without a value.
fn decode_native_add(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    let tag = RawTag { key: Some(request.path.get("tag").to_owned()), value: None };
    let tag = WRITES.check_put_one("tag", tag)?;
    let target = resource_ref_of_client(request, request.path.get("image_id"));
    Ok(Command::ChangeTags { target, change: TagChange::Put(vec![tag]) })
}

fn decode_native_remove(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::decode_remove_key(request, resource_ref_of_client(request, request.path.get("image_id")), "tag")
}

fn decode_put_plain(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    let fields = Fields::parse(request.body, PLAIN_FIELDS)?;
    let Some(image_id) = fields.read::<String>("image_id")? else {
        return Err(RequestError::invalid(FieldKind::General, "image_id", reason::REQUIRED));
    };
    // a client may send both fields and leave one of them empty
    let is_blank = |tag: &RawTag| tag.key.as_deref().is_none_or(str::is_empty);
    let tag = match (fields.read::<String>("tag")?, fields.raw_tag("image_tag")?) {
        (Some(text), Some(tag)) if !text.is_empty() && !is_blank(&tag) => {
            return Err(RequestError::invalid(FieldKind::Tags, "tag", "must not be combined with image_tag"));
        }
        (None, None) => {
            return Err(RequestError::invalid(FieldKind::Tags, "tag", "either tag or image_tag is required"));
        }
        (None, Some(tag)) => WRITES.check_put_one("image_tag", tag)?,
        (Some(text), Some(tag)) if text.is_empty() && !is_blank(&tag) => WRITES.check_put_one("image_tag", tag)?,
        (Some(text), _) => {
            let (key, value) = text.split_once(SEPARATORS).unwrap_or((&text, ""));
            let tag = RawTag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
            WRITES.check_put_one("tag", tag)?
        }
    };
    let target = resource_ref_of_client(request, &image_id);
    Ok(Command::ChangeTags { target, change: TagChange::Put(vec![tag]) })
}

fn decode_list_plain(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    for (name, _) in form_urlencoded::parse(request.query.as_bytes()) {
        if OTHER_PARAMETERS.contains(&name.as_ref()) {
            let reason = format!("unsupported filter, expected one of {}", PLAIN_PARAMETERS.join(", "));
            return Err(RequestError::invalid(FieldKind::General, name, reason));
        }
    }
    let parameters = codec::read_parameters(request.query, PLAIN_PARAMETERS)?;
    let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref());
    let image_type = value("__imagetype").unwrap_or(PRIVATE);
    if !IMAGE_TYPES.contains(&image_type) {
        let reason = reason::not_one_of(&IMAGE_TYPES, image_type);
        return Err(RequestError::invalid(FieldKind::General, "__imagetype", reason));
    }
    let number = |kind, name: &'static str| match value(name) {
        None => Ok(None),
        Some(text) => check_number(kind, name, text, 1, u32::MAX.into()).map(|n| u32::try_from(n).ok()),
    };
    // without a limit, everything is on one page
    let limit = number(FieldKind::Limit, "limit")?.unwrap_or(u32::MAX);
    let page = number(FieldKind::Offset, "page")?.unwrap_or(1);
    if image_type != PRIVATE {
        return Ok(Command::Nothing);
    }
    Ok(Command::ListUsedTags {
        project_id: client_project(request),
        resource_type: TYPE.to_owned(),
        resource_id: value("id").map(ToOwned::to_owned),
        limit,
        offset: u64::from(limit) * u64::from(page - 1),
    })
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

fn encode_plain(command: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    if matches!(command, Command::Nothing) {
        return codec::encode_list(&Answer::TagList(TagList::default()), PlainList { is_empty: true });
    }
    codec::encode_list(answer, PlainList { is_empty: true })
}

// ---- errors

fn wire_error(error: &RequestError, _: Option<&Command>) -> WireError {
    let (status, code) = match error {
        RequestError::Body { .. }
        | RequestError::UnknownType { .. }
        | RequestError::ProjectMissing { .. }
        | RequestError::AmbiguousResource
        // this dialect has no predefined tags
        | RequestError::TooManyPredefined { .. }
        | RequestError::UnknownPredefined
        | RequestError::PredefinedExists => (400, "IMG.0001"),
        RequestError::Invalid { kind, .. } => match kind {
            FieldKind::Key | FieldKind::Value | FieldKind::Tags | FieldKind::Element | FieldKind::Values => (400, "IMG.0115"),
            FieldKind::General | FieldKind::Action | FieldKind::Limit | FieldKind::Offset => (400, "IMG.0001"),
        },
        RequestError::UnknownResource { .. } | RequestError::UnknownTag { .. } => (404, "IMG.0144"),
        RequestError::AgainstPolicy { .. } => (400, "IMG.0115"),
        RequestError::TooManyTags { .. } => (400, "IMG.0116"),
        RequestError::Unauthenticated { .. } => (401, "IMG.0087"),
        RequestError::Forbidden { .. } => (403, "IMG.0026"),
        RequestError::Unavailable { .. } => (503, "IMG.0061"),
        RequestError::Internal { .. } => (500, "IMG.0061"),
    };
    WireError { status, code }
}

fn encode_error(code: &str, message: &str) -> Vec<u8> {
    json!({ "error": { "code": code, "message": message } }).to_string().into_bytes()
}
