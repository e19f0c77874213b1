//! Upgrades to other protocols, content codings, and headers that cannot be read.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{Connection, JSON, Reaction, check_alive, exchange, post};
use crate::support::{Broken, Wire, World, every_route, registration};

#[test]
fn a_websocket_is_refused_at_once_on_every_route() {
    let world = World::empty();
    for (method, path) in every_route() {
        for (lines, body) in [
            ("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n", "{}"),
            ("Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", ""),
            ("Upgrade: websocket\r\nContent-Length: 2\r\n", "{}"),
            ("Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ] {
            let mut connection = Connection::open(&world);
            let begun = Instant::now();
            connection.send(format!("{method} {path} HTTP/1.1\r\nHost: tagd\r\n{JSON}{lines}\r\n{body}").as_bytes());
            let answer = connection.read().answer();
            assert_eq!(answer.status, 400, "{method} {path}: {}", answer.body);
            assert_eq!(answer.json()["error_msg"], "Upgrade: websocket is not supported");
            assert_eq!(answer.headers["connection"], "close");
            // a connection that waits for more answers after 30 seconds
            assert!(begun.elapsed() < Duration::from_secs(25), "{method} {path}");
            connection.end();
            assert!(matches!(connection.read(), Reaction::Closed));
        }
    }
    check_alive(&world);
}

#[test]
fn other_upgrades_are_passed_over_and_the_request_is_answered() {
    let world = World::with(&Wire::ALL.map(|wire| wire.resource("r", "", &[("env", "prod")])));
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n";
    for wire in Wire::ALL {
        let body = wire.body(&json!({})).to_string();
        for lines in [upgrade, "Connection: Upgrade\r\n", "Connection: upgrade\r\nUpgrade: TLS/1.0, websocket\r\n"] {
            let mut connection = Connection::open(&world);
            connection.send(&post(wire.path().as_bytes(), &format!("{JSON}{lines}"), body.as_bytes()));
            let answer = connection.read().answer();
            assert_eq!((answer.status, &answer.json()["total_count"]), (200, &json!(1)), "{lines}");
            assert_eq!(
                (answer.headers["connection"].as_str(), answer.headers.contains_key("upgrade")),
                ("close", false)
            );
            assert!(matches!(connection.read(), Reaction::Closed));
        }
    }
    let mut connection = Connection::open(&world);
    connection.send(format!("GET /registry/v1/export HTTP/1.1\r\nHost: tagd\r\n{upgrade}\r\n").as_bytes());
    let mut text = String::new();
    connection.stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n0\r\n\r\n"), "{text}");
    assert!(text.contains("\r\nconnection: close\r\n"), "{text}");
    assert_eq!(text.matches("\"resource_id\"").count(), Wire::ALL.len());
    check_text_is_chunked(&text);
}

#[test]
fn options_of_the_server_and_connect_are_answered_at_once() {
    let world = World::empty();
    let ask = |line: &str| exchange(&world, format!("{line} HTTP/1.1\r\nHost: tagd\r\n\r\n").as_bytes()).answer();
    let server = ask("OPTIONS *");
    assert_eq!((server.status, server.headers["allow"].as_str()), (204, "DELETE, GET, HEAD, OPTIONS, POST, PUT"));
    assert_eq!(ask("CONNECT tagd:80").status, 404);
    assert_eq!(ask("CONNECT evil.example:80").status, 403);
    check_alive(&world);
}

fn check_text_is_chunked(text: &str) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\ntransfer-encoding: chunked"), "{head}");
    let size = usize::from_str_radix(body.split("\r\n").next().unwrap(), 16).unwrap();
    assert!(size > 0);
}

#[test]
fn a_content_coding_that_is_not_taken_is_refused_by_its_name() {
    let world = World::with(&[]);
    for wire in Wire::ALL {
        let body = wire.body(&json!({})).to_string();
        for (coding, right) in [
            ("gzip", 415),
            ("br", 415),
            ("Deflate", 415),
            ("zstd", 415),
            ("x-unheard-of", 415),
            ("identity, gzip", 415),
            ("gz\u{ef}p", 415),
            ("identity", 200),
            ("", 200),
        ] {
            let headers = format!("{JSON}Content-Encoding: {coding}\r\n");
            let answer = exchange(&world, &post(wire.path().as_bytes(), &headers, body.as_bytes())).answer();
            assert_eq!(answer.status, right, "{coding}: {}", answer.body);
            if right == 415 {
                let (code, message) = wire.error(&answer);
                assert_eq!(code, wire.code(Broken::General));
                assert_eq!(message, format!("Content-Encoding: must be identity, got \"{coding}\""));
            }
        }
    }
    let send = |method, path: &str, coding| {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
        world.send(method, &format!("/registry/v1{path}"), &headers, b"{}")
    };
    for (method, path, coding) in [
        ("PUT", "/types/new", "gzip"),
        ("PUT", "/projects/new", "gzip"),
        ("PUT", "/projects/new/types/ecs/resources/r", "gzip"),
        ("PUT", "/projects/new/types/ecs/resources/r/tags", "gzip"),
        ("POST", "/import", "br"),
        ("POST", "/import?strict=true", "gzip, br"),
        ("POST", "/import", "gzip, gzip"),
        ("DELETE", "/projects/p", "gzip"),
    ] {
        let answer = send(method, path, coding);
        assert_eq!((answer.status, &answer.json()["error_code"]), (415, &json!("REGISTRY.0014")), "{path}");
        assert!(
            answer.body.contains("Content-Encoding: must be ")
                && answer.body.contains(&format!("got \\\"{coding}\\\"")),
            "{}",
            answer.body
        );
    }
    assert_eq!(world.send("GET", "/registry/v1/export?only=resource", &[], b"").body, "");
}

#[test]
fn a_project_header_that_cannot_be_read_is_refused_and_not_dropped() {
    let mut fleet = vec![registration("images", "alone", "", &[]), registration("images", "same", "", &[])];
    for project in ["проект", "p2"] {
        let mut resource = registration("images", "same", "", &[]);
        resource.project_id = project.into();
        fleet.push(resource);
    }
    let world = World::with(&fleet);
    let everything = || world.send("GET", "/registry/v1/export", &[], b"").body;
    let before = everything();
    let ask = |method: &str, path: &str, headers: &[u8]| {
        let head = [format!("{method} {path} HTTP/1.1\r\nHost: tagd\r\n").as_bytes(), headers, b"\r\n"].concat();
        exchange(&world, &head).answer()
    };
    for headers in [
        // Latin-1, an overlong form, a cut character
        &b"X-Project-Id: \xe9\r\n"[..],
        b"X-Project-Id: p\xc0\xaf\r\n",
        b"X-Project-Id: \xd0\xbf\xd1\r\n",
        b"X-Project-Id: p\r\nX-Project-Id: p2\r\n",
        b"X-Project-Id: p\r\nx-project-id: p\r\n",
    ] {
        for (wire, method, path) in [
            (Wire::Ims, "PUT", "/v2/images/alone/tags/new"),
            (Wire::Ims, "DELETE", "/v2/images/alone/tags/new"),
            (Wire::Ims, "GET", "/v1/cloudimages/tags"),
            (Wire::Dns, "GET", "/v2/p/DNS-public_zone/tags"),
            (Wire::Cts, "GET", "/v3/p/cts-tracker/tags"),
            (Wire::Tms, "GET", "/v1.0/tag-keys"),
        ] {
            let answer = ask(method, path, headers);
            wire.check_refusal(&answer, Broken::General, &["X-Project-Id: "], path);
        }
    }
    assert_eq!(everything(), before);
    // what can be read is meant
    assert_eq!(ask("PUT", "/v2/images/same/tags/new", b"").status, 400);
    assert_eq!(ask("PUT", "/v2/images/same/tags/new", "X-Project-Id: проект\r\n".as_bytes()).status, 204);
    assert_eq!(ask("PUT", "/v2/images/alone/tags/new", "X-Project-Id: проект\r\n".as_bytes()).status, 404);
    let changed: Vec<String> =
        everything().lines().filter(|line| line.contains("new")).map(ToOwned::to_owned).collect();
    assert!(changed.len() == 1 && changed[0].contains("проект"), "{changed:?}");
}
