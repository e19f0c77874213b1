//! The request id, in every response and in every log line of the request.

use std::{
    cell::RefCell,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{ConnectionType, StatusCode, header::HeaderValue},
    middleware::Next,
    web::Data,
};
use tracing::{Instrument, Span, field::display};

use super::{
    body, client,
    connection::{Connection, Gone},
    guard, limits, outgoing, positions,
    principal::{self, Refused},
    refusal,
    registry::is_bulk,
    request_id::{HEADER, RequestId},
    routes::{self, RouteId, RouteName},
    shown_path,
    state::AppState,
    traced,
    unidentified::{self, Asked},
    watch::{self, Bounds, Cut},
};
use crate::{
    auth::Principal,
    domain::{Outage, RequestError},
    memory::Account,
    metrics::{Record, ShownTrace},
};

/// Middleware: assigns the request id, runs the guard, applies the limits, authenticates the request, cuts it off if its client
/// has gone or its time is over, and logs one line when it is answered.
///
/// All of it is called here, since a second middleware would cost additional time.
pub(super) async fn log<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let start = Instant::now();
    let RequestId(id) = RequestId::of(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    // only the id: a span is formatted for every request, and few requests log anything before their response
    let span = tracing::error_span!("request", request_id = &*id);
    let asked = Asked { method: request.method().clone(), uri: request.uri().clone(), request_id: id };
    let state = match AppState::of(request.request()) {
        Ok(state) => Data::clone(state),
        Err(error) => return Ok(request.into_response(unidentified::gateway(&asked, &error)).map_into_right_body()),
    };
    let connection = request.conn_data::<Rc<Connection>>().map(Rc::clone);
    let _active = connection.as_ref().map(Connection::activate);
    // upgrades are not supported, and actix would copy the request's `Upgrade` header into the response
    let asks_upgrade = request.head().connection_type() == ConnectionType::Upgrade;
    let _in_flight = Arc::clone(&state.server.in_flight);
    let client = Some(client::address(&request, &state.server.trusted_proxies));
    let trace = state.server.traces.as_ref().map(|traces| traced::begin(traces, request.headers()));
    let record = RefCell::new(Record::new(trace));
    let account = Arc::new(Account::new(state.server.limits.answers()));
    let work = async {
        if let Some(connection) = &connection {
            connection.settle(state.server.limits.patience).await?;
        }
        let refused = match refuse(&request, &asked, &state) {
            Some(refused) => Some(refused),
            None => authenticate(&mut request, &asked, &state, client, &span)
                .await
                .or_else(|| positions::attach(&request, &asked, &state)),
        };
        Ok(match refused {
            None => next.call(request).instrument(span).await.map(ServiceResponse::map_into_left_body),
            Some(refused) => Ok(request.into_response(refused).map_into_right_body()),
        })
    };
    let bounds = || bounds(&asked, &state);
    let cut = match watch::run(connection.as_deref(), bounds, &record, &account, work).await {
        Ok(Ok(answer)) => {
            let mut answer = outgoing::prepare(answer?, connection.as_ref(), &asked, &state, account);
            let route = routes::of(answer.request()).unwrap_or_else(|| state.patterns().find(&asked.uri));
            let elapsed = start.elapsed();
            state.server.counts.answered(route, &asked.method, answer.status(), elapsed);
            if asks_upgrade {
                answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            if let Ok(value) = HeaderValue::from_str(&asked.request_id) {
                answer.headers_mut().insert(HEADER, value);
            }
            let extensions = answer.request().extensions();
            let principal = extensions.get::<Principal>();
            let status = answer.status();
            tell(&asked, &state, &Ended { route, client, principal, status, start, elapsed }, record.take());
            let written = positions::written(principal, &state);
            drop(extensions);
            if let Some((header, position)) = written {
                answer.headers_mut().insert(header, position);
            }
            return Ok(answer);
        }
        Ok(Err(Gone)) => Cut::Gone,
        Err(cut) => {
            if cut == Cut::Gone {
                state.server.counts.shed.client_gone.increment();
            }
            cut
        }
    };
    let mut answer = cut_off(cut, &asked, &state);
    let elapsed = start.elapsed();
    let route = state.patterns().find(&asked.uri);
    state.server.counts.answered(route, &asked.method, answer.status(), elapsed);
    if let Ok(value) = HeaderValue::from_str(&asked.request_id) {
        answer.headers_mut().insert(HEADER, value);
    }
    let status = answer.status();
    tell(&asked, &state, &Ended { route, client, principal: None, status, start, elapsed }, record.take());
    Err(InternalError::from_response("cut off", answer).into())
}

/// Refuses a request before anything is done for it.
fn refuse(request: &ServiceRequest, asked: &Asked, state: &AppState) -> Option<HttpResponse> {
    if let Err(denied) = guard::check(request, &state.server.allowed_hosts) {
        return Some(refusal::denied(request.request(), &denied));
    }
    // like all that does not depend on what is asked for, it has the form of the gateway
    (state.server.is_crowded() && limits::has_limits(asked.uri.path()))
        .then(|| unidentified::gateway(asked, &body::crowded(&state.server)))
}

/// How long a request may run.
fn bounds(asked: &Asked, state: &AppState) -> Bounds {
    let is_bulk = is_bulk(&asked.method, asked.uri.path());
    Bounds { deadline: (!is_bulk).then_some(state.server.limits.deadline), may_end: is_bulk }
}

/// The response to a request that was cut off.
fn cut_off(cut: Cut, asked: &Asked, state: &AppState) -> HttpResponse {
    let mut answer = match cut {
        Cut::Late => {
            state.server.counts.shed.deadline.increment();
            let source = format!("after {} seconds", state.server.limits.deadline.as_secs()).into();
            unidentified::respond(asked, state, RequestError::Unavailable { outage: Outage::Late, source }.into())
        }
        // for the log: nobody receives it. nginx has this status for it
        Cut::Gone => HttpResponse::build(StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)).finish(),
    };
    answer.head_mut().set_connection_type(ConnectionType::Close);
    answer
}

/// Counts a request for the rate of its address, and authenticates it. The response, if it is refused.
async fn authenticate(
    request: &mut ServiceRequest,
    asked: &Asked,
    state: &AppState,
    client: Option<IpAddr>,
    span: &Span,
) -> Option<HttpResponse> {
    let id = &asked.request_id;
    if let Err(throttled) = state.server.limits.count_address(request.path(), client) {
        return Some(refusal::throttled(request.request(), &throttled));
    }
    if !principal::needs_credentials(request, &state.authenticator) {
        principal::admit_anyone(request, id, client);
        return None;
    }
    // a future is as large as its largest branch: most of this one is not needed where nobody is authenticated
    let authenticated = Box::pin(principal::authenticate(request, state, id, client)).instrument(span.clone());
    Some(match authenticated.await.err()? {
        // limits belong to the gateway, whatever the path is
        Refused::Throttled(throttled) => refusal::throttled(request.request(), &throttled),
        Refused::Unidentified(reason) => unidentified::respond(asked, state, reason),
    })
}

/// How a request ended.
struct Ended<'a> {
    route: RouteId,
    client: Option<IpAddr>,
    /// `None` if it is not known.
    principal: Option<&'a Principal>,
    status: StatusCode,
    start: Instant,
    elapsed: Duration,
}

/// Tells the log, and the collector of traces, how a request ended.
fn tell(asked: &Asked, state: &AppState, ended: &Ended<'_>, mut record: Record) {
    let trace = record.trace.take();
    let shown = trace.as_ref().and_then(|trace| trace.context.shown());
    log_line(asked, ended, shown);
    tell_slow(asked, state, ended, &record, shown);
    if let (Some(traces), Some(trace)) = (&state.server.traces, trace) {
        let &Ended { route, principal, status, start: begun, .. } = ended;
        traced::end(traces, trace, &traced::Ended { route, method: &asked.method, status, principal, begun });
    }
}

fn log_line(asked: &Asked, ended: &Ended<'_>, trace: Option<ShownTrace>) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let &Ended { client, principal, status, elapsed, .. } = ended;
    let path = shown_path::shown(asked.uri.path());
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    let (client, trace_id) = (client.map(display), trace.map(display));
    let credential = principal.and_then(Principal::credential_id);
    let domain = principal.and_then(|principal| principal.rights.domain_id()).map(|domain_id| &**domain_id);
    let principal = principal.map(|principal| &*principal.caller.principal);
    let (request_id, method, status) =
        (&*asked.request_id, shown_path::shown_method(asked.method.as_str()), status.as_u16());
    tracing::info!(
        request_id, trace_id, client, principal, domain, credential, method, path, status, elapsed_us, "answered"
    );
}

/// Tells what a slow request did in the database, without values of anybody. Imports, exports and deletions of projects take as long as
/// there is to do, and are left out.
fn tell_slow(asked: &Asked, state: &AppState, ended: &Ended<'_>, record: &Record, trace: Option<ShownTrace>) {
    let &Ended { route, principal, status, elapsed, .. } = ended;
    let is_slow = state.server.limits.slow.is_some_and(|slow| elapsed > slow);
    if !is_slow || is_bulk(&asked.method, asked.uri.path()) {
        return;
    }
    let RouteName { dialect, path } = routes::name(route);
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    tracing::warn!(
        request_id = &*asked.request_id,
        trace_id = trace.map(display),
        dialect,
        route = path,
        method = shown_path::shown_method(asked.method.as_str()),
        status = status.as_u16(),
        principal = principal.map(|principal| &*principal.caller.principal),
        forms = record.forms(),
        statements = record.statements,
        scopes = record.scopes,
        waited_us = micros(record.waited),
        statements_us = micros(record.ran),
        elapsed_us = micros(elapsed),
        "a slow request"
    );
}
