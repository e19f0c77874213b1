//! The memory of large answers, and clients that do not take them.

use std::{io::Read, net::TcpStream, time::Duration};

use serde_json::json;
use tagd::{domain::change::Registration, http::LimitSettings};

use super::{limited, read_one, request, rest_of, send};
use crate::support::{Answer, Wire, World, eventually};

const KIB: usize = 1024;

/// A world with 1,000 images, whose details have a length.
fn world_of(details: usize, limits: LimitSettings) -> World {
    let world = limited(limits);
    let detail = json!({ "text": "x".repeat(details) }).to_string();
    let fleet = (0..1000).map(|i| {
        let mut registration = Wire::Ims.resource(&format!("r{i:04}"), "", &[]);
        registration.resource.detail = Some(detail.clone());
        registration
    });
    world.load(&fleet.collect::<Vec<Registration>>());
    world
}

fn page(world: &World, limit: usize) -> Answer {
    Wire::Ims.ask(world, &json!({ "limit": limit }))
}

fn list(world: &World, limit: usize) -> Answer {
    world.send("GET", &format!("/registry/v1/projects/p/types/images/resources?limit={limit}"), &[], b"")
}

fn count_of(answer: &Answer) -> usize {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
    answer.json()["resources"].as_array().unwrap().len()
}

/// A client that has asked for the largest page, which is larger than all memory for answers, and does not read it.
fn reader_of_nothing(world: &World) -> TcpStream {
    let body = json!({ "action": "filter", "limit": 1000 }).to_string();
    let mut client = send(world, &request("POST", Wire::Ims.path(), "application/json", &body));
    let mut begun = [0; 12];
    client.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    client
}

#[test]
fn an_answer_beyond_the_memory_is_refused_in_the_form_of_its_path_and_never_shortened() {
    // what takes as long as the test may
    let patience = Duration::from_hours(1);
    let world = world_of(8000, LimitSettings { answer_bytes: 1024 * KIB, patience, ..LimitSettings::default() });
    for _ in 0..2 {
        assert_eq!((count_of(&page(&world, 1000)), count_of(&list(&world, 1000))), (1000, 1000));
    }
    let client = reader_of_nothing(&world);
    let reason = "the memory for large answers is used up; try again later";
    for wire_answer in [page(&world, 10), page(&world, 1000)] {
        assert_eq!(
            (wire_answer.status, wire_answer.headers["retry-after"].as_str()),
            (503, "1"),
            "{}",
            wire_answer.body
        );
        assert_eq!(Wire::Ims.error(&wire_answer).1, reason);
    }
    let answer = list(&world, 10);
    assert_eq!((answer.status, &answer.json()["error_code"]), (503, &json!("REGISTRY.0015")), "{}", answer.body);
    assert_eq!(answer.json()["error_msg"], reason);
    // an answer in pieces takes what a piece and the buffers need
    assert_eq!(world.send("GET", "/registry/v1/export", &[], b"").status, 503);
    // small ones need none
    assert_eq!((count_of(&page(&world, 7)), count_of(&list(&world, 7))), (7, 7));
    // the answer to a change is sent all the same
    let field = "x".repeat(60);
    let bad = format!("{{\"project_id\":\"p\",\"resource_type\":\"images\",\"resource_id\":\"r\",\"{field}\":1}}\n");
    let headers = [("Content-Type", "application/x-ndjson")];
    let answer = world.send("POST", "/registry/v1/import", &headers, bad.repeat(1000).as_bytes());
    assert_eq!((answer.status, answer.json()["rejected"].as_array().unwrap().len()), (200, 1000));
    assert!(answer.body.len() > 64 * KIB);
    // and the first client gets all of its own when it reads
    assert!(read_one(client).len() > 8_000_000);
    assert_eq!(count_of(&page(&world, 1000)), 1000);
    assert_eq!(world.send("GET", "/registry/v1/export?only=resource", &[], b"").body.lines().count(), 1000);
}

/// A sample of the metrics.
fn sample(world: &World, name: &str) -> u64 {
    let page = world.send("GET", "/metrics", &[], b"").body;
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

const REFUSED: &str = "tagd_http_requests_shed_total{reason=\"memory_answers\"}";
const TAKEN: &str = "tagd_http_memory_bytes{budget=\"answers\"}";

#[test]
fn an_answer_without_room_is_given_up_while_it_is_read() {
    let patience = Duration::from_hours(1);
    let world = world_of(8000, LimitSettings { answer_bytes: 1024 * KIB, patience, ..LimitSettings::default() });
    let long = "x".repeat(200);
    let policy =
        json!({ "key": "k", "values": (0..400).map(|i| format!("{long}{i}")).collect::<Vec<_>>() }).to_string();
    let put =
        world.send("PUT", "/registry/v1/policies/long", &[("Content-Type", "application/json")], policy.as_bytes());
    assert_eq!(put.status, 201, "{}", put.body);
    // the second import changes what the first has registered, which leaves entries in the history
    for value in ["old", "new"] {
        let tags = json!([{ "key": "k", "value": value }]);
        let line =
            |i| json!({ "project_id": "q", "resource_type": "images", "resource_id": format!("q{i}"), "tags": tags });
        let lines: String = (0..500).map(|i| format!("{}\n", line(i))).collect();
        let headers = [("Content-Type", "application/x-ndjson")];
        let answer = world.send("POST", "/registry/v1/import", &headers, lines.as_bytes());
        assert_eq!((answer.status, &answer.json()["rejected_count"]), (200, &json!(0)), "{}", answer.body);
    }
    let changes = "/registry/v1/projects/q/history?limit=1000";
    let history = world.send("GET", changes, &[], b"");
    assert!(history.body.len() > 64 * KIB, "{history:?}");
    let client = reader_of_nothing(&world);
    let taken = sample(&world, TAKEN);
    let ask: [&dyn Fn() -> Answer; 5] = [
        &|| page(&world, 1000),
        &|| list(&world, 1000),
        &|| world.send("GET", changes, &[], b""),
        &|| world.send("GET", "/registry/v1/history?start=beginning&limit=1000", &[], b""),
        &|| world.send("GET", "/registry/v1/policies", &[], b""),
    ];
    for (asked, ask) in ask.iter().enumerate() {
        let cancelled = sample(&world, "tagd_statements_cancelled_total");
        let refused = sample(&world, REFUSED);
        let answer = ask();
        assert_eq!(answer.status, 503, "{asked}: {}", answer.body);
        assert_eq!(sample(&world, REFUSED), refused + 1, "{asked}");
        assert_eq!(sample(&world, "tagd_statements_cancelled_total"), cancelled + 1, "{asked}");
        assert_eq!(sample(&world, TAKEN), taken, "{asked}");
    }
    // what was given up costs nobody a connection
    assert_eq!((count_of(&page(&world, 7)), count_of(&list(&world, 7))), (7, 7));
    assert!(read_one(client).len() > 8_000_000);
    eventually("all is given back", || sample(&world, TAKEN) == 0);
    for (asked, ask) in ask.iter().enumerate() {
        assert_eq!(ask().status, 200, "{asked}");
    }
    eventually("all is given back", || sample(&world, TAKEN) == 0);
}

/// Over HTTP/1.0 a list is one piece.
#[test]
fn a_list_that_has_no_room_as_a_whole_is_refused() {
    let world = world_of(
        8000,
        LimitSettings { answer_bytes: 1, patience: Duration::from_hours(1), ..LimitSettings::default() },
    );
    let value = "x".repeat(200);
    let tags = |i: usize| (0..10).map(|k| (format!("k{k}"), format!("{value}{i}"))).collect::<Vec<_>>();
    let fleet = (0..500).map(|i| {
        let tags = tags(i);
        let tags: Vec<_> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        Wire::Ims.resource(&format!("t{i:04}"), "", &tags)
    });
    world.load(&fleet.collect::<Vec<Registration>>());
    let old = || rest_of(send(&world, "GET /v2/p/images/tags HTTP/1.0\r\n\r\n"));
    assert!(old().len() > 1_000_000);
    let client = reader_of_nothing(&world);
    let refused = sample(&world, REFUSED);
    assert!(old().starts_with("HTTP/1.0 503"));
    assert_eq!(sample(&world, REFUSED), refused + 1);
    drop(client);
    eventually("all is given back", || sample(&world, TAKEN) == 0);
    assert!(old().len() > 1_000_000);
}

#[test]
fn a_client_that_takes_nothing_is_closed_and_what_it_held_is_free() {
    let patience = Duration::from_secs(2);
    let limits = LimitSettings { answer_bytes: KIB * KIB, patience, ..LimitSettings::default() };
    let world = world_of(8000, limits);
    let client = reader_of_nothing(&world);
    assert_eq!(page(&world, 1000).status, 503);
    assert_eq!(count_of(&page(&world, 5)), 5);
    eventually("it is closed", || page(&world, 1000).status == 200);
    assert!(rest_of(client).len() < 8 * KIB * KIB, "the answer is cut off");
}

#[test]
fn a_client_that_takes_its_answer_in_time_gets_all_of_it() {
    let world = world_of(8000, LimitSettings::default());
    for _ in 0..2 {
        assert_eq!((count_of(&page(&world, 1000)), count_of(&list(&world, 1000))), (1000, 1000));
    }
    let answer = world.send("HEAD", "/registry/v1/projects/p/types/images/resources?limit=1000", &[], b"");
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}
