//! A request's id, in every answer and in every line that is logged on its behalf.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use tracing::Instrument;

use super::{guard, refusal, server::AppState};

/// Name of the header, in requests and answers.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

/// Middleware: gives the request its id, has the guard look at it, logs one line when it is answered.
///
/// The guard is called from here since each middleware takes some time of its own.
pub(super) async fn log<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let start = Instant::now();
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_usable(id))
        .map_or_else(new_id, str::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let line = tracing::enabled!(tracing::Level::INFO)
        .then(|| (id.clone(), request.method().clone(), request.uri().path().to_owned()));
    // the id alone: a span is written out for every request, and few say anything before their answer
    let span = tracing::error_span!("request", request_id = id);
    // upgrades are not taken, and actix would repeat the request's word in the answer
    let asks_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let allowed = request.app_data::<Data<AppState>>().map_or(&[][..], |shared| &shared.allowed_hosts);
    let mut answer = match guard::check(&request, allowed) {
        Ok(()) => next.call(request).instrument(span).await?.map_into_left_body(),
        Err(denied) => {
            let answer = refusal::denied(request.request(), &denied);
            request.into_response(answer).map_into_right_body()
        }
    };
    if asks_upgrade {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(HEADER, value);
    }
    if let Some((request_id, method, path)) = line {
        let status = answer.status().as_u16();
        let elapsed_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(request_id, method = method.as_str(), path, status, elapsed_us, "answered");
    }
    Ok(answer)
}

/// An id that no other request has: half of it is drawn once for the process, half is counted. Asking the system for
/// chance each time would take longer than finding the route, and nobody gains by guessing an id.
fn new_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| uuid::Uuid::new_v4().as_u64_pair().0);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // an odd factor makes different numbers of different counts, and hides how many there were
    let number = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:016x}{number:016x}", *PROCESS)
}

/// A client's own id is kept if it is short and plain.
fn is_usable(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
