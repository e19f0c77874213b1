//! Operations that are not about tags: versions of the API, the quota, the services that own resource types.

use serde::Serialize;

use super::{number, text};
use crate::{
    dialects::{
        codec,
        dialect::{WireReply, WireRequest},
    },
    domain::{
        Answer, Command, FieldKind, RequestError,
        command::{ProviderQuery, ResourceType},
        reason,
        services::{CloudService, DisplayName},
    },
};

// ---- limits

/// Minimum and maximum number of services in one answer. Source: the SDK.
const LIMIT: (u64, u64) = (1, 200);
const DEFAULT_LIMIT: u64 = 10;

const fn display(chinese: &'static str, english: &'static str) -> DisplayName {
    DisplayName { chinese, english }
}

/// Services without an API in tagd, by their names in this API: only this API reaches their resource types.
const PROVIDERS: [(&str, DisplayName); 7] = [
    ("as", display("弹性伸缩", "Auto Scaling")),
    ("cdn", display("内容分发网络", "Content Delivery Network")),
    ("ecs", display("弹性云服务器", "Elastic Cloud Server")),
    ("eip", display("弹性公网IP", "Elastic IP")),
    ("elb", display("弹性负载均衡", "Elastic Load Balance")),
    ("evs", display("云硬盘", "Elastic Volume Service")),
    ("vpc", display("虚拟私有云", "Virtual Private Cloud")),
];

/// Their resource types, each with its service and display name. Any other type belongs to TMS and has no display name.
const TYPES: [(&str, &str, DisplayName); 9] = [
    ("cdn", "cdn", display("加速域名", "Domain name")),
    ("disk", "evs", display("磁盘", "Disk")),
    ("ecs", "ecs", display("云服务器", "Cloud server")),
    ("eip", "eip", display("弹性公网IP", "EIP")),
    ("loadbalancers", "elb", display("负载均衡器", "Load balancer")),
    ("scaling_group", "as", display("伸缩组", "Scaling group")),
    ("security-groups", "vpc", display("安全组", "Security group")),
    ("shared_bandwidth", "eip", display("共享带宽", "Shared bandwidth")),
    ("vpcs", "vpc", display("虚拟私有云", "VPC")),
];

/// The name of a type's service in this API. For a type that only this API reaches, it is determined by the type.
fn provider_of(known: &ResourceType) -> String {
    let provider = match known.service.as_str() {
        "TMS" => TYPES.iter().find(|(name, ..)| *name == known.resource_type).map(|(_, provider, _)| *provider),
        _ => None,
    };
    provider.map_or_else(|| known.service.to_ascii_lowercase(), ToOwned::to_owned)
}

fn provider_name(provider: &str, services: &[CloudService]) -> Option<DisplayName> {
    let owner = services.iter().find(|service| service.name.eq_ignore_ascii_case(provider));
    let other = || PROVIDERS.iter().find(|(name, _)| *name == provider).map(|(_, display_name)| *display_name);
    owner.map(|service| service.display_name).or_else(other)
}

fn type_name(resource_type: &str, services: &[CloudService]) -> Option<DisplayName> {
    let other = || TYPES.iter().find(|(name, ..)| *name == resource_type).map(|(_, _, display_name)| *display_name);
    services.iter().find_map(|service| service.type_name(resource_type)).or_else(other)
}

// ---- wire shapes

#[derive(Serialize)]
struct VersionsReply {
    versions: [VersionReply; 1],
}

#[derive(Serialize)]
struct OneVersionReply {
    version: VersionReply,
}

#[derive(Serialize)]
struct VersionReply {
    id: &'static str,
    links: [LinkReply; 1],
    version: &'static str,
    status: &'static str,
    updated: &'static str,
    min_version: &'static str,
}

#[derive(Serialize)]
struct LinkReply {
    href: &'static str,
    rel: &'static str,
}

/// The link is relative, so that tagd need not know the address of a proxy in front of it. There are no microversions,
/// so the two fields for them are empty. Source of the date: the document's example.
const VERSION: VersionReply = VersionReply {
    id: "v1.0",
    links: [LinkReply { href: "/v1.0", rel: "self" }],
    version: "",
    status: "CURRENT",
    updated: "2016-12-09T00:00:00Z",
    min_version: "",
};

#[derive(Serialize)]
struct QuotasReply {
    quotas: [QuotaReply; 1],
}

#[derive(Serialize)]
struct QuotaReply {
    quota_key: &'static str,
    quota_limit: u64,
    used: u64,
    unit: &'static str,
}

#[derive(Serialize)]
struct ProvidersReply<'a> {
    providers: Vec<ProviderReply<'a>>,
    total_count: usize,
}

#[derive(Serialize)]
struct ProviderReply<'a> {
    provider: String,
    provider_i18n_display_name: String,
    resource_types: Vec<TypeReply<'a>>,
}

#[derive(Serialize)]
struct TypeReply<'a> {
    resource_type: &'a str,
    resource_type_i18n_display_name: &'a str,
    regions: [&'a str; 1],
    global: bool,
}

// ---- decode and encode

pub(super) fn decode_versions(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    Ok(Command::Nothing)
}

pub(super) fn encode_versions(_: &Command, _: &Answer) -> Result<WireReply, RequestError> {
    codec::encode(&VersionsReply { versions: [VERSION] })
}

pub(super) fn encode_version(_: &Command, _: &Answer) -> Result<WireReply, RequestError> {
    codec::encode(&OneVersionReply { version: VERSION })
}

pub(super) fn decode_quota(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    codec::read_parameters(request.query, &[])?;
    Ok(Command::CountPredefined)
}

pub(super) fn encode_quota(_: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let Answer::Quota { used, limit } = answer else { return Err(codec::mismatch(answer)) };
    let quota = QuotaReply { quota_key: "predefine_tag", quota_limit: *limit, used: *used, unit: "count" };
    codec::encode(&QuotasReply { quotas: [quota] })
}

pub(super) fn decode_providers(request: &WireRequest<'_>) -> Result<Command, RequestError> {
    let parameters = codec::read_parameters(request.query, &["locale", "limit", "offset", "provider"])?;
    let english = match text(&parameters, "locale") {
        None | Some("zh-cn") => false,
        Some("en-us") => true,
        Some(other) => {
            let reason = reason::not_one_of(&["zh-cn", "en-us"], other);
            return Err(RequestError::invalid(FieldKind::General, "locale", reason));
        }
    };
    Ok(Command::ListProviders(ProviderQuery {
        provider: super::named(&parameters, "provider").map(ToOwned::to_owned),
        english,
        limit: number(&parameters, FieldKind::Limit, "limit", LIMIT, DEFAULT_LIMIT)?,
        offset: number(&parameters, FieldKind::Offset, "offset", (0, u64::MAX), 0)?,
    }))
}

pub(super) fn encode_providers(command: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let (Command::ListProviders(query), Answer::Providers { types, services, region }) = (command, answer) else {
        return Err(codec::mismatch(answer));
    };
    let mut providers: Vec<String> = types.iter().map(provider_of).collect();
    providers.sort();
    providers.dedup();
    if let Some(wanted) = &query.provider {
        providers.retain(|provider| provider == wanted);
    }
    let shown = |name: DisplayName| if query.english { name.english } else { name.chinese };
    let page = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let total_count = providers.len();
    let providers = providers.into_iter().skip(page(query.offset)).take(page(query.limit)).map(|provider| {
        let of_provider = types.iter().filter(|known| provider_of(known) == provider);
        ProviderReply {
            provider_i18n_display_name: provider_name(&provider, services)
                .map_or_else(|| provider.clone(), |name| shown(name).to_owned()),
            resource_types: of_provider
                .map(|known| TypeReply {
                    resource_type: &known.resource_type,
                    resource_type_i18n_display_name: type_name(&known.resource_type, services)
                        .map_or(known.resource_type.as_str(), shown),
                    regions: [region],
                    global: !known.regional,
                })
                .collect(),
            provider,
        }
    });
    codec::encode(&ProvidersReply { providers: providers.collect(), total_count })
}
