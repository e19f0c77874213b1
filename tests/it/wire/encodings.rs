//! What bodies may be coded in: byte order marks, UTF-16, gzip on import and export; and an export over HTTP/1.0.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::support::{Broken, Wire, World, block_on, registration};

struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// Code and message of an error.
    fn error(&self) -> (String, String) {
        let json = self.json();
        let text = |field: &str| json[field].as_str().unwrap().to_owned();
        (text("error_code"), text("error_msg"))
    }
}

/// Sends a request to the registry; the answer as it is.
fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{}/registry/v1{path}", world.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = if method == "GET" {
        agent.run(request.body(()).unwrap()).unwrap()
    } else {
        agent.run(request.body(body).unwrap()).unwrap()
    };
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Reply {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        body: answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap(),
    }
}

fn import(world: &World, query: &str, coding: &str, body: &[u8]) -> Reply {
    let headers = [("Content-Type", "application/x-ndjson"), ("Content-Encoding", coding)];
    send(world, "POST", &format!("/import{query}"), &headers, body)
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

fn line(id: &str) -> String {
    let line = json!({ "project_id": "p", "resource_type": "images", "resource_id": id, "tags": [] });
    format!("{line}\n")
}

fn exported(world: &World) -> Vec<String> {
    let body = String::from_utf8(send(world, "GET", "/export?only=resource", &[], b"").body).unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["resource_id"].as_str().unwrap().to_owned();
    body.lines().map(id).collect()
}

fn utf16(text: &str, is_big: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[test]
fn a_byte_order_mark_is_passed_over_and_utf16_told_by_name_in_every_dialect() {
    let world = World::empty();
    for wire in Wire::ALL {
        let body = wire.body(&json!({})).to_string();
        let post = |body: &[u8]| world.send("POST", wire.path(), &[("Content-Type", "application/json")], body);
        assert_eq!(post(format!("\u{feff}{body}").as_bytes()).status, 200, "{wire:?}");
        // one mark, and only in front
        for wrong in [format!("\u{feff}\u{feff}{body}"), format!("{body}\u{feff}"), "\u{feff}".to_owned()] {
            wire.check_refusal(&post(wrong.as_bytes()), Broken::General, &[], &wrong);
        }
        for text in [body.clone(), format!("\u{feff}{body}")] {
            for is_big in [false, true] {
                let answer = post(&utf16(&text, is_big));
                wire.check_refusal(&answer, Broken::General, &["must be UTF-8, got UTF-16"], &text);
            }
        }
    }
}

#[test]
fn a_byte_order_mark_is_passed_over_and_utf16_told_by_name_in_the_registry() {
    let world = World::new();
    let put = |path: &str, body: &[u8]| send(&world, "PUT", path, &[("Content-Type", "application/json")], body);
    let one = "/projects/p/types/images/resources/r";
    let bodies = [
        ("/types/buckets", r#"{"service":"TMS","regional":false,"tag_quota":20}"#),
        ("/projects/p", r#"{"project_name":"shop"}"#),
        (one, r#"{"tags":[{"key":"a","value":"b"}]}"#),
        (&format!("{one}/tags"), r#"{"tags":[{"key":"a","value":"c"}]}"#),
    ];
    for (path, body) in bodies {
        for wide in [utf16(body, false), utf16(&format!("\u{feff}{body}"), true)] {
            let reply = put(path, &wide);
            let expected = ("REGISTRY.0001".to_owned(), "body: must be UTF-8, got UTF-16".to_owned());
            assert_eq!((reply.status, reply.error()), (400, expected), "{path}");
        }
        let status = put(path, format!("\u{feff}{body}").as_bytes()).status;
        assert!([200, 201].contains(&status), "{path}: {status}");
    }
    let lines = [line("x"), line("y")].concat();
    for query in ["", "?strict=true"] {
        for wide in [utf16(&lines, true), utf16(&format!("\u{feff}{lines}"), false)] {
            for (coding, body) in [("identity", wide.clone()), ("gzip", packed(&wide))] {
                let reply = import(&world, query, coding, &body);
                let expected = ("REGISTRY.0001".to_owned(), "body: must be UTF-8, got UTF-16".to_owned());
                assert_eq!((reply.status, reply.error()), (400, expected), "{coding}");
            }
        }
    }
    assert_eq!(exported(&world), ["r"]);
    assert_eq!(import(&world, "", "identity", format!("\u{feff}{lines}").as_bytes()).json()["created"], 2);
}

#[test]
fn an_import_may_be_gzip() {
    let world = World::new();
    let lines: String = (0..3000).map(|i| line(&format!("r{i}"))).collect();
    let (front, back) = lines.split_at(lines.len() / 2);
    let bodies =
        [("gzip", packed(lines.as_bytes())), ("x-gzip", [packed(front.as_bytes()), packed(back.as_bytes())].concat())];
    for (i, (coding, body)) in bodies.iter().enumerate() {
        for query in ["", "?strict=true"] {
            let reply = import(&world, query, coding, body);
            assert_eq!(reply.status, 200, "{:?}", reply.json());
            let expected = if i == 0 && query.is_empty() { (3000, 0) } else { (0, 3000) };
            assert_eq!(
                (&reply.json()["created"], &reply.json()["unchanged"]),
                (&json!(expected.0), &json!(expected.1))
            );
        }
    }
    assert_eq!(import(&world, "", "GZIP", &packed(b"")).json()["rejected_count"], 0);
    // a bad line in it has its number
    let reply = import(&world, "?strict=true", "gzip", &packed(format!("{}{{}}\n", line("new")).as_bytes()));
    assert!(reply.error().1.starts_with("line 2: "), "{:?}", reply.error());
    for coding in ["br", "deflate", "gzip, gzip", "gzip, br", "zip"] {
        let reply = import(&world, "", coding, &packed(lines.as_bytes()));
        assert_eq!((reply.status, reply.error().0.as_str()), (415, "REGISTRY.0014"), "{coding:?}");
        assert!(reply.error().1.contains("Content-Encoding"), "{:?}", reply.error());
    }
}

#[test]
fn gzip_that_is_damaged_or_cut_off_is_refused_and_strict_keeps_nothing() {
    let good = packed([line("a"), line("b")].concat().as_bytes());
    let mut damaged = good.clone();
    let sum = damaged.len() - 8;
    damaged[sum] ^= 1;
    let cases = [
        (good[..good.len() - 1].to_vec(), "ends too early"),
        (good[..good.len() / 2].to_vec(), "ends too early"),
        (Vec::new(), "ends too early"),
        (damaged, "damaged"),
        (line("a").into_bytes(), "damaged"),
        ([good.clone(), b"more text that is no gzip".to_vec()].concat(), "is followed by other data"),
        ([good.clone(), b"x".to_vec()].concat(), "is followed by other data"),
    ];
    let world = World::new();
    for (body, words) in cases {
        for query in ["", "?strict=true"] {
            let reply = import(&world, query, "gzip", &body);
            let (code, message) = reply.error();
            assert_eq!((reply.status, code.as_str()), (400, "REGISTRY.0011"), "{message}");
            assert!(message.starts_with("Content-Encoding: gzip: ") && message.contains(words), "{message}");
            assert_eq!(exported(&world), Vec::<String>::new(), "no whole batch was there: {message}");
        }
    }
    assert_eq!(import(&world, "?strict=true", "gzip", &good).json()["created"], 2);
}

#[test]
fn a_line_of_gzip_is_bounded_and_so_is_what_a_small_body_may_go_on_with() {
    let world = World::new();
    let long = " ".repeat(3 << 20) + "x\n";
    let reply = import(&world, "", "gzip", &packed((long + &line("a")).as_bytes())).json();
    assert_eq!(
        (&reply["created"], &reply["rejected_count"], &reply["rejected"][0]["line"]),
        (&json!(1), &json!(1), &json!(1))
    );
    // members of a mebibyte, a kilobyte each: blank lines, and one line that does not end
    for (query, last) in [("", b'\n'), ("?strict=true", b' ')] {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&[vec![b' '; (1 << 20) - 1], vec![last]].concat()).unwrap();
        let bomb = encoder.finish().unwrap().repeat(300);
        assert!(bomb.len() < 1 << 20);
        let reply = import(&world, query, "gzip", &[packed(line("b").as_bytes()), bomb].concat());
        let (code, message) = reply.error();
        assert_eq!((reply.status, code.as_str()), (400, "REGISTRY.0011"), "{message}");
        assert!(message.contains("more than 268435456 bytes without a line that can be read"), "{message}");
        assert_eq!(exported(&world), ["a"]);
    }
}

#[test]
fn resources_that_gzip_packs_very_well_are_imported() {
    let world = World::new();
    let detail = vec!["1"; 490_000].join(",");
    let lines: String = (0..20)
        .map(|i| {
            format!(
                r#"{{"project_id":"p","resource_type":"images","resource_id":"r{i}","resource_detail":[{detail}],"tags":[]}}"#
            ) + "\n"
        })
        .collect();
    let body = packed(lines.as_bytes());
    assert!(body.len() * 200 < lines.len(), "{}", body.len());
    assert_eq!(import(&world, "", "gzip", &body).json()["created"], 20);
}

#[test]
fn a_long_wrong_value_is_not_repeated_in_the_report() {
    let world = World::new();
    let long = "x".repeat(1 << 20);
    let lines = format!(
        "{}\n{}\n",
        json!({ "project_id": "p", "resource_type": "images", "resource_id": "a", "tags": long }),
        json!({ "project_id": "p", "resource_type": "images", "resource_id": "a", "tags": [], long.as_str(): 1 }),
    );
    let reply = import(&world, "", "identity", lines.as_bytes());
    assert_eq!(reply.json()["rejected_count"], 2);
    assert!(reply.body.len() < 2000, "{}", reply.body.len());
    let body = json!({ "tags": long }).to_string();
    let json = [("Content-Type", "application/json")];
    let reply = send(&world, "PUT", "/projects/p/types/images/resources/a", &json, body.as_bytes());
    assert_eq!((reply.status, reply.body.len() < 1000), (400, true), "{}", reply.body.len());
}

/// Resources whose export is large, packed too.
fn large(count: usize, bytes: usize) -> World {
    let mut seed = 1_u64;
    let mut digit = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from_digit((seed >> 60) as u32, 16).unwrap()
    };
    let fleet: Vec<_> = (0..count)
        .map(|i| {
            let mut one = registration("images", &format!("r{i}"), "", &[("k", "v")]);
            one.resource.detail = Some(format!("\"{}\"", (0..bytes).map(|_| digit()).collect::<String>()));
            one
        })
        .collect();
    World::with(&fleet)
}

#[test]
fn an_export_is_gzip_for_clients_that_take_it() {
    let world = large(600, 300);
    let plain = send(&world, "GET", "/export?only=resource", &[], b"");
    assert!(plain.body.len() > 128 * 1024, "more than one piece: {}", plain.body.len());
    for (accepted, is_packed) in [
        ("gzip", true),
        ("deflate, gzip;q=1.0, *;q=0.5", true),
        ("br;q=1, gzip;q=0.2", true),
        ("gzip;q=0", false),
        ("gzip;q=0.000, identity", false),
        ("identity, gzip;q=0.5", false),
        ("br, deflate", false),
        ("identity", false),
        ("*", false),
        ("", false),
        ("gzip;q=nonsense", false),
    ] {
        let reply = send(&world, "GET", "/export?only=resource", &[("Accept-Encoding", accepted)], b"");
        assert_eq!(reply.status, 200, "{accepted}");
        assert_eq!(reply.headers["content-type"], "application/x-ndjson");
        assert_eq!(reply.headers["vary"].to_ascii_lowercase(), "accept-encoding", "{accepted}");
        assert_eq!(
            reply.headers.get("content-encoding").map(String::as_str),
            is_packed.then_some("gzip"),
            "{accepted}"
        );
        if is_packed {
            assert!(reply.body.len() < plain.body.len());
            assert!(unpacked(&reply.body) == plain.body, "{accepted}");
            assert_eq!(import(&world, "?strict=true", "gzip", &reply.body).json()["unchanged"], 600);
        } else {
            assert!(reply.body == plain.body, "{accepted}");
        }
    }
    let empty = World::new();
    let reply = send(&empty, "GET", "/export?only=resource", &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(unpacked(&reply.body), b"");
}

/// Asks for an export by hand; what comes at first.
fn ask(world: &World, version: &str, accepted: &str) -> TcpStream {
    let mut client = TcpStream::connect(world.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "GET /registry/v1/export HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\nAccept-Encoding: {accepted}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).unwrap();
    client
}

#[test]
fn an_export_that_fails_is_broken_off_also_as_gzip() {
    let world = large(6000, 4000);
    for accepted in ["gzip", "identity"] {
        let mut client = ask(&world, "1.1", accepted);
        let mut answer = vec![0; 2000];
        client.read_exact(&mut answer).unwrap();
        // the rest does not fit into what lies between: the statement is not over
        block_on(async {
            let mut owner = world.db.connect().await;
            let ended: i64 = sqlx::query_scalar(
                "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
                  where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null",
            )
            .fetch_one(&mut owner)
            .await
            .unwrap();
            assert!(ended >= 1, "the export of a whole fleet was over at once");
            owner.close().await.unwrap();
        });
        // an error or an end: what matters is that the last chunk is missing
        let _ = client.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
        assert!(!answer.ends_with(b"0\r\n\r\n"), "{accepted}: taken for whole after {} bytes", answer.len());
    }
    let mut whole = Vec::new();
    ask(&world, "1.1", "gzip").read_to_end(&mut whole).unwrap();
    assert!(whole.ends_with(b"0\r\n\r\n"));
}

#[test]
fn an_export_over_http_1_0_is_505() {
    let world = World::with(&[registration("images", "r", "", &[])]);
    for accepted in ["gzip", "identity"] {
        let mut answer = String::new();
        ask(&world, "1.0", accepted).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap().split(' ').nth(1).unwrap();
        assert_eq!(status, "505", "{answer}");
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error_code"], "REGISTRY.0020");
        assert!(body["error_msg"].as_str().unwrap().contains("HTTP/1.1"), "{answer}");
    }
}
