//! The routes of TMS.

use super::{account, encode_error, names, predefined, query, resource_tags, wire_error};
use crate::{
    dialects::{
        codec,
        dialect::{Dialect, Method, Operation, Route, WireReply, WireRequest},
    },
    domain::{
        Answer, Command, RequestError,
        services::{CloudService, DisplayName},
    },
};

/// The dialect of the Tag Management Service.
pub(in crate::dialects) static TMS: Dialect =
    Dialect { service: SERVICE, routes: ROUTES, wire_error: |error, _| wire_error(error), encode_error };

/// TMS itself has no types: those that only the cross-service API reaches belong to other services, named in
/// `account.rs`.
const SERVICE: CloudService = CloudService {
    name: "TMS",
    display_name: DisplayName { chinese: "标签管理服务", english: "Tag Management Service" },
    types: &[],
};

// ---- routes

/// The operations on associated resources, `/v2/tms/associated-resources/…`, are not implemented: tags are not
/// inherited.
const ROUTES: &[Route] = &[
    route(Method::Get, "/", false, account::decode_versions, account::encode_versions),
    route(Method::Get, "/v1.0", false, account::decode_versions, account::encode_version),
    route(Method::Post, "/v1.0/resource-instances/filter", true, query::decode, query::encode),
    route(Method::Post, "/v1.0/predefine_tags/action", true, predefined::decode_action, encode_none),
    route(Method::Get, "/v1.0/predefine_tags", false, predefined::decode_list, predefined::encode_list),
    route(Method::Put, "/v1.0/predefine_tags", true, predefined::decode_replace, predefined::encode_replace),
    route(Method::Post, "/v1.0/resource-tags/batch-create", true, resource_tags::decode_put, resource_tags::encode),
    route(Method::Post, "/v1.0/resource-tags/batch-delete", true, resource_tags::decode_remove, resource_tags::encode),
    route(
        Method::Get,
        "/v2.0/resources/{resource_id}/tags",
        false,
        resource_tags::decode_list,
        resource_tags::encode_list,
    ),
    route(Method::Get, "/v1.0/tag-keys", false, names::decode_keys, names::encode_keys),
    route(Method::Get, "/v1.0/tag-values", false, names::decode_values, names::encode_values),
    route(Method::Get, "/v1.0/tags", false, names::decode_tags, names::encode_tags),
    route(Method::Get, "/v1.0/tms/quotas", false, account::decode_quota, account::encode_quota),
    route(Method::Get, "/v1.0/tms/providers", false, account::decode_providers, account::encode_providers),
];

type Decode = fn(&WireRequest<'_>) -> Result<Command, RequestError>;
type Encode = fn(&Command, &Answer) -> Result<WireReply, RequestError>;

const fn route(method: Method, path: &'static str, body: bool, decode: Decode, encode: Encode) -> Route {
    Route { method, path, operation: Operation { decode, encode, body } }
}

fn encode_none(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    codec::encode_done(answer, 204)
}
