//! The request id, in every response and in every log line of the request.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, header::HeaderValue},
    middleware::Next,
    web::Data,
};
use tracing::Instrument;

use super::{
    guard, refusal,
    request_id::{HEADER, RequestId},
    state::AppState,
};

/// Middleware: assigns the request id, runs the guard, and logs one line when the request is answered.
///
/// The guard is called here, since a second middleware would cost additional time.
pub(super) async fn log<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let start = Instant::now();
    let RequestId(id) = RequestId::of(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let line = tracing::enabled!(tracing::Level::INFO)
        .then(|| (id.clone(), request.method().clone(), request.uri().path().to_owned()));
    // only the id: a span is formatted for every request, and few requests log anything before their response
    let span = tracing::error_span!("request", request_id = &*id);
    // upgrades are not supported, and actix would copy the request's `Upgrade` header into the response
    let asks_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let allowed = request.app_data::<Data<AppState>>().map_or(&[][..], |state| &state.allowed_hosts);
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
        tracing::info!(request_id = &*request_id, method = method.as_str(), path, status, elapsed_us, "answered");
    }
    Ok(answer)
}
