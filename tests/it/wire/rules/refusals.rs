//! What a query may not hold: unknown fields, wrong types, characters outside the set.

use serde_json::json;

use super::FOUR_LISTS;
use crate::support::{Broken, Wire, World};

#[test]
fn an_unknown_field_is_refused_by_its_name() {
    let world = World::empty();
    for wire in Wire::ALL {
        for name in ["tag", "Tags", "filters", "enterprise_project_id", ""] {
            wire.refuse(&world, &json!({ name: [] }), Broken::General, &[&format!("\"{name}\""), "unknown field"]);
            let fields = json!({ "without_any_tag": true, name: null });
            wire.refuse(&world, &fields, Broken::General, &[&format!("\"{name}\""), "unknown field"]);
        }
        for list in wire.lists() {
            let fields = json!({ *list: [{ "key": "k", "values": [], "value": "v" }] });
            wire.refuse(&world, &fields, Broken::General, &["value", "unknown field", &format!("{list}[0]")]);
        }
    }
    for wire in FOUR_LISTS {
        let fields = json!({ "matches": [{ "key": "resource_name", "values": [] }] });
        wire.refuse(&world, &fields, Broken::General, &["`values`", "unknown field", "matches[0]"]);
    }
}

#[test]
fn a_tag_and_a_match_are_objects_and_no_arrays() {
    let world = World::empty();
    for wire in Wire::ALL {
        for list in wire.lists() {
            for wrong in
                [json!([["k", ["v"]]]), json!(["k"]), json!([null]), json!({ "k": "v" }), json!("k"), json!([[]])]
            {
                wire.refuse(&world, &json!({ *list: wrong }), Broken::General, &[list, "line 1, column"]);
            }
            for wrong in [json!("v"), json!([1]), json!([null]), json!([["v"]]), json!({}), json!(true)] {
                let fields = json!({ *list: [{ "key": "k", "values": wrong }] });
                wire.refuse(&world, &fields, Broken::General, &[&format!("{list}[0].values"), "line 1, column"]);
            }
            for wrong in [json!(1), json!(["k"]), json!({}), json!(false)] {
                let fields = json!({ *list: [{ "key": wrong, "values": [] }] });
                wire.refuse(&world, &fields, Broken::General, &[&format!("{list}[0].key"), "line 1, column"]);
            }
        }
    }
    for wire in FOUR_LISTS {
        for wrong in [json!([["resource_name", "v"]]), json!(["resource_name"]), json!({ "resource_name": "v" })] {
            wire.refuse(&world, &json!({ "matches": wrong }), Broken::General, &["matches", "line 1, column"]);
        }
    }
}

#[test]
fn ims_dns_and_cts_check_no_character_set_in_a_query() {
    let odd =
        ["=*<>\\,|/", " spaces ", "tab\there", "line\nbreak", "\u{7f}\u{1}", "'; drop table x; --", "{\"$gt\":1}"];
    let world = World::with(
        &odd.iter()
            .enumerate()
            .flat_map(|(i, odd)| FOUR_LISTS.map(|wire| wire.resource(&format!("r{i}"), "", &[(odd, odd)])))
            .collect::<Vec<_>>(),
    );
    for wire in FOUR_LISTS {
        for (i, odd) in odd.iter().enumerate() {
            let found = wire.ids(&world, &json!({ "tags": [{ "key": odd, "values": [odd] }] }));
            assert_eq!(found, [format!("r{i}")], "{wire:?} {odd:?}");
            let found = wire.ids(&world, &json!({ "tags": [{ "key": odd, "values": [format!("*{odd}")] }] }));
            assert_eq!(found, [format!("r{i}")], "{wire:?} {odd:?}");
        }
    }
}

#[test]
fn tms_checks_the_character_set_of_keys_and_values() {
    let world = World::empty();
    let tags = |key: &str, value: &str| json!({ "tags": [{ "key": key, "values": [value] }] });
    for right in [("aZ09-_@", "aZ09-_@."), ("日本語", "Größe"), ("ключ", "قيمة"), ("k", "")] {
        assert_eq!(Wire::Tms.ids(&world, &tags(right.0, right.1)), Vec::<String>::new(), "{right:?}");
    }
    for wrong in [" ", ".", ":", "=", "+", "/", "*", "%", "\\", "\"", ",", "\u{0}", "\n", "😀"] {
        let parts = ["tags[0].key: ", "must contain only letters, digits"];
        Wire::Tms.refuse(&world, &tags(&format!("a{wrong}"), "v"), Broken::Key, &parts);
        if wrong != "." {
            let parts = ["tags[0].values[0]: ", "must contain only letters, digits"];
            Wire::Tms.refuse(&world, &tags("k", &format!("a{wrong}")), Broken::Value, &parts);
        }
    }
}
