//! A request's id, in every answer and in every line that is logged on its behalf.

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

/// Middleware: gives the request its id, has the guard look at it, logs one line when it is answered.
///
/// The guard is called from here since each middleware takes some time of its own.
pub(super) async fn log<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let start = Instant::now();
    let RequestId(id) = RequestId::of(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let line = tracing::enabled!(tracing::Level::INFO)
        .then(|| (id.clone(), request.method().clone(), request.uri().path().to_owned()));
    // the id alone: a span is written out for every request, and few say anything before their answer
    let span = tracing::error_span!("request", request_id = &*id);
    // upgrades are not taken, and actix would repeat the request's word in the answer
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
