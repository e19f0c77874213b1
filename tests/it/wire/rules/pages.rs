//! `action`, `limit` and `offset`: what of the resources found is answered, in which order.

use serde_json::{Value, json};
use tagd::domain::change::Registration;

use super::{FOUR_LISTS, two_by_two};
use crate::support::{Broken, Wire, World, ids, in_all_dialects};

// ---- action and count

#[test]
fn the_action_is_mandatory_in_ims_and_dns_and_compared_with_case() {
    let world = World::empty();
    for wire in [Wire::Ims, Wire::Dns] {
        for body in ["{}", r#"{"action":null}"#] {
            wire.check_refusal(&world.post(wire.path(), body), Broken::General, &["action: ", "is required"], body);
        }
        for wrong in ["Filter", "COUNT", "", "filter ", "delete"] {
            let fields = json!({ "action": wrong });
            wire.refuse(&world, &fields, Broken::General, &["action: ", &format!("\"{wrong}\"")]);
        }
        wire.refuse(&world, &json!({ "action": 1 }), Broken::General, &["action: "]);
    }
}

#[test]
fn the_action_is_optional_in_cts_and_if_there_must_be_one() {
    let world = two_by_two();
    for fields in [json!({}), json!({ "action": null }), json!({ "action": "filter" })] {
        assert_eq!(Wire::Cts.ids(&world, &fields).len(), 5, "{fields}");
    }
    assert_eq!(Wire::Cts.ask(&world, &json!({ "action": "count" })).json(), json!({ "total_count": 5 }));
    Wire::Cts.refuse(&world, &json!({ "action": "Count" }), Broken::General, &["action: ", "\"Count\""]);
}

#[test]
fn tms_has_no_action() {
    let world = World::empty();
    Wire::Tms.refuse(&world, &json!({ "action": "filter" }), Broken::General, &["unknown field \"action\""]);
}

#[test]
fn a_count_answers_the_total_and_nothing_else() {
    let world = two_by_two();
    let env = json!([{ "key": "env", "values": [] }]);
    for wire in FOUR_LISTS {
        let answer = wire.ask(&world, &json!({ "action": "count", "tags": env }));
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"total_count":3}"#), "{wire:?}");
    }
    let count = "/v3/p/cts-tracker/resource-instances/count";
    for action in [json!({}), json!({ "action": "count" }), json!({ "action": "filter" })] {
        let mut body = action;
        body["tags"] = env.clone();
        let answer = world.post(count, &body.to_string());
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"total_count":3}"#), "{body}");
    }
    let answer = world.post(count, r#"{"action":"Count"}"#);
    Wire::Cts.check_refusal(&answer, Broken::General, &["action: "], "Count");
}

#[test]
fn on_a_count_limit_and_offset_are_ignored_whatever_they_hold() {
    let world = two_by_two();
    let garbage = ["0", "-1", "1.5", "1e999", "\"ten\"", "\"\"", "null", "true", "[]", "[[1]]", "{}", r#"{"a":[{}]}"#];
    for (wire, path, action) in [
        (Wire::Ims, Wire::Ims.path(), r#""action":"count","#),
        (Wire::Dns, Wire::Dns.path(), r#""action":"count","#),
        (Wire::Cts, Wire::Cts.path(), r#""action":"count","#),
        (Wire::Cts, "/v3/p/cts-tracker/resource-instances/count", ""),
    ] {
        for garbage in garbage {
            let body = format!(r#"{{{action}"limit":{garbage},"offset":{garbage}}}"#);
            let answer = world.post(path, &body);
            assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"total_count":5}"#), "{wire:?} {body}");
        }
    }
    for parameters in ["limit=0", "limit=ten&offset=-1", "limit=&offset=", "limit", "offset=%FF"] {
        let answer = world.post(&format!("/v3/p/cts-tracker/resource-instances/count?{parameters}"), "{}");
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"total_count":5}"#), "{parameters}");
    }
}

// ---- pages

#[test]
fn the_total_does_not_depend_on_the_page() {
    let world = two_by_two();
    for wire in Wire::ALL {
        for (fields, length) in [
            (json!({ "limit": 1 }), 1),
            (json!({ "limit": 2, "offset": 4 }), 1),
            (json!({ "limit": 2, "offset": 5 }), 0),
            (json!({ "offset": 1 }), 4),
        ] {
            let (ids, total) = wire.page(&world, &fields);
            assert_eq!((ids.len(), total), (length, 5), "{wire:?} {fields}");
        }
    }
}

#[test]
fn limit_and_offset_are_numbers_or_strings_of_digits() {
    let world = two_by_two();
    for wire in Wire::ALL {
        for fields in [
            json!({ "limit": 2, "offset": 1 }),
            json!({ "limit": "2", "offset": "1" }),
            json!({ "limit": "002", "offset": "01" }),
            json!({ "limit": 2, "offset": "1" }),
        ] {
            assert_eq!(wire.page(&world, &fields).0, ["both", "team"], "{wire:?} {fields}");
        }
    }
}

#[test]
fn cts_takes_limit_and_offset_from_the_query_string_before_the_body() {
    let world = two_by_two();
    let found = |parameters: &str, body: Value| {
        let answer = world.post(&format!("{}{parameters}", Wire::Cts.path()), &body.to_string());
        assert_eq!(answer.status, 200, "{parameters} {body}: {}", answer.body);
        ids(&answer.json())
    };
    assert_eq!(found("", json!({ "limit": 1, "offset": 1 })), ["both"]);
    assert_eq!(found("?limit=2&offset=2", json!({})), ["team", "env"]);
    assert_eq!(found("?limit=2&offset=2", json!({ "limit": 1, "offset": 1 })), ["team", "env"]);
    assert_eq!(found("?limit=2", json!({ "limit": 1, "offset": 1 })), ["both", "team"]);
    assert_eq!(found("?offset=2", json!({ "limit": 1, "offset": 1 })), ["team"]);
    assert_eq!(found("?%6Cimit=1", json!({})), ["other"]);
}

#[test]
fn query_parameters_that_are_unknown_or_stand_twice_are_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        let answer = world.post(&format!("{}?marker=1", wire.path()), &wire.body(&json!({})).to_string());
        wire.check_refusal(&answer, Broken::General, &["\"marker\"", "unknown query parameter"], "?marker=1");
        let answer = world.post(&format!("{}?limit=1&limit=1", wire.path()), &wire.body(&json!({})).to_string());
        wire.check_refusal(&answer, Broken::General, &["limit"], "?limit=1&limit=1");
        let answer = world.post(&format!("{}?", wire.path()), &wire.body(&json!({})).to_string());
        assert_eq!(answer.status, 200, "{wire:?}: {}", answer.body);
    }
}

#[test]
fn past_the_end_is_an_empty_page_with_the_true_total() {
    let world = two_by_two();
    for wire in Wire::ALL {
        let answer = wire.ask(&world, &json!({ "offset": 5 })).json();
        let mut expected = json!({ "resources": [], "total_count": 5 });
        if wire == Wire::Tms {
            expected["errors"] = json!([]);
        }
        assert_eq!(answer, expected, "{wire:?}");
    }
}

#[test]
fn a_client_that_pages_to_the_empty_page_sees_each_resource_once() {
    let fleet: Vec<Registration> =
        Wire::ALL.iter().flat_map(|wire| (0..57).map(|i| wire.resource(&format!("r{i:02}"), "", &[]))).collect();
    let world = World::with(&fleet);
    let newest_first: Vec<String> = (0..57).rev().map(|i| format!("r{i:02}")).collect();
    for wire in Wire::ALL {
        let mut seen = Vec::new();
        loop {
            let (page, total) = wire.page(&world, &json!({ "limit": 10, "offset": seen.len() }));
            assert_eq!(total, 57);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, newest_first, "{wire:?}");
    }
}

#[test]
fn the_newest_registered_comes_first_and_a_change_does_not_move_it() {
    let world = in_all_dialects(&[("b", "", &[]), ("c", "", &[]), ("a", "", &[])]);
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), ["a", "c", "b"], "{wire:?}");
    }
    world.load(&Wire::ALL.map(|wire| wire.resource("b", "renamed", &[("k", "v")])));
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), ["a", "c", "b"], "{wire:?}");
        assert_eq!(wire.ids(&world, &json!({ "tags": [{ "key": "k", "values": ["v"] }] })), ["b"], "{wire:?}");
    }
}

#[test]
fn the_tags_of_a_resource_are_sorted_by_key_in_byte_order() {
    // in byte order: capitals before small letters, the bytes of é behind both, 日 behind é, 𝒳 last
    let tags = [("A", "4"), ("B", "1"), ("Z", "1"), ("_x", "1"), ("a", "3"), ("a.b", ""), ("b", "1"), ("é", "1")];
    let tags = [&tags[..], &[("日本", "2"), ("𝒳", "1")]].concat();
    let world = in_all_dialects(&[("r", "", &tags)]);
    let expected: Value = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    for wire in Wire::ALL {
        let answer = wire.ask(&world, &json!({})).json();
        assert_eq!(answer["resources"][0]["tags"], expected, "{wire:?}");
    }
}
