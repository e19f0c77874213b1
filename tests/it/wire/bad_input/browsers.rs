//! What browsers send for web pages of others, and requests under names that are not tagd's.

use serde_json::json;

use super::{Connection, JSON, check_alive, exchange, post};
use crate::support::{Answer, Wire, World, every_route};

/// A request with these lines of its head behind the first, and a body of two bytes.
fn ask(world: &World, method: &str, target: &str, version: &str, lines: &str) -> Answer {
    let request = format!("{method} {target} HTTP/{version}\r\n{lines}Content-Length: 2\r\n\r\n{{}}");
    exchange(world, request.as_bytes()).answer()
}

/// Turned away in front of everything, with a message that has these words.
fn check_away(answer: &Answer, words: &[&str]) {
    assert_eq!(answer.status, 403, "{}", answer.body);
    let json = answer.json();
    assert_eq!(json["error_code"], "APIGW.0306");
    assert_eq!(json["request_id"], answer.headers["x-request-id"].as_str());
    let message = json["error_msg"].as_str().unwrap();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[test]
fn no_page_of_another_origin_reaches_any_route() {
    let world = World::empty();
    let host = world.url.strip_prefix("http://").unwrap();
    let routes = every_route();
    assert!(routes.iter().filter(|(method, _)| *method == "POST").count() >= 10, "{routes:?}");
    for (method, path) in &routes {
        // as fetch() with mode "no-cors" sends it: no question before it, no content type
        for headers in [
            "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
            "Origin: http://evil.example\r\n",
            "Origin: null\r\n",
            "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\n",
        ] {
            let lines = format!("Host: {host}\r\n{headers}");
            let named = if headers.contains("Sec-Fetch-Site") { "Sec-Fetch-Site: " } else { "Origin: " };
            for method in [*method, "OPTIONS"] {
                check_away(&ask(&world, method, path, "1.1", &lines), &[named]);
            }
        }
        // a name of the attacker that leads to this machine
        for name in ["evil.example:8080", "evil.example"] {
            check_away(&ask(&world, method, path, "1.1", &format!("Host: {name}\r\n")), &[name, "--allowed-host"]);
        }
    }
    check_away(&ask(&world, "POST", "/nowhere", "1.1", "Host: evil.example\r\n"), &["evil.example"]);
    check_alive(&world);
}

#[test]
fn a_host_is_localhost_or_an_address_or_a_name_that_was_given() {
    let world = World::empty();
    let status = |version: &str, lines: &str| ask(&world, "GET", "/healthz", version, lines).status;
    for host in [
        "localhost",
        "localhost:8080",
        "LOCALHOST:1",
        "localhost.",
        "localhost:",
        "127.0.0.1",
        "127.0.0.1:8080",
        "192.0.2.7:80",
        "[::1]",
        "[::1]:8080",
        "[2001:db8::7]:1",
        "[::ffff:127.0.0.1]",
        "tagd",
        "tagd:9999",
        "TagD.:1",
    ] {
        assert_eq!(status("1.1", &format!("Host: {host}\r\n")), 200, "{host}");
    }
    for host in [
        "",
        ":8080",
        "evil.example",
        "localhost.evil.example",
        "evil.localhost",
        "tagd.evil.example",
        "xtagd",
        "127.0.0.1.evil.example",
        "127.0.0.1x",
        "127.1",
        "0x7f000001",
        "[::1].evil.example",
        "[::1",
        "[evil.example]",
        "[127.0.0.1]",
        "::1",
        "localhost..",
        "localhost:80x",
        "localhost:+80",
        "localhost:99999",
        "localhost:80:80",
        "localhost, evil.example",
        "user@localhost",
        "localhost/",
        "loc\u{e4}lhost",
    ] {
        assert_eq!(status("1.1", &format!("Host: {host}\r\n")), 403, "{host}");
        assert_eq!(status("1.0", &format!("Host: {host}\r\n")), 403, "{host}");
    }
    // HTTP/1.0 has no Host; without one an origin is nobody's
    assert_eq!(status("1.0", ""), 200);
    assert_eq!(status("1.0", "Origin: http://localhost\r\n"), 403);
    assert_eq!(status("1.1", ""), 400);
}

#[test]
fn the_authority_of_an_absolute_target_counts_as_the_host_does() {
    let world = World::empty();
    for (target, lines, status) in [
        ("http://localhost/healthz", "Host: localhost\r\n", 200),
        ("http://127.0.0.1:1/healthz", "Host: tagd\r\n", 200),
        ("http://evil.example/healthz", "Host: localhost\r\n", 403),
        ("http://localhost/healthz", "Host: evil.example\r\n", 403),
        ("http://user@localhost/healthz", "Host: localhost\r\n", 403),
        ("http://localhost/healthz", "Host: localhost\r\nOrigin: http://localhost\r\n", 200),
        ("http://127.0.0.1/healthz", "Host: localhost\r\nOrigin: http://localhost\r\n", 403),
    ] {
        let answer = ask(&world, "GET", target, "1.1", lines);
        assert_eq!(answer.status, status, "{target} {lines}: {}", answer.body);
    }
    assert_eq!(ask(&world, "GET", "http://evil.example/healthz", "1.0", "").status, 403);
    assert_eq!(ask(&world, "GET", "http://localhost/healthz", "1.0", "").status, 200);
}

#[test]
fn an_origin_has_the_host_and_the_port_of_the_host() {
    let world = World::empty();
    let status =
        |host: &str, lines: &str| ask(&world, "GET", "/healthz", "1.1", &format!("Host: {host}\r\n{lines}")).status;
    for (host, origin) in [
        ("localhost:8080", "http://localhost:8080"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "http://localhost:80"),
        // behind a proxy that speaks TLS
        ("tagd", "https://tagd"),
        ("tagd:443", "https://tagd"),
        ("TAGD", "http://tagd"),
        ("[::1]:8080", "http://[::1]:8080"),
    ] {
        assert_eq!(status(host, &format!("Origin: {origin}\r\n")), 200, "{host} {origin}");
    }
    for (host, origin) in [
        ("localhost:8080", "http://localhost"),
        ("localhost:8080", "http://localhost:8081"),
        ("localhost:8080", "http://127.0.0.1:8080"),
        ("localhost:8080", "https://localhost"),
        ("localhost:8080", "http://evil.example:8080"),
        ("localhost:8080", "http://localhost:8080.evil.example"),
        ("localhost:8080", "http://localhost:8080@evil.example"),
        ("localhost", "localhost"),
        ("localhost", "chrome-extension://localhost"),
        ("localhost", "file://"),
        ("localhost", "null"),
        ("localhost", "NULL"),
        ("localhost", ""),
        ("localhost", "http://localhost http://evil.example"),
        ("localhost", "http://localhost\r\nOrigin: http://evil.example"),
        ("localhost", "http://\u{e4}"),
    ] {
        assert_eq!(status(host, &format!("Origin: {origin}\r\n")), 403, "{host} {origin}");
    }
    for (site, right) in
        [("none", 200), ("same-origin", 200), ("same-site", 403), ("cross-site", 403), ("Cross-Site", 403)]
    {
        assert_eq!(status("localhost", &format!("Sec-Fetch-Site: {site}\r\n")), right, "{site}");
    }
}

#[test]
fn a_body_without_a_content_type_changes_nothing_and_asks_as_ever() {
    let world = World::with(&Wire::ALL.map(|wire| wire.resource("r", "", &[("env", "prod")])));
    let everything = || world.send("GET", "/registry/v1/export", &[], b"").body;
    let before = everything();
    let line = br#"{"project_id":"p","resource_type":"ecs","resource_id":"new","tags":[]}"#;
    let pair = r#"[{"key":"k","value":"v"}]"#;
    let batch =
        format!(r#"{{"project_id":"p","resources":[{{"resource_id":"r","resource_type":"ecs"}}],"tags":{pair}}}"#);
    let predefined = format!(r#"{{"action":"create","tags":{pair}}}"#);
    let replaced = r#"{"old_tag":{"key":"k","value":"v"},"new_tag":{"key":"l","value":"v"}}"#;
    let one = "/registry/v1/projects/p/types/ecs/resources/r";
    let tags = &format!("{one}/tags");
    for (method, path, body) in [
        ("POST", "/registry/v1/import", &line[..]),
        ("POST", "/registry/v1/import?strict=true", line),
        ("PUT", one, b"{}"),
        ("PUT", tags, br#"{"tags":[]}"#),
        ("PUT", "/registry/v1/projects/p", b"{}"),
        ("PUT", "/registry/v1/types/new", br#"{"service":"TMS","regional":false,"tag_quota":20}"#),
        ("DELETE", one, b"{}"),
        ("DELETE", "/registry/v1/projects/p?with_resources=true", b"{}"),
        ("DELETE", "/registry/v1/types/disk", b"{}"),
        ("POST", "/v1.0/resource-tags/batch-create", batch.as_bytes()),
        ("POST", "/v1.0/resource-tags/batch-delete", batch.as_bytes()),
        ("POST", "/v1.0/predefine_tags/action", predefined.as_bytes()),
        ("PUT", "/v1.0/predefine_tags", replaced.as_bytes()),
    ] {
        let answer = world.send(method, path, &[], body);
        assert_eq!(answer.status, 415, "{method} {path}: {}", answer.body);
        assert!(answer.body.contains("Content-Type: is required"), "{method} {path}: {}", answer.body);
        if !path.contains("/types/ecs") {
            let headers = [("Content-Type", "application/json"), ("If-Match", "*")];
            let answer = world.send(method, path, &headers, body);
            assert_eq!(answer.status, 400, "{method} {path}: {}", answer.body);
            assert!(answer.body.contains("If-Match: "), "{method} {path}: {}", answer.body);
        }
    }
    // in chunks, where the length is not told
    let lines = "POST /registry/v1/import HTTP/1.1\r\nHost: tagd\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!("{lines}{:x}\r\n{}\r\n0\r\n\r\n", line.len(), String::from_utf8_lossy(line));
    assert_eq!(exchange(&world, chunks.as_bytes()).answer().status, 415);
    assert_eq!(everything(), before);
    assert_eq!(world.send("GET", "/v1.0/predefine_tags", &[], b"").json()["total_count"], 0);

    for wire in Wire::ALL {
        let body = wire.body(&json!({})).to_string();
        let mut connection = Connection::open(&world);
        connection.send(&post(wire.path().as_bytes(), "", body.as_bytes()));
        assert_eq!(connection.read().answer().status, 200, "a query changes nothing");
        connection.send(&post(wire.path().as_bytes(), JSON, body.as_bytes()));
        assert_eq!(connection.read().answer().status, 200);
    }
    // nothing is no body
    assert_eq!(world.send("POST", "/registry/v1/import", &[], b"").status, 200);
    assert_eq!(world.send("DELETE", one, &[], b"").status, 204);
}
