//! What no client should send: never a 5xx, a hang, a panic or a lost server.
//!
//! Over plain sockets where a client library would refuse to send it.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{Answer, Broken, Wire, World};

/// Longest that any answer here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Cases of each dialect in the test command; `TAGD_CASES` sets another number.
const CASES: u32 = 300;

/// What came back over a plain connection.
#[derive(Debug)]
enum Reaction {
    Answered(Answer),
    /// Closed without an answer.
    Closed,
}

impl Reaction {
    fn answer(self) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Closed => panic!("closed without an answer"),
        }
    }
}

/// A plain connection to the server.
struct Connection {
    stream: TcpStream,
    /// What was read and not yet handed out.
    seen: Vec<u8>,
}

impl Connection {
    fn open(world: &World) -> Self {
        let stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, seen: Vec::new() }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends as far as the server takes it: it may answer and close before it has read all.
    fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more comes.
    fn end(&mut self) {
        // fails where the server was faster
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads one answer, or the end of the connection.
    fn read(&mut self) -> Reaction {
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some((answer, length)) = parse(&self.seen) {
                self.seen.drain(..length);
                return Reaction::Answered(answer);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => self.seen.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("no answer in time: {error}; so far: {}", shown(&self.seen)),
            }
        }
        assert!(self.seen.is_empty(), "half an answer: {}", shown(&self.seen));
        Reaction::Closed
    }
}

/// A whole answer and its length, if the bytes begin with one.
fn parse(seen: &[u8]) -> Option<(Answer, usize)> {
    let end = seen.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(seen[..end - 4].to_vec()).expect("a head in UTF-8");
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().expect("a status");
    let headers = lines.map(|line| line.split_once(": ").expect("a header")).map(|(n, v)| (n.to_lowercase(), v.into()));
    let headers: BTreeMap<String, String> = headers.collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let body = seen[end..].get(..length)?;
    let body = String::from_utf8(body.to_vec()).expect("a body in UTF-8");
    Some((Answer { status, headers, body }, end + length))
}

/// Sends bytes as they are and reads what comes back.
fn exchange(world: &World, bytes: &[u8]) -> Reaction {
    let mut connection = Connection::open(world);
    connection.try_send(bytes);
    connection.read()
}

/// The bytes of a POST.
fn post(path: &[u8], headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("Host: tagd\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [b"POST ", path, b" HTTP/1.1\r\n", head.as_bytes(), body].concat()
}

const JSON: &str = "Content-Type: application/json\r\n";

/// Posts a body that need not be text; there must be an answer.
fn post_bytes(world: &World, wire: Wire, body: &[u8]) -> Answer {
    exchange(world, &post(wire.path().as_bytes(), JSON, body)).answer()
}

/// The server still answers, and over the same connection as ever.
fn check_alive(world: &World) {
    for wire in Wire::ALL {
        assert_eq!(wire.page(world, &json!({})), (Vec::new(), 0));
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(120).collect()
}

/// A body is refused with 400 in the dialect's own shape, by every dialect, and the server lives on.
fn check_refused(body: &[u8]) {
    let world = World::empty();
    for wire in Wire::ALL {
        let answer = post_bytes(&world, wire, body);
        wire.check_refusal(&answer, Broken::General, &[], &shown(body));
    }
    check_alive(&world);
}

/// The least body of a dialect as text, with more text behind its first brace.
fn least_with(wire: Wire, more: &str) -> String {
    let least = wire.body(&json!({})).to_string();
    let rest = least.strip_prefix('{').unwrap();
    let comma = if rest == "}" { "" } else { "," };
    format!("{{{more}{comma}{rest}")
}

// ---- bodies that are not what they should be

#[test]
fn what_is_not_json_is_refused() {
    for body in ["hello", "action=filter", "<tags/>", "{'a':1}", "{action:\"filter\"}", "\u{feff}{}", "{}{}", "\u{0}"] {
        check_refused(body.as_bytes());
    }
    check_refused(b"{\"action\":\"filter\",}");
    check_refused(b"// a comment\n{}");
    check_refused(b"\x1f\x8b\x08\x00\x00\x00\x00\x00");
}

#[test]
fn what_is_json_but_no_object_is_refused() {
    for body in ["[]", "[{}]", "\"{}\"", "null", "true", "0", "-1.5e3", " ", "\n\n", ""] {
        check_refused(body.as_bytes());
    }
}

#[test]
fn a_body_cut_off_anywhere_is_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        let body = least_with(wire, r#""tags":[{"key":"ключ","values":["a\u00e9"]}],"limit":"5""#);
        assert_eq!(post_bytes(&world, wire, body.as_bytes()).status, 200, "{body}");
        for end in 0..body.len() {
            let answer = post_bytes(&world, wire, &body.as_bytes()[..end]);
            wire.check_refusal(&answer, Broken::General, &[], &body[..body.floor_char_boundary(end)]);
        }
    }
    check_alive(&world);
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        for twice in [
            r#""limit":1,"limit":1"#,
            r#""tags":[{"key":"a","values":[]}],"tags":[{"key":"a","values":[]}]"#,
            r#""tags":null,"t\u0061gs":null"#,
            r#""tags":[{"key":"a","key":"a","values":[]}]"#,
            r#""tags":[{"key":"a","values":[],"values":[]}]"#,
            r#""without_any_tag":true,"without_any_tag":false"#,
        ] {
            let body = least_with(wire, twice);
            wire.check_refusal(&post_bytes(&world, wire, body.as_bytes()), Broken::General, &[], &body);
        }
    }
    let body = r#"{"action":"count","action":"filter"}"#;
    Wire::Ims.check_refusal(&post_bytes(&world, Wire::Ims, body.as_bytes()), Broken::General, &["\"action\""], body);
}

// ---- depth and size

/// Something 10,000 levels deep, and what must be said of it where it is looked at.
fn deep() -> [String; 3] {
    const DEPTH: usize = 10_000;
    [
        format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH)),
        format!("{}1{}", "{\"a\":".repeat(DEPTH), "}".repeat(DEPTH)),
        // never closed
        "[{\"a\":".repeat(DEPTH),
    ]
}

#[test]
fn a_body_10_000_levels_deep_is_refused() {
    for deep in deep() {
        check_refused(deep.as_bytes());
    }
}

#[test]
fn a_field_10_000_levels_deep_is_refused_or_passed_over() {
    let world = World::empty();
    let [array, object, open] = deep();
    for wire in Wire::ALL {
        let ask = |more: &str| post_bytes(&world, wire, least_with(wire, more).as_bytes());
        for deep in [&array, &object] {
            for field in ["tags", "no such field", "without_any_tag", "limit"] {
                let answer = ask(&format!("\"{field}\":{deep}"));
                assert_eq!(answer.status, 400, "{wire:?} {field}: {}", answer.body);
                wire.error(&answer);
            }
            for inside in [format!(r#"[{{"key":{deep}}}]"#), format!(r#"[{{"key":"a","values":[{deep}]}}]"#)] {
                let answer = ask(&format!("\"tags\":{inside}"));
                wire.check_refusal(&answer, Broken::General, &["tags[0]"], "a deep tag");
            }
            // where the list is ignored, so is what it holds
            let answer = ask(&format!("\"without_any_tag\":true,\"tags\":{deep}"));
            assert_eq!(answer.status, 200, "{wire:?}: {}", answer.body);
        }
        for field in ["tags", "no such field", "limit"] {
            let answer = ask(&format!("\"{field}\":{open}"));
            wire.check_refusal(&answer, Broken::General, &[], "never closed");
        }
    }
    check_alive(&world);
}

#[test]
fn a_limit_10_000_levels_deep_is_ignored_on_a_count() {
    let world = World::empty();
    for deep in &deep()[..2] {
        for (path, action) in [
            (Wire::Ims.path(), r#""action":"count","#),
            (Wire::Dns.path(), r#""action":"count","#),
            ("/v3/p/cts-tracker/resource-instances/count", ""),
        ] {
            let body = format!(r#"{{{action}"limit":{deep},"offset":{deep}}}"#);
            let answer = exchange(&world, &post(path.as_bytes(), JSON, body.as_bytes())).answer();
            assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"total_count":0}"#), "{path}");
        }
    }
    check_alive(&world);
}

/// Sends a head and a body in pieces, all of it, like a client that reads the answer only afterwards.
fn send_all(connection: &mut Connection, head: &str, pieces: usize, piece: &[u8], end: &[u8]) {
    connection.send(head.as_bytes());
    for i in 0..pieces {
        assert!(connection.try_send(piece), "broken after {i} pieces");
    }
    assert!(connection.try_send(end), "broken at the end");
    // time for a reset to arrive and take the answer with it
    thread::sleep(Duration::from_millis(50));
}

const MEGABYTE: usize = 1_000_000;

#[test]
fn twenty_megabytes_are_answered_with_413_to_a_client_that_sends_them_all_before_it_reads() {
    let world = World::empty();
    let piece = vec![b' '; MEGABYTE];
    let mut chunk = format!("{MEGABYTE:x}\r\n").into_bytes();
    chunk.extend_from_slice(&piece);
    chunk.extend_from_slice(b"\r\n");
    for wire in Wire::ALL {
        let head = format!("POST {} HTTP/1.1\r\nHost: tagd\r\n{JSON}", wire.path());
        for (name, head, piece, end) in [
            ("with a length", format!("{head}Content-Length: {}\r\n\r\n", 20 * MEGABYTE), &piece, &b""[..]),
            ("in chunks", format!("{head}Transfer-Encoding: chunked\r\n\r\n"), &chunk, &b"0\r\n\r\n"[..]),
        ] {
            let mut connection = Connection::open(&world);
            send_all(&mut connection, &head, 20, piece, end);
            let answer = connection.read().answer();
            assert_eq!(answer.status, 413, "{wire:?} {name}: {}", answer.body);
            assert_eq!(answer.json()["error_code"], "APIGW.0201");
            assert_eq!(answer.json()["request_id"], answer.headers["x-request-id"].as_str());
        }
    }
    check_alive(&world);
}

#[test]
fn twenty_megabytes_to_where_no_body_is_read_are_answered_too() {
    let world = World::empty();
    let piece = vec![b' '; MEGABYTE];
    for (line, headers, status) in [
        ("POST /nowhere", JSON, 404),
        ("PUT /v2/p/images/resource_instances/action", JSON, 405),
        ("POST /v2/p/images/resource_instances/action", "Content-Type: text/plain\r\n", 415),
    ] {
        let length = 20 * MEGABYTE;
        let head = format!("{line} HTTP/1.1\r\nHost: tagd\r\n{headers}Content-Length: {length}\r\n\r\n");
        let mut connection = Connection::open(&world);
        send_all(&mut connection, &head, 20, &piece, b"");
        assert_eq!(connection.read().answer().status, status, "{line}");
    }
    check_alive(&world);
}

#[test]
fn a_body_without_end_is_answered_before_its_end() {
    let world = World::empty();
    let head = format!("POST {} HTTP/1.1\r\nHost: tagd\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n", Wire::Cts.path());
    let mut chunk = format!("{MEGABYTE:x}\r\n").into_bytes();
    chunk.extend(vec![b' '; MEGABYTE]);
    chunk.extend_from_slice(b"\r\n");
    let mut connection = Connection::open(&world);
    send_all(&mut connection, &head, 9, &chunk, b"");
    assert_eq!(connection.read().answer().status, 413);
    check_alive(&world);
}

#[test]
fn huge_texts_are_refused_and_not_sent_back() {
    let world = World::empty();
    let huge = "x".repeat(5 * MEGABYTE);
    let digits = "9".repeat(MEGABYTE);
    for wire in Wire::ALL {
        for more in [
            format!(r#""tags":[{{"key":"{huge}","values":[]}}]"#),
            format!(r#""tags":[{{"key":"a","values":["{huge}"]}}]"#),
            format!(r#""tags":[{{"key":"a","values":"{huge}"}}]"#),
            format!(r#""tags":[{{"key":"a","{huge}":[]}}]"#),
            format!(r#""tags":"{huge}""#),
            format!(r#""{huge}":1"#),
            format!(r#""limit":"{huge}""#),
            format!(r#""limit":{digits}"#),
            format!(r#""limit":-{digits}"#),
            format!(r#""limit":"{digits}""#),
            format!(r#""offset":"-{digits}""#),
        ] {
            let answer = post_bytes(&world, wire, least_with(wire, &more).as_bytes());
            assert_eq!(answer.status, 400, "{wire:?} {}", shown(more.as_bytes()));
            wire.error(&answer);
        }
    }
    let action = format!(r#"{{"action":"{huge}"}}"#);
    Wire::Ims.error(&post_bytes(&world, Wire::Ims, action.as_bytes()));
    let matches = format!(r#"{{"matches":[{{"key":"{huge}","value":"a"}}]}}"#);
    Wire::Cts.error(&post_bytes(&world, Wire::Cts, matches.as_bytes()));
    let types = json!({ "project_id": huge, "resource_types": ["ecs"] });
    assert_eq!(post_bytes(&world, Wire::Tms, types.to_string().as_bytes()).status, 200);
    let types = json!({ "project_id": "p", "resource_types": [huge] });
    Wire::Tms.error(&post_bytes(&world, Wire::Tms, types.to_string().as_bytes()));
    check_alive(&world);
}

#[test]
fn many_small_things_are_refused_in_good_time() {
    let world = World::empty();
    let begun = Instant::now();
    for wire in Wire::ALL {
        for more in [
            format!(r#""tags":[{}{{}}]"#, "{},".repeat(500_000)),
            format!(r#""tags":[{{"key":"a","values":[{}""]}}]"#, "\"\",".repeat(500_000)),
        ] {
            let answer = post_bytes(&world, wire, least_with(wire, &more).as_bytes());
            assert_eq!(answer.status, 400, "{wire:?}: {}", answer.body);
            wire.error(&answer);
        }
    }
    let body = json!({ "project_id": "p", "resource_types": vec!["ecs"; 500_000] });
    Wire::Tms.error(&post_bytes(&world, Wire::Tms, body.to_string().as_bytes()));
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

// ---- characters

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    let world = World::empty();
    for bad in [&b"\xff"[..], b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80"] {
        for wire in Wire::ALL {
            for (before, after) in [
                (&br#""tags":[{"key":""#[..], &br#"","values":[]}]"#[..]),
                (br#""tags":[{"key":"a","values":[""#, br#""]}]"#),
                (br#""limit":""#, br#"""#),
                (br#"""#, br#"":1"#),
                (b"", b""),
            ] {
                let least = least_with(wire, "\u{1}").into_bytes();
                let at = least.iter().position(|byte| *byte == 1).unwrap();
                let body = [&least[..at], before, bad, after, &least[at + 1..]].concat();
                wire.check_refusal(&post_bytes(&world, wire, &body), Broken::General, &[], &shown(&body));
            }
        }
    }
    check_alive(&world);
}

#[test]
fn a_path_that_is_no_utf8_leads_nowhere() {
    let world = World::empty();
    for wire in [Wire::Ims, Wire::Dns, Wire::Cts] {
        for bad in ["%ff", "%FF%FE", "a%80", "%c3", "%ed%a0%80"] {
            let path = wire.path().replace("/p/", &format!("/{bad}/"));
            let answer = exchange(&world, &post(path.as_bytes(), JSON, b"{}")).answer();
            assert_eq!((answer.status, &answer.json()["error_code"]), (404, &json!("APIGW.0101")), "{path}");
        }
        // bytes as they are: no valid request at all
        let path = [&wire.path().as_bytes()[..4], &b"\xff\xfe"[..], &wire.path().as_bytes()[5..]].concat();
        if let Reaction::Answered(answer) = exchange(&world, &post(&path, JSON, b"{}")) {
            assert!((400..500).contains(&answer.status), "{}: {}", shown(&path), answer.status);
        }
    }
    for bad in ["/v2/p/%ff/resource_instances/action", "/v3/p/%ff/resource-instances/count", "/%ff", "/%"] {
        let answer = exchange(&world, &post(bad.as_bytes(), JSON, b"{}")).answer();
        assert_eq!(answer.status, 404, "{bad}");
    }
    check_alive(&world);
}

#[test]
fn escapes_in_a_path_are_read_once() {
    let world = World::empty();
    for (project, body) in [
        ("%70", "p"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("%E6%97%A5", "日"),
        ("..", ".."),
        ("%2e%2e", ".."),
        ("%", "%"),
        ("%zz", "%zz"),
        ("a%00b", "a\u{0}b"),
    ] {
        let answer =
            exchange(&world, &post(Wire::Cts.path().replace("/p/", &format!("/{project}/")).as_bytes(), JSON, b"{}"));
        assert_eq!(answer.answer().status, 200, "{project} for {body:?}");
    }
}

#[test]
fn nul_finds_nothing_and_harms_nothing() {
    let world = World::with(&Wire::ALL.map(|wire| wire.resource("r", "name", &[("a", "b")])));
    for wire in [Wire::Ims, Wire::Dns, Wire::Cts] {
        let nul = "a\u{0}b";
        let none = (Vec::<String>::new(), 0);
        for list in ["tags", "tags_any"] {
            assert_eq!(wire.page(&world, &json!({ list: [{ "key": nul, "values": [] }] })), none);
            assert_eq!(wire.page(&world, &json!({ list: [{ "key": "a", "values": [nul] }] })), none);
            assert_eq!(wire.page(&world, &json!({ list: [{ "key": "a", "values": ["*\u{0}"] }] })), none);
            // and hides nothing that stands beside it
            assert_eq!(wire.ids(&world, &json!({ list: [{ "key": "a", "values": [nul, "b"] }] })), ["r"]);
        }
        for list in ["not_tags", "not_tags_any"] {
            assert_eq!(wire.ids(&world, &json!({ list: [{ "key": nul, "values": [] }] })), ["r"]);
            assert_eq!(wire.ids(&world, &json!({ list: [{ "key": "a", "values": [nul] }] })), ["r"]);
        }
        let name = json!({ "matches": [{ "key": "resource_name", "value": nul }] });
        assert_eq!(wire.page(&world, &name), none);
        for path in [wire.path().replace("/p/", "/%00/"), wire.path().replace("/p/", "/p%00/")] {
            let answer = exchange(&world, &post(path.as_bytes(), JSON, wire.body(&json!({})).to_string().as_bytes()));
            let answer = answer.answer();
            assert_eq!((answer.status, &answer.json()["total_count"]), (200, &json!(0)), "{path}");
        }
    }
    let id = json!({ "matches": [{ "key": "resource_id", "value": "r\u{0}" }] });
    assert_eq!(Wire::Ims.page(&world, &id), (Vec::new(), 0));
    let system = json!({ "sys_tags": [{ "key": "_sys_\u{0}", "values": ["\u{0}", "*\u{0}"] }] });
    assert_eq!(Wire::Cts.page(&world, &system), (Vec::new(), 0));
    for (wire, path) in [
        (Wire::Dns, "/v2/p/DNS-public_zone%00/resource_instances/action"),
        (Wire::Cts, "/v3/p/cts-tracker%00/resource-instances/filter"),
    ] {
        let answer = exchange(&world, &post(path.as_bytes(), JSON, b"{}")).answer();
        wire.check_refusal(&answer, Broken::Type, &["\\0"], path);
    }
    let body = json!({ "project_id": "p\u{0}", "resource_types": ["ecs"] });
    assert_eq!(world.post(Wire::Tms.path(), &body.to_string()).json()["total_count"], 0);
    Wire::Tms.refuse(&world, &json!({ "resource_types": ["\u{0}"] }), Broken::Type, &[]);
    Wire::Tms.refuse(&world, &json!({ "tags": [{ "key": "\u{0}", "values": [] }] }), Broken::Key, &[]);
    Wire::Tms.refuse(&world, &json!({ "tags": [{ "key": "a", "values": ["\u{0}"] }] }), Broken::Value, &[]);
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), ["r"]);
    }
}

#[test]
fn half_a_surrogate_pair_is_refused_where_it_is_read() {
    let world = World::empty();
    for wire in Wire::ALL {
        for lone in ["\\ud835", "\\udcb3", "\\ud835x", "\\ud835\\ud835", "\\ud835\\u0041"] {
            for more in [
                format!(r#""tags":[{{"key":"{lone}","values":[]}}]"#),
                format!(r#""tags":[{{"key":"a","values":["{lone}"]}}]"#),
                format!(r#""{lone}":1"#),
            ] {
                let answer = post_bytes(&world, wire, least_with(wire, &more).as_bytes());
                wire.check_refusal(&answer, Broken::General, &[], &more);
            }
            let answer = post_bytes(&world, wire, least_with(wire, &format!(r#""limit":"{lone}""#)).as_bytes());
            assert_eq!(answer.status, 400, "{wire:?} {lone}: {}", answer.body);
            wire.error(&answer);
        }
    }
    check_alive(&world);
}

// ---- numbers

#[test]
fn numbers_that_are_no_whole_number_within_the_range_are_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        for number in ["1e3", "1E0", "-1", "-0", "1.5", "1.0", "1e999", "-1e999", "0.1e1", "99999999999999999999"] {
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"limit\":{number}")).as_bytes());
            wire.check_refusal(&answer, Broken::Limit, &["limit: ", number], number);
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"offset\":{number}")).as_bytes());
            if number == "99999999999999999999" && wire != Wire::Dns {
                assert_eq!(answer.status, 200, "{wire:?}: {}", answer.body);
            } else {
                wire.check_refusal(&answer, Broken::Offset, &["offset: ", number], number);
            }
        }
        for no_json in ["01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "1_000", "--1"] {
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"limit\":{no_json}")).as_bytes());
            wire.check_refusal(&answer, Broken::General, &["line 1, column"], no_json);
        }
        for wrong in ["true", "[1]", "{}", "[]"] {
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"limit\":{wrong}")).as_bytes());
            wire.check_refusal(&answer, Broken::Limit, &["limit: "], wrong);
        }
    }
}

// ---- headers, methods, paths

#[test]
fn a_content_type_is_json_in_utf8_or_left_out() {
    let world = World::empty();
    for wire in Wire::ALL {
        let body = wire.body(&json!({})).to_string();
        let ask = |headers: &str| {
            let answer = exchange(&world, &post(wire.path().as_bytes(), headers, body.as_bytes())).answer();
            if answer.status != 200 {
                wire.error(&answer);
            }
            answer.status
        };
        assert_eq!(ask(""), 200);
        for right in [
            "application/json",
            "application/json;charset=utf-8",
            "application/json; charset=UTF-8",
            "application/json; charset=\"utf-8\"",
            "Application/JSON",
        ] {
            assert_eq!(ask(&format!("Content-Type: {right}\r\n")), 200, "{right}");
        }
        for wrong in [
            "text/plain",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/xml",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "json",
            "",
            "/",
            "é",
            &"x".repeat(10_000),
        ] {
            assert_eq!(ask(&format!("Content-Type: {wrong}\r\n")), 415, "{wrong}");
        }
    }
    check_alive(&world);
}

#[test]
fn a_wrong_method_is_refused_on_every_route() {
    let world = World::empty();
    let count = "/v3/p/cts-tracker/resource-instances/count";
    let paths = Wire::ALL.map(|wire| (wire, wire.path())).into_iter().chain([(Wire::Cts, count)]);
    for (wire, path) in paths {
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post", "PROPFIND", "X"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: tagd\r\nContent-Length: 2\r\n\r\n{{}}");
            let answer = exchange(&world, request.as_bytes()).answer();
            assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"), "{method} {path}");
            assert_eq!(wire.error(&answer).0, wire.code(Broken::General));
        }
        let answer = world.send("HEAD", path, &[], b"");
        assert_eq!((answer.status, answer.headers["allow"].as_str(), answer.body.as_str()), (405, "POST", ""));
    }
    check_alive(&world);
}

#[test]
fn paths_that_are_nearly_right_lead_nowhere() {
    let world = World::empty();
    for path in [
        "/v2/p/images/resource_instances/action/",
        "/v2/p/images/resource_instances//action",
        "//v2/p/images/resource_instances/action",
        "/V2/p/images/resource_instances/action",
        "/v2/p/images/resource-instances/action",
        "/v2/p/images/resource_instances/action;x=1",
        "/v2/images/resource_instances/action",
        "/v3/p/cts-tracker/resource_instances/filter",
        "/v3/p/cts-tracker/resource-instances/filters",
        "/v3/p/cts-tracker/resource-instances/count/x",
        "/v1.0/resource-instances",
        "/v1.0/resource-instances/filter/p",
        "/v1/resource-instances/filter",
        "/../v1.0/resource-instances/filter",
        "/",
        "/?a=b",
        "*",
    ] {
        match exchange(&world, &post(path.as_bytes(), JSON, b"{}")) {
            Reaction::Answered(answer) => assert!((400..405).contains(&answer.status), "{path}: {}", answer.status),
            Reaction::Closed => assert_eq!(path, "*"),
        }
    }
    let long = format!("/v2/{}/images/resource_instances/action", "p".repeat(20_000));
    let answer = exchange(&world, &post(long.as_bytes(), JSON, br#"{"action":"filter"}"#)).answer();
    assert_eq!(answer.status, 200);
    check_alive(&world);
}

// ---- requests that are none

#[test]
fn junk_in_the_place_of_a_request_harms_nobody() {
    let world = World::empty();
    let path = Wire::Cts.path();
    let line = format!("POST {path} HTTP/1.1\r\nHost: tagd\r\n");
    let junk: Vec<Vec<u8>> = vec![
        b"\r\n\r\n\r\n".to_vec(),
        b"hello\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1 extra\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        vec![0; 1000],
        vec![0xff; 1000],
        format!("{line}Content-Length: -1\r\n\r\n{{}}").into_bytes(),
        format!("{line}Content-Length: two\r\n\r\n{{}}").into_bytes(),
        format!("{line}Content-Length: +2\r\n\r\n{{}}").into_bytes(),
        format!("{line}Content-Length: 99999999999999999999999\r\n\r\n{{}}").into_bytes(),
        format!("{line}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}").into_bytes(),
        format!("{line}Content-Length: 2, 2\r\n\r\n{{}}").into_bytes(),
        format!("{line}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into_bytes(),
        format!("{line}Transfer-Encoding: gzip\r\n\r\n{{}}").into_bytes(),
        format!("{line}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n").into_bytes(),
        format!("{line}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        format!("{line}Transfer-Encoding: chunked\r\n\r\n-2\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        format!("{line}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        format!("{line}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}xx0\r\n\r\n").into_bytes(),
        format!("{line}X\u{0}: 1\r\n\r\n").into_bytes(),
        format!("{line}No colon here\r\n\r\n").into_bytes(),
        format!("{line} folded: 1\r\n\r\n").into_bytes(),
        format!("{line}Space : 1\r\n\r\n").into_bytes(),
        format!("{line}{}\r\n", "A: b\r\n".repeat(10_000)).into_bytes(),
        format!("{line}A: {}\r\n\r\n", "b".repeat(500_000)).into_bytes(),
        format!("POST /{} HTTP/1.1\r\n\r\n", "a".repeat(500_000)).into_bytes(),
    ];
    for junk in junk {
        let mut connection = Connection::open(&world);
        connection.try_send(&junk);
        // lest the server wait for the rest
        connection.end();
        if let Reaction::Answered(answer) = connection.read() {
            assert!(answer.status < 500, "{}: {} {}", shown(&junk), answer.status, answer.body);
        }
        assert_eq!(Wire::Cts.page(&world, &json!({})), (Vec::new(), 0), "after {}", shown(&junk));
    }
    check_alive(&world);
}

#[test]
fn a_length_and_chunks_in_one_request_smuggle_nothing() {
    let world = World::empty();
    // were the length believed, what follows the last chunk would be a second request's head
    let hidden = format!("POST {} HTTP/1.1\r\nHost: tagd\r\nContent-Length: 2\r\n\r\n{{}}", Wire::Cts.path());
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: tagd\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
        Wire::Cts.path(),
        5 + hidden.len(),
    );
    let mut connection = Connection::open(&world);
    connection.send(request.as_bytes());
    let first = connection.read();
    if let Reaction::Answered(answer) = first {
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    check_alive(&world);
}

#[test]
fn a_body_shorter_than_announced_is_given_up_with_its_client() {
    let world = World::empty();
    let head = format!("POST {} HTTP/1.1\r\nHost: tagd\r\n{JSON}Content-Length: 100\r\n\r\n", Wire::Cts.path());
    let mut connection = Connection::open(&world);
    connection.send(head.as_bytes());
    connection.send(b"{}");
    check_alive(&world);
    connection.end();
    if let Reaction::Answered(answer) = connection.read() {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
    drop(connection);
    check_alive(&world);
}

#[test]
fn a_body_longer_than_announced_is_no_part_of_the_request() {
    let world = World::empty();
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: tagd\r\n{JSON}Content-Length: 2\r\n\r\n{{}}garbage that is no request\r\n\r\n",
        Wire::Cts.path()
    );
    let mut connection = Connection::open(&world);
    connection.send(request.as_bytes());
    assert_eq!(connection.read().answer().status, 200);
    if let Reaction::Answered(answer) = connection.read() {
        assert_eq!(answer.status, 400);
    }
    check_alive(&world);
}

#[test]
fn requests_one_after_the_other_on_one_connection_are_answered_in_order() {
    let world = World::empty();
    let ask = |body: &str| post(Wire::Ims.path().as_bytes(), JSON, body.as_bytes());
    let requests = [ask(r#"{"action":"count"}"#), ask("[]"), ask(r#"{"action":"filter"}"#)].concat();
    let mut connection = Connection::open(&world);
    connection.send(&requests);
    let statuses: Vec<u16> = (0..3).map(|_| connection.read().answer().status).collect();
    assert_eq!(statuses, [200, 400, 200]);
}

#[test]
fn a_body_in_many_small_chunks_is_read_whole() {
    let world = World::empty();
    let mut request =
        format!("POST {} HTTP/1.1\r\nHost: tagd\r\nTransfer-Encoding: chunked\r\n\r\n", Wire::Cts.path()).into_bytes();
    for byte in r#"{"tags":[{"key":"ключ","values":["日"]}]}"#.bytes() {
        request.extend_from_slice(b"1\r\n");
        request.push(byte);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    let answer = exchange(&world, &request).answer();
    assert_eq!((answer.status, answer.json()["total_count"].as_u64()), (200, Some(0)));
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let world = World::empty();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: tagd\r\n{JSON}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        Wire::Cts.path()
    );
    let mut connection = Connection::open(&world);
    connection.send(head.as_bytes());
    let mut interim = [0; 25];
    connection.stream.read_exact(&mut interim).unwrap();
    assert_eq!(String::from_utf8_lossy(&interim), "HTTP/1.1 100 Continue\r\n\r\n");
    connection.send(b"{}");
    assert_eq!(connection.read().answer().status, 200);
}

#[test]
fn clients_that_go_away_leave_no_trace() {
    let world = World::empty();
    for _ in 0..50 {
        let mut connection = Connection::open(&world);
        connection.send(&post(Wire::Cts.path().as_bytes(), JSON, b"{}"));
        drop(connection);
        let mut connection = Connection::open(&world);
        connection.send(b"POST /v3/p/cts-tr");
        drop(connection);
    }
    check_alive(&world);
}

// ---- valid bodies, damaged

/// A body of each kind that a dialect takes, all of them valid.
fn seeds(wire: Wire) -> Vec<String> {
    let term = json!({ "key": "env", "values": ["prod", ""] });
    let lists: serde_json::Map<String, Value> =
        wire.lists().iter().map(|list| ((*list).to_owned(), json!([term, { "key": "ключ", "values": [] }]))).collect();
    let mut full = wire.body(&lists.into());
    full["limit"] = json!(5);
    full["offset"] = json!("10");
    full["without_any_tag"] = json!(false);
    let mut bodies = vec![wire.body(&json!({})), full.clone()];
    if wire == Wire::Tms {
        bodies.push(json!({ "resource_types": ["cdn"], "without_any_tag": true, "tags": [1] }));
    } else {
        full["matches"] = json!([{ "key": "resource_name", "value": "a\"\\\n" }]);
        full["tags"][0]["values"] = json!(["*rod", "日\u{0}\u{1f}"]);
        bodies.push(full);
        bodies.push(json!({ "action": "count", "limit": [1], "offset": { "a": null } }));
    }
    bodies.iter().map(Value::to_string).collect()
}

/// A change to a text.
#[derive(Debug, Clone)]
enum Damage {
    /// Bytes are taken away.
    Delete(usize, usize),
    /// Bytes stand twice.
    Repeat(usize, usize),
    /// Bytes in the place of others.
    Replace(usize, Vec<u8>),
    /// Bytes between others.
    Insert(usize, Vec<u8>),
    /// Everything behind is gone.
    Cut(usize),
    /// A node of the JSON tree is taken away, doubled, or another stands in its place.
    Node(usize, Option<Value>, bool),
}

fn nodes() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!("")),
        Just(json!("*")),
        Just(json!("count")),
        Just(json!("\u{0}")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[]])),
        Just(json!([{ "key": "env", "values": ["a"] }])),
        Just(json!({ "key": "env", "values": ["a"] })),
        Just(json!("x".repeat(300))),
        Just(json!(vec!["a"; 30])),
        ".*".prop_map(Value::from),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || 0..400usize;
    let pieces = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(
            &["\"", "{", "}", "[", "]", ",", ":", "\\", "\\u0000", "\\ud800", "null", "1e9", "\u{0}", "*"][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        2 => (at(), 1..20usize).prop_map(|(i, n)| Damage::Delete(i, n)),
        2 => (at(), 1..60usize).prop_map(|(i, n)| Damage::Repeat(i, n)),
        2 => (at(), pieces.clone()).prop_map(|(i, bytes)| Damage::Replace(i, bytes)),
        2 => (at(), pieces).prop_map(|(i, bytes)| Damage::Insert(i, bytes)),
        1 => at().prop_map(Damage::Cut),
        9 => (at(), prop::option::weighted(0.7, nodes()), any::<bool>()).prop_map(|(i, v, b)| Damage::Node(i, v, b)),
    ]
}

fn inflict(body: &mut Vec<u8>, damage: &Damage) {
    let place = |i: usize| if body.is_empty() { 0 } else { i % body.len() };
    match damage {
        Damage::Delete(i, n) => {
            let start = place(*i);
            body.drain(start..(start + n).min(body.len()));
        }
        Damage::Repeat(i, n) => {
            let start = place(*i);
            let piece = body[start..(start + n).min(body.len())].to_vec();
            body.splice(start..start, piece);
        }
        Damage::Replace(i, bytes) => {
            let start = place(*i);
            body.splice(start..(start + bytes.len()).min(body.len()), bytes.iter().copied());
        }
        Damage::Insert(i, bytes) => {
            let start = place(*i);
            body.splice(start..start, bytes.iter().copied());
        }
        Damage::Cut(i) => body.truncate(place(*i)),
        Damage::Node(i, node, double) => {
            let Ok(mut tree) = serde_json::from_slice::<Value>(body) else { return };
            let mut left = i % count(&tree);
            change(&mut tree, &mut left, node.as_ref(), *double);
            *body = tree.to_string().into_bytes();
        }
    }
}

fn count(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the node of a number, counted depth first: replaces it, doubles it in its list, or empties it.
fn change(tree: &mut Value, left: &mut usize, node: Option<&Value>, double: bool) -> bool {
    if *left == 0 {
        match (node, &mut *tree) {
            (Some(node), _) => *tree = node.clone(),
            (None, Value::Array(items)) if double => items.extend(items.clone()),
            (None, Value::Array(items)) => drop(items.pop()),
            (None, Value::Object(fields)) if double => {
                let doubled: Vec<(String, Value)> = fields.iter().map(|(k, v)| (format!("{k}_"), v.clone())).collect();
                fields.extend(doubled);
            }
            (None, Value::Object(fields)) => {
                let first = fields.keys().next().cloned();
                first.and_then(|name| fields.remove(&name));
            }
            (None, Value::String(text)) => *text = text.repeat(if double { 100 } else { 0 }),
            (None, other) => *other = Value::Null,
        }
        return true;
    }
    *left -= 1;
    match tree {
        Value::Array(items) => items.iter_mut().any(|item| change(item, left, node, double)),
        Value::Object(fields) => fields.values_mut().any(|field| change(field, left, node, double)),
        _ => false,
    }
}

#[test]
fn a_damaged_body_is_answered_or_refused_in_the_words_of_the_dialect() {
    let cases = std::env::var("TAGD_CASES").ok().map_or(CASES, |cases| cases.parse().expect("TAGD_CASES: a number"));
    let world: Arc<World> = World::empty();
    for wire in Wire::ALL {
        let seeds = seeds(wire);
        for seed in &seeds {
            assert_eq!(world.post(wire.path(), seed).status, 200, "{wire:?}: a valid body to begin with: {seed}");
        }
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
        let strategy = (prop::sample::select(seeds), prop::collection::vec(damage(), 1..4));
        let (answered, refused) = (Cell::new(0), Cell::new(0));
        runner
            .run(&strategy, |(seed, damages)| {
                let mut body = seed.into_bytes();
                for damage in &damages {
                    inflict(&mut body, damage);
                }
                let answer = world.send("POST", wire.path(), &[("Content-Type", "application/json")], &body);
                let text = String::from_utf8_lossy(&body);
                match answer.status {
                    200 => answered.set(answered.get() + 1),
                    400 => {
                        wire.error(&answer);
                        refused.set(refused.get() + 1);
                    }
                    other => prop_assert!(false, "{wire:?} {other}: {} for {text}", answer.body),
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
        // both happen, else the damage is too small or too great to find anything
        let (answered, refused) = (answered.get(), refused.get());
        assert!(answered * 40 > cases && refused * 40 > cases, "{wire:?}: {answered} answered, {refused} refused");
    }
    check_alive(&world);
}
