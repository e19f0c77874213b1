//! What is no tag: versions of the API, the quota, the services that own resource types.

use serde::Serialize;

use super::{named, number, text};
use crate::{
    dialects::{
        codec,
        dialect::{WireReply, WireRequest},
    },
    domain::{
        Answer, Command, FieldKind, RequestError,
        command::{ProviderQuery, ResourceType},
        error::quote,
    },
};

// ---- limits

/// Services in one answer: least, most, default. Source: the SDK.
const LIMIT: (u64, u64) = (1, 200);
const DEFAULT_LIMIT: u64 = 10;

/// Services by the name the cross-service API has for them, with their names for people, Chinese and English.
const PROVIDERS: [(&str, &str, &str); 11] = [
    ("as", "弹性伸缩", "Auto Scaling"),
    ("cdn", "内容分发网络", "Content Delivery Network"),
    ("cts", "云审计服务", "Cloud Trace Service"),
    ("dns", "云解析服务", "Domain Name Service"),
    ("ecs", "弹性云服务器", "Elastic Cloud Server"),
    ("eip", "弹性公网IP", "Elastic IP"),
    ("elb", "弹性负载均衡", "Elastic Load Balance"),
    ("evs", "云硬盘", "Elastic Volume Service"),
    ("ims", "镜像服务", "Image Management Service"),
    ("tms", "标签管理服务", "Tag Management Service"),
    ("vpc", "虚拟私有云", "Virtual Private Cloud"),
];

/// Resource types, the service of each, their names for people. A type that is not here goes by its own name.
const TYPES: [(&str, &str, &str, &str); 16] = [
    ("DNS-private_recordset", "dns", "内网记录集", "Private record set"),
    ("DNS-private_zone", "dns", "内网域名", "Private zone"),
    ("DNS-ptr_record", "dns", "反向解析", "PTR record"),
    ("DNS-public_recordset", "dns", "公网记录集", "Public record set"),
    ("DNS-public_zone", "dns", "公网域名", "Public zone"),
    ("cdn", "cdn", "加速域名", "Domain name"),
    ("cts-tracker", "cts", "追踪器", "Tracker"),
    ("disk", "evs", "磁盘", "Disk"),
    ("ecs", "ecs", "云服务器", "Cloud server"),
    ("eip", "eip", "弹性公网IP", "EIP"),
    ("images", "ims", "镜像", "Image"),
    ("loadbalancers", "elb", "负载均衡器", "Load balancer"),
    ("scaling_group", "as", "伸缩组", "Scaling group"),
    ("security-groups", "vpc", "安全组", "Security group"),
    ("shared_bandwidth", "eip", "共享带宽", "Shared bandwidth"),
    ("vpcs", "vpc", "虚拟私有云", "VPC"),
];

/// The service of a type: its own, or by the type where only the cross-service API reaches it.
fn provider_of(known: &ResourceType) -> String {
    match known.service.as_str() {
        "TMS" => TYPES
            .iter()
            .find(|(name, ..)| *name == known.resource_type)
            .map_or_else(|| "tms".to_owned(), |(_, provider, ..)| (*provider).to_owned()),
        service => service.to_ascii_lowercase(),
    }
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

/// The link is relative: whoever stands in front of tagd need not be known here.
/// There are no microversions, so both fields of them are empty. Source of the date: the document's example.
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
            let reason = format!("{} is neither \"zh-cn\" nor \"en-us\"", quote(other));
            return Err(RequestError::invalid(FieldKind::General, "locale", reason));
        }
    };
    Ok(Command::ListProviders(ProviderQuery {
        provider: named(&parameters, "provider").map(ToOwned::to_owned),
        english,
        limit: number(&parameters, FieldKind::Limit, "limit", LIMIT, DEFAULT_LIMIT)?,
        offset: number(&parameters, FieldKind::Offset, "offset", (0, u64::MAX), 0)?,
    }))
}

pub(super) fn encode_providers(command: &Command, answer: &Answer) -> Result<WireReply, RequestError> {
    let (Command::ListProviders(ask), Answer::Providers { types, region }) = (command, answer) else {
        return Err(codec::mismatch(answer));
    };
    let mut providers: Vec<String> = types.iter().map(provider_of).collect();
    providers.sort();
    providers.dedup();
    if let Some(wanted) = &ask.provider {
        providers.retain(|provider| provider == wanted);
    }
    let page = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let total_count = providers.len();
    let shown = providers.into_iter().skip(page(ask.offset)).take(page(ask.limit)).map(|provider| {
        let names = PROVIDERS.iter().find(|(name, ..)| *name == provider);
        let display = names.map(|(_, chinese, english)| if ask.english { *english } else { *chinese });
        ProviderReply {
            provider_i18n_display_name: display.unwrap_or(provider.as_str()).to_owned(),
            resource_types: types
                .iter()
                .filter(|known| provider_of(known) == provider)
                .map(|known| encode_type(known, region, ask.english))
                .collect(),
            provider,
        }
    });
    codec::encode(&ProvidersReply { providers: shown.collect(), total_count })
}

fn encode_type<'a>(known: &'a ResourceType, region: &'a str, english: bool) -> TypeReply<'a> {
    let names = TYPES.iter().find(|(name, ..)| *name == known.resource_type);
    let display = names.map(|(_, _, in_chinese, in_english)| if english { *in_english } else { *in_chinese });
    TypeReply {
        resource_type: &known.resource_type,
        resource_type_i18n_display_name: display.unwrap_or(&known.resource_type),
        regions: [region],
        global: !known.regional,
    }
}
