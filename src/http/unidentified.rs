//! The response to a request without valid credentials, in the form of what its path belongs to.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderValue},
    },
};

use super::{
    error_log, identity,
    paths::Paths,
    principal::{CHALLENGE, Unidentified},
    refusal, registry,
};
use crate::domain::RequestError;

/// Responds to a request without a principal.
pub(super) fn respond(request: &HttpRequest, paths: &Paths, refused: Unidentified) -> HttpResponse {
    let mut answer = if let Some(dialect) = paths.dialect_of(request) {
        match refused {
            Unidentified::Error(reason) => refusal::error(dialect, &reason, None),
            Unidentified::Body(reason) => refusal::bad_body(dialect, request, reason),
        }
    } else if registry::has(request) {
        registry::unidentified(refused)
    } else if identity::has(request) {
        identity::unidentified(refused)
    } else {
        match refused {
            Unidentified::Error(error) => {
                error_log::log(&error);
                let (status, code) = match error {
                    RequestError::Unauthenticated { .. } => (401, "APIGW.0301"),
                    RequestError::Forbidden { .. } => (403, "APIGW.0302"),
                    RequestError::Unavailable { .. } => (503, "APIGW.0201"),
                    _ => (500, "APIGW.0201"),
                };
                let mut answer = refusal::gateway(request, status, code, &error.to_string());
                if status == 503 {
                    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                }
                answer
            }
            // the path leads nowhere, whatever the body is
            Unidentified::Body(_) => {
                let mut answer = refusal::not_found(request);
                answer.head_mut().set_connection_type(ConnectionType::Close);
                answer
            }
        }
    };
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    answer
}
