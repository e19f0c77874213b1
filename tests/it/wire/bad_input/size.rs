//! Bodies that are too deep or too large.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{Connection, JSON, PATIENCE, check_alive, check_refused, exchange, least_with, post, post_bytes, shown};
use crate::support::{Broken, Wire, World};

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
