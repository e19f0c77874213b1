//! Responses to requests that have not reached their handler, in the form of what their path belongs to.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    dev::Url,
    http::{
        ConnectionType, Method, StatusCode, Uri,
        header::{self, HeaderValue},
    },
};

use super::{
    error_log, identity,
    principal::{CHALLENGE, Unidentified},
    refusal, registry,
    state::AppState,
};
use crate::domain::RequestError;

/// What decides the form of a response to a request.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) request_id: Arc<str>,
}

/// Responds to a request without a principal.
pub(super) fn respond(asked: &Asked, state: &AppState, refused: Unidentified) -> HttpResponse {
    let path = asked.uri.path();
    // as the router reads it
    let routed = Url::new(asked.uri.clone());
    let mut answer = if let Some(dialect) = state.paths.dialect_of(routed.path()) {
        match refused {
            Unidentified::Error(reason) => refusal::error(dialect, &reason, None),
            Unidentified::Body(reason) => refusal::bad_body(dialect, &asked.request_id, reason),
        }
    } else if registry::has(path) {
        registry::unidentified(refused)
    } else if identity::has(state, path) {
        identity::unidentified(refused)
    } else {
        match refused {
            Unidentified::Error(error) => gateway(asked, &error),
            // the path leads nowhere, whatever the body is
            Unidentified::Body(_) => {
                let mut answer = refusal::not_found_at(&asked.request_id, &asked.method, path);
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

/// An error in the form of the gateway.
pub(super) fn gateway(asked: &Asked, error: &RequestError) -> HttpResponse {
    error_log::log(error);
    let (status, code) = match error {
        RequestError::Unauthenticated { .. } => (401, "APIGW.0301"),
        RequestError::Forbidden { .. } => (403, "APIGW.0302"),
        RequestError::Invalid { .. } => (400, "APIGW.0201"),
        RequestError::Unavailable { .. } => (503, "APIGW.0201"),
        _ => (500, "APIGW.0201"),
    };
    let mut answer = refusal::of_gateway(&asked.request_id, status, code, &error.to_string());
    if status == 503 {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}
