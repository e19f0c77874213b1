//! Reads a request's body within bounds.

use std::{cell::Cell, time::Duration};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt;
use ring::digest::{self, SHA256};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::{Outage, RequestError, reason::quote};

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
    let mut body = BytesMut::new();
    receive(LARGEST, payload, |chunk| append(&mut body, chunk)).await?;
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

/// The room for bodies whose senders have proved nothing yet, of all requests together: a permit for each byte.
#[derive(Debug)]
pub(super) struct Room {
    /// For the first [`LARGEST_OPEN`] bytes of each, so that large bodies cannot keep out small ones.
    beginnings: Semaphore,
    /// For what is beyond them.
    rest: Semaphore,
}

impl Room {
    pub(super) fn new(beginnings: usize, rest: usize) -> Self {
        let new = |bytes: usize| Semaphore::new(bytes.min(Semaphore::MAX_PERMITS));
        Self { beginnings: new(beginnings), rest: new(rest) }
    }
}

/// Where the body of one request is kept.
#[derive(Clone, Copy)]
pub(super) struct Place<'r, 'h> {
    pub(super) room: &'r Room,
    /// The most room that it has had.
    pub(super) held: &'h Cell<usize>,
}

/// There is no room for a body.
pub(super) fn no_room() -> RequestError {
    RequestError::Unavailable {
        outage: Outage::Bodies,
        source: "bodies of other requests that are not verified yet take all of it".into(),
    }
}

/// The length of a body, if the request says it.
pub(super) fn length_of(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body that was read to verify its signature.
pub(super) struct Hashed<'a> {
    /// Its SHA-256.
    pub(super) hash: [u8; 32],
    /// The body, unless there was no room for it.
    pub(super) kept: Option<Bytes>,
    /// The room that it takes until this is dropped.
    _room: Taken<'a>,
}

/// Reads a whole body and hashes it as it arrives. If the sender has proved nothing yet, the body takes room of those that all
/// such senders share. If there is none left, the body is hashed all the same and not kept.
pub(super) async fn read_hashed<'r>(
    payload: Payload,
    length: Option<usize>,
    place: Option<Place<'r, '_>>,
) -> Result<Hashed<'r>, BodyError> {
    let mut hash = digest::Context::new(&SHA256);
    let mut kept = Kept::new(length, place);
    let keep = |chunk: Bytes| {
        hash.update(&chunk);
        kept.push(&chunk);
    };
    receive(LARGEST, payload, keep).await?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok(Hashed { hash: sha256, kept: kept.body.map(Bytes::from), _room: kept.taken })
}

/// A body that anyone may send, and the room that it takes until it is dropped.
pub(super) struct Open<'a> {
    /// The body, unless there was no room for it.
    pub(super) kept: Option<Bytes>,
    _room: Taken<'a>,
}

/// Reads a whole body that anyone may send.
pub(super) async fn read_open<'r>(
    payload: Payload,
    length: Option<usize>,
    place: Place<'r, '_>,
) -> Result<Open<'r>, BodyError> {
    let mut kept = Kept::new(length, Some(place));
    receive(LARGEST_OPEN, payload, |chunk| kept.push(&chunk)).await?;
    Ok(Open { kept: kept.body.map(Bytes::from), _room: kept.taken })
}

/// The room that a body has taken.
#[derive(Default)]
struct Taken<'a> {
    beginning: Option<SemaphorePermit<'a>>,
    rest: Option<SemaphorePermit<'a>>,
}

impl<'a> Taken<'a> {
    /// Takes what a body needs to grow from one size to another. False if there is no room.
    fn grow(&mut self, room: &'a Room, from: usize, to: usize) -> bool {
        let beginning = to.min(LARGEST_OPEN) - from.min(LARGEST_OPEN);
        let rest = to.saturating_sub(LARGEST_OPEN) - from.saturating_sub(LARGEST_OPEN);
        take(&mut self.beginning, &room.beginnings, beginning) && take(&mut self.rest, &room.rest, rest)
    }
}

fn take<'a>(taken: &mut Option<SemaphorePermit<'a>>, room: &'a Semaphore, bytes: usize) -> bool {
    let Some(more) = u32::try_from(bytes).ok().and_then(|bytes| room.try_acquire_many(bytes).ok()) else {
        return false;
    };
    match taken {
        Some(taken) => taken.merge(more),
        None => *taken = Some(more),
    }
    true
}

/// What is kept of a body that is being read.
struct Kept<'r, 'h> {
    /// `None` from when on there was no room for it.
    body: Option<Vec<u8>>,
    /// Its size in memory.
    size: usize,
    /// Its length, if that is known.
    length: Option<usize>,
    place: Option<Place<'r, 'h>>,
    taken: Taken<'r>,
}

impl<'r, 'h> Kept<'r, 'h> {
    fn new(length: Option<usize>, place: Option<Place<'r, 'h>>) -> Self {
        Self { body: Some(Vec::new()), size: 0, length, place, taken: Taken::default() }
    }

    fn push(&mut self, chunk: &[u8]) {
        let Some(body) = &mut self.body else { return };
        let needed = body.len() + chunk.len();
        if needed > self.size {
            // never more than the whole body, and no more than twice of what has arrived: a length is only a claim
            let most = self.length.unwrap_or(LARGEST).min(LARGEST);
            let mut size = (2 * self.size).min(most).max(needed);
            // nor any room of large bodies as long as it is a small one
            if needed <= LARGEST_OPEN {
                size = size.min(LARGEST_OPEN);
            }
            if let Some(Place { room, held }) = self.place {
                if !self.taken.grow(room, self.size, size) {
                    (self.body, self.taken) = (None, Taken::default());
                    return;
                }
                held.set(size);
            }
            body.reserve_exact(size - body.len());
            self.size = size;
        }
        body.extend_from_slice(chunk);
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

    fn new(room: &Room, length: Option<usize>) -> Kept<'_, 'static> {
        Kept::new(length, Some(Place { room, held: Box::leak(Box::default()) }))
    }

    /// What a body has kept, and what is left of the room.
    fn state(kept: &Kept<'_, '_>, room: &Room) -> (Option<usize>, usize, usize) {
        (kept.body.as_ref().map(Vec::len), room.beginnings.available_permits(), room.rest.available_permits())
    }

    #[test]
    fn a_body_takes_room_until_it_is_dropped() {
        let room = Room::new(3 * LARGEST_OPEN, 1000);
        let chunk = vec![b'x'; 2 * LARGEST_OPEN];
        let mut small = new(&room, Some(LARGEST_OPEN + 400));
        small.push(&chunk[..LARGEST_OPEN - 1]);
        assert_eq!(state(&small, &room), (Some(LARGEST_OPEN - 1), 2 * LARGEST_OPEN + 1, 1000));
        small.push(&chunk[..1]);
        small.push(&chunk[..300]);
        small.push(&chunk[..100]);
        assert_eq!(state(&small, &room), (Some(LARGEST_OPEN + 400), 2 * LARGEST_OPEN, 600));
        let mut large = new(&room, Some(LARGEST_OPEN + 601));
        large.push(&chunk[..LARGEST_OPEN + 600]);
        assert_eq!(state(&large, &room), (Some(LARGEST_OPEN + 600), LARGEST_OPEN, 0));
        // one byte too many gives back the room of the others, and nothing is kept from then on
        large.push(&chunk[..1]);
        large.push(&chunk[..1]);
        assert_eq!(state(&large, &room), (None, 2 * LARGEST_OPEN, 600));
        drop(small);
        assert_eq!(state(&large, &room), (None, 3 * LARGEST_OPEN, 1000));
        let mut verified = Kept::new(None, None);
        verified.push(&chunk);
        assert_eq!(state(&verified, &room), (Some(2 * LARGEST_OPEN), 3 * LARGEST_OPEN, 1000));
    }

    #[test]
    fn small_bodies_are_bounded_together() {
        let room = Room::new(100, 1000);
        let mut kept: Vec<_> = (0..11).map(|_| new(&room, Some(10))).collect();
        for body in &mut kept {
            body.push(&[b'x'; 10]);
        }
        assert_eq!(kept.iter().filter(|body| body.body.is_some()).count(), 10);
        kept.truncate(9);
        let mut next = new(&room, None);
        next.push(&[b'x'; 10]);
        assert_eq!(state(&next, &room), (Some(10), 0, 1000));
    }

    #[test]
    fn a_small_body_in_pieces_of_unknown_length_needs_no_room_of_large_ones() {
        let room = Room::new(LARGEST_OPEN, 1);
        let mut kept = new(&room, None);
        kept.push(&vec![b'x'; LARGEST_OPEN - 1]);
        kept.push(b"x");
        assert_eq!(state(&kept, &room), (Some(LARGEST_OPEN), 0, 1));
        kept.push(b"xx");
        assert_eq!(state(&kept, &room), (None, LARGEST_OPEN, 1));
    }

    /// The room is that of the memory, and a body that has arrived takes its length.
    #[test]
    fn a_body_that_arrives_in_pieces_takes_no_more_memory_than_room() {
        for (length, size) in [(Some(LARGEST), LARGEST), (Some(100_000), 100_000), (None, LARGEST)] {
            let room = Room::new(LARGEST_OPEN, LARGEST);
            let mut kept = new(&room, length);
            for _ in 0..size / 1000 {
                kept.push(&[b'x'; 1000]);
                let body = kept.body.as_ref().unwrap();
                let taken =
                    LARGEST_OPEN + LARGEST - room.beginnings.available_permits() - room.rest.available_permits();
                assert_eq!((body.capacity(), taken), (kept.size, kept.size));
                assert!(kept.size <= (2 * body.len()).min(length.unwrap_or(LARGEST)), "{length:?}");
            }
            kept.push(&vec![b'x'; size % 1000]);
            assert_eq!(kept.body.as_ref().map(|body| (body.len(), body.capacity())), Some((size, size)));
        }
    }
}
