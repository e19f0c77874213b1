//! The header `X-Tagd-Position`: what a client has written, so that its reads find it wherever they are sent.

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpResponse,
    dev::ServiceRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};

use super::{
    state::AppState,
    unidentified::{self, Asked},
};
use crate::{
    app::App,
    auth::Principal,
    domain::{FieldKind, Position, RequestError, RequestPositions},
};

const HEADER: HeaderName = HeaderName::from_static("x-tagd-position");

/// Where there are replicas, the principal of a request gets its positions. The response, if the client sent one that is none.
pub(super) fn attach(request: &ServiceRequest, asked: &Asked, state: &AppState) -> Option<HttpResponse> {
    if !state.app.has_replicas() {
        return None;
    }
    match needed(request.headers(), &state.app) {
        Ok(needed) => {
            if let Some(principal) = request.extensions_mut().get_mut::<Principal>() {
                principal.positions = Some(Arc::new(RequestPositions::new(needed)));
            }
            None
        }
        Err(error) => Some(unidentified::respond(asked, state, error.into())),
    }
}

/// What the response to a request has in the header, if the request has written something.
pub(super) fn written(principal: Option<&Principal>, state: &AppState) -> Option<(HeaderName, HeaderValue)> {
    let position = principal?.positions.as_ref()?.written()?;
    Some((HEADER, HeaderValue::from_str(&state.app.seal_position(position)?).ok()?))
}

fn needed(headers: &HeaderMap, app: &App) -> Result<Option<Position>, RequestError> {
    let wrong = |reason: &str| RequestError::invalid(FieldKind::General, "X-Tagd-Position", reason);
    let mut values = headers.get_all(HEADER);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong("must be sent only once"));
    }
    let position = value.to_str().ok().and_then(|sealed| app.open_position(sealed));
    position.map(Some).ok_or_else(|| wrong("must be a value that a response had in this header"))
}
