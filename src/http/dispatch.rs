//! The walk of a request: bytes in, dialect, service, dialect, bytes out.

use std::error::Error as _;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Version, header::HeaderName},
    web::{Data, Payload},
};
use percent_encoding::percent_decode_str;

use super::{
    body,
    conditions::{self, Outcome},
    pieces::Pieces,
    refusal,
    server::AppState,
};
use crate::{
    dialects::{Dialect, Operation, PathParameters, Route, WireRequest},
    domain::{Answer, Command, FieldKind, RequestError},
};

const PROJECT: HeaderName = HeaderName::from_static("x-project-id");

/// Runs a route of a dialect.
pub(super) async fn run(
    dialect: &'static Dialect,
    route: &'static Route,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let Some(path) = parameters(&request) else {
        // a path that is not UTF-8 once decoded names nothing
        return refusal::not_found(&request);
    };
    let Some(shared) = request.app_data::<Data<AppState>>() else {
        return fault(dialect, &RequestError::internal("the server was set up without its service"), None);
    };
    let Operation { decode, encode, body: has_body } = route.operation;
    if has_body && let Err(reason) = body::check_type(&request) {
        return refusal::wrong_type(dialect, &reason);
    }
    let body = match body::read(payload).await {
        Ok(body) => body,
        Err(refused) => return refusal::bad_body(dialect, &request, refused),
    };
    let client_project = match client_project(&request) {
        Ok(project) => project,
        Err(found) => return fault(dialect, &found, None),
    };
    let wire = WireRequest { path, query: request.query_string(), client_project, body: &body };
    let command = match decode(&wire) {
        Ok(command) => command,
        Err(found) => return fault(dialect, &found, None),
    };
    if command.is_write() {
        if let Err(reason) = body::check_change(&request, body::JSON, &[]) {
            return refusal::wrong_type(dialect, &reason);
        }
        if let Err(found) = conditions::none(&request, "not supported here, nothing here has an ETag") {
            return fault(dialect, &found, None);
        }
    }
    let answer = shared.service.run(&shared.principal, &command).await;
    let (reply, answer) = match answer.and_then(|answer| Ok((encode(&command, &answer)?, answer))) {
        Ok(encoded) => encoded,
        Err(found) => return fault(dialect, &found, Some(&command)),
    };
    match conditions::of_read(&request, None) {
        Ok(Outcome::Failed) => return refusal::condition_failed(dialect),
        Ok(_) => {}
        Err(found) => return fault(dialect, &found, None),
    }
    let mut response = refusal::status(reply.status);
    if reply.body.is_empty() {
        return response.finish();
    }
    response.content_type("application/json");
    let (Some(writer), Answer::TagList(list)) = (reply.rest, answer) else { return response.body(reply.body) };
    let pieces = Pieces::new(shared.service.clone(), reply.body, writer, list);
    // chunks came with HTTP/1.1; without them a client could not tell an answer that broke off from a whole one
    if request.version() < Version::HTTP_11 {
        return match Box::pin(pieces.collect()).await {
            Ok(body) => response.body(body),
            Err(found) => fault(dialect, &found, Some(&command)),
        };
    }
    response.streaming(pieces.stream())
}

/// The project that the client says it works in. One that cannot be read is no reason to work in another.
fn client_project(request: &HttpRequest) -> Result<Option<&str>, RequestError> {
    let refused = |reason: &str| RequestError::invalid(FieldKind::General, "X-Project-Id", reason);
    let mut values = request.headers().get_all(PROJECT);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refused("duplicate header"));
    }
    str::from_utf8(value.as_bytes()).map(Some).map_err(|_| refused("must be UTF-8"))
}

/// The varying segments, decoded; `None` if the path is not UTF-8, which actix would mend in silence.
pub(super) fn parameters(request: &HttpRequest) -> Option<PathParameters> {
    percent_decode_str(request.uri().path()).decode_utf8().ok()?;
    let decode = |(name, value): (&str, &str)| {
        // actix leaves three escapes, that of the slash among them, for when the path has been cut up
        Some((name.to_owned(), percent_decode_str(value).decode_utf8().ok()?.into_owned()))
    };
    Some(PathParameters::new(request.match_info().iter().map(decode).collect::<Option<_>>()?))
}

/// The answer to a fault, which goes to the log where it is not the caller's.
fn fault(dialect: &Dialect, fault: &RequestError, command: Option<&Command>) -> HttpResponse {
    log(fault);
    let error = (dialect.wire_error)(fault, command);
    let body = (dialect.encode_error)(error.code, &fault.to_string());
    let mut answer = refusal::status(error.status);
    if error.status == 503 {
        answer.insert_header(("Retry-After", "1"));
    }
    answer.content_type("application/json").body(body)
}

/// A fault that is not the caller's goes to the log.
pub(super) fn log(fault: &RequestError) {
    if let Some(source) = fault.source() {
        if matches!(fault, RequestError::Unavailable { .. }) {
            tracing::warn!(error = chain(source), "the database is not available");
        } else {
            tracing::error!(error = chain(source), "a request failed");
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
