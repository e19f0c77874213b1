//! What must hold of every answer, whatever was asked.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::{
    client::{Outcome, Reply},
    request::{Owed, Request},
};

/// The statuses that tagd documents.
const STATUSES: [u16; 18] = [200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 417, 429, 503, 505];

/// An error message is at most so long, however long the value is that it is about.
const LONGEST_ERROR: usize = 4096;

/// The answer, if there is one. The error is what is wrong with it.
pub fn judge(request: &Request, outcome: Outcome) -> Result<Option<Reply>, String> {
    let is_owed = request.owed == Owed::Answer;
    let reply = match outcome {
        Outcome::Answered(reply) => reply,
        Outcome::Ended { seen, why } if is_owed || !seen.is_empty() => {
            return Err(format!("the connection broke ({why}) after {:?}", String::from_utf8_lossy(&seen)));
        }
        Outcome::Ended { .. } => return Ok(None),
        // what is behind a request that is no HTTP may be taken for another one
        Outcome::TooMuch(reply, _) if !is_owed => reply,
        Outcome::TooMuch(_, rest) => return Err(format!("more than an answer: {:?}", String::from_utf8_lossy(&rest))),
    };
    let is_malformed = !is_owed && matches!(reply.status, 400 | 408 | 431) && reply.body.is_empty();
    if is_malformed {
        return Ok(Some(reply));
    }
    match check(request, &reply) {
        Ok(()) => Ok(Some(reply)),
        Err(why) => Err(format!("{why}: {} {:?} {:?}", reply.status, reply.headers, shown(&reply.body))),
    }
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(600).collect()
}

fn check(request: &Request, reply: &Reply) -> Result<(), String> {
    let status = reply.status;
    if !STATUSES.contains(&status) {
        return Err("a status that nobody expects".into());
    }
    if reply.header("x-request-id").is_none_or(str::is_empty) {
        return Err("no X-Request-Id".into());
    }
    let needed = match status {
        401 => "www-authenticate",
        405 => "allow",
        429 | 503 => "retry-after",
        _ => "x-request-id",
    };
    // a probe of readiness or of a login has its own form
    if reply.header(needed).is_none() {
        return Err(format!("no {needed}"));
    }
    if matches!(status, 204 | 304) || request.is_head() {
        return Ok(());
    }
    let is_error = status >= 400;
    if reply.body.is_empty() {
        // writes of the dialects; an export of nothing
        let may_be_empty = status == 200;
        return if may_be_empty { Ok(()) } else { Err("no body".into()) };
    }
    match reply.header("content-type") {
        Some("application/json") => {
            let json: Value = serde_json::from_slice(&reply.body).map_err(|error| format!("no JSON: {error}"))?;
            if is_error { check_error(&json, reply) } else { Ok(()) }
        }
        Some("application/x-ndjson") if !is_error => {
            let text = unpacked(reply)?;
            for line in text.lines() {
                serde_json::from_str::<Value>(line).map_err(|error| format!("no NDJSON: {error}: {line}"))?;
            }
            Ok(())
        }
        other => Err(format!("a content type of {other:?}")),
    }
}

/// The lines of an export.
pub fn unpacked(reply: &Reply) -> Result<String, String> {
    let mut text = Vec::new();
    if reply.header("content-encoding") == Some("gzip") {
        MultiGzDecoder::new(&*reply.body).read_to_end(&mut text).map_err(|error| format!("no gzip: {error}"))?;
    } else {
        text.clone_from(&reply.body);
    }
    String::from_utf8(text).map_err(|error| error.to_string())
}

/// An error has a code and a message, in one of the documented forms.
fn check_error(json: &Value, reply: &Reply) -> Result<(), String> {
    if reply.body.len() > LONGEST_ERROR {
        return Err(format!("an error of {} bytes", reply.body.len()));
    }
    let inner = if json["error"].is_object() { &json["error"] } else { json };
    let has = |name: &str| inner[name].as_str().is_some_and(|text| !text.is_empty());
    let is_of_identity = inner["code"] == reply.status && has("message") && has("title");
    let is_readiness = has("status");
    if has("error_code") && has("error_msg") || has("code") && has("message") || is_of_identity || is_readiness {
        Ok(())
    } else {
        Err("an error of no known form".into())
    }
}
