//! Reads a request's body within bounds.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web::{Bytes, Payload},
};
use futures_util::StreamExt;
use ring::digest::{self, SHA256};

use super::{
    room::{Kept, LARGEST, LARGEST_OPEN, Place, Taken},
    state::{AppState, ServerState},
};
use crate::domain::{Outage, RequestError, reason::quote};

/// How long a client may take to send a body.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is larger than it may be.
    TooLarge,
    /// It took longer than [`PATIENCE`].
    TooSlow,
    /// The connection broke, or the transfer coding is wrong.
    Broken(String),
    /// The server cannot take it on now.
    Refused(RequestError),
}

impl From<RequestError> for BodyError {
    fn from(error: RequestError) -> Self {
        Self::Refused(error)
    }
}

/// The content type of most bodies.
pub(super) const JSON: &[&str] = &["application/json"];

/// Refuses a content type other than JSON in UTF-8, and any content coding. A missing content type counts as JSON.
pub(super) fn check_type(request: &HttpRequest) -> Result<(), String> {
    check_type_of(request, JSON)?;
    coding(request, &[]).map(drop)
}

/// Refuses a content type other than these, in UTF-8. A missing content type counts as the first of them.
fn check_type_of(request: &HttpRequest, allowed: &[&str]) -> Result<(), String> {
    for given in request.headers().get_all(header::CONTENT_TYPE) {
        let given = String::from_utf8_lossy(given.as_bytes());
        match check_one_type(&given, allowed) {
            Ok(()) => {}
            Err(WrongType::Type) => {
                return Err(format!("Content-Type: must be {}, got {}", allowed.join(" or "), quote(&given)));
            }
            Err(WrongType::Charset(charset)) => {
                return Err(format!("Content-Type: charset must be utf-8, got {}", quote(charset)));
            }
        }
    }
    Ok(())
}

/// The same for a body that changes something, and its content coding, which must be one of `codings`. A body must have a
/// content type: without one, a web page may send it to any server without a CORS preflight.
pub(super) fn check_changing(
    request: &HttpRequest,
    allowed: &[&str],
    codings: &[&'static str],
) -> Result<Option<&'static str>, String> {
    if has_body(request) && !request.headers().contains_key(header::CONTENT_TYPE) {
        return Err(format!("Content-Type: is required, must be {}", allowed.join(" or ")));
    }
    check_type_of(request, allowed)?;
    coding(request, codings)
}

/// The same for a change that needs no body: a body is checked only if there is one.
pub(super) fn check_change(request: &HttpRequest) -> Result<(), String> {
    if has_body(request) { check_changing(request, JSON, &[]).map(drop) } else { Ok(()) }
}

fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes().iter().any(|digit| *digit != b'0'))
}

/// The content coding of a body, which must be one of these; the error for another one names it.
fn coding(request: &HttpRequest, taken: &[&'static str]) -> Result<Option<&'static str>, String> {
    let mut found = None;
    for given in request.headers().get_all(header::CONTENT_ENCODING) {
        let given = String::from_utf8_lossy(given.as_bytes());
        for name in given.split(',').map(str::trim) {
            if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                continue;
            }
            // an old name that means the same (RFC 9110, 8.4.1.3)
            let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
            match taken.iter().find(|taken| taken.eq_ignore_ascii_case(name)) {
                Some(coding) if found.is_none() => found = Some(*coding),
                _ => {
                    let allowed = [taken, &["identity"]].concat().join(" or ");
                    return Err(format!("Content-Encoding: must be {allowed}, got {}", quote(&given)));
                }
            }
        }
    }
    Ok(found)
}

/// Why a content type is refused.
enum WrongType<'a> {
    /// It is not one of the allowed types, or cannot be read.
    Type,
    /// Its charset is not UTF-8.
    Charset(&'a str),
}

/// Checks that a content type is one of these, and that its charset, if it has one, is UTF-8.
fn check_one_type<'a>(given: &'a str, allowed: &[&str]) -> Result<(), WrongType<'a>> {
    let (essence, mut rest) = given.split_once(';').unwrap_or((given, ""));
    let essence = essence.trim_matches(BLANK);
    if !allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(essence)) {
        return Err(WrongType::Type);
    }
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Ok(());
        }
        let Some((name, value, behind)) = parameter(rest) else { return Err(WrongType::Type) };
        let is_utf8 = value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8");
        if name.eq_ignore_ascii_case("charset") && !is_utf8 {
            return Err(WrongType::Charset(value));
        }
        rest = behind;
    }
}

/// White space that is allowed around the parts of a header.
const BLANK: [char; 2] = [' ', '\t'];

/// Name and value of the first parameter, and what follows it.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let (value, behind) = if let Some(quoted) = rest.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.find(|c| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        })?;
        (quoted.get(..end)?, quoted.get(end + 1..)?)
    } else {
        let end = rest.find([' ', '\t', ';']).unwrap_or(rest.len());
        let (value, behind) = rest.split_at_checked(end)?;
        (is_token(value).then_some(value)?, behind)
    };
    let behind = behind.trim_start_matches(BLANK);
    (is_token(name) && (behind.is_empty() || behind.starts_with(';'))).then_some((name, value, behind))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// A body in memory.
pub(super) struct Held {
    pub(super) bytes: Bytes,
    /// The room that it takes until this is dropped.
    pub(super) room: Taken,
}

/// Reads a whole body. If there is no room for it, it is read to its end all the same, so that the client can read the refusal.
pub(super) async fn read(request: &HttpRequest, payload: Payload) -> Result<Held, BodyError> {
    let server = &AppState::of(request)?.server;
    let mut kept = Kept::new(length_of(request.headers()), Place::of(server.limits.bodies()));
    receive(LARGEST, payload, server, |chunk| kept.push(&chunk)).await?;
    // others may have begun since this request was let in
    if server.is_crowded() {
        return Err(crowded(server).into());
    }
    let (bytes, room) = kept.end()?;
    Ok(Held { bytes, room })
}

/// More requests are under way than may be.
pub(super) fn crowded(server: &ServerState) -> RequestError {
    server.counts.shed.requests.increment();
    RequestError::Unavailable { outage: Outage::Crowded, source: "max_requests are under way".into() }
}

/// The length of a body, if the request says it.
pub(super) fn length_of(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body that was read to verify its signature.
pub(super) struct Hashed {
    /// Its SHA-256.
    pub(super) hash: [u8; 32],
    /// The body and its room, unless there was none.
    pub(super) kept: Result<(Bytes, Taken), RequestError>,
}

/// Reads a whole body and hashes it as it arrives. If there is no room for it, it is hashed all the same and not kept.
pub(super) async fn read_hashed(
    payload: Payload,
    length: Option<usize>,
    server: &ServerState,
    place: Place<'_>,
) -> Result<Hashed, BodyError> {
    let mut hash = digest::Context::new(&SHA256);
    let mut kept = Kept::new(length, place);
    let keep = |chunk: Bytes| {
        hash.update(&chunk);
        kept.push(&chunk);
    };
    receive(LARGEST, payload, server, keep).await?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok(Hashed { hash: sha256, kept: kept.end() })
}

/// Reads a whole body that anyone may send: the body and its room, unless there was none.
pub(super) async fn read_open(
    payload: Payload,
    length: Option<usize>,
    server: &ServerState,
    place: Place<'_>,
) -> Result<Result<(Bytes, Taken), RequestError>, BodyError> {
    let mut kept = Kept::new(length, place);
    receive(LARGEST_OPEN, payload, server, |chunk| kept.push(&chunk)).await?;
    Ok(kept.end())
}

async fn receive(
    largest: usize,
    mut payload: Payload,
    server: &ServerState,
    mut keep: impl FnMut(Bytes),
) -> Result<(), BodyError> {
    let _waits = server.wait_for_client();
    let received = tokio::time::timeout(PATIENCE, async {
        let mut left = largest;
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| BodyError::Broken(error.to_string()))?;
            left = left.checked_sub(chunk.len()).ok_or(BodyError::TooLarge)?;
            keep(chunk);
        }
        Ok(())
    });
    received.await.unwrap_or_else(|_| {
        server.counts.shed.slow_client.increment();
        Err(BodyError::TooSlow)
    })
}
