//! Reads a request's body within bounds.

use std::time::Duration;

use actix_web::{
    HttpMessage, HttpRequest,
    http::header,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt;

use crate::domain::fault::quote;

/// Largest body. A query within the limits of the most generous dialect takes about 6 MiB if every
/// character is written as an escape.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;

/// How long a client may take to send a body.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is larger than [`LARGEST`].
    TooLarge,
    /// It took longer than [`PATIENCE`].
    TooSlow,
    /// The connection broke, or the transfer coding is wrong.
    Broken(String),
}

/// Refuses a content type that is not JSON in UTF-8; none at all is taken for that.
pub(super) fn check_type(request: &HttpRequest) -> Result<(), String> {
    check_type_of(request, &["application/json"])
}

/// Refuses a content type that is none of these, in UTF-8; none at all is taken for the first.
pub(super) fn check_type_of(request: &HttpRequest, allowed: &[&str]) -> Result<(), String> {
    if !request.headers().contains_key(header::CONTENT_TYPE) {
        return Ok(());
    }
    let given = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], header::HeaderValue::as_bytes);
    let refused =
        || Err(format!("Content-Type: {}, must be {}", quote(&String::from_utf8_lossy(given)), allowed.join(" or ")));
    let Ok(Some(mime)) = request.mime_type() else { return refused() };
    let utf8 = mime.get_param("charset").is_none_or(|charset| charset.as_str().eq_ignore_ascii_case("utf-8"));
    let known = allowed.iter().any(|allowed| mime.essence_str().eq_ignore_ascii_case(allowed));
    if known && utf8 { Ok(()) } else { refused() }
}

/// Reads a body whole.
pub(super) async fn read(payload: Payload) -> Result<Bytes, Refused> {
    match tokio::time::timeout(PATIENCE, read_all(payload)).await {
        Ok(read) => read,
        Err(_) => Err(Refused::TooSlow),
    }
}

async fn read_all(mut payload: Payload) -> Result<Bytes, Refused> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Refused::Broken(error.to_string()))?;
        if body.len() + chunk.len() > LARGEST {
            return Err(Refused::TooLarge);
        }
        // a body of one piece is not copied
        if body.is_empty() {
            body = BytesMut::from(chunk);
        } else {
            body.extend_from_slice(&chunk);
        }
    }
    Ok(body.freeze())
}
