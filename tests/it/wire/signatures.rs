//! Signed requests: those of the official clients, every change to one, and those of a signer written from the contract.

use std::{cmp::Reverse, collections::BTreeMap};

use percent_encoding::percent_decode_str;
use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tagd::auth::{
    secret::Secret,
    signature::{Content, Headers, Request, Signature, SignatureError, SignedBody},
};
use time::{Duration, OffsetDateTime, UtcOffset};

// ---- requests, and a signer that shares nothing with tagd

/// A signed request as it is on the wire.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    secret: String,
}

impl Headers for Sent {
    fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }
}

impl Sent {
    fn request(&self) -> Request<'_, Self> {
        Request { method: &self.method, path: &self.path, query: &self.query, headers: self, may_be_unsigned: true }
    }

    fn signature(&self) -> Result<Signature, SignatureError> {
        Signature::parse(self).map(|signature| signature.expect("a signed request"))
    }

    fn verify(&self) -> Result<(), SignatureError> {
        let hash = Sha256::digest(&self.body).into();
        self.signature()?.verify(&Secret::new(self.secret.as_str()), &self.request(), &hash)
    }

    fn verify_head(&self) -> Result<Option<SignedBody>, SignatureError> {
        self.signature()?.verify_head(&Secret::new(self.secret.as_str()), &self.request())
    }

    /// The only value of a header, without outer white space.
    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        assert!(values.next().is_none(), "{name} was sent twice");
        Some(trim(value))
    }

    fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }

    fn authorization(&self) -> &str {
        str::from_utf8(self.header("authorization").unwrap()).unwrap()
    }

    /// The value of a field of `Authorization`.
    fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.authorization().split_once(&format!("{name}="))?;
        Some(rest.split(", ").next().unwrap())
    }

    /// `date/region/service/sdk_request`, with `Credential`.
    fn scope(&self) -> Option<&str> {
        Some(self.field("Credential")?.split_once('/').unwrap().1)
    }

    /// What the contract says is hashed.
    fn canonical_request(&self, signed_headers: &str, scoped: bool) -> Vec<u8> {
        let path = percent_decode_str(&self.path).collect::<Vec<u8>>();
        let mut path = path.split(|b| *b == b'/').map(encode).collect::<Vec<_>>().join("/");
        if !path.ends_with('/') {
            path.push('/');
        }
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> =
            self.query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        let query_is_body = scoped && self.method == "POST" && self.body.is_empty();
        let (mut query, mut form) = (String::new(), String::new());
        if query_is_body {
            let mut by_name: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
            for (name, value) in pairs {
                by_name.entry(name).or_default().push(value);
            }
            for (name, values) in by_name {
                form.extend(values.iter().map(|value| format!("&{}={}", encode(&name), encode(value))));
            }
            form = form.trim_start_matches('&').replace("%20", "+");
        } else {
            pairs.sort();
            if scoped {
                pairs.sort_by_key(|(name, _)| encode(name).to_lowercase());
            }
            let pairs: Vec<String> =
                pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
            query = pairs.join("&");
        }
        let mut text = format!("{}\n{path}\n{query}\n", self.method).into_bytes();
        for name in signed_headers.split(';') {
            let value = self.header(name).unwrap_or(b"\n");
            let words: Vec<&[u8]> = value.split(|b| b" \t".contains(b)).filter(|word| !word.is_empty()).collect();
            text.extend(
                [name.as_bytes(), b":", &if scoped { words.join(&b' ') } else { value.to_vec() }, b"\n"].concat(),
            );
        }
        text.extend(format!("\n{signed_headers}\n").into_bytes());
        text.extend(match self.header("x-sdk-content-sha256") {
            _ if self.body.is_empty() => hex(&Sha256::digest(&form)).into_bytes(),
            Some(given) => given.to_vec(),
            None => hex(&Sha256::digest(&self.body)).into_bytes(),
        });
        text
    }

    /// What the contract says is signed.
    fn string_to_sign(&self, signed_headers: &str, scope: Option<&str>) -> Vec<u8> {
        let hash = hex(&Sha256::digest(self.canonical_request(signed_headers, scope.is_some())));
        let date = self.header("x-sdk-date").unwrap_or_default();
        let scope = scope.map(|scope| format!("{scope}\n")).unwrap_or_default();
        [b"SDK-HMAC-SHA256\n", date, b"\n", scope.as_bytes(), hash.as_bytes()].concat()
    }

    /// Adds the header with the signature.
    fn sign(&mut self, scope: Option<&str>) {
        let mut names: Vec<String> = self.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
        names.sort();
        let names = names.join(";");
        let text = self.string_to_sign(&names, scope);
        let (access, key) = match scope {
            None => ("Access=AK".to_owned(), self.secret.clone().into_bytes()),
            Some(scope) => {
                let first = format!("SDK{}", self.secret).into_bytes();
                (
                    format!("Credential=AK/{scope}"),
                    scope.split('/').fold(first, |key, part| hmac(&key, part.as_bytes())),
                )
            }
        };
        let signature = hex(&hmac(&key, &text));
        self.set("Authorization", format!("SDK-HMAC-SHA256 {access}, SignedHeaders={names}, Signature={signature}"));
    }

    /// What decides whether a change of a signed request is another request or only another spelling: two that are the
    /// same have the same signature and, unless it is not signed, the same body.
    fn meaning(&self, signed: &Self) -> (Vec<u8>, &[u8]) {
        let is_unsigned = self.header("x-sdk-content-sha256") == Some(b"UNSIGNED-PAYLOAD") && !self.body.is_empty();
        let body = if is_unsigned { b"any".as_slice() } else { &self.body };
        (self.canonical_request(signed.field("SignedHeaders").unwrap(), signed.scope().is_some()), body)
    }
}

fn trim(value: &[u8]) -> &[u8] {
    let is_space = |b: &u8| b" \t".contains(b);
    let begin = value.iter().position(|b| !is_space(b)).unwrap_or(value.len());
    let end = value.iter().rposition(|b| !is_space(b)).map_or(begin, |last| last + 1);
    &value[begin..end]
}

fn pair(text: &str) -> (Vec<u8>, Vec<u8>) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect();
    (decode(name), decode(value))
}

fn encode(bytes: &[u8]) -> String {
    let one = |b: &u8| match b {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(*b).to_string(),
        b => format!("%{b:02X}"),
    };
    bytes.iter().map(one).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// HMAC-SHA-256 as RFC 2104 has it.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

// ---- what the official clients sent

/// A recorded request.
fn recorded(case: &Value) -> Sent {
    let text = |name: &str| case[name].as_str().unwrap().to_owned();
    let target = text("target");
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers = case["headers"].as_object().unwrap().iter();
    Sent {
        method: text("method"),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().into())).collect(),
        body: text("body").into_bytes(),
        secret: text("sk"),
    }
}

/// Requests signed by the Python SDK, each with the steps of its signature.
fn vectors() -> Vec<Value> {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../data/signing_vectors.json")).unwrap();
    assert_eq!(vectors.len(), 13);
    vectors
}

/// Requests of Node and Python SDKs, Terraform and the Go client of Open Telekom Cloud.
fn clients() -> Vec<Value> {
    // those of the second file are not sent by the client as it is, but signed by its signer
    let lines = [include_str!("../../data/client_signatures.jsonl"), include_str!("../../data/go_signatures.jsonl")];
    let clients: Vec<Value> =
        lines.iter().flat_map(|lines| lines.lines()).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(clients.iter().filter(|case| case["form"] == "A").count(), 18);
    assert_eq!(clients.iter().filter(|case| case["form"] == "B").count(), 12);
    clients
}

fn all_recorded() -> Vec<Sent> {
    vectors().iter().chain(&clients()).map(recorded).collect()
}

#[test]
fn each_step_of_a_signature_is_that_of_the_sdk() {
    for vector in vectors() {
        let sent = recorded(&vector);
        let signature = sent.signature().unwrap();
        let given = sent.header("x-sdk-content-sha256").map(|given| str::from_utf8(given).unwrap());
        let hash = Sha256::digest(&sent.body).into();
        let content = match given {
            _ if sent.body.is_empty() => Content::Empty,
            Some(given) => Content::Given(given),
            None => Content::Body(&hash),
        };
        let canonical = signature.canonical_request(&sent.request(), content).unwrap();
        assert_eq!(str::from_utf8(&canonical).unwrap(), vector["canonical_request"], "{}", vector["name"]);
        let text = signature.string_to_sign(&canonical);
        assert_eq!(str::from_utf8(&text).unwrap(), vector["string_to_sign"], "{}", vector["name"]);
        assert_eq!(signature.access_key(), vector["ak"]);
        assert_eq!(sent.field("Signature").unwrap(), vector["signature"]);
        // the signer of these tests agrees
        let names = sent.field("SignedHeaders").unwrap();
        assert_eq!(sent.canonical_request(names, false), canonical);
    }
}

#[test]
fn every_recorded_request_is_verified() {
    for sent in all_recorded() {
        sent.verify().unwrap_or_else(|error| panic!("{error}: {sent:?}"));
        let wrong = Sent { secret: format!("{}!", sent.secret), ..sent.clone() };
        assert_eq!(wrong.verify(), Err(SignatureError::Mismatch));
    }
}

#[test]
fn a_request_is_accepted_within_15_minutes_of_its_date() {
    // 2026-01-02T03:04:05Z
    let date = OffsetDateTime::from_unix_timestamp(1_767_323_045).unwrap();
    let elsewhere = UtcOffset::from_hms(8, 0, 0).unwrap();
    let sent = recorded(&vectors()[0]);
    let check = |now: OffsetDateTime| sent.signature().unwrap().check_time(now).map_err(|error| error.to_string());
    let limit = Duration::minutes(15);
    for now in [date, date - limit, date + limit, (date + limit).to_offset(elsewhere)] {
        assert_eq!(check(now), Ok(()), "{now}");
    }
    for (now, shown) in [
        (date - limit - Duration::SECOND, "20260102T024904Z"),
        (date + limit + Duration::SECOND, "20260102T031906Z"),
        (date + limit + Duration::NANOSECOND, "20260102T031905Z"),
        ((date + Duration::DAY).to_offset(elsewhere), "20260103T030405Z"),
        (date - 2000 * Duration::DAY, "20200712T030405Z"),
    ] {
        let reason = format!("X-Sdk-Date: must be at most 15 minutes from the time of the server, which is {shown}");
        assert_eq!(check(now), Err(reason));
    }
}

// ---- changes

/// A byte, and others in its place that are likely to be taken for it.
fn others(byte: u8) -> impl Iterator<Item = u8> {
    let all = [byte ^ 1, byte ^ 0x20, b'a', b' ', b'\t', b'%', b'/', b'+', b'&'];
    all.into_iter().filter(move |other| *other != byte && other.is_ascii() && (*other >= b' ' || *other == b'\t'))
}

/// Every text with one byte replaced, left out or added.
fn changes(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for at in 0..text.len() {
        let (before, after) = (&text[..at], &text[at + 1..]);
        all.extend(others(text[at]).map(|other| [before, &[other], after].concat()));
        all.push([before, after].concat());
    }
    for at in [0, text.len() / 2, text.len()] {
        all.push([&text[..at], b"x", &text[at..]].concat());
    }
    all
}

/// Every request in which one byte outside of `Authorization` differs.
fn changed(sent: &Sent) -> Vec<Sent> {
    let mut all = Vec::new();
    // escapes in the path and the query are ASCII, as are the changes
    let texts = |text: &str| changes(text.as_bytes()).into_iter().filter_map(|text| String::from_utf8(text).ok());
    all.extend(texts(&sent.method).map(|method| Sent { method, ..sent.clone() }));
    all.extend(texts(&sent.path).map(|path| Sent { path, ..sent.clone() }));
    all.extend(texts(&sent.query).map(|query| Sent { query, ..sent.clone() }));
    all.extend(changes(&sent.body).into_iter().map(|body| Sent { body, ..sent.clone() }));
    for (at, (name, value)) in sent.headers.iter().enumerate().filter(|(_, (name, _))| name != "Authorization") {
        let with = |name: &str, value| {
            let mut other = sent.clone();
            other.headers[at] = (name.to_owned(), value);
            other
        };
        // what is not signed may be anything
        let is_signed = sent.field("SignedHeaders").unwrap().split(';').any(|signed| signed == name.to_lowercase());
        let some = if is_signed { usize::MAX } else { 20 };
        all.extend(changes(value).into_iter().take(some).map(|value| with(name, value)));
        all.push(with(&format!("{name}x"), value.clone()));
    }
    all
}

#[test]
fn every_change_of_what_is_signed_is_refused() {
    let (mut refused, mut same) = (0, 0);
    for sent in all_recorded() {
        let meaning = sent.meaning(&sent);
        for other in changed(&sent) {
            if other.meaning(&sent) == meaning {
                assert_eq!(other.verify(), Ok(()), "{other:?}");
                same += 1;
            } else {
                assert!(other.verify().is_err(), "{other:?} is accepted, signed as {sent:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 50_000 && same > 1_000, "{refused} refused, {same} the same");
}

/// `Authorization` without what is free in it: the case of the scheme, and white space around fields.
fn fields(authorization: &str) -> Option<Vec<&str>> {
    let (scheme, fields) = authorization.split_once([' ', '\t'])?;
    let fields = fields.split(',').map(|field| field.trim_matches([' ', '\t'])).collect();
    scheme.eq_ignore_ascii_case("SDK-HMAC-SHA256").then_some(fields)
}

#[test]
fn every_change_of_authorization_is_refused() {
    for sent in all_recorded() {
        let key = sent.signature().unwrap().access_key().to_owned();
        for value in changes(sent.authorization().as_bytes()) {
            let mut other = sent.clone();
            other.set("Authorization", value);
            let shown = other.authorization();
            match Signature::parse(&other) {
                Ok(None) => assert_eq!(fields(shown), None),
                // another key has another secret
                Ok(Some(signature)) if signature.access_key() != key => {}
                Ok(Some(_)) if fields(shown) == fields(sent.authorization()) => {
                    assert_eq!(other.verify(), Ok(()), "{shown}")
                }
                Ok(Some(_)) => assert!(other.verify().is_err(), "{shown}"),
                Err(_) => assert_ne!(fields(shown), fields(sent.authorization())),
            }
        }
    }
}

#[test]
fn a_signed_header_is_sent_exactly_once() {
    for sent in all_recorded() {
        for name in sent.field("SignedHeaders").unwrap().split(';') {
            let mut twice = sent.clone();
            twice.headers.push((name.to_uppercase(), sent.header(name).unwrap().to_vec()));
            let error = twice.verify().unwrap_err().to_string().to_lowercase();
            assert_eq!(error, format!("{name}: must be sent only once"));
            let mut never = sent.clone();
            never.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            let error = never.verify().unwrap_err().to_string();
            let reason = if name == "x-sdk-date" {
                "X-Sdk-Date: is required"
            } else {
                "is named in SignedHeaders but was not sent"
            };
            assert!(error.contains(reason), "{error}");
        }
    }
}

#[test]
fn a_header_that_is_not_signed_may_be_changed() {
    let sent = all_recorded().remove(13);
    let mut other = sent.clone();
    other.set("Accept-Encoding", "zstd");
    other.set("Forwarded", "for=192.0.2.1");
    assert_eq!(other.verify(), Ok(()));
}

// ---- spellings

/// The same text with characters escaped, which are chosen by `is_escaped`.
fn escaped(text: &str, is_escaped: impl Fn(usize, u8) -> bool) -> String {
    let mut spelled = String::new();
    let mut rest = 0;
    for (at, byte) in text.bytes().enumerate() {
        if rest > 0 {
            rest -= 1;
            spelled.push(char::from(byte));
        } else if byte == b'%' {
            rest = 2;
            spelled.push('%');
        } else if is_escaped(at, byte) {
            spelled.push_str(&format!("%{byte:02x}"));
        } else {
            spelled.push(char::from(byte));
        }
    }
    spelled
}

#[test]
fn every_spelling_of_a_request_is_verified() {
    let mut spellings = 0;
    for sent in all_recorded() {
        let mut verify = |other: Sent| {
            assert_eq!(other.verify(), Ok(()), "{other:?}");
            spellings += 1;
        };
        let lower_escapes = |text: &str| {
            let lower = |(i, part): (usize, &str)| match (i, part) {
                (0, part) => part.to_owned(),
                (_, part) => format!("%{}{}", part[..2].to_lowercase(), &part[2..]),
            };
            text.split('%').enumerate().map(lower).collect::<String>()
        };
        verify(Sent { path: lower_escapes(&sent.path), query: lower_escapes(&sent.query), ..sent.clone() });
        for at in 0..sent.path.len() {
            verify(Sent { path: escaped(&sent.path, |i, byte| i == at && byte != b'/'), ..sent.clone() });
        }
        let is_part = |byte| !b"&=+".contains(&byte);
        for at in 0..sent.query.len() {
            verify(Sent { query: escaped(&sent.query, |i, byte| i == at && is_part(byte)), ..sent.clone() });
        }
        verify(Sent { query: escaped(&sent.query, |_, byte| is_part(byte)), ..sent.clone() });
        let mut pairs: Vec<&str> = sent.query.split('&').collect();
        // the values of a name that is there twice keep their order, which matters in a form
        pairs.sort_by_key(|pair| Reverse(pair.split('=').next()));
        verify(Sent { query: pairs.join("&"), ..sent.clone() });
        if sent.scope().is_none() {
            pairs.reverse();
            verify(Sent { query: pairs.join("&"), ..sent.clone() });
        }
        verify(Sent { query: format!("&{}&&", sent.query.replace("%20", "+")), ..sent.clone() });
        verify(Sent { query: sent.query.replace('+', "%20"), ..sent.clone() });
        for (at, (_, value)) in sent.headers.iter().enumerate() {
            for (before, after) in [(" ", ""), ("", "\t"), ("\t  ", " \t")] {
                let mut other = sent.clone();
                other.headers[at].1 = [before.as_bytes(), value, after.as_bytes()].concat();
                verify(other);
            }
        }
    }
    assert!(spellings > 2000, "{spellings}");
}

#[test]
fn white_space_within_a_header_is_free_with_credential_only() {
    for (scope, expected) in [(None, Err(SignatureError::Mismatch)), (Some("20260102///sdk_request"), Ok(()))] {
        let mut sent = plain("GET", "/v1.0/x", "", "");
        sent.set("X-Note", "a b");
        sent.sign(scope);
        assert_eq!(sent.verify(), Ok(()));
        sent.set("X-Note", "a \t b");
        assert_eq!(sent.verify(), expected);
    }
}

// ---- bodies

/// A request that is not signed yet.
fn plain(method: &str, path: &str, query: &str, body: &str) -> Sent {
    let headers = vec![("X-Sdk-Date".to_owned(), b"20260102T030405Z".to_vec())];
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    Sent { method, path, query, headers, body: body.into(), secret: "SK".to_owned() }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[test]
fn a_body_whose_hash_is_given_is_read_after_the_signature_is_verified() {
    for scope in [None, Some("20260102/eu-de/ims/sdk_request")] {
        for upper in [false, true] {
            let mut sent = plain("PUT", "/v1.0/x", "a=1", "hello");
            let given = hex(&sha256("hello"));
            sent.set("X-Sdk-Content-Sha256", if upper { given.to_uppercase() } else { given });
            sent.sign(scope);
            let signed = sent.verify_head().unwrap().unwrap();
            assert_eq!(signed, SignedBody::Hash(sha256("hello")));
            assert_eq!(signed.check(&sha256("hello")), Ok(()));
            assert_eq!(signed.check(&sha256("hellO")), Err(SignatureError::Body));
            assert_eq!(signed.check(&sha256("")), Err(SignatureError::Body));
            assert_eq!(Sent { body: b"hellO".to_vec(), ..sent.clone() }.verify(), Err(SignatureError::Body));
            // a stranger is refused before the body is read
            assert_eq!(Sent { secret: "SK2".to_owned(), ..sent }.verify_head(), Err(SignatureError::Mismatch));
        }
    }
}

#[test]
fn without_a_hash_the_body_is_needed_for_the_signature() {
    let mut sent = plain("POST", "/v1.0/x", "", "hello");
    sent.sign(None);
    assert_eq!(sent.verify_head(), Ok(None));
    assert_eq!(sent.verify(), Ok(()));
    assert_eq!(Sent { body: b"hello ".to_vec(), ..sent.clone() }.verify(), Err(SignatureError::Mismatch));
    // an empty header is none
    sent.set("X-Sdk-Content-Sha256", "");
    assert_eq!(sent.verify_head(), Ok(None));
}

#[test]
fn an_empty_body_is_signed_as_such_whatever_the_header_says() {
    for given in ["UNSIGNED-PAYLOAD".to_owned(), hex(&sha256("hello")), hex(&sha256(""))] {
        let mut sent = plain("POST", "/v1.0/x", "", "");
        sent.set("X-Sdk-Content-Sha256", given);
        sent.sign(None);
        assert_eq!(sent.verify_head(), Ok(Some(SignedBody::Hash(sha256("")))));
        assert_eq!(sent.verify(), Ok(()));
        assert_eq!(Sent { body: b"hello".to_vec(), ..sent }.verify(), Err(SignatureError::Body));
    }
}

#[test]
fn a_body_that_is_not_signed_is_accepted_where_the_caller_does_and_it_is_not_json() {
    let signed = |content_type: Option<&str>| {
        let mut sent = plain("POST", "/v1.0/x", "", "any");
        sent.set("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD");
        content_type.into_iter().for_each(|content_type| sent.set("Content-Type", content_type));
        sent.sign(None);
        sent
    };
    let sent = signed(Some("application/x-ndjson; charset=utf-8"));
    assert_eq!(sent.verify_head(), Ok(Some(SignedBody::Unsigned)));
    assert_eq!(Sent { body: b"other".to_vec(), ..sent.clone() }.verify(), Ok(()));
    let secret = Secret::new("SK");
    let request = Request { may_be_unsigned: false, ..sent.request() };
    let refused = sent.signature().unwrap().verify_head(&secret, &request).unwrap_err();
    assert_eq!(refused.to_string(), "X-Sdk-Content-Sha256: UNSIGNED-PAYLOAD is not accepted for this request");
    for content_type in [None, Some(""), Some("application/json"), Some("Application/JSON ; charset=utf-8")] {
        assert_eq!(signed(content_type).verify(), Err(SignatureError::UnsignedJson), "{content_type:?}");
    }
    // one that is not signed could be anything
    let mut sent = signed(None);
    sent.set("Content-Type", "text/plain");
    assert_eq!(sent.verify(), Err(SignatureError::UnsignedJson));
    // who does not know the secret does not learn what is accepted
    let wrong = Sent { secret: "SK2".to_owned(), ..sent };
    assert_eq!(wrong.verify(), Err(SignatureError::Mismatch));
}

#[test]
fn with_credential_a_post_without_a_body_signs_its_query_as_a_form() {
    let mut sent = plain("POST", "/v1.0/x", "b=2+3&a=1&B=%7E%2F&b=1", "");
    sent.sign(Some("20260102///sdk_request"));
    let canonical = sent.signature().unwrap().canonical_request(&sent.request(), Content::Empty).unwrap();
    let hash = hex(&sha256("B=~%2F&a=1&b=2+3&b=1"));
    let lines = format!("POST\n/v1.0/x/\n\nx-sdk-date:20260102T030405Z\n\nx-sdk-date\n{hash}");
    assert_eq!(str::from_utf8(&canonical), Ok(lines.as_str()));
    assert_eq!(sent.verify(), Ok(()));
    assert_eq!(Sent { query: "b=2%203&B=~/&b=1&a=1".to_owned(), ..sent.clone() }.verify(), Ok(()));
    for query in ["", "a=1", "b=1&a=1&B=%7E%2F&b=2+3", "b=2%2B3&a=1&B=%7E%2F&b=1"] {
        assert_eq!(Sent { query: query.to_owned(), ..sent.clone() }.verify(), Err(SignatureError::Mismatch), "{query}");
    }
    for method in ["PUT", "GET", "post"] {
        assert_eq!(Sent { method: method.to_owned(), ..sent.clone() }.verify(), Err(SignatureError::Mismatch));
    }
}

#[test]
fn the_go_client_sorts_a_query_without_case() {
    let mut sent = plain("GET", "/v1.0/x", "b=1&B_=2&a%5B=3&a1=4", "");
    sent.sign(Some("20260102///sdk_request"));
    let canonical = sent.signature().unwrap().canonical_request(&sent.request(), Content::Empty).unwrap();
    assert!(String::from_utf8(canonical).unwrap().contains("\na%5B=3&a1=4&b=1&B_=2\n"));
    assert_eq!(sent.verify(), Ok(()));
}

// ---- any request

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9_.~-]{0,6}", "[ -~]{0,6}", "\\PC{0,4}"]
}

/// A request that a client could send, with its form of signature, not signed yet.
fn any_request() -> impl Strategy<Value = (Sent, Option<&'static str>)> {
    let method = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE")];
    let segments = prop::collection::vec(text(), 0..5);
    let query = prop::collection::vec((text(), text()), 0..5);
    let headers = prop::collection::btree_map("x-[a-z0-9-]{1,8}", "[!-~]{0,3}( {1,3}[!-~éж]{1,3}){0,3}", 0..4);
    let scope =
        prop_oneof![Just(None), Just(Some("20260102///sdk_request")), Just(Some("20260102/eu-de/dns/sdk_request"))];
    let parts = (method, segments, query, headers, text(), scope, any::<bool>());
    parts.prop_map(|(method, segments, query, headers, body, scope, is_hashed)| {
        let path: String = segments.iter().map(|segment| format!("/{}", encode(segment.as_bytes()))).collect();
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name.as_bytes()), encode(value.as_bytes())))
            .collect();
        let mut sent = plain(method, if path.is_empty() { "/" } else { &path }, &query.join("&"), &body);
        for (name, value) in headers {
            sent.set(&name, value);
        }
        if is_hashed {
            sent.set("X-Sdk-Content-Sha256", hex(&sha256(&body)));
        }
        (sent, scope)
    })
}

/// Another spelling, by the bits of a number.
fn respelled(sent: &Sent, bits: u64) -> Sent {
    let is_set = |at: usize| bits >> (at % 64) & 1 == 1;
    let mut other = sent.clone();
    other.path = escaped(&sent.path, |at, byte| is_set(at) && byte != b'/');
    let query = escaped(&sent.query, |at, byte| is_set(at + 7) && byte != b'&' && byte != b'=');
    let mut pairs: Vec<&str> = query.split('&').collect();
    let is_form = sent.scope().is_some() && sent.method == "POST" && sent.body.is_empty();
    if is_set(3) && !is_form {
        pairs.reverse();
    }
    other.query = if is_set(4) { pairs.join("&").replace("%20", "+") } else { pairs.join("&") };
    for (at, (_, value)) in other.headers.iter_mut().enumerate().filter(|(at, _)| is_set(*at)) {
        *value = [b" ", value.as_slice(), if is_set(at + 1) { b"\t" } else { b" " }].concat();
    }
    other
}

#[test]
fn what_a_client_signs_is_verified_in_every_spelling_and_refused_after_any_change() {
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let changes = prop::collection::vec(any::<Index>(), 20);
    let ran = runner.run(&(any_request(), any::<u64>(), changes), |((mut sent, scope), bits, changes)| {
        sent.sign(scope);
        prop_assert_eq!(sent.verify(), Ok(()));
        let other = respelled(&sent, bits);
        prop_assert_eq!(other.meaning(&sent), sent.meaning(&sent));
        prop_assert_eq!(other.verify(), Ok(()), "{:?}", &other);
        let all = changed(&sent);
        for change in changes {
            let other = change.get(&all);
            let is_same = other.meaning(&sent) == sent.meaning(&sent);
            prop_assert_eq!(other.verify().is_ok(), is_same, "{:?}", other);
        }
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}
