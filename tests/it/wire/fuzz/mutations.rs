//! What is done to a valid request: to its JSON, its text, its path, query, headers, and to how it is framed.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::{
    MARK, SECRET_MARK,
    request::{Framing, Owed, Request, chance, chunks, one},
    routes::escaped,
    seen::Seen,
};
use crate::support::Dice;

/// Changes a request in one way.
pub fn mutate(dice: &mut Dice, request: &mut Request, seen: &Seen) {
    match dice.roll(20) {
        0..6 => json_tree(dice, request),
        6..9 => text(dice, request),
        9..11 => path(dice, request),
        11..13 => query(dice, request, seen),
        13..17 => headers(dice, request, seen),
        17 => method(dice, request),
        _ => framing(dice, request),
    }
}

// ---- bodies

/// A text of so many characters.
fn long(length: usize) -> String {
    let mut text = format!("{MARK}{}", "x".repeat(length));
    text.truncate(length);
    text
}

fn odd_value(dice: &mut Dice) -> Value {
    // the limits of lengths, and one more
    const LENGTHS: [usize; 14] = [36, 37, 43, 44, 64, 65, 127, 128, 129, 255, 256, 1000, 1001, 70_000];
    match dice.roll(30) {
        0 => json!(null),
        1 => json!(true),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(1e300),
        5 => json!(u64::MAX),
        6 => json!(i64::MIN),
        7 => json!(2_147_483_648_u64),
        8 => json!(0.5),
        9 => json!([]),
        10 => json!({}),
        11 => json!([[[[MARK]]]]),
        12 => json!({ MARK: { MARK: [null, MARK] } }),
        13..20 => json!(long(LENGTHS[dice.roll(LENGTHS.len())])),
        20 => json!(format!("{MARK}{}", "\u{1f600}".repeat([36, 43, 128, 255][dice.roll(4)]))),
        21 => json!(format!("{MARK}\u{0}")),
        22 => json!(format!(" {MARK}\t")),
        23 => json!(format!("{MARK}\u{202e}\u{200b}\u{feff}\u{fffe}\u{10ffff}")),
        24 => json!(format!("*{MARK}")),
        25 => json!("*"),
        26 => json!(format!("{MARK}'; drop table tagd.tag; --\\\"%_$1")),
        27 => json!(""),
        28 => json!(["true", "filter", "count", "create", "delete", "operator", "1", "-1"][dice.roll(8)]),
        _ => json!(format!("{MARK}{}", ["(", "(a*)*b", "[", "(?i)x", "a{1000}{1000}", "\\p{L}+", ".*"][dice.roll(7)])),
    }
}

/// How many nodes a tree has.
fn size(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 0,
    }
}

/// Changes a node of a tree, counted from 0.
fn change(dice: &mut Dice, tree: &mut Value, number: &mut usize) -> bool {
    if *number == 0 {
        change_node(dice, tree);
        return true;
    }
    *number -= 1;
    match tree {
        Value::Array(list) => list.iter_mut().any(|entry| change(dice, entry, number)),
        Value::Object(fields) => fields.values_mut().any(|value| change(dice, value, number)),
        _ => false,
    }
}

fn change_node(dice: &mut Dice, node: &mut Value) {
    match node {
        Value::Object(fields) if !fields.is_empty() && chance(dice, 2) => {
            let name = fields.keys().nth(dice.roll(fields.len())).unwrap().clone();
            match dice.roll(4) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(format!("{MARK}unknown"), json!(MARK))),
                2 => {
                    let value = fields.remove(&name).unwrap();
                    fields.insert(
                        [name.to_uppercase(), format!("{name} "), format!("{name}s"), String::new()][dice.roll(4)]
                            .clone(),
                        value,
                    );
                }
                _ => drop(fields.insert(name, odd_value(dice))),
            }
        }
        Value::Array(list) if !list.is_empty() && chance(dice, 2) => {
            let entry = list[dice.roll(list.len())].clone();
            match dice.roll(5) {
                0 => list.clear(),
                1 => list.push(entry),
                2 => list.push(odd_value(dice)),
                // one more than a limit of entries, with different ones where they are tags
                3 => {
                    let most = [10, 20, 100, 500, 1000][dice.roll(5)];
                    *list = (0..=most).map(|i| renamed(&entry, i)).collect();
                }
                _ => list.truncate(dice.roll(list.len())),
            }
        }
        Value::Number(_) if chance(dice, 2) => {
            *node = [
                json!(0),
                json!(1),
                json!(-1),
                json!(1001),
                json!(4_294_967_296_u64),
                json!(u64::MAX),
                json!(1e19),
                json!("1"),
            ][dice.roll(8)]
            .clone();
        }
        _ => *node = odd_value(dice),
    }
}

/// The same with other texts.
fn renamed(entry: &Value, number: usize) -> Value {
    match entry {
        Value::String(text) => json!(format!("{text}{number}")),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), if name == "key" { renamed(value, number) } else { value.clone() }))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn json_tree(dice: &mut Dice, request: &mut Request) {
    let Ok(text) = str::from_utf8(&request.body) else { return text_of_any(dice, request) };
    let is_lines = text.contains('\n');
    let mut lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if lines.is_empty() {
        return text_of_any(dice, request);
    }
    let line = dice.roll(lines.len());
    let tree = &mut lines[line];
    let mut number = dice.roll(size(tree));
    change(dice, tree, &mut number);
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    request.body = (text.join("\n") + if is_lines { "\n" } else { "" }).into_bytes();
}

/// A body where there was none, or none where there was one.
fn text_of_any(dice: &mut Dice, request: &mut Request) {
    if request.body.is_empty() {
        let odd = odd_value(dice);
        let bodies =
            [format!("{{\"{MARK}\":1}}"), odd.to_string(), "{}".into(), "[]".into(), "\u{0}".into(), "\n\n".into()];
        request.body = bodies[dice.roll(bodies.len())].clone().into_bytes();
    } else {
        request.body.clear();
    }
}

/// Puts bytes in the place of others.
fn splice(body: &mut Vec<u8>, at: usize, removed: usize, bytes: &[u8]) {
    let end = (at + removed).min(body.len());
    body.splice(at..end, bytes.iter().copied());
}

fn text(dice: &mut Dice, request: &mut Request) {
    if request.body.is_empty() {
        return text_of_any(dice, request);
    }
    let length = request.body.len();
    let at = dice.roll(length);
    // within a text of the body, where escapes mean something
    let quote = request.body[at..].iter().position(|byte| *byte == b'"').map_or(at, |found| at + found + 1);
    let body = &mut request.body;
    match dice.roll(22) {
        0 => body.truncate(at),
        1 => splice(body, at, 1 + dice.roll(5), b""),
        2 => splice(body, at, 0, &[0]),
        3 => splice(body, quote, 0, b"\\ud800"),
        4 => splice(body, quote, 0, b"\\udc00\\ud800x"),
        5 => splice(body, quote, 0, b"\\u0000"),
        6 => splice(
            body,
            quote,
            0,
            [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"][dice.roll(5)],
        ),
        7 => splice(body, quote, 0, [&b"\n"[..], b"\t", b"\x1f", b"\\x", b"\\u12", b"\x7f"][dice.roll(6)]),
        8 => {
            let depth = [50, 99, 100, 101, 127, 128, 129, 20_000][dice.roll(8)];
            let (open, close) = if chance(dice, 2) { ("[", "]") } else { ("{\"a\":", "}") };
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            if chance(dice, 2) {
                *body = deep.into_bytes()
            } else {
                splice(body, 1, 0, format!("\"{MARK}\":{deep},").as_bytes())
            }
        }
        9 => splice(body, 1, 0, b"\"tags\":[],"),
        10 => {
            // every field twice
            let text = String::from_utf8_lossy(body).into_owned();
            if let Some(inner) = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                *body = format!("{{{inner},{inner}}}").into_bytes();
            }
        }
        11 => body.extend_from_slice([&b"x"[..], b"{}", b",", b"\0", b"\n\n  ", b"/* */"][dice.roll(6)]),
        12 => splice(body, 0, 0, "\u{feff}".as_bytes()),
        13 => {
            let text = String::from_utf8_lossy(body).into_owned();
            let mark: &[u8] = if chance(dice, 2) { &[0xff, 0xfe] } else { &[] };
            *body = [mark, &*text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()].concat();
        }
        14 => {
            *body = [
                b"null".to_vec(),
                b"[]".to_vec(),
                b"\"\"".to_vec(),
                b"0".to_vec(),
                b"nan".to_vec(),
                b" ".to_vec(),
                b"{".to_vec(),
            ][dice.roll(7)]
            .clone()
        }
        15 => {
            let digits = "9".repeat([19, 20, 39, 400][dice.roll(4)]);
            splice(body, 1, 0, format!("\"limit\":{digits},").as_bytes());
        }
        16 => splice(body, 1, 0, b"\"limit\":1e999,\"offset\":-0.0,"),
        17 => *body = String::from_utf8_lossy(body).replace('"', "'").into_bytes(),
        18 => *body = String::from_utf8_lossy(body).replace("\"", "\\\"").into_bytes(),
        19 => *body = String::from_utf8_lossy(body).replace(MARK, &format!("{MARK}\\u00e9\\ud83d\\ude00")).into_bytes(),
        20 => body.reverse(),
        _ => {
            let bit = dice.roll(8);
            body[at] ^= 1 << bit;
        }
    }
}

// ---- the first line

fn split(target: &[u8]) -> (String, Option<String>) {
    let text = String::from_utf8_lossy(target).into_owned();
    match text.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (text, None),
    }
}

fn join(path: &str, query: Option<&str>) -> Vec<u8> {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")).into_bytes()
}

fn path(dice: &mut Dice, request: &mut Request) {
    let (path, query) = split(&request.target);
    let mut segments: Vec<String> = path.split('/').map(ToOwned::to_owned).collect();
    let at = dice.roll(segments.len());
    let long_one = long([128, 129, 255, 256, 300, 5000][dice.roll(6)]);
    let token = format!("tagd_{SECRET_MARK}0123456789abcdefghijklmnopqrstuvwxyz");
    let odd = [
        "",
        ".",
        "..",
        "%00",
        "%2F",
        "%2f%2e%2e",
        "%ff",
        "%c3%28",
        "%zz",
        "%",
        "%4",
        "a;b=c",
        "a b",
        "%20",
        "*",
        "a%3Fb",
        "%25%32%35",
        "%F0%9F%98%80",
        "%E2%80%AE",
        "%ED%A0%80",
        "images",
        "tags",
        "projects",
        "+",
        "'",
        "\"",
        "\\",
        "{p}",
        "|",
        "~",
        "$1",
        &long_one,
        &token,
    ];
    let odd = one(dice, &odd).to_owned();
    match dice.roll(10) {
        0..4 => segments[at] = odd,
        4 => segments[at].push_str(&odd),
        5 => segments.insert(at, odd),
        6 => drop(segments.remove(at)),
        7 => segments.push(String::new()),
        8 => {
            // escapes that mean the same
            let escaped: String = segments[at].bytes().map(|byte| format!("%{byte:02x}")).collect();
            segments[at] = escaped;
        }
        _ => segments[at] = segments[at].to_uppercase(),
    }
    let mut path = segments.join("/");
    match dice.roll(20) {
        0 => path = format!("http://localhost{path}"),
        1 => path = format!("http://{MARK}.example{path}"),
        2 => path = format!("/{path}"),
        _ => {}
    }
    // a path begins with a slash, and not every host is one of the server's
    if !path.starts_with('/') || path.contains([' ', '"', '\\', '{', '|']) {
        request.owed = Owed::AnswerOrEnd;
    }
    request.target = join(&path, query.as_deref());
    if chance(dice, 40) {
        request.target.extend_from_slice([&b"\xff"[..], b"\xc3\xa9", b"#x", b"\x7f"][dice.roll(4)]);
        request.owed = Owed::AnswerOrEnd;
    }
}

fn query(dice: &mut Dice, request: &mut Request, seen: &Seen) {
    const NAMES: [&str; 22] = [
        "limit",
        "offset",
        "marker",
        "key",
        "value",
        "at",
        "since",
        "until",
        "project_id",
        "resource_type",
        "resource_types",
        "tag_types",
        "strict",
        "prune",
        "prune_limit",
        "dry_run",
        "with_resources",
        "start",
        "order_field",
        "policy_name",
        "domain_id",
        "name",
    ];
    let (path, query) = split(&request.target);
    let query = query.unwrap_or_default();
    let name = NAMES[dice.roll(NAMES.len())].to_owned();
    let marker = seen.marker(dice);
    let long_one = long([256, 5000][dice.roll(2)]);
    let values = [
        "",
        "0",
        "-1",
        "1",
        "1001",
        "2147483647",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "1e3",
        "+1",
        " 1",
        "1.0",
        "0x10",
        "١",
        "NaN",
        "null",
        "true",
        "TRUE",
        "end",
        "beginning",
        "zq7",
        "\u{0}",
        "\u{1f600}",
        "a,b,,c",
        "ecs,images,cdn",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2026-11-30T08:00:60Z",
        "2026-11-30T08:00:00+23:59",
        "2026-02-30T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "ffffffffffffffff",
        "00000001/ecs/p1",
        "desc",
        "00",
        &marker,
        &long_one,
    ];
    let value = escaped(one(dice, &values));
    // in the place of a value, or beside it
    let mut parts: Vec<String> = query.split('&').filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect();
    match dice.roll(8) {
        0..3 if !parts.is_empty() => {
            let at = dice.roll(parts.len());
            let name = parts[at].split('=').next().unwrap().to_owned();
            parts[at] = format!("{name}={value}");
        }
        0..5 => parts.push(format!("{name}={value}")),
        5 if !parts.is_empty() => parts.push(parts[0].clone()),
        6 => parts.push(format!("{MARK}unknown={value}")),
        _ => parts.push(
            one(
                dice,
                &[
                    "%",
                    "%zz=1",
                    "=",
                    "a",
                    "&&",
                    "limit=%ff",
                    "%00=%00",
                    "limit",
                    "marker=%c3%28",
                    "a=b=c",
                    "?",
                    "+=+",
                    "limit=1;offset=2",
                ],
            )
            .to_owned(),
        ),
    }
    request.target = join(&path, Some(&parts.join("&")));
}

fn method(dice: &mut Dice, request: &mut Request) {
    let long_one = "M".repeat([15, 16, 64, 300][dice.roll(4)]);
    let methods = [
        "HEAD", "OPTIONS", "GET", "PUT", "POST", "DELETE", "PATCH", "TRACE", "get", "M-SEARCH", "PROPFIND", &long_one,
        "HEAD", "OPTIONS",
    ];
    request.method = one(dice, &methods).to_owned();
    if chance(dice, 15) {
        request.method = one(dice, &["CONNECT", "PRI", "", "G T", "GET\u{e9}", "{}"]).to_owned();
        request.owed = Owed::AnswerOrEnd;
    }
}

// ---- headers

fn headers(dice: &mut Dice, request: &mut Request, seen: &Seen) {
    let mark = MARK.to_owned();
    let long_one = long([300, 8000][dice.roll(2)]);
    let etag = seen.etag(dice);
    let weak = format!("W/{etag}");
    let list = format!("\"{mark}\", {etag} , W/\"x\"");
    let charset = format!("application/json; charset={mark}");
    let secret = format!("tagd_{SECRET_MARK}0123456789abcdefghijklmnopqrstuvwxyz");
    let bearer = format!("Bearer {secret}");
    let signature = format!(
        "SDK-HMAC-SHA256 Access={mark}key, SignedHeaders=host;x-sdk-date, Signature={SECRET_MARK}{}",
        "0".repeat(60)
    );
    let id = format!("{mark}-{}", dice.roll(1000));
    let (name, values): (&str, Vec<&str>) = match dice.roll(20) {
        0..3 => (
            "Content-Type",
            vec![
                "text/plain",
                "application/json; charset=utf-8",
                "application/json;charset=\"UTF-8\"",
                &charset,
                "",
                "application/",
                "application/xml",
                "application/x-ndjson",
                "multipart/form-data; boundary=x",
                "APPLICATION/JSON",
                "application/json; =",
                "application/json, text/html",
            ],
        ),
        3 => ("Content-Encoding", vec!["gzip", "br", "identity", "gzip, gzip", "x-gzip", &mark, "", "deflate"]),
        4 | 5 => ("If-Match", vec!["*", "", &etag, &weak, &list, "\"", "*, *", &mark, "\"\"", &long_one]),
        6 | 7 => ("If-None-Match", vec!["*", "", &etag, &weak, &list, "\"a", ",", &mark, &long_one]),
        8 => ("X-Project-Id", vec![&mark, "", "zq7p0", "zq7p1", &long_one, "a,b"]),
        9 => {
            ("Accept-Encoding", vec!["gzip", "gzip;q=0", "*", "identity;q=0", &mark, "", "gzip;q=2", "br, gzip;q=0.5"])
        }
        10 => ("Origin", vec!["http://localhost", "null", "https://evil.example", &mark, ""]),
        11 => ("Sec-Fetch-Site", vec!["cross-site", "same-origin", "none", &mark]),
        12 => {
            ("Host", vec!["localhost:1", "127.0.0.1", "[::1]:80", "zq7.example", "", "localhost:99999", "a b", "[::1"])
        }
        13 => ("X-Request-Id", vec![&id, "", "a b", &long_one, &secret, "-", "zq7_-A"]),
        14 => (
            "X-Forwarded-For",
            vec![&mark, "10.0.0.1, zq7", "::1", "[::1]:80", "999.1.1.1", "127.0.0.1, 127.0.0.1", ",,", &long_one],
        ),
        15 => (
            "Authorization",
            vec![
                &bearer,
                &signature,
                "Basic eng6",
                "Bearer",
                "SDK-HMAC-SHA256",
                "SDK-HMAC-SHA256 Access=",
                &mark,
                "",
                &secret,
            ],
        ),
        16 => ("X-Auth-Token", vec![&secret, "", &mark, &long_one, "tagd_"]),
        17 => ("Range", vec!["bytes=0-1", "bytes=5-", &mark]),
        18 => ("Connection", vec!["close", "keep-alive", "Upgrade", &mark, "", "close, keep-alive"]),
        _ => ("Expect", vec!["100-continue", "100-Continue", &mark, "200-ok", ""]),
    };
    let value = one(dice, &values).to_owned();
    match dice.roll(8) {
        0 if name != "Host" => request.add(name, &value),
        1 if name != "Host" => {
            request.add(name, &value);
            request.add(name, one(dice, &values));
        }
        2 => request.remove(name),
        _ => request.set(name, &value),
    }
    if name == "Host" {
        // without a host it is no HTTP/1.1
        request.owed = Owed::AnswerOrEnd;
    }
    match dice.roll(40) {
        0 => request.add("X-Odd", b"zq7\xff\xfe\x80"),
        1 => {
            request.add("Upgrade", one(dice, &["websocket", "h2c", "WebSocket, h2c", MARK]));
            request.add("Connection", "Upgrade");
        }
        2 => {
            for i in 0..90 {
                request.add(&format!("X-Many-{i}"), MARK);
            }
            // actix-http takes 96 headers
            request.owed = Owed::AnswerOrEnd;
        }
        3 => request.add("Cookie", format!("{MARK}={SECRET_MARK}")),
        4 => request.add("X-Sdk-Date", one(dice, &["20261130T000000Z", "0", MARK, ""])),
        5 => request.add("X-Subject-Token", format!("tagd_{SECRET_MARK}")),
        6 => request.add("X-Forwarded-Proto", one(dice, &["https", "http, https", MARK])),
        7 => request.add("X-Security-Token", SECRET_MARK),
        _ => {}
    }
}

// ---- framing

/// A body as gzip.
pub fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn framing(dice: &mut Dice, request: &mut Request) {
    let length = request.body.len();
    match dice.roll(24) {
        0..6 => request.framing = Framing::Chunked,
        6 => {
            // with an extension and a trailer
            request.framing = Framing::Given;
            request.add("Transfer-Encoding", "chunked");
            request.body =
                [format!("{length:X};{MARK}=1\r\n").as_bytes(), &request.body, b"\r\n0\r\nX-Trailer: zq7\r\n\r\n"]
                    .concat();
            // actix-http reads neither
            request.owed = Owed::AnswerOrEnd;
        }
        7 | 8 => {
            request.framing = Framing::Given;
            request.add("Transfer-Encoding", "chunked");
            let mut body = chunks(dice, &request.body);
            body.truncate(dice.roll(body.len()));
            request.body = body;
            request.owed = Owed::AnswerOrEnd;
        }
        9 => {
            request.framing = Framing::Given;
            request.add("Transfer-Encoding", "chunked");
            let size = one(dice, &["ffffffffffffffff", "10000000000000000", "-1", "x", "", "0x5", "5 ", "zq7"]);
            request.body = [size.as_bytes(), b"\r\n", &request.body, b"\r\n0\r\n\r\n"].concat();
            request.owed = Owed::AnswerOrEnd;
        }
        10 | 11 => {
            // shorter or longer than it says
            request.framing = Framing::Given;
            let said =
                if chance(dice, 2) { length + 1 + dice.roll(1000) } else { length.saturating_sub(1 + dice.roll(5)) };
            request.add("Content-Length", said.to_string());
            request.owed = Owed::AnswerOrEnd;
        }
        12 => {
            request.framing = Framing::Given;
            for said in [["1", "1"], ["1", "2"], ["+1", "1"], ["zq7", ""], ["18446744073709551616", "1"], ["-1", "0"]]
                [dice.roll(6)]
            {
                request.add("Content-Length", said);
            }
            request.owed = Owed::AnswerOrEnd;
        }
        13 => {
            request.add(
                "Transfer-Encoding",
                one(
                    dice,
                    &["chunked", "gzip, chunked", "identity", "chunked, chunked", "zq7", "xchunked", "chunked\t"],
                ),
            );
            request.owed = Owed::AnswerOrEnd;
        }
        14 | 15 => request.version = "HTTP/1.0",
        16 => {
            request.version = one(dice, &["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "http/1.1", "HTTP/zq7", ""]);
            request.owed = Owed::AnswerOrEnd;
        }
        17 => {
            // line ends, folded lines, names with blanks, control characters
            let bytes = request.bytes(dice);
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let head = match dice.roll(6) {
                0 => head.replace("\r\n", "\n"),
                1 => format!("{head}\r\nX-Folded: zq7\r\n  zq7"),
                2 => format!("{head}\r\nX-Blank : zq7"),
                3 => format!("{head}\r\nX-Nul: zq7\0"),
                4 => format!("{head}\r\n: zq7"),
                _ => format!("{head}\r\nX-Return: zq7\rzq7"),
            };
            request.raw = Some([head.as_bytes(), &bytes[end..]].concat());
            request.owed = Owed::AnswerOrEnd;
        }
        18 => {
            let bytes = request.bytes(dice);
            request.raw = Some(bytes[..dice.roll(bytes.len())].to_vec());
            request.owed = Owed::AnswerOrEnd;
        }
        19 => {
            let bytes: Vec<u8> = (0..1 + dice.roll(200)).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
            request.raw = Some([b"zq7 ", &*bytes, b"\r\n\r\n"].concat());
            request.owed = Owed::AnswerOrEnd;
        }
        20 => {
            // a head that is longer than any server takes
            if chance(dice, 10) {
                request.add("X-Long", long(140 * 1024));
                request.owed = Owed::AnswerOrEnd;
            }
        }
        21 => request.owed = Owed::Nothing,
        22 => {
            request.body = packed(&request.body);
            request.add("Content-Encoding", "gzip");
            if chance(dice, 3) {
                let at = dice.roll(request.body.len());
                if chance(dice, 2) { request.body.truncate(at) } else { request.body[at] ^= 1 }
            }
        }
        _ => {
            // the limit of a body in memory, one less and one more; rarely, since it takes time
            if chance(dice, 60) {
                let target = 8 * 1024 * 1024 - 1 + dice.roll(3);
                request.body.resize(target.max(length), b' ');
            }
        }
    }
}
