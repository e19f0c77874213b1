//! Conditional requests: `If-Match` and `If-None-Match`, as in RFC 9110 (section 13).

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, HeaderName},
    },
};

use crate::domain::{FieldKind, RequestError, reason::quote};

/// The value of a condition.
#[derive(Debug)]
pub(super) enum Tags {
    /// `*`
    Any,
    /// One or more tags.
    Listed(Vec<EntityTag>),
}

/// An `ETag` in a condition.
#[derive(Debug)]
pub(super) struct EntityTag {
    pub(super) weak: bool,
    /// Without its quotes.
    pub(super) tag: Vec<u8>,
}

/// The outcome of the conditions of a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Proceed.
    Proceed,
    /// The client has this state already: 304.
    NotModified,
    /// `If-Match` does not hold: 412.
    Failed,
}

/// Evaluates the conditions of a read that would otherwise succeed.
///
/// Without an `ETag` no client can have cached anything, so `If-None-Match` is true; `If-Match` is false, unless it is
/// `*`.
pub(super) fn of_read(request: &HttpRequest, etag: Option<&str>) -> Result<Outcome, RequestError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(Outcome::Proceed);
    }
    if let Some(wanted) = read(request, &header::IF_MATCH)? {
        let holds = match wanted {
            Tags::Any => true,
            // strong comparison: a weak one equals none
            Tags::Listed(tags) => {
                tags.iter().any(|one| !one.weak && etag.is_some_and(|etag| one.tag == etag.as_bytes()))
            }
        };
        if !holds {
            return Ok(Outcome::Failed);
        }
    }
    if let Some(etag) = etag
        && let Some(known) = read(request, &header::IF_NONE_MATCH)?
    {
        let is_known = match known {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|one| one.tag == etag.as_bytes()),
        };
        if is_known {
            return Ok(Outcome::NotModified);
        }
    }
    Ok(Outcome::Proceed)
}

/// Refuses conditions on a write that does not support them: if they were ignored, the write could do what the client
/// excluded.
pub(super) fn none(request: &HttpRequest, reason: &str) -> Result<(), RequestError> {
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        if request.headers().contains_key(&name) {
            return Err(RequestError::invalid(FieldKind::General, shown(&name), reason));
        }
    }
    Ok(())
}

/// The value of a condition, if the request has it; several headers of the same name form one list.
pub(super) fn read(request: &HttpRequest, name: &HeaderName) -> Result<Option<Tags>, RequestError> {
    let mut values = request.headers().get_all(name).map(|value| value.as_bytes().trim_ascii()).peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    let mut tags = Vec::new();
    let mut any = 0;
    for value in values {
        if value == b"*" {
            any += 1;
        } else if take_tags(value, &mut tags).is_none() {
            let reason = format!("must be * or quoted ETags, got {}", quote(&String::from_utf8_lossy(value)));
            return Err(RequestError::invalid(FieldKind::General, shown(name), reason));
        }
    }
    match (any, tags.is_empty()) {
        (1, true) => Ok(Some(Tags::Any)),
        (0, false) => Ok(Some(Tags::Listed(tags))),
        (0, true) => Err(RequestError::invalid(FieldKind::General, shown(name), "must not be empty")),
        _ => Err(RequestError::invalid(FieldKind::General, shown(name), "* must not be combined with anything else")),
    }
}

/// Parses a list of tags, which may have commas within their quotes.
fn take_tags(mut text: &[u8], tags: &mut Vec<EntityTag>) -> Option<()> {
    while let Some(first) = text.first() {
        if matches!(first, b' ' | b'\t' | b',') {
            text = text.get(1..)?;
            continue;
        }
        let strong = text.strip_prefix(b"W/").unwrap_or(text);
        let quoted = strong.strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        tags.push(EntityTag { weak: strong.len() < text.len(), tag: quoted.get(..end)?.to_vec() });
        text = quoted.get(end + 1..)?.trim_ascii_start();
        if !text.is_empty() && !text.starts_with(b",") {
            return None;
        }
    }
    Some(())
}

/// The header name in its usual spelling.
fn shown(name: &HeaderName) -> &'static str {
    if *name == header::IF_MATCH { "If-Match" } else { "If-None-Match" }
}
