//! Traces of requests: which one a request belongs to, and what its span says.
//!
//! A span has nothing that a client chose: the template of the path instead of the path, the kind of credential instead of its name.

use std::time::{Instant, SystemTime};

use actix_web::http::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName},
};

use super::routes::{self, RouteId, RouteName};
use crate::{
    auth::{CredentialRef, Principal},
    metrics::{RequestTrace, TraceContext, TraceParent},
    traces::{EndedRequest, Traces},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The methods that are told apart, as OpenTelemetry's semantic conventions have it.
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];

/// What a span says of how a request ended.
pub(super) struct Ended<'a> {
    pub(super) route: RouteId,
    pub(super) method: &'a Method,
    pub(super) status: StatusCode,
    /// `None` if it is not known: the request was refused or cut off.
    pub(super) principal: Option<&'a Principal>,
    pub(super) begun: Instant,
}

/// The place of a request in the trace of its caller, or in a new one.
pub(super) fn begin(traces: &Traces, headers: &HeaderMap) -> TraceContext {
    let mut sent = headers.get_all(TRACEPARENT);
    // with two of them, nobody knows which is right
    let caller = match (sent.next(), sent.next()) {
        (Some(one), None) => one.to_str().ok().and_then(TraceParent::parse),
        _ => None,
    };
    traces.begin(caller)
}

/// Has the spans of a request sent, if it is sampled.
pub(super) fn end(traces: &Traces, trace: Box<RequestTrace>, ended: &Ended<'_>) {
    if !trace.context.is_sampled {
        return;
    }
    let RouteName { dialect, path } = routes::name(ended.route);
    traces.end(EndedRequest {
        trace,
        dialect,
        route: (ended.route != RouteId::NONE).then_some(path),
        method: METHODS.into_iter().find(|known| *known == ended.method.as_str()).unwrap_or("_OTHER"),
        status: ended.status.as_u16(),
        principal: ended.principal.map(kind_of),
        begun: ended.begun,
        ended: Instant::now(),
        ended_at: SystemTime::now(),
    });
}

/// The kind of credential that a principal has.
fn kind_of(principal: &Principal) -> &'static str {
    match &principal.credential {
        CredentialRef::None => "none",
        CredentialRef::Configured(_) => "key",
        CredentialRef::Issued(issued) => issued.kind.name(),
        CredentialRef::Keystone(_) => "keystone",
    }
}
