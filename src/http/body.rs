//! Reads a request's body within bounds.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt;
use ring::digest::{self, SHA256};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::reason::quote;

/// Maximum size of a body. A query within the limits of the dialect with the largest limits is about 6 MiB if every
/// character is escaped.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;

/// Maximum size of a body that anyone may send, without credentials.
pub(super) const LARGEST_OPEN: usize = 64 * 1024;

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

/// Reads a whole body.
pub(super) async fn read(payload: Payload) -> Result<Bytes, BodyError> {
    read_up_to(LARGEST, payload).await
}

/// Reads a whole body that has no more than some bytes.
pub(super) async fn read_up_to(largest: usize, payload: Payload) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    receive(largest, payload, |chunk| append(&mut body, chunk)).await?;
    Ok(body.freeze())
}

/// Appends what arrived of a body. One that arrives in one read is not copied.
fn append(body: &mut BytesMut, chunk: Bytes) {
    if body.is_empty() {
        *body = BytesMut::from(chunk);
    } else {
        body.extend_from_slice(&chunk);
    }
}

/// A body that was read to verify its signature.
pub(super) struct Hashed<'a> {
    /// Its SHA-256.
    pub(super) hash: [u8; 32],
    /// The body, unless there was no room for it.
    pub(super) kept: Option<Bytes>,
    /// The room that it takes until this is dropped.
    _room: Option<SemaphorePermit<'a>>,
}

/// Reads a whole body and hashes it as it arrives. If the sender has proved nothing yet, the body takes room of those that all
/// such senders share, a permit for each byte. If there is none left, the body is hashed all the same and not kept.
pub(super) async fn read_hashed(payload: Payload, room: Option<&Semaphore>) -> Result<Hashed<'_>, BodyError> {
    let mut hash = digest::Context::new(&SHA256);
    let mut kept = Kept { body: Some(BytesMut::new()), room, taken: None };
    let keep = |chunk: Bytes| {
        hash.update(&chunk);
        kept.push(chunk);
    };
    receive(LARGEST, payload, keep).await?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok(Hashed { hash: sha256, kept: kept.body.map(BytesMut::freeze), _room: kept.taken })
}

/// What is kept of a body that is being read.
struct Kept<'a> {
    /// `None` from when on there was no room for it.
    body: Option<BytesMut>,
    room: Option<&'a Semaphore>,
    taken: Option<SemaphorePermit<'a>>,
}

impl Kept<'_> {
    fn push(&mut self, chunk: Bytes) {
        let Some(body) = &mut self.body else { return };
        if let Some(room) = self.room {
            // what anyone may send is there for everyone, so that large bodies cannot keep out small ones
            let counted = |length: usize| length.saturating_sub(LARGEST_OPEN);
            let more = counted(body.len() + chunk.len()) - counted(body.len());
            let Some(more) = u32::try_from(more).ok().and_then(|more| room.try_acquire_many(more).ok()) else {
                (self.body, self.taken) = (None, None);
                return;
            };
            match &mut self.taken {
                Some(taken) => taken.merge(more),
                None => self.taken = Some(more),
            }
        }
        append(body, chunk);
    }
}

async fn receive(largest: usize, mut payload: Payload, mut keep: impl FnMut(Bytes)) -> Result<(), BodyError> {
    let received = tokio::time::timeout(PATIENCE, async {
        let mut left = largest;
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| BodyError::Broken(error.to_string()))?;
            left = left.checked_sub(chunk.len()).ok_or(BodyError::TooLarge)?;
            keep(chunk);
        }
        Ok(())
    });
    received.await.unwrap_or(Err(BodyError::TooSlow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_takes_room_until_it_is_dropped_and_a_small_one_none() {
        let room = Semaphore::new(1000);
        let chunk = |length: usize| Bytes::from(vec![b'x'; length]);
        let new = |room| Kept { body: Some(BytesMut::new()), room, taken: None };
        let kept = |kept: &Kept<'_>| kept.body.as_ref().map(BytesMut::len);
        let mut small = new(Some(&room));
        small.push(chunk(LARGEST_OPEN - 1));
        small.push(chunk(1));
        assert_eq!((kept(&small), room.available_permits()), (Some(LARGEST_OPEN), 1000));
        small.push(chunk(300));
        small.push(chunk(100));
        assert_eq!((kept(&small), room.available_permits()), (Some(LARGEST_OPEN + 400), 600));
        let mut large = new(Some(&room));
        large.push(chunk(LARGEST_OPEN + 600));
        assert_eq!((kept(&large), room.available_permits()), (Some(LARGEST_OPEN + 600), 0));
        // one byte too many gives back the room of the others, and nothing is kept from then on
        large.push(chunk(1));
        large.push(chunk(1));
        assert_eq!((kept(&large), room.available_permits()), (None, 600));
        drop(small);
        assert_eq!(room.available_permits(), 1000);
        let mut verified = new(None);
        verified.push(chunk(LARGEST_OPEN + 5000));
        assert_eq!((kept(&verified), room.available_permits()), (Some(LARGEST_OPEN + 5000), 1000));
    }
}
