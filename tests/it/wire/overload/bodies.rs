//! The memory of bodies, and imports that are sent too slowly.

use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::json;
use tagd::http::LimitSettings;

use super::{connect, limited, request, rest_of, send};
use crate::support::{Wire, World, eventually};

/// What a body may have besides the budget that is tested.
const FREE: usize = 64 * 1024;
const ROOM: usize = 1024 * 1024;

fn roomy() -> World {
    limited(LimitSettings { body_bytes: ROOM, ..LimitSettings::default() })
}

fn padded(body: &str, length: usize) -> String {
    body.to_owned() + &" ".repeat(length - body.len())
}

/// A query of some length.
fn body(wire: Wire, length: usize) -> String {
    padded(&wire.body(&json!({})).to_string(), length)
}

#[test]
fn a_body_that_finds_no_room_is_refused_in_the_form_of_its_path_and_the_connection_lives_on() {
    let world = roomy();
    let reason = "body: the memory for bodies is used up; try again later";
    for wire in Wire::ALL {
        // the room is free again each time
        for _ in 0..3 {
            assert_eq!(world.post(wire.path(), &body(wire, FREE + ROOM)).status, 200);
        }
        let answer = world.post(wire.path(), &body(wire, FREE + ROOM + 1));
        assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (503, "1"), "{}", answer.body);
        assert_eq!(wire.error(&answer).1, reason);
        assert!(!answer.headers.contains_key("connection"), "{:?}", answer.headers);
    }
    let put = |length: usize| {
        let body = padded(r#"{"service":"IMS","regional":true,"tag_quota":10}"#, length);
        world.send("PUT", "/registry/v1/types/images", &[("Content-Type", "application/json")], body.as_bytes())
    };
    for _ in 0..3 {
        assert_eq!(put(FREE + ROOM).status, 200);
    }
    let answer = put(FREE + ROOM + 1);
    assert_eq!((answer.status, &answer.json()["error_code"]), (503, &json!("REGISTRY.0015")));
    assert_eq!(answer.json()["error_msg"], reason);
}

#[test]
fn bodies_under_way_share_the_room_and_small_ones_always_find_some() {
    let world = roomy();
    let large = body(Wire::Ims, FREE + ROOM);
    let text = request("POST", Wire::Ims.path(), "application/json", &large);
    let probe = || world.post(Wire::Ims.path(), &body(Wire::Ims, FREE + 2)).status;
    assert_eq!(probe(), 200);
    // all but the last byte of a body that takes the whole room
    // again and again, since a probe may be in the way of it
    let mut clients = Vec::new();
    eventually("the body takes the room", || {
        clients.push(send(&world, &text[..text.len() - 1]));
        probe() == 503
    });
    assert_eq!(world.post(Wire::Ims.path(), &body(Wire::Ims, FREE)).status, 200);
    drop(clients);
    eventually("the room is free again", || probe() == 200);
}

#[test]
fn an_import_that_brings_only_blanks_is_ended_and_told_why() {
    let world = limited(LimitSettings { patience: Duration::from_secs(1), ..LimitSettings::default() });
    for (query, kept) in [("", "the batches before it were imported"), ("?strict=true", "nothing was imported")] {
        let head = format!(
            "POST /registry/v1/import{query} HTTP/1.1\r\nHost: tagd\r\nContent-Type: application/x-ndjson\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        let stream = send(&world, &head);
        let mut sending = stream.try_clone().unwrap();
        let is_over = AtomicBool::new(false);
        let answer = thread::scope(|scope| {
            scope.spawn(|| {
                // fails once the server has closed
                while !is_over.load(Ordering::Relaxed) && sending.write_all(b"1\r\n\n\r\n").is_ok() {
                    thread::sleep(Duration::from_millis(50));
                }
            });
            let answer = rest_of(stream);
            is_over.store(true, Ordering::Relaxed);
            answer
        });
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("REGISTRY.0012"), "{answer}");
        let reason = format!("body: must arrive at 1024 bytes a second or more, without the blanks in it; {kept}");
        assert!(answer.contains(&reason), "{answer}");
    }
    // the slots are free
    for _ in 0..4 {
        assert_eq!(
            world.send("POST", "/registry/v1/import", &[("Content-Type", "application/x-ndjson")], b"").status,
            200
        );
    }
    drop(connect(&world));
}
