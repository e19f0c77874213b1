//! Every error that a query can meet, as a golden: `docs/SEMANTICS.md`, "Errors".
//!
//! A golden has the request, a line of dashes, and the answer: status, the headers that belong to an error, body.

use std::{
    fmt::Write as _,
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::store::StoreSettings;

use crate::support::{Answer, Broken, TestDb, Wire, World, block_on, check_golden, eventually, ids, in_all_dialects};

/// The headers that a golden shows, where they are there.
const SHOWN: [&str; 3] = ["content-type", "allow", "retry-after"];

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// An exchange as a golden holds it. `body` is what stands for the body that was sent.
fn exchange(method: &str, path: &str, headers: &[(&str, &str)], body: &str, answer: &Answer) -> String {
    let mut text = format!("{method} {path}\n");
    for (name, value) in headers {
        writeln!(text, "{}: {value}", name.to_lowercase()).unwrap();
    }
    if !body.is_empty() {
        write!(text, "\n{body}\n").unwrap();
    }
    write!(text, "--------\n{}\n", answer.status).unwrap();
    for name in SHOWN {
        if let Some(value) = answer.headers.get(name) {
            writeln!(text, "{name}: {value}").unwrap();
        }
    }
    let id = answer.headers.get("x-request-id").expect("every answer has an id");
    let body = answer.body.replace(id, "THE-REQUEST-ID");
    if !body.is_empty() {
        write!(text, "\n{body}\n").unwrap();
    }
    text
}

/// Asks, checks the golden, hands back the answer.
fn check(world: &World, golden: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let answer = world.send(method, path, headers, body.as_bytes());
    check_golden(&format!("errors/{golden}.txt"), &exchange(method, path, headers, body, &answer));
    answer
}

/// Posts JSON to where a dialect answers queries; the answer must be the dialect's 400 with the code.
fn check_refusal(world: &World, wire: Wire, what: &str, broken: Broken, body: &str) {
    let answer = check(world, &format!("{}_{what}", wire.name()), "POST", wire.path(), &[JSON], body);
    wire.check_refusal(&answer, broken, &[], body);
}

/// A golden for each dialect, of its least body with some fields added.
fn check_everywhere(wires: &[Wire], what: &str, broken: Broken, fields: &Value) {
    let world = World::empty();
    for wire in wires {
        check_refusal(&world, *wire, what, broken, &wire.body(fields).to_string());
    }
}

// ---- the general 400

#[test]
fn a_body_that_is_not_json_is_the_general_error_with_line_and_column() {
    let world = World::empty();
    for wire in Wire::ALL {
        check_refusal(&world, wire, "not_json", Broken::General, "{\n  \"tags\": [,]\n}");
        check_refusal(&world, wire, "truncated", Broken::General, "{\"tags\": [{\"key\": \"env\"");
        check_refusal(&world, wire, "not_an_object", Broken::General, "[]");
        check_refusal(&world, wire, "no_body", Broken::General, "");
        check_refusal(&world, wire, "after_the_end", Broken::General, &format!("{}\n}}", wire.body(&json!({}))));
    }
}

#[test]
fn a_field_of_the_wrong_type_is_the_general_error_with_its_path() {
    let fields = json!({ "tags": [{ "key": "env", "values": ["prod", 7] }] });
    check_everywhere(&Wire::ALL, "wrong_type", Broken::General, &fields);
    let world = World::empty();
    let body = "{\n  \"action\": \"filter\",\n  \"tags\": [\n    {\"key\": \"env\", \"values\": \"prod\"}\n  ]\n}";
    check_refusal(&world, Wire::Ims, "wrong_type_on_line_4", Broken::General, body);
}

#[test]
fn an_unknown_field_is_the_general_error_with_its_name() {
    check_everywhere(&Wire::ALL, "unknown_field", Broken::General, &json!({ "tag": [] }));
    check_everywhere(&[Wire::Tms], "no_matches", Broken::General, &json!({ "matches": [] }));
}

#[test]
fn a_wrong_action_is_the_general_error() {
    let world = World::empty();
    check_everywhere(&[Wire::Ims, Wire::Dns, Wire::Cts], "action", Broken::General, &json!({ "action": "Filter" }));
    for wire in [Wire::Ims, Wire::Dns] {
        check_refusal(&world, wire, "no_action", Broken::General, "{}");
    }
}

#[test]
fn a_wrong_match_is_the_general_error() {
    let fields = json!({ "matches": [{ "key": "resource_tag", "value": "a" }] });
    check_everywhere(&[Wire::Ims, Wire::Dns, Wire::Cts], "match_key", Broken::General, &fields);
    let fields = json!({ "matches": [{ "key": "resource_name", "value": "a_b" }] });
    check_everywhere(&[Wire::Cts], "match_value", Broken::General, &fields);
}

#[test]
fn too_many_keys_in_a_list_are_the_general_error() {
    let entries: Value = (0..21).map(|i| json!({ "key": format!("k{i}"), "values": [] })).collect();
    let world = World::empty();
    for wire in Wire::ALL {
        let body = wire.body(&json!({ "tags": entries }));
        let answer = wire.ask(&world, &json!({ "tags": entries }));
        wire.check_refusal(&answer, Broken::General, &["tags: must have at most"], "21 keys");
        let shown = body.to_string().replace(&entries.to_string(), "[(21 different keys)]");
        let golden = format!("errors/{}_too_many_keys.txt", wire.name());
        check_golden(&golden, &exchange("POST", wire.path(), &[JSON], &shown, &answer));
    }
}

#[test]
fn an_unknown_query_parameter_is_the_general_error() {
    let world = World::empty();
    for wire in Wire::ALL {
        let (path, body) = (format!("{}?marker=x", wire.path()), wire.body(&json!({})).to_string());
        let answer = check(&world, &format!("{}_query_parameter", wire.name()), "POST", &path, &[JSON], &body);
        wire.check_refusal(&answer, Broken::General, &[], &path);
    }
}

// ---- limit and offset

#[test]
fn a_wrong_limit_has_a_code_of_its_own_in_dns_and_tms() {
    check_everywhere(&Wire::ALL, "limit", Broken::Limit, &json!({ "limit": 1001 }));
    check_everywhere(&Wire::ALL, "limit_not_a_number", Broken::Limit, &json!({ "limit": "many" }));
}

#[test]
fn a_wrong_offset_has_a_code_of_its_own_in_dns_and_tms() {
    check_everywhere(&Wire::ALL, "offset", Broken::Offset, &json!({ "offset": -1 }));
    check_everywhere(&[Wire::Dns], "offset_too_large", Broken::Offset, &json!({ "offset": "2147483648" }));
}

// ---- a tag that is invalid

#[test]
fn a_wrong_key_is_an_invalid_tag() {
    let long = json!({ "tags": [{ "key": "k".repeat(129), "values": [] }] });
    check_everywhere(&Wire::ALL, "key_too_long", Broken::Key, &long);
    check_everywhere(&Wire::ALL, "key_empty", Broken::Key, &json!({ "tags": [{ "key": "", "values": [] }] }));
    check_everywhere(&Wire::ALL, "key_missing", Broken::Key, &json!({ "tags": [{ "values": ["prod"] }] }));
    let twice = json!({ "tags": [{ "key": "env", "values": ["prod"] }, { "key": "env", "values": ["test"] }] });
    check_everywhere(&Wire::ALL, "key_twice", Broken::Key, &twice);
    let fields = json!({ "tags": [{ "key": "a b", "values": [] }] });
    check_everywhere(&[Wire::Tms], "key_characters", Broken::Key, &fields);
}

#[test]
fn a_wrong_value_is_an_invalid_tag() {
    let one = |values: Value| json!({ "tags": [{ "key": "env", "values": values }] });
    check_everywhere(&Wire::ALL, "value_too_long", Broken::Value, &one(json!(["v".repeat(256)])));
    check_everywhere(&Wire::ALL, "value_twice", Broken::Value, &one(json!(["prod", "prod"])));
    check_everywhere(&Wire::ALL, "value_lone_asterisk", Broken::Value, &one(json!(["*"])));
    let fields = json!({ "tags": [{ "key": "env" }] });
    check_everywhere(&[Wire::Ims, Wire::Tms], "values_missing", Broken::Value, &fields);
    check_everywhere(&[Wire::Tms], "value_characters", Broken::Value, &one(json!(["50%"])));
}

#[test]
fn too_many_values_an_empty_entry_and_an_empty_list_are_invalid_tags() {
    let values: Vec<String> = (0..21).map(|i| format!("v{i}")).collect();
    let fields = json!({ "tags": [{ "key": "env", "values": values }] });
    check_everywhere(&Wire::ALL, "too_many_values", Broken::Values, &fields);
    check_everywhere(&Wire::ALL, "empty_entry", Broken::Element, &json!({ "tags": [{}] }));
    check_everywhere(&[Wire::Ims], "empty_list", Broken::Tags, &json!({ "tags": [] }));
}

// ---- types and projects

#[test]
fn an_unknown_resource_type_is_refused_with_its_name() {
    let world = World::empty();
    let path = "/v2/p/DNS-zone/resource_instances/action";
    let answer = check(&world, "dns_resource_type", "POST", path, &[JSON], r#"{"action":"filter"}"#);
    Wire::Dns.check_refusal(&answer, Broken::Type, &["\"DNS-zone\""], path);
    let path = "/v3/p/tracker/resource-instances/filter";
    let answer = check(&world, "cts_resource_type", "POST", path, &[JSON], "{}");
    Wire::Cts.check_refusal(&answer, Broken::Type, &["\"tracker\""], path);
    check_refusal(&world, Wire::Tms, "resource_type", Broken::Type, r#"{"project_id":"p","resource_types":["ECS"]}"#);
}

#[test]
fn tms_says_how_many_resource_types_there_may_be() {
    let world = World::empty();
    check_refusal(&world, Wire::Tms, "resource_types_missing", Broken::General, "{}");
    check_refusal(&world, Wire::Tms, "resource_types_none", Broken::General, r#"{"resource_types":[]}"#);
    let eleven: Vec<String> = (0..11).map(|i| format!("type-{i}")).collect();
    let body = json!({ "resource_types": eleven }).to_string();
    check_refusal(&world, Wire::Tms, "resource_types_too_many", Broken::General, &body);
}

#[test]
fn tms_wants_a_project_for_a_type_of_a_region() {
    check_refusal(&World::empty(), Wire::Tms, "project_missing", Broken::Project, r#"{"resource_types":["ecs"]}"#);
}

#[test]
fn an_unknown_project_answers_like_an_empty_one() {
    // in the registered project the query finds nothing either, since nothing has the tag
    let world = in_all_dialects(&[("r", "", &[("env", "prod")])]);
    for wire in Wire::ALL {
        let body = wire.body(&json!({ "tags": [{ "key": "nothing", "values": [] }] })).to_string();
        let empty = world.post(wire.path(), &body);
        let (path, body) = (wire.path().replace("/p/", "/nobody/"), body.replace("\"p\"", "\"nobody\""));
        let unknown = check(&world, &format!("{}_unknown_project", wire.name()), "POST", &path, &[JSON], &body);
        assert_eq!((unknown.status, &unknown.body), (200, &empty.body), "{wire:?}");
    }
    let count = world.post("/v3/nobody/cts-tracker/resource-instances/count", "{}");
    assert_eq!((count.status, count.body.as_str()), (200, r#"{"total_count":0}"#));
    for path in [Wire::Ims.path(), Wire::Dns.path()] {
        let count = world.post(&path.replace("/p/", "/nobody/"), r#"{"action":"count"}"#);
        assert_eq!((count.status, count.body.as_str()), (200, r#"{"total_count":0}"#));
    }
}

// ---- before a dialect is asked

/// An answer of the gateway: code, message and the id that the header has too.
fn check_gateway(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let json = answer.json();
    assert_eq!(json["error_code"], code);
    assert_eq!(json["request_id"], answer.headers["x-request-id"].as_str());
    assert_eq!(json.as_object().unwrap().len(), 3);
    assert!(json["error_msg"].as_str().is_some_and(|message| !message.is_empty()));
}

#[test]
fn a_path_that_leads_nowhere_is_404_with_the_id_of_the_request() {
    let world = World::empty();
    for (golden, method, path) in [
        ("no_route", "POST", "/v2/p/images/resource_instances/actions"),
        ("no_route_get", "GET", "/nowhere?limit=1"),
        ("no_route_version", "POST", "/v4/p/cts-tracker/resource-instances/filter"),
        ("no_route_slash", "POST", "/v1.0/resource-instances/filter/"),
        ("no_route_empty_project", "POST", "/v2//images/resource_instances/action"),
        ("no_route_bad_utf8", "POST", "/v2/%FF/images/resource_instances/action"),
    ] {
        let body = if method == "POST" { "{}" } else { "" };
        let headers: &[(&str, &str)] = if method == "POST" { &[JSON] } else { &[] };
        check_gateway(&check(&world, golden, method, path, headers, body), 404, "APIGW.0101");
    }
}

#[test]
fn a_body_that_is_too_large_is_413() {
    let world = World::empty();
    let largest = 8 * 1024 * 1024;
    for wire in Wire::ALL {
        // of the largest size it is read, and refused for what it is
        let answer = world.send("POST", wire.path(), &[JSON], &vec![b' '; largest]);
        wire.check_refusal(&answer, Broken::General, &[], "8 MiB of blanks");
        let answer = world.send("POST", wire.path(), &[JSON], &vec![b' '; largest + 1]);
        check_gateway(&answer, 413, "APIGW.0201");
        let text = exchange("POST", wire.path(), &[JSON], "(8388609 blanks)", &answer);
        check_golden(&format!("errors/{}_too_large.txt", wire.name()), &text);
    }
}

#[test]
fn a_wrong_method_is_405_with_the_right_one() {
    let world = World::empty();
    for wire in Wire::ALL {
        let answer = check(&world, &format!("{}_method", wire.name()), "GET", wire.path(), &[], "");
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "OPTIONS, POST"));
        assert_eq!(wire.error(&answer).0, wire.code(Broken::General));
    }
}

#[test]
fn a_content_type_that_is_not_json_is_415() {
    let world = World::empty();
    for wire in Wire::ALL {
        let body = wire.body(&json!({})).to_string();
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = check(&world, &format!("{}_content_type", wire.name()), "POST", wire.path(), &headers, &body);
        assert_eq!(answer.status, 415);
        assert_eq!(wire.error(&answer).0, wire.code(Broken::General));
    }
}

#[test]
fn a_clients_own_request_id_is_kept_if_it_is_short_and_plain() {
    let world = World::empty();
    let id_of = |id: &str, path: &str| {
        let answer = world.send("POST", path, &[JSON, ("X-Request-Id", id)], b"{}");
        answer.headers["x-request-id"].clone()
    };
    let long = "a".repeat(64);
    for path in [Wire::Cts.path(), Wire::Ims.path(), "/nowhere"] {
        for kept in ["a", "A-z_09", "-", "0b1e6a6e-8d4c-4b0e-9d0c-2f6a5f0f3c11", &long] {
            assert_eq!(id_of(kept, path), kept);
        }
        for replaced in ["", "a b", "a.b", "a/b", "é", "a,b", "{}", &"a".repeat(65), &"a".repeat(5000)] {
            let id = id_of(replaced, path);
            assert_eq!(id.len(), 32, "{replaced:?} became {id}");
            assert!(id.bytes().all(|b| b.is_ascii_hexdigit()), "{replaced:?} became {id}");
        }
    }
    let made = |_| world.post(Wire::Cts.path(), "{}").headers["x-request-id"].clone();
    let ids: std::collections::HashSet<String> = (0..20).map(made).collect();
    assert_eq!(ids.len(), 20, "each request has an id of its own");
    // the 404 shows the id that was kept
    let answer = world.send("POST", "/nowhere", &[JSON, ("X-Request-Id", "my-id")], b"{}");
    assert_eq!(answer.json()["request_id"], "my-id");
}

// ---- without a database

/// Every query is 503 with `Retry-After`, a code of the dialect and not a word about the inside.
fn check_unavailable(world: &World, golden: Option<&str>) {
    for wire in Wire::ALL {
        let body = wire.body(&json!({})).to_string();
        let answer = world.post(wire.path(), &body);
        assert_eq!(answer.status, 503, "{wire:?}: {}", answer.body);
        assert!(answer.headers["retry-after"].parse::<u32>().is_ok_and(|seconds| seconds >= 1));
        let (code, message) = wire.error(&answer);
        assert_eq!(code, wire.code(Broken::Outage));
        for word in ["sql", "Sql", "SQL", "postgres", "Postgres", "test_", "select", "pool", "socket"] {
            assert!(!message.contains(word), "{wire:?} tells: {message}");
        }
        if let Some(golden) = golden {
            let text = exchange("POST", wire.path(), &[JSON], &body, &answer);
            check_golden(&format!("errors/{}_{golden}.txt", wire.name()), &text);
        }
    }
    let ready = world.send("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 503, "{}", ready.body);
    assert!(ready.headers.contains_key("retry-after"));
    assert_eq!(world.send("GET", "/healthz", &[], b"").status, 200, "the process itself is up");
    // what needs no database is answered as ever
    Wire::Ims.refuse(world, &json!({ "limit": 0 }), Broken::Limit, &["limit: "]);
}

#[test]
fn a_database_that_was_dropped_is_503() {
    let world = in_all_dialects(&[("r", "", &[])]);
    // once with the numbers of the scopes known, so that the query itself meets the dead connection
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), ["r"], "{wire:?}");
    }
    world.db.drop_now();
    check_unavailable(&world, Some("no_database"));
    check_unavailable(&world, None);
}

#[test]
fn a_database_that_nobody_ever_reached_is_503() {
    // a port on which nobody listens
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut store = StoreSettings::of_url(&format!("postgres://nobody@127.0.0.1:{port}/nothing")).unwrap();
    store.acquire_timeout = Duration::from_millis(200);
    check_unavailable(&World::over(TestDb::new(), store), None);
}

#[test]
fn a_database_that_answers_too_slowly_is_503_and_then_is_well_again() {
    let db = TestDb::new();
    let mut store = db.settings();
    store.statement_timeout = Duration::from_millis(300);
    store.acquire_timeout = Duration::from_millis(600);
    let world = World::over(db, store);
    world.load(&Wire::ALL.map(|wire| wire.resource("r", "", &[])));
    let begun = Instant::now();
    block_on(async {
        let mut owner = world.db.connect().await;
        let mut held = owner.begin().await.unwrap();
        held.execute("lock table tagd.resource, tagd.chunk, tagd.label in access exclusive mode").await.unwrap();
        for wire in Wire::ALL {
            let answer = tokio::task::block_in_place(|| wire.ask(&world, &json!({})));
            assert_eq!(answer.status, 503, "{wire:?}: {}", answer.body);
            assert!(answer.headers.contains_key("retry-after"));
            wire.error(&answer);
        }
        held.rollback().await.unwrap();
        owner.close().await.unwrap();
    });
    // far from the deadlines that tagd has by itself, four times over
    assert!(begun.elapsed() < Duration::from_secs(60));
    for wire in Wire::ALL {
        // with such deadlines a busy machine may be too slow once more
        eventually("the database answers in time again", || {
            let answer = wire.ask(&world, &json!({}));
            assert!(answer.status != 200 || ids(&answer.json()) == ["r"], "{wire:?}: {}", answer.body);
            answer.status == 200
        });
    }
}

#[test]
fn sessions_that_the_database_ended_are_not_noticed() {
    let world = in_all_dialects(&[("r", "", &[])]);
    for _ in 0..3 {
        for wire in Wire::ALL {
            assert_eq!(wire.ids(&world, &json!({})), ["r"], "{wire:?}");
        }
        block_on(async {
            let mut owner = world.db.connect().await;
            owner
                .execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                      where datname = current_database() and pid <> pg_backend_pid()",
                )
                .await
                .unwrap();
            owner.close().await.unwrap();
        });
    }
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), ["r"], "{wire:?}");
    }
}
