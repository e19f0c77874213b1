//! Headers, methods, paths and whole requests that are wrong.

use std::io::Read;

use serde_json::json;

use super::{Connection, JSON, Reaction, check_alive, exchange, post, shown};
use crate::support::{Broken, Wire, World};

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
            "application/json ; charset=utf-8",
            "application/json;charset=utf8",
            "application/json; charset=UTF8",
            "application/json;charset=\"Utf-8\" ; q=\"a;b\\\"c\"",
            "application/json\t;\tCHARSET=utf-8;",
            "Application/JSON",
        ] {
            assert_eq!(ask(&format!("Content-Type: {right}\r\n")), 200, "{right}");
        }
        for wrong in [
            "text/plain",
            "application/json; charset=latin1",
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=latin1",
            "application/json; charset=",
            "application/json; charset",
            "application/json; charset=\"utf-8",
            "application/json; charset=utf-8 utf-8",
            "application/json charset=utf-8",
            "application/json, text/plain",
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
        assert_eq!(ask(&format!("{JSON}Content-Type: text/plain\r\n")), 415, "two");
    }
    check_alive(&world);
}

#[test]
fn a_wrong_method_is_refused_on_every_route() {
    let world = World::empty();
    let count = "/v3/p/cts-tracker/resource-instances/count";
    let paths = Wire::ALL.map(|wire| (wire, wire.path())).into_iter().chain([(Wire::Cts, count)]);
    for (wire, path) in paths {
        for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "post", "PROPFIND", "X"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: tagd\r\nContent-Length: 2\r\n\r\n{{}}");
            let answer = exchange(&world, request.as_bytes()).answer();
            assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "OPTIONS, POST"), "{method} {path}");
            assert_eq!(wire.error(&answer).0, wire.code(Broken::General));
        }
        let answer = world.send("HEAD", path, &[], b"");
        assert_eq!((answer.status, answer.headers["allow"].as_str(), answer.body.as_str()), (405, "OPTIONS, POST", ""));
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
