//! Clients that hang up, requests that take too long, too many requests.

use std::{io::Read, net::Shutdown, time::Duration};

use serde_json::json;
use tagd::http::LimitSettings;

use super::{Held, VERSIONS, connect, is_crowded, limited, read_one, request, rest_of, send};
use crate::support::{Wire, World, eventually};

const NDJSON: &str = "application/x-ndjson";

fn one_request() -> LimitSettings {
    LimitSettings { max_requests: 1, ..LimitSettings::default() }
}

fn query(wire: Wire) -> String {
    request("POST", wire.path(), "application/json", &wire.body(&json!({})).to_string())
}

fn import(strict: bool) -> String {
    let line = r#"{"project_id":"p","resource_type":"images","resource_id":"imported","tags":[]}"#;
    let query = if strict { "?strict=true" } else { "" };
    request("POST", &format!("/registry/v1/import{query}"), NDJSON, line)
}

fn check_imported(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""created":1,"#), "{answer}");
}

fn has_imported(world: &World) -> bool {
    world.send("GET", "/registry/v1/export", &[], b"").body.contains("imported")
}

#[test]
fn a_request_ends_with_its_client() {
    let world = limited(one_request());
    assert!(!is_crowded(&world));
    let mut held = Held::over(&world);
    for wire in Wire::ALL {
        let client = send(&world, &query(wire));
        held.wait_for(1);
        eventually("it is under way", || is_crowded(&world));
        // health is answered all the same
        assert_eq!(world.send("GET", "/healthz", &[], b"").status, 200);
        assert_ne!(world.send("GET", "/readyz", &[], b"").status, 429);
        drop(client);
        eventually("it has ended", || !is_crowded(&world));
        held.wait_for_none();
    }
    held.release();
    assert_eq!(Wire::Ims.page(&world, &json!({})), (Vec::new(), 0));
}

#[test]
fn a_request_that_waits_for_a_connection_ends_with_its_client_and_others_get_the_connection() {
    let running = 20;
    let world = limited(LimitSettings { max_requests: running + 1, ..LimitSettings::default() });
    let mut held = Held::over(&world);
    // more than there are connections
    let clients: Vec<_> = (0..=running).map(|_| send(&world, &query(Wire::Ims))).collect();
    held.wait_for(1);
    eventually("all are under way", || is_crowded(&world));
    let mut clients = clients.into_iter();
    drop(clients.next_back());
    eventually("the last one has ended", || !is_crowded(&world));
    held.release();
    // none of the others has
    for client in clients {
        let answer = read_one(client);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[test]
fn a_client_that_has_closed_its_own_direction_has_gone() {
    let world = limited(one_request());
    let mut held = Held::over(&world);
    let client = send(&world, &query(Wire::Ims));
    held.wait_for(1);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest_of(client), "");
    eventually("it has ended", || !is_crowded(&world));
    held.release();
    // what is answered at once is answered
    let client = send(&world, &format!("GET {VERSIONS} HTTP/1.1\r\nHost: tagd\r\n\r\n"));
    client.shutdown(Shutdown::Write).unwrap();
    assert!(rest_of(client).starts_with("HTTP/1.1 200 OK\r\n"));
}

/// All that it reads ahead of a running request are 128 KiB, behind which it does not see the end of the client.
#[test]
fn a_client_that_has_gone_is_noticed_behind_all_that_it_has_sent() {
    let world = limited(one_request());
    let mut held = Held::over(&world);
    let ahead = query(Wire::Ims).repeat(4000);
    let client = send(&world, &ahead);
    held.wait_for(1);
    drop(client);
    eventually("all have ended", || !is_crowded(&world));
    held.wait_for_none();
    held.release();
}

#[test]
fn an_import_goes_on_when_its_client_has_sent_all_and_closes_its_direction() {
    for strict in [false, true] {
        let world = World::new();
        let mut held = Held::over(&world);
        let importing = send(&world, &import(strict));
        importing.shutdown(Shutdown::Write).unwrap();
        held.wait_for(1);
        // as long as it takes to notice it of another request
        let asking = send(&world, &query(Wire::Ims));
        asking.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest_of(asking), "");
        held.release();
        check_imported(&read_one(importing));
        assert!(has_imported(&world));
    }
}

#[test]
fn an_import_ends_when_its_connection_breaks() {
    let world = limited(one_request());
    let mut held = Held::over(&world);
    let text = import(true).replace("Host: tagd\r\n", "Host: tagd\r\nExpect: 100-continue\r\n");
    let importing = send(&world, &text);
    held.wait_for(1);
    // a client that has not read what it was sent, here 100 Continue, resets the connection when it closes it
    eventually("100 Continue has arrived", || importing.peek(&mut [0]).unwrap() > 0);
    drop(importing);
    eventually("it has ended", || !is_crowded(&world));
    held.wait_for_none();
    held.release();
    assert!(!has_imported(&world));
}

#[test]
fn a_request_that_takes_too_long_is_refused_in_the_form_of_its_path_and_an_import_is_not() {
    let world = limited(LimitSettings { deadline: Duration::from_millis(300), ..LimitSettings::default() });
    let mut held = Held::over(&world);
    let importing = send(&world, &import(true));
    held.wait_for(1);
    let reason = "the request did not end within its time; try again later";
    for wire in Wire::ALL {
        let answer = wire.ask(&world, &json!({}));
        assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (503, "1"), "{}", answer.body);
        assert_eq!(wire.error(&answer).1, reason);
    }
    let answer = world.send("GET", "/registry/v1/types", &[], b"");
    assert_eq!((answer.status, &answer.json()["error_code"]), (503, &json!("REGISTRY.0015")), "{}", answer.body);
    assert_eq!(answer.json()["error_msg"], reason);
    // the connection of a request that was given up is closed
    let mut client = send(&world, &query(Wire::Ims));
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.contains("\r\nx-request-id: "), "{answer}");
    held.release();
    check_imported(&read_one(importing));
}

#[test]
fn requests_whose_body_is_still_to_come_are_not_under_way_but_count_once_it_has_come() {
    let world = limited(one_request());
    let text = query(Wire::Ims);
    let (begun, end) = text.split_at(text.len() - 1);
    let mut clients: Vec<_> = (0..3).map(|_| send(&world, begun)).collect();
    assert!(!is_crowded(&world));
    let mut held = Held::over(&world);
    let running = send(&world, &query(Wire::Ims));
    held.wait_for(1);
    for client in &mut clients {
        std::io::Write::write_all(client, end.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    for client in clients {
        let answer = rest_of(client);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\"code\":\"IMG.0061\"") && answer.contains("as many requests"), "{answer}");
    }
    held.release();
    drop(running);
    eventually("it has ended", || !is_crowded(&world));
    drop(connect(&world));
}
