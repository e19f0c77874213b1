//! The limits of a query: each row of `docs/SEMANTICS.md`, "Limits of a query", in every dialect.

use serde_json::{Value, json};
use tagd::domain::change::Registration;

use crate::support::{Broken, QueryLimits, Wire, World};

/// A list with as many keys and values, all different.
fn terms(keys: usize, values: usize) -> Value {
    let entry =
        |k| json!({ "key": format!("k{k}"), "values": (0..values).map(|v| format!("v{v}")).collect::<Vec<_>>() });
    (0..keys).map(entry).collect()
}

fn accept(world: &World, wire: Wire, fields: &Value) {
    let answer = wire.ask(world, fields);
    let shown: String = fields.to_string().chars().take(300).collect();
    assert_eq!(answer.status, 200, "{wire:?} {shown}: {}", answer.body);
}

/// As many characters of three bytes each, which are letters.
fn wide(count: usize) -> String {
    "日".repeat(count)
}

/// Resources enough for the largest page of every dialect and some more, in each dialect.
const FLEET: usize = 1_100;

fn large_world() -> World {
    let all = |wire: Wire| (0..FLEET).map(move |i| wire.resource(&format!("r{i:04}"), "", &[]));
    World::with(&Wire::ALL.into_iter().flat_map(all).collect::<Vec<Registration>>())
}

#[test]
fn a_list_holds_as_many_keys_with_as_many_values_as_the_dialect_allows_and_no_more() {
    let world = World::empty();
    for wire in Wire::ALL {
        let QueryLimits { keys, values, .. } = wire.query_limits();
        for list in wire.lists() {
            accept(&world, wire, &json!({ *list: terms(keys, values) }));
            let fields = json!({ *list: terms(keys + 1, 1) });
            let reason = format!("{list}: must have at most {keys} keys");
            wire.refuse(&world, &fields, Broken::General, &[&reason]);

            let mut entries = terms(keys, values);
            entries[2]["values"].as_array_mut().unwrap().push(json!("one more"));
            let reason = format!("{list}[2].values: must have at most {values} values");
            wire.refuse(&world, &json!({ *list: entries }), Broken::Values, &[&reason]);
        }
        // each list has the limit to itself
        let all: serde_json::Map<_, _> =
            wire.lists().iter().map(|list| ((*list).to_owned(), terms(keys, values))).collect();
        accept(&world, wire, &all.into());
    }
}

#[test]
fn a_list_is_read_no_further_than_its_limit() {
    let world = World::empty();
    for wire in Wire::ALL {
        let QueryLimits { keys, values, .. } = wire.query_limits();
        for list in wire.lists() {
            // what stands behind the limit would be an error of its own, were it read
            let mut entries = terms(keys, values);
            entries.as_array_mut().unwrap().extend([json!("no entry"), json!({ "no field": 1 })]);
            let reason = format!("{list}: must have at most {keys} keys");
            wire.refuse(&world, &json!({ *list: entries }), Broken::General, &[&reason]);

            let mut entries = terms(3, values);
            entries[2]["values"].as_array_mut().unwrap().extend([json!(1), json!({})]);
            let reason = format!("{list}[2].values: must have at most {values} values");
            wire.refuse(&world, &json!({ *list: entries }), Broken::Values, &[&reason]);

            // up to the limit everything is looked at
            let mut entries = terms(keys, values);
            entries[keys - 1] = json!("no entry");
            let reason = format!("{list}[{}]: invalid type", keys - 1);
            wire.refuse(&world, &json!({ *list: entries }), Broken::General, &[&reason]);
        }
        if wire != Wire::Tms {
            let keys = if wire == Wire::Ims { 2 } else { 1 };
            let matches = [
                json!({ "key": "resource_name", "value": "a" }),
                json!({ "key": "resource_id", "value": "a" }),
                json!({ "key": "resource_name", "value": "a" }),
            ];
            let mut entries: Vec<Value> = matches.into_iter().take(keys + 1).collect();
            entries.push(json!("no entry"));
            let reason = format!("matches: must have at most {keys} entries");
            wire.refuse(&world, &json!({ "matches": entries }), Broken::General, &[&reason]);
        }
        // where the lists are ignored, so is their length
        accept(&world, wire, &json!({ "without_any_tag": true, "tags": terms(keys + 1, values + 1) }));
    }
}

#[test]
fn keys_and_values_are_as_long_as_the_dialect_allows_counted_in_characters() {
    let world = World::empty();
    for wire in Wire::ALL {
        let QueryLimits { key_length, value_length, .. } = wire.query_limits();
        for list in wire.lists() {
            let entries = |key: usize, value: usize| {
                json!({ *list: [
                    { "key": "short", "values": [] },
                    { "key": wide(key), "values": ["short", wide(value)] },
                ]})
            };
            accept(&world, wire, &entries(key_length, value_length));

            let path = format!("{list}[1].key: ");
            let (count, most) = (format!("got {}", key_length + 1), format!("at most {key_length} characters"));
            wire.refuse(&world, &entries(key_length + 1, 1), Broken::Key, &[&path, &count, &most]);

            let path = format!("{list}[1].values[1]: ");
            let (count, most) = (format!("got {}", value_length + 1), format!("at most {value_length} characters"));
            wire.refuse(&world, &entries(1, value_length + 1), Broken::Value, &[&path, &count, &most]);
        }
    }
}

#[test]
fn a_character_outside_the_basic_plane_counts_once() {
    let world = World::empty();
    for wire in Wire::ALL {
        let QueryLimits { key_length, value_length, .. } = wire.query_limits();
        // a letter in four bytes, written as itself and as a pair of surrogates
        let entry = |letter: &str, key: usize, value: usize| {
            let text = format!(r#"[{{"key":"{}","values":["{}"]}}]"#, letter.repeat(key), letter.repeat(value));
            let least = wire.body(&json!({})).to_string();
            let comma = if least == "{}" { "" } else { "," };
            world.post(wire.path(), &format!(r#"{}{comma}"tags":{text}}}"#, least.strip_suffix('}').unwrap()))
        };
        for letter in ["𝒳", "\\ud835\\udcb3"] {
            let answer = entry(letter, key_length, value_length);
            assert_eq!(answer.status, 200, "{wire:?}: {}", answer.body);
            let answer = entry(letter, key_length + 1, value_length);
            wire.check_refusal(&answer, Broken::Key, &["tags[0].key"], letter);
            let answer = entry(letter, key_length, value_length + 1);
            wire.check_refusal(&answer, Broken::Value, &["tags[0].values[0]"], letter);
        }
    }
}

#[test]
fn the_limit_has_a_range_and_a_default() {
    let world = large_world();
    for wire in Wire::ALL {
        let QueryLimits { limit, default_limit, .. } = wire.query_limits();
        for (fields, length) in [
            (json!({}), default_limit),
            (json!({ "limit": null }), default_limit),
            (json!({ "limit": 1 }), 1),
            (json!({ "limit": "1" }), 1),
            (json!({ "limit": limit }), limit),
            (json!({ "limit": limit.to_string() }), limit),
        ] {
            let (ids, total) = wire.page(&world, &fields);
            assert_eq!((ids.len(), total), (length, FLEET as u64), "{wire:?} {fields}");
            assert_eq!(ids[0], "r1099", "{wire:?} {fields}: the newest first");
        }
        let most = format!("between 1 and {limit}");
        for wrong in [json!(0), json!("0"), json!(limit + 1), json!((limit + 1).to_string()), json!(u64::MAX)] {
            let value = wrong.as_str().map_or(wrong.to_string(), ToOwned::to_owned);
            wire.refuse(&world, &json!({ "limit": wrong }), Broken::Limit, &["limit: ", &value, &most]);
        }
        for wrong in [json!(-1), json!(1.5), json!(1e3), json!("ten"), json!(""), json!("-1"), json!("+1"), json!(" 1")]
        {
            let value = wrong.as_str().map_or(wrong.to_string(), ToOwned::to_owned);
            wire.refuse(&world, &json!({ "limit": wrong }), Broken::Limit, &["limit: ", &value, &most]);
        }
    }
}

#[test]
fn the_limit_in_the_query_string_has_the_same_range() {
    let world = World::empty();
    let ask = |parameters: &str| world.post(&format!("{}?{parameters}", Wire::Cts.path()), "{}");
    for right in ["limit=1", "limit=1000", "offset=0", "offset=1000000000000000000000000000000", "limit=1&offset=1"] {
        assert_eq!(ask(right).status, 200, "{right}");
    }
    for wrong in ["0", "1001", "-1", "1.5", "1e3", "ten", "", "%2B1", "99999999999999999999"] {
        let answer = ask(&format!("limit={wrong}"));
        Wire::Cts.check_refusal(&answer, Broken::Limit, &["limit: "], wrong);
    }
    for wrong in ["-1", "1.5", "1e3", "ten", "", "%2B1"] {
        let answer = ask(&format!("offset={wrong}"));
        Wire::Cts.check_refusal(&answer, Broken::Offset, &["offset: "], wrong);
    }
}

#[test]
fn the_offset_starts_at_zero_and_only_dns_has_an_end() {
    let world = large_world();
    let enormous = "1000000000000000000000000000000";
    for wire in Wire::ALL {
        let (ids, _) = wire.page(&world, &json!({ "offset": 0, "limit": 1 }));
        assert_eq!(ids, ["r1099"]);
        let (ids, total) = wire.page(&world, &json!({ "offset": "1099", "limit": 100 }));
        assert_eq!((ids, total), (vec!["r0000".to_owned()], FLEET as u64));
        let (ids, total) = wire.page(&world, &json!({ "offset": 2_147_483_647 }));
        assert_eq!((ids.len(), total), (0, FLEET as u64), "{wire:?}: past the end");

        let beyond = ["2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551616", enormous];
        for beyond in beyond {
            for number in [beyond.to_owned(), format!("\"{beyond}\"")] {
                let least = wire.body(&json!({ "offset": 0 })).to_string();
                let body = least.replace("\"offset\":0", &format!("\"offset\":{number}"));
                let answer = world.post(wire.path(), &body);
                if wire.has_last_offset() {
                    wire.check_refusal(
                        &answer,
                        Broken::Offset,
                        &["offset: ", beyond, "between 0 and 2147483647"],
                        &body,
                    );
                } else {
                    assert_eq!(answer.status, 200, "{wire:?} {body}: {}", answer.body);
                    let json = answer.json();
                    assert_eq!(json["resources"], json!([]), "{wire:?} {body}");
                    assert_eq!(json["total_count"], FLEET, "{wire:?} {body}");
                }
            }
        }
        for wrong in [json!(-1), json!("-1"), json!(0.5), json!("zero"), json!("")] {
            let value = wrong.as_str().map_or(wrong.to_string(), ToOwned::to_owned);
            let range = if wire.has_last_offset() { "between 0 and 2147483647" } else { "greater than or equal to 0" };
            wire.refuse(&world, &json!({ "offset": wrong }), Broken::Offset, &["offset: ", &value, range]);
        }
    }
}

#[test]
fn an_offset_beyond_every_number_is_past_the_end_of_several_types_too() {
    let world = World::with(&[Wire::Ims.resource("i", "", &[]), Wire::Tms.resource("e", "", &[])]);
    let body = r#"{"project_id":"p","resource_types":["ecs","images"],"offset":1000000000000000000000000000000}"#;
    let answer = world.post(Wire::Tms.path(), body);
    assert_eq!(answer.json(), json!({ "resources": [], "errors": [], "total_count": 2 }));
}

#[test]
fn a_key_stands_once_in_a_list_and_is_neither_missing_nor_empty_and_a_value_stands_once_in_a_key() {
    let world = World::empty();
    for wire in Wire::ALL {
        for list in wire.lists() {
            let refuse = |entries: Value, broken, parts: &[&str]| {
                wire.refuse(&world, &json!({ *list: entries }), broken, parts);
            };
            let at = |path: &str| format!("{list}{path}: ");
            let env = json!({ "key": "env", "values": ["a"] });
            refuse(
                json!([env, { "key": "team", "values": [] }, { "key": "env", "values": ["b"] }]),
                Broken::Key,
                &[&at("[2].key"), "duplicate key \"env\""],
            );
            refuse(
                json!([env, { "key": "team", "values": ["x", "y", "x"] }]),
                Broken::Value,
                &[&at("[1].values[2]"), "duplicate value \"x\""],
            );
            refuse(json!([env, { "values": ["a"] }]), Broken::Key, &[&at("[1].key"), "is required"]);
            refuse(json!([env, { "key": null, "values": ["a"] }]), Broken::Key, &[&at("[1].key"), "is required"]);
            refuse(json!([{ "key": "", "values": ["a"] }]), Broken::Key, &[&at("[0].key"), "must not be empty"]);
            refuse(json!([env, {}]), Broken::Element, &[&at("[1]")]);

            // what differs by case, or stands in another place, is no duplicate
            accept(&world, wire, &json!({ *list: [env, { "key": "Env", "values": ["a", "A"] }] }));
        }
        let same = json!([{ "key": "env", "values": ["a"] }]);
        let all: serde_json::Map<_, _> = wire.lists().iter().map(|list| ((*list).to_owned(), same.clone())).collect();
        accept(&world, wire, &all.into());
    }
}

#[test]
fn the_value_of_a_match_has_at_most_255_characters() {
    let world = World::empty();
    for wire in [Wire::Ims, Wire::Dns, Wire::Cts] {
        let keys: &[&str] = if wire == Wire::Ims { &["resource_name", "resource_id"] } else { &["resource_name"] };
        for key in keys {
            let matches = |length| json!({ "matches": [{ "key": key, "value": wide(length) }] });
            accept(&world, wire, &matches(255));
            let parts = ["matches[0].value: must be at most 255 characters, got 256"];
            wire.refuse(&world, &matches(256), Broken::General, &parts);
        }
    }
    // TMS has no such field
    let fields = json!({ "matches": [{ "key": "resource_name", "value": "a" }] });
    Wire::Tms.refuse(&world, &fields, Broken::General, &["\"matches\"", "unknown field"]);
}
