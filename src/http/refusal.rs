//! Responses to requests that are refused.
//!
//! If the path belongs to a dialect, the body has the dialect's form. If it does not, or if the request is refused before
//! a dialect is selected, the body has the form of the gateway in front of such services.

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        ConnectionType, Method, StatusCode,
        header::{self, HeaderValue},
    },
};
use serde_json::json;

use super::{
    body::{BodyError, PATIENCE},
    error_log,
    guard::Denied,
    limits::Throttled,
    request_id::RequestId,
    room::LARGEST,
};
use crate::{
    dialects::Dialect,
    domain::{Command, RequestError, reason::quote},
};

pub(super) fn status(status: u16) -> HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

/// An error in the dialect's form, which may depend on the command. It is logged unless it is the client's error.
pub(super) fn error(dialect: &Dialect, error: &RequestError, command: Option<&Command>) -> HttpResponse {
    error_log::log(error);
    let wire = (dialect.wire_error)(error, command);
    let body = (dialect.encode_error)(wire.code, &error.to_string());
    let mut answer = status(wire.status);
    if wire.status == 503 {
        answer.insert_header(("Retry-After", "1"));
    }
    answer.content_type("application/json").body(body)
}

/// No such path.
pub(super) fn not_found(request: &HttpRequest) -> HttpResponse {
    not_found_at(&id_of(request), request.method(), request.uri().path())
}

/// The same for a request whose path is known otherwise.
pub(super) fn not_found_at(request_id: &str, method: &Method, path: &str) -> HttpResponse {
    of_gateway(request_id, 404, "APIGW.0101", &format!("path: no route matches {method} {}", quote(path)))
}

/// The request may come from a foreign web page, or requests an upgrade to another protocol.
pub(super) fn denied(request: &HttpRequest, denied: &Denied) -> HttpResponse {
    match denied {
        Denied::Forbidden(reason) => gateway(request, 403, "APIGW.0306", reason),
        Denied::Upgrade => {
            let mut answer = gateway(request, 400, "APIGW.0201", "Upgrade: websocket is not supported");
            // the end of the body is not known, so neither is the beginning of a next request
            answer.head_mut().set_connection_type(ConnectionType::Close);
            answer
        }
    }
}

/// Too many requests.
pub(super) fn throttled(request: &HttpRequest, throttled: &Throttled) -> HttpResponse {
    let mut answer = gateway(request, 429, "APIGW.0308", throttled.reason);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(throttled.retry_after));
    answer
}

/// The methods of a path.
pub(super) fn options(allowed: &str) -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::ALLOW, allowed)).finish()
}

/// The path exists but does not allow this method, and belongs to no dialect.
pub(super) fn wrong_method_of_none(request: &HttpRequest, allowed: &str) -> HttpResponse {
    let message = format!("method: must be one of {allowed}, got {}", request.method());
    let mut answer = gateway(request, 405, "APIGW.0201", &message);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// The path exists but does not allow this method.
pub(super) fn wrong_method(dialect: &Dialect, request: &HttpRequest, allowed: &str) -> HttpResponse {
    let reason = format!("method: must be one of {allowed}, got {}", request.method());
    general(dialect, 405, reason).insert_header(("Allow", allowed)).body_of_error()
}

/// `If-Match` on a read of what has no `ETag`.
pub(super) fn condition_failed(dialect: &Dialect) -> HttpResponse {
    general(dialect, 412, "If-Match: does not match, only registered resources have an ETag".to_owned()).body_of_error()
}

/// The content type is not JSON.
pub(super) fn wrong_type(dialect: &Dialect, reason: &str) -> HttpResponse {
    general(dialect, 415, reason.to_owned()).body_of_error()
}

/// The body could not be read.
pub(super) fn bad_body(dialect: &Dialect, request_id: &str, refused: BodyError) -> HttpResponse {
    match refused {
        BodyError::TooLarge => {
            let reason = format!("body: must be at most {LARGEST} bytes");
            let mut answer = of_gateway(request_id, 413, "APIGW.0201", &reason);
            // the rest of the body is not read, so the connection cannot be reused
            answer.head_mut().set_connection_type(ConnectionType::Close);
            answer
        }
        BodyError::TooSlow => {
            let mut answer =
                general(dialect, 408, format!("body: was not received within {} seconds", PATIENCE.as_secs()))
                    .body_of_error();
            answer.head_mut().set_connection_type(ConnectionType::Close);
            answer
        }
        BodyError::Broken(reason) => general(dialect, 400, format!("body: {reason}")).body_of_error(),
        BodyError::Refused(reason) => error(dialect, &reason, None),
    }
}

/// An error in the form of the gateway.
pub(super) fn gateway(request: &HttpRequest, code: u16, error_code: &str, message: &str) -> HttpResponse {
    of_gateway(&id_of(request), code, error_code, message)
}

/// The id of a request.
pub(super) fn id_of(request: &HttpRequest) -> Arc<str> {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}

/// An error in the form of the gateway, of a request with this id.
pub(super) fn of_gateway(request_id: &str, code: u16, error_code: &str, message: &str) -> HttpResponse {
    let body = json!({ "error_code": error_code, "error_msg": message, "request_id": request_id });
    status(code).content_type("application/json").body(body.to_string())
}

/// A refusal in the dialect's form: the code of its general error, with the given status.
fn general(dialect: &Dialect, code: u16, reason: String) -> General<'_> {
    General { dialect, answer: status(code), reason }
}

struct General<'a> {
    dialect: &'a Dialect,
    answer: HttpResponseBuilder,
    reason: String,
}

impl General<'_> {
    fn insert_header(mut self, header: (&str, &str)) -> Self {
        self.answer.insert_header(header);
        self
    }

    fn body_of_error(mut self) -> HttpResponse {
        let error = RequestError::Body { reason: self.reason };
        let code = (self.dialect.wire_error)(&error, None).code;
        self.answer.content_type("application/json").body((self.dialect.encode_error)(code, &error.to_string()))
    }
}
