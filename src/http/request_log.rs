//! The request id, in every response and in every log line of the request.

use std::{net::IpAddr, sync::Arc, time::Instant};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, header::HeaderValue},
    middleware::Next,
    web::Data,
};
use tracing::{Instrument, Span, field::display};

use super::{
    client, guard,
    principal::{self, Refused},
    refusal,
    request_id::{HEADER, RequestId},
    shown_path,
    state::AppState,
    unidentified,
};
use crate::auth::Principal;

/// Middleware: assigns the request id, runs the guard, applies the limits, authenticates the request, and logs one line when it
/// is answered.
///
/// All of it is called here, since a second middleware would cost additional time.
pub(super) async fn log<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let start = Instant::now();
    let RequestId(id) = RequestId::of(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let line = tracing::enabled!(tracing::Level::INFO)
        .then(|| (id.clone(), request.method().clone(), shown_path::shown(request.uri().path())));
    // only the id: a span is formatted for every request, and few requests log anything before their response
    let span = tracing::error_span!("request", request_id = &*id);
    // upgrades are not supported, and actix would copy the request's `Upgrade` header into the response
    let asks_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let server = request.app_data::<Data<AppState>>().map(|state| &state.server);
    let _in_flight = server.map(|server| Arc::clone(&server.in_flight));
    let client = Some(client::address(&request, server.map_or(&[][..], |server| &server.trusted_proxies)));
    let allowed = server.map_or(&[][..], |server| &server.allowed_hosts);
    let denied = guard::check(&request, allowed).err().map(|denied| refusal::denied(request.request(), &denied));
    let refused = match denied {
        Some(denied) => Some(denied),
        None => authenticate(&mut request, &id, client, &span).await,
    };
    let mut answer = match refused {
        None => next.call(request).instrument(span).await?.map_into_left_body(),
        Some(refused) => request.into_response(refused).map_into_right_body(),
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
        let client = client.map(display);
        let extensions = answer.request().extensions();
        let principal = extensions.get::<Principal>();
        let credential = principal.and_then(Principal::credential_id);
        let domain = principal.and_then(|principal| principal.rights.domain_id()).map(|domain_id| &**domain_id);
        let principal = principal.map(|principal| &*principal.caller.principal);
        let (request_id, method) = (&*request_id, shown_path::shown_method(method.as_str()));
        tracing::info!(request_id, client, principal, domain, credential, method, path, status, elapsed_us, "answered");
    }
    Ok(answer)
}

/// Counts a request for the rate of its address, and authenticates it. The response, if it is refused.
async fn authenticate(
    request: &mut ServiceRequest,
    id: &Arc<str>,
    client: Option<IpAddr>,
    span: &Span,
) -> Option<HttpResponse> {
    let state = request.app_data::<Data<AppState>>()?;
    if let Err(throttled) = state.server.limits.count_address(request.path(), client) {
        return Some(refusal::throttled(request.request(), &throttled));
    }
    if !principal::needs_credentials(request, &state.authenticator) {
        principal::admit_anyone(request, id, client);
        return None;
    }
    let state = state.clone();
    // a future is as large as its largest branch: most of this one is not needed where nobody is authenticated
    let authenticated = Box::pin(principal::authenticate(request, &state, id, client)).instrument(span.clone());
    Some(match authenticated.await.err()? {
        // limits belong to the gateway, whatever the path is
        Refused::Throttled(throttled) => refusal::throttled(request.request(), &throttled),
        Refused::Unidentified(reason) => unidentified::respond(request.request(), &state.paths, reason),
    })
}
