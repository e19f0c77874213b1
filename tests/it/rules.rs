//! What a query means on the wire, in every dialect that a rule speaks of.
//!
//! Each row of the first and third table of `reference/semantics.md`, section 1, and what it says of TMS.

use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};
use tagd::domain::change::Registration;

use crate::support::{Broken, Wire, World, ids, in_all_dialects, tag};

/// Those that have all four lists.
const FOUR_LISTS: [Wire; 3] = [Wire::Ims, Wire::Dns, Wire::Cts];

/// Two conditions, `env` and `team`, and a resource for each way to meet them. In the order of registration.
fn two_by_two() -> Arc<World> {
    static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
    World::share(&SHARED, || {
        in_all_dialects(&[
            ("neither", "", &[]),
            ("env", "", &[("env", "prod")]),
            ("team", "", &[("team", "red")]),
            ("both", "", &[("env", "prod"), ("team", "red")]),
            ("other", "", &[("env", "dev"), ("team", "blue")]),
        ])
    })
}

fn env_and_team() -> Value {
    json!([{ "key": "env", "values": ["prod", "test"] }, { "key": "team", "values": ["red", "green"] }])
}

/// One resource for each value of the key `k`, named by the value; and one without the key.
fn by_value(values: &[&str]) -> World {
    let one = |value: &str| Wire::ALL.map(|wire| wire.resource(&format!("<{value}>"), "", &[("k", value)]));
    let without = Wire::ALL.map(|wire| wire.resource("without", "", &[("other", "x")]));
    World::with(&values.iter().flat_map(|value| one(value)).chain(without).collect::<Vec<_>>())
}

/// The resources whose `k` has one of the values, sorted.
fn with_values(wire: Wire, world: &World, values: &[&str]) -> Vec<String> {
    let mut found = wire.ids(world, &json!({ "tags": [{ "key": "k", "values": values }] }));
    found.sort();
    found
}

/// One resource for each name, with the name as its id.
fn by_name(names: &[&str]) -> World {
    let one = |name: &str| Wire::ALL.map(|wire| wire.resource(&format!("<{name}>"), name, &[]));
    World::with(&names.iter().flat_map(|name| one(name)).collect::<Vec<_>>())
}

/// The resources whose name a match finds, sorted.
fn with_name(wire: Wire, world: &World, name: &str) -> Vec<String> {
    let mut found = wire.ids(world, &json!({ "matches": [{ "key": "resource_name", "value": name }] }));
    found.sort();
    found
}

// ---- the four lists

#[test]
fn tags_wants_every_key_with_one_of_its_values() {
    let world = two_by_two();
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({ "tags": env_and_team() })), ["both"], "{wire:?}");
    }
}

#[test]
fn tags_any_wants_one_key_with_one_of_its_values() {
    let world = two_by_two();
    for wire in FOUR_LISTS {
        let found = wire.ids(&world, &json!({ "tags_any": env_and_team() }));
        assert_eq!(found, ["both", "team", "env"], "{wire:?}");
    }
}

#[test]
fn not_tags_drops_only_what_matches_every_entry() {
    let world = two_by_two();
    for wire in FOUR_LISTS {
        let found = wire.ids(&world, &json!({ "not_tags": env_and_team() }));
        assert_eq!(found, ["other", "team", "env", "neither"], "{wire:?}");
    }
}

#[test]
fn not_tags_any_drops_what_matches_some_entry_and_keeps_what_carries_none() {
    let world = two_by_two();
    for wire in FOUR_LISTS {
        let found = wire.ids(&world, &json!({ "not_tags_any": env_and_team() }));
        assert_eq!(found, ["other", "neither"], "{wire:?}");
    }
}

#[test]
fn all_lists_and_matches_must_hold_together() {
    let world = in_all_dialects(&[
        ("all", "web-1", &[("a", "1"), ("b", "1")]),
        ("no tags", "web-1", &[("b", "1")]),
        ("no tags_any", "web-1", &[("a", "1")]),
        ("not_tags", "web-1", &[("a", "1"), ("b", "1"), ("c", "1")]),
        ("not_tags_any", "web-1", &[("a", "1"), ("b", "1"), ("d", "1")]),
        ("no name", "db-1", &[("a", "1"), ("b", "1")]),
    ]);
    let entry = |key: &str| json!([{ "key": key, "values": ["1"] }]);
    for wire in FOUR_LISTS {
        let fields = json!({
            "tags": entry("a"),
            "tags_any": entry("b"),
            "not_tags": entry("c"),
            "not_tags_any": entry("d"),
            "matches": [{ "key": "resource_name", "value": "web" }],
        });
        assert_eq!(wire.ids(&world, &fields), ["all"], "{wire:?}");
    }
}

#[test]
fn a_contradiction_is_an_empty_page_and_no_error() {
    let world = two_by_two();
    let env = json!([{ "key": "env", "values": [] }]);
    for wire in FOUR_LISTS {
        let answer = wire.ask(&world, &json!({ "tags": env, "not_tags": env }));
        assert_eq!((answer.status, answer.json()), (200, json!({ "total_count": 0, "resources": [] })), "{wire:?}");
    }
}

#[test]
fn an_absent_list_is_no_condition_and_no_condition_at_all_is_every_resource() {
    let world = two_by_two();
    let all = ["other", "both", "team", "env", "neither"];
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), all, "{wire:?}");
        for list in wire.lists() {
            assert_eq!(wire.ids(&world, &json!({ *list: null })), all, "{wire:?} {list}");
        }
    }
}

#[test]
fn an_empty_list_is_refused_by_ims() {
    let world = two_by_two();
    for list in Wire::Ims.lists() {
        Wire::Ims.refuse(&world, &json!({ *list: [] }), Broken::Tags, &[&format!("{list}: "), "empty list"]);
    }
    Wire::Ims.refuse(&world, &json!({ "matches": [] }), Broken::General, &["matches: ", "empty list"]);
}

#[test]
fn an_empty_list_is_the_same_as_none_in_dns_cts_and_tms() {
    let world = two_by_two();
    for wire in [Wire::Dns, Wire::Cts, Wire::Tms] {
        let matches = if wire == Wire::Tms { None } else { Some("matches") };
        for list in wire.lists().iter().copied().chain(matches) {
            assert_eq!(wire.ids(&world, &json!({ list: [] })).len(), 5, "{wire:?} {list}");
        }
    }
}

// ---- values

#[test]
fn no_values_in_the_list_means_any_value_of_the_key() {
    let world = by_value(&["", "a", "b"]);
    for wire in Wire::ALL {
        assert_eq!(with_values(wire, &world, &[]), ["<>", "<a>", "<b>"], "{wire:?}");
    }
    for wire in FOUR_LISTS {
        let none = json!([{ "key": "k", "values": [] }]);
        assert_eq!(wire.ids(&world, &json!({ "not_tags": none })), ["without"], "{wire:?}");
    }
}

#[test]
fn values_left_out_mean_any_value_in_dns_and_cts_and_are_mandatory_in_ims_and_tms() {
    let world = by_value(&["a", "b"]);
    for entries in [json!([{ "key": "k" }]), json!([{ "key": "k", "values": null }])] {
        for wire in [Wire::Dns, Wire::Cts] {
            for list in wire.lists().iter().filter(|list| !list.starts_with("not") && **list != "sys_tags") {
                let found = wire.ids(&world, &json!({ *list: entries }));
                assert_eq!(found, ["<b>", "<a>"], "{wire:?} {list}");
            }
        }
        for wire in [Wire::Ims, Wire::Tms] {
            for list in wire.lists() {
                let path = format!("{list}[0].values: ");
                wire.refuse(&world, &json!({ *list: entries }), Broken::Value, &[&path, "missing, mandatory"]);
            }
        }
    }
}

#[test]
fn an_empty_value_matches_only_a_tag_with_an_empty_value() {
    let world = by_value(&["", "a", " "]);
    for wire in Wire::ALL {
        assert_eq!(with_values(wire, &world, &[""]), ["<>"], "{wire:?}");
        assert_eq!(with_values(wire, &world, &["", "a"]), ["<>", "<a>"], "{wire:?}");
    }
}

#[test]
fn behind_a_leading_asterisk_a_value_is_searched_for() {
    let world = by_value(&["prod", "preprod", "production", "pro", "a*b", "*", "**", "p*", "Prod"]);
    for wire in FOUR_LISTS {
        let found = |values: &[&str]| with_values(wire, &world, values);
        assert_eq!(found(&["*prod"]), ["<preprod>", "<prod>", "<production>"], "{wire:?}");
        assert_eq!(found(&["*od"]), ["<Prod>", "<preprod>", "<prod>", "<production>"], "{wire:?}");
        assert_eq!(found(&["*prod", "pro"]), ["<preprod>", "<pro>", "<prod>", "<production>"], "{wire:?}");
        assert_eq!(found(&["*x"]), Vec::<String>::new(), "{wire:?}");
        // elsewhere an asterisk is itself, also behind the first
        assert_eq!(found(&["pro*"]), Vec::<String>::new(), "{wire:?}");
        assert_eq!(found(&["p*"]), ["<p*>"], "{wire:?}");
        assert_eq!(found(&["a*b"]), ["<a*b>"], "{wire:?}");
        assert_eq!(found(&["**"]), ["<**>", "<*>", "<a*b>", "<p*>"], "{wire:?}");
        assert_eq!(found(&["***"]), ["<**>"], "{wire:?}");
        assert_eq!(found(&["*a*b"]), ["<a*b>"], "{wire:?}");
    }
}

#[test]
fn percent_underscore_and_backslash_are_always_themselves() {
    let world = by_value(&["100%", "1000", "a_b", "axb", "a\\b", "ab", "\\%", "a'b"]);
    for wire in FOUR_LISTS {
        let found = |values: &[&str]| with_values(wire, &world, values);
        assert_eq!(found(&["100%"]), ["<100%>"], "{wire:?}");
        assert_eq!(found(&["*0%"]), ["<100%>"], "{wire:?}");
        assert_eq!(found(&["*%"]), ["<100%>", "<\\%>"], "{wire:?}");
        assert_eq!(found(&["a_b", "*_"]), ["<a_b>"], "{wire:?}");
        assert_eq!(found(&["*\\"]), ["<\\%>", "<a\\b>"], "{wire:?}");
        assert_eq!(found(&["*a\\b"]), ["<a\\b>"], "{wire:?}");
        assert_eq!(found(&["*\\%"]), ["<\\%>"], "{wire:?}");
        assert_eq!(found(&["*'"]), ["<a'b>"], "{wire:?}");
    }
}

#[test]
fn a_lone_asterisk_is_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        for list in wire.lists() {
            let fields = json!({ *list: [{ "key": "k", "values": ["a", "*"] }] });
            wire.refuse(&world, &fields, Broken::Value, &[&format!("{list}[0].values[1]: "), "\"*\""]);
        }
    }
}

#[test]
fn tms_has_no_search_for_values() {
    let world = World::empty();
    let fields = json!({ "tags": [{ "key": "k", "values": ["*prod"] }] });
    Wire::Tms.refuse(&world, &fields, Broken::Value, &["tags[0].values[0]: ", "\"*prod\"", "\"*\""]);
}

#[test]
fn keys_and_values_compare_with_case() {
    let world = in_all_dialects(&[("lower", "", &[("env", "prod")]), ("upper", "", &[("ENV", "PROD")])]);
    for wire in Wire::ALL {
        let found = |key: &str, value: &str| wire.ids(&world, &json!({ "tags": [{ "key": key, "values": [value] }] }));
        assert_eq!(found("env", "prod"), ["lower"], "{wire:?}");
        assert_eq!(found("ENV", "PROD"), ["upper"], "{wire:?}");
        assert_eq!(found("env", "PROD"), Vec::<String>::new(), "{wire:?}");
        assert_eq!(found("Env", "prod"), Vec::<String>::new(), "{wire:?}");
        if wire != Wire::Tms {
            assert_eq!(found("env", "*RO"), Vec::<String>::new(), "{wire:?}");
            assert_eq!(found("ENV", "*RO"), ["upper"], "{wire:?}");
        }
    }
}

// ---- without any tag

#[test]
fn without_any_tag_wants_only_resources_with_no_tag() {
    let world = two_by_two();
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({ "without_any_tag": true })), ["neither"], "{wire:?}");
    }
}

#[test]
fn without_any_tag_set_to_false_or_null_is_the_same_as_none() {
    let world = two_by_two();
    for wire in Wire::ALL {
        for value in [json!(false), json!(null)] {
            assert_eq!(wire.ids(&world, &json!({ "without_any_tag": value })).len(), 5, "{wire:?}");
            let fields = json!({ "without_any_tag": value, "tags": env_and_team() });
            assert_eq!(wire.ids(&world, &fields), ["both"], "{wire:?}");
        }
    }
}

#[test]
fn without_any_tag_is_true_or_false_and_nothing_else() {
    let world = World::empty();
    for wire in Wire::ALL {
        for wrong in [json!("true"), json!(1), json!([]), json!({})] {
            let fields = json!({ "without_any_tag": wrong });
            wire.refuse(&world, &fields, Broken::General, &["without_any_tag: ", "line 1, column"]);
        }
    }
}

#[test]
fn beside_without_any_tag_the_four_lists_are_ignored_whatever_they_hold() {
    let world = two_by_two();
    let garbage = [
        json!("text"),
        json!(1e300),
        json!(true),
        json!({}),
        json!([]),
        json!([null, 1, "x", [], {}]),
        json!([{ "key": "" }, { "key": "" }]),
        json!([{ "key": "k".repeat(1000), "values": ["*", "*"], "no such field": 1 }]),
        json!((0..100).map(|i| json!({ "key": i })).collect::<Value>()),
    ];
    for wire in Wire::ALL {
        for garbage in &garbage {
            for list in wire.lists().iter().filter(|list| **list != "sys_tags") {
                let fields = json!({ "without_any_tag": true, *list: garbage });
                assert_eq!(wire.ids(&world, &fields), ["neither"], "{wire:?} {list} {garbage}");
            }
        }
        let fields = json!({ "without_any_tag": true, "tags": env_and_team() });
        assert_eq!(wire.ids(&world, &fields), ["neither"], "{wire:?}");
    }
}

#[test]
fn beside_without_any_tag_matches_and_sys_tags_still_apply() {
    let world = in_all_dialects(&[
        ("bare web", "web-1", &[]),
        ("bare db", "db-1", &[]),
        ("tagged web", "web-2", &[("a", "1")]),
        ("system web", "web-3", &[("_sys_x", "1")]),
    ]);
    for wire in FOUR_LISTS {
        let fields = json!({ "without_any_tag": true, "matches": [{ "key": "resource_name", "value": "web" }] });
        assert_eq!(wire.ids(&world, &fields), ["system web", "bare web"], "{wire:?}");
        let fields = json!({ "without_any_tag": true, "matches": [{ "key": "resource_name" , "value": 1 }] });
        wire.refuse(&world, &fields, Broken::General, &["matches[0].value: "]);
    }
    let fields = json!({ "without_any_tag": true, "matches": [{ "key": "resource_id", "value": "bare db" }] });
    assert_eq!(Wire::Ims.ids(&world, &fields), ["bare db"]);
    let fields = json!({ "without_any_tag": true, "sys_tags": [{ "key": "_sys_x", "values": ["1"] }] });
    assert_eq!(Wire::Cts.ids(&world, &fields), ["system web"]);
    let fields = json!({ "without_any_tag": true, "sys_tags": [{ "key": "" }] });
    Wire::Cts.refuse(&world, &fields, Broken::Key, &["sys_tags[0].key: "]);
}

#[test]
fn system_tags_do_not_count_as_tags() {
    let world = in_all_dialects(&[
        ("system", "", &[("_sys_enterprise_project_id", "0")]),
        ("system and user", "", &[("_sys_enterprise_project_id", "0"), ("a", "")]),
        ("nearly system", "", &[("_sy_x", "0")]),
        ("wrong case", "", &[("_SYS_x", "0")]),
    ]);
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({ "without_any_tag": true })), ["system"], "{wire:?}");
    }
}

// ---- system tags

#[test]
fn sys_tags_is_a_list_of_cts_over_system_tags_alone() {
    let world = in_all_dialects(&[
        ("none", "", &[("a", "1")]),
        ("x1", "", &[("_sys_x", "1"), ("a", "1")]),
        ("x2", "", &[("_sys_x", "2")]),
        ("x2y", "", &[("_sys_x", "2"), ("_sys_y", "")]),
    ]);
    let found = |fields: Value| Wire::Cts.ids(&world, &fields);
    let x = |values: &[&str]| json!([{ "key": "_sys_x", "values": values }]);
    assert_eq!(found(json!({ "sys_tags": x(&["1"]) })), ["x1"]);
    assert_eq!(found(json!({ "sys_tags": x(&[]) })), ["x2y", "x2", "x1"]);
    assert_eq!(found(json!({ "sys_tags": x(&["*2"]) })), ["x2y", "x2"]);
    assert_eq!(found(json!({ "sys_tags": [{ "key": "_sys_x" }, { "key": "_sys_y", "values": [""] }] })), ["x2y"]);
    // a key that is no system tag's finds nothing, though the tag is there
    assert_eq!(found(json!({ "sys_tags": [{ "key": "a", "values": ["1"] }] })), Vec::<String>::new());
    assert_eq!(found(json!({ "sys_tags": x(&[]), "tags": [{ "key": "a" }] })), ["x1"]);
    assert_eq!(found(json!({ "sys_tags": [] })).len(), 4);
    for wire in [Wire::Ims, Wire::Dns, Wire::Tms] {
        wire.refuse(&world, &json!({ "sys_tags": x(&[]) }), Broken::General, &["unknown field \"sys_tags\""]);
    }
}

// ---- matches

#[test]
fn a_name_is_matched_in_part_and_without_case() {
    let world = by_name(&["web-1", "WEB-2", "preWeb", "db", "Ärger", "Straße"]);
    for wire in FOUR_LISTS {
        assert_eq!(with_name(wire, &world, "web"), ["<WEB-2>", "<preWeb>", "<web-1>"], "{wire:?}");
        assert_eq!(with_name(wire, &world, "WEB-"), ["<WEB-2>", "<web-1>"], "{wire:?}");
        assert_eq!(with_name(wire, &world, "äRG"), ["<Ärger>"], "{wire:?}");
        assert_eq!(with_name(wire, &world, "b"), ["<WEB-2>", "<db>", "<preWeb>", "<web-1>"], "{wire:?}");
        assert_eq!(with_name(wire, &world, "nothing"), Vec::<String>::new(), "{wire:?}");
    }
}

#[test]
fn wildcards_in_a_name_are_themselves() {
    let world = by_name(&["100%", "1000", "a_b", "axb", "a\\b", "a*b"]);
    for wire in [Wire::Ims, Wire::Dns] {
        assert_eq!(with_name(wire, &world, "0%"), ["<100%>"], "{wire:?}");
        assert_eq!(with_name(wire, &world, "a_b"), ["<a_b>"], "{wire:?}");
    }
    for wire in FOUR_LISTS {
        assert_eq!(with_name(wire, &world, "\\"), ["<a\\b>"], "{wire:?}");
        assert_eq!(with_name(wire, &world, "a*b"), ["<a*b>"], "{wire:?}");
        assert_eq!(with_name(wire, &world, "*"), ["<a*b>"], "{wire:?}");
    }
}

#[test]
fn cts_refuses_underscore_and_percent_in_a_name() {
    let world = World::empty();
    for (name, wrong) in [("a_b", "\"_\""), ("100%", "\"%\"")] {
        let fields = json!({ "matches": [{ "key": "resource_name", "value": name }] });
        Wire::Cts.refuse(&world, &fields, Broken::General, &["matches[0].value: ", name, wrong]);
    }
}

#[test]
fn an_empty_name_matches_only_resources_without_a_name() {
    let world = by_name(&["", "web", " "]);
    for wire in FOUR_LISTS {
        assert_eq!(with_name(wire, &world, ""), ["<>"], "{wire:?}");
    }
}

#[test]
fn a_match_without_a_value_means_the_empty_name_in_dns_and_cts_and_is_refused_by_ims() {
    let world = by_name(&["", "web"]);
    for matches in [json!([{ "key": "resource_name" }]), json!([{ "key": "resource_name", "value": null }])] {
        let fields = json!({ "matches": matches });
        for wire in [Wire::Dns, Wire::Cts] {
            assert_eq!(wire.ids(&world, &fields), ["<>"], "{wire:?}");
        }
        Wire::Ims.refuse(&world, &fields, Broken::General, &["matches[0].value: ", "missing"]);
    }
}

#[test]
fn an_id_is_matched_whole_and_only_by_ims() {
    let world = in_all_dialects(&[("r1", "web", &[]), ("r10", "web", &[]), ("R1", "db", &[])]);
    let by_id = |id: &str| json!({ "matches": [{ "key": "resource_id", "value": id }] });
    assert_eq!(Wire::Ims.ids(&world, &by_id("r1")), ["r1"]);
    assert_eq!(Wire::Ims.ids(&world, &by_id("r")), Vec::<String>::new());
    assert_eq!(Wire::Ims.ids(&world, &by_id("")), Vec::<String>::new());
    let both = |name: &str| {
        json!({ "matches": [
            { "key": "resource_id", "value": "r1" }, { "key": "resource_name", "value": name },
        ]})
    };
    assert_eq!(Wire::Ims.ids(&world, &both("we")), ["r1"]);
    assert_eq!(Wire::Ims.ids(&world, &both("db")), Vec::<String>::new());
    for wire in [Wire::Dns, Wire::Cts] {
        wire.refuse(&world, &by_id("r1"), Broken::General, &["matches[0].key: ", "\"resource_id\""]);
    }
}

#[test]
fn a_match_with_an_unknown_a_repeated_or_no_key_is_refused() {
    let world = World::empty();
    let name = json!({ "key": "resource_name", "value": "a" });
    for wire in FOUR_LISTS {
        for (matches, parts) in [
            (json!([{ "key": "name", "value": "a" }]), ["matches[0].key: ", "\"name\""]),
            (json!([{ "key": "Resource_Name", "value": "a" }]), ["matches[0].key: ", "\"Resource_Name\""]),
            (json!([{ "key": "", "value": "a" }]), ["matches[0].key: ", "\"\""]),
            (json!([{ "value": "a" }]), ["matches[0].key: ", "missing"]),
            (json!([name, name]), ["matches[1].key: ", "\"resource_name\""]),
            (json!([name, { "key": "resource_name", "value": "b" }]), ["matches[1].key: ", "unique"]),
        ] {
            wire.refuse(&world, &json!({ "matches": matches }), Broken::General, &parts);
        }
    }
    let id = json!({ "key": "resource_id", "value": "a" });
    Wire::Ims.refuse(&world, &json!({ "matches": [id, name, id] }), Broken::General, &["matches[2].key: ", "unique"]);
}

// ---- action and count

#[test]
fn the_action_is_mandatory_in_ims_and_dns_and_compared_with_case() {
    let world = World::empty();
    for wire in [Wire::Ims, Wire::Dns] {
        for body in ["{}", r#"{"action":null}"#] {
            wire.check_refusal(&world.post(wire.path(), body), Broken::General, &["action: ", "missing"], body);
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
        wire.check_refusal(&answer, Broken::General, &["\"marker\"", "no such query parameter"], "?marker=1");
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

// ---- what is not in the tables of a dialect

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
        let parts = ["tags[0].key: ", "allowed are letters, digits"];
        Wire::Tms.refuse(&world, &tags(&format!("a{wrong}"), "v"), Broken::Key, &parts);
        if wrong != "." {
            let parts = ["tags[0].values[0]: ", "allowed are letters, digits"];
            Wire::Tms.refuse(&world, &tags("k", &format!("a{wrong}")), Broken::Value, &parts);
        }
    }
}

// ---- answers

/// A resource with everything that can be stored.
fn full(wire: Wire, id: &str, name: &str, detail: Option<&str>) -> Registration {
    let mut one = wire.resource(id, name, &[]);
    one.project_name = Some("Project P".into());
    one.resource.detail = detail.map(ToOwned::to_owned);
    one.resource.tags = vec![tag("_sys_x", "0"), tag("env", "prod"), tag("only a key", "")];
    one
}

#[test]
fn an_item_has_exactly_the_fields_of_the_dialect() {
    let world = World::with(&Wire::ALL.map(|wire| full(wire, "r", "web", Some(r#"{"status": "active", "n": 1.50}"#))));
    for wire in Wire::ALL {
        let mut tags = vec![json!({ "key": "env", "value": "prod" }), json!({ "key": "only a key", "value": "" })];
        if wire == Wire::Cts {
            tags.insert(0, json!({ "key": "_sys_x", "value": "0" }));
        }
        let mut item = json!({ "resource_id": "r", "resource_name": "web", "tags": tags });
        let mut answer = json!({ "total_count": 1 });
        if wire == Wire::Tms {
            item["project_id"] = json!("p");
            item["project_name"] = json!("Project P");
            item["resource_type"] = json!("ecs");
            answer["errors"] = json!([]);
        } else {
            item["resource_detail"] = json!({ "status": "active", "n": 1.5 });
        }
        answer["resources"] = json!([item]);
        assert_eq!(wire.ask(&world, &json!({})).json(), answer, "{wire:?}");
    }
}

#[test]
fn a_detail_that_is_not_stored_is_an_empty_object_null_or_an_empty_text() {
    let world = World::with(&FOUR_LISTS.map(|wire| full(wire, "r", "web", None)));
    for (wire, absent) in [(Wire::Ims, json!({})), (Wire::Dns, json!(null)), (Wire::Cts, json!(""))] {
        let item = &wire.ask(&world, &json!({})).json()["resources"][0];
        assert_eq!(item.get("resource_detail"), Some(&absent), "{wire:?}");
    }
}

#[test]
fn a_stored_detail_of_any_type_is_answered_as_it_is() {
    for detail in ["null", "\"\"", "\"text\"", "[1, {\"a\": null}]", "false", "{}", "12345678901234567890"] {
        let world = World::with(&FOUR_LISTS.map(|wire| full(wire, "r", "web", Some(detail))));
        let expected: Value = serde_json::from_str(detail).unwrap();
        for wire in FOUR_LISTS {
            let item = &wire.ask(&world, &json!({})).json()["resources"][0];
            assert_eq!(item.get("resource_detail"), Some(&expected), "{wire:?} {detail}");
        }
    }
}

#[test]
fn a_nameless_resource_has_an_empty_name_and_an_untagged_one_an_empty_list() {
    let world = in_all_dialects(&[("r", "", &[])]);
    for wire in Wire::ALL {
        let item = &wire.ask(&world, &json!({})).json()["resources"][0];
        assert_eq!((&item["resource_name"], &item["tags"]), (&json!(""), &json!([])), "{wire:?}");
    }
}

#[test]
fn system_tags_are_shown_by_cts_and_hidden_by_the_others() {
    let world = in_all_dialects(&[("r", "", &[("_sys_x", "0"), ("a", "1")]), ("s", "", &[("_sys_x", "0")])]);
    let (system, user) = (json!({ "key": "_sys_x", "value": "0" }), json!({ "key": "a", "value": "1" }));
    for wire in Wire::ALL {
        let answer = wire.ask(&world, &json!({})).json();
        let shown = (&answer["resources"][0]["tags"], &answer["resources"][1]["tags"]);
        if wire == Wire::Cts {
            assert_eq!(shown, (&json!([system]), &json!([system, user])));
        } else {
            assert_eq!(shown, (&json!([]), &json!([user])), "{wire:?}");
        }
    }
}

#[test]
fn texts_come_back_as_they_were_registered() {
    let odd = "\"\\/\u{8}\u{c}\n\r\t\u{1f}\u{7f}\u{2028}é日𝒳 ";
    let world = in_all_dialects(&[(odd, odd, &[(odd, odd)])]);
    for wire in Wire::ALL {
        let item = &wire.ask(&world, &json!({})).json()["resources"][0];
        assert_eq!(item["resource_id"], odd, "{wire:?}");
        assert_eq!(item["resource_name"], odd, "{wire:?}");
        assert_eq!(item["tags"], json!([{ "key": odd, "value": odd }]), "{wire:?}");
    }
}

#[test]
fn a_query_sees_only_its_own_project_and_type() {
    let mut fleet = Vec::new();
    for wire in Wire::ALL {
        fleet.push(wire.resource("here", "", &[]));
        fleet.push(Registration { project_id: "P".into(), ..wire.resource("other project", "", &[]) });
    }
    fleet.push(Registration { resource_type: "DNS-ptr_record".into(), ..Wire::Dns.resource("other type", "", &[]) });
    let world = World::with(&fleet);
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), ["here"], "{wire:?}");
    }
    let answer = world.post("/v2/p/DNS-ptr_record/resource_instances/action", r#"{"action":"filter"}"#);
    assert_eq!(ids(&answer.json()), ["other type"]);
}

// ---- resource types

#[test]
fn dns_has_five_resource_types_and_cts_one() {
    let world = World::empty();
    let types =
        ["DNS-public_zone", "DNS-private_zone", "DNS-public_recordset", "DNS-private_recordset", "DNS-ptr_record"];
    for name in types {
        let answer = world.post(&format!("/v2/p/{name}/resource_instances/action"), r#"{"action":"filter"}"#);
        assert_eq!(answer.json(), json!({ "total_count": 0, "resources": [] }), "{name}");
    }
    for wrong in ["dns-public_zone", "DNS-public_zones", "ecs", "image", "cts-tracker"] {
        let answer = world.post(&format!("/v2/p/{wrong}/resource_instances/action"), r#"{"action":"filter"}"#);
        Wire::Dns.check_refusal(&answer, Broken::Type, &["resource_type: ", &format!("\"{wrong}\"")], wrong);
    }
    for wrong in ["CTS-tracker", "cts-trackers", "images"] {
        for end in ["filter", "count"] {
            let answer = world.post(&format!("/v3/p/{wrong}/resource-instances/{end}"), "{}");
            Wire::Cts.check_refusal(&answer, Broken::Type, &["resource_type: ", &format!("\"{wrong}\"")], wrong);
        }
    }
}

#[test]
fn tms_takes_one_to_ten_resource_types() {
    let world = World::empty();
    let all = [
        "images",
        "ecs",
        "cdn",
        "disk",
        "vpcs",
        "eip",
        "cts-tracker",
        "scaling_group",
        "security-groups",
        "shared_bandwidth",
        "DNS-ptr_record",
    ];
    for count in [1, 10] {
        assert_eq!(Wire::Tms.ids(&world, &json!({ "resource_types": all[..count] })), Vec::<String>::new());
    }
    let fields = json!({ "resource_types": all });
    Wire::Tms.refuse(&world, &fields, Broken::General, &["resource_types: ", "11 types", "1 to 10"]);
    let fields = json!({ "resource_types": [] });
    Wire::Tms.refuse(&world, &fields, Broken::General, &["resource_types: ", "0 types", "1 to 10"]);
    let fields = json!({ "resource_types": null });
    Wire::Tms.refuse(&world, &fields, Broken::General, &["resource_types: ", "missing"]);
    for wrong in [json!("ecs"), json!([1]), json!([null]), json!({})] {
        let fields = json!({ "resource_types": wrong });
        Wire::Tms.refuse(&world, &fields, Broken::General, &["resource_types", "line 1, column"]);
    }
}

#[test]
fn tms_compares_types_with_case_and_refuses_one_it_does_not_know() {
    let world = in_all_dialects(&[("r", "", &[])]);
    for wrong in ["ECS", "Images", "ecs ", "", "server", "日本", "\u{0}"] {
        let fields = json!({ "resource_types": ["ecs", wrong] });
        Wire::Tms.refuse(&world, &fields, Broken::Type, &["resource_types[1]: "]);
        let fields = json!({ "resource_types": [wrong], "project_id": "nobody" });
        Wire::Tms.refuse(&world, &fields, Broken::Type, &["resource_types[0]: "]);
    }
}

#[test]
fn tms_wants_a_project_for_a_type_of_a_region() {
    let world = in_all_dialects(&[("r", "", &[])]);
    for types in [json!(["ecs"]), json!(["cdn", "ecs"]), json!(["images"]), json!(["DNS-public_zone"])] {
        for project in [json!({}), json!({ "project_id": null })] {
            let mut body = project;
            body["resource_types"] = types.clone();
            let answer = world.post(Wire::Tms.path(), &body.to_string());
            Wire::Tms.check_refusal(&answer, Broken::Project, &["project_id: ", "missing"], &body.to_string());
        }
    }
}

#[test]
fn tms_covers_every_project_for_global_types_without_a_project() {
    let one = |project: &str, name: &str, id: &str| Registration {
        project_id: project.into(),
        project_name: Some(name.into()),
        resource_type: "cdn".into(),
        ..Wire::Tms.resource(id, "", &[])
    };
    let world = World::with(&[
        one("b", "Project B", "b1"),
        one("a", "Project A", "a1"),
        one("b", "Project B", "b2"),
        one("a", "Project A", "a2"),
    ]);
    let answer = world.post(Wire::Tms.path(), r#"{"resource_types":["cdn"]}"#).json();
    assert_eq!(ids(&answer), ["a2", "a1", "b2", "b1"]);
    assert_eq!(answer["total_count"], 4);
    assert_eq!(answer["errors"], json!([]));
    let names: Vec<&Value> = answer["resources"].as_array().unwrap().iter().map(|r| &r["project_name"]).collect();
    assert_eq!(names, ["Project A", "Project A", "Project B", "Project B"]);

    let in_one = world.post(Wire::Tms.path(), r#"{"resource_types":["cdn"],"project_id":"b"}"#).json();
    assert_eq!(ids(&in_one), ["b2", "b1"]);
    let in_none = world.post(Wire::Tms.path(), r#"{"resource_types":["cdn"],"project_id":"c"}"#).json();
    assert_eq!(in_none, json!({ "resources": [], "errors": [], "total_count": 0 }));
}

#[test]
fn tms_answers_by_type_as_asked_then_project_then_newest() {
    let one = |project: &str, resource_type: &str, id: &str| Registration {
        project_id: project.into(),
        resource_type: resource_type.into(),
        ..Wire::Tms.resource(id, "", &[])
    };
    let world = World::with(&[
        one("p", "ecs", "ecs-1"),
        one("p", "disk", "disk-1"),
        one("p", "cdn", "cdn-1"),
        one("p", "ecs", "ecs-2"),
        one("p", "disk", "disk-2"),
    ]);
    let found = |types: Value, more: Value| {
        let mut fields = more;
        fields["resource_types"] = types;
        Wire::Tms.page(&world, &fields).0
    };
    let all = ["ecs-2", "ecs-1", "cdn-1", "disk-2", "disk-1"];
    assert_eq!(found(json!(["ecs", "cdn", "disk"]), json!({})), all);
    assert_eq!(found(json!(["disk", "ecs"]), json!({})), ["disk-2", "disk-1", "ecs-2", "ecs-1"]);
    // a page may begin in one type and end in another
    assert_eq!(found(json!(["ecs", "cdn", "disk"]), json!({ "offset": 1, "limit": 3 })), all[1..4]);
    assert_eq!(found(json!(["ecs", "cdn", "disk"]), json!({ "offset": 4, "limit": 3 })), all[4..]);
}

#[test]
fn tms_takes_an_empty_project_for_a_slip() {
    let world = World::empty();
    Wire::Tms.refuse(&world, &json!({ "project_id": "" }), Broken::General, &["project_id: ", "\"\""]);
    Wire::Tms.refuse(&world, &json!({ "project_id": 1 }), Broken::General, &["project_id: ", "line 1, column"]);
}

// ---- the documents

#[test]
fn every_request_that_a_document_prints_is_accepted_as_it_stands() {
    let world = World::empty();
    let ims = r#"
        {
           "action": "filter",
           "limit": "1",
           "offset": "0",
           "matches": [{
              "key": "resource_name",
              "value": "test100"
           }],
           "tags": [
           {
              "key": "key3",
              "values": ["valueXX"]
           }],
           "tags_any": [
           {
              "key": "key0",
              "values": ["valueXX"]
           }],
           "not_tags": [
           {
              "key": "key9",
              "values": ["value9"]
           }],
           "not_tags_any": [{
              "key": "key7",
              "values": ["value7"]
           }]
        }
        "#;
    let ims_count =
        ims.replace("\"filter\"", "\"count\"").replace("\"limit\": \"1\",", "").replace("\"offset\": \"0\",", "");
    let dns = r#"
{
  "offset" : "100",
  "limit" : "100",
  "action" : "filter",
  "matches" : [ {
    "key" : "resource_name",
    "value" : "resource1"
  } ],
  "not_tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "tags_any" : [ {
    "key" : "key1",
    "values" : [ "value1", "value2" ]
  } ],
  "not_tags_any" : [ {
    "key" : "key1",
    "values" : [ "value1", "value2" ]
  } ]
}
"#;
    let tms = r#"
{
  "project_id" : "e1eb7c40cbeaxxxxxxcde527594a306d",
  "resource_types" : [ "disk", "ecs" ],
  "tags" : [ {
    "key" : "env",
    "values" : [ "dev", "prod" ]
  }, {
    "key" : "test",
    "values" : [ "test" ]
  } ],

  "without_any_tag" : true,
  "offset" : 0,
  "limit" : 10
}
"#;
    let cts = r#"
{
  "offset" : "100",
  "limit" : "100",
  "action" : "filter",
  "without_any_tag" : true,
  "tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "tags_any" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "not_tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "not_tags_any" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "sys_tags" : [ {
    "key" : "key1",
    "values" : [ "*value1", "value2" ]
  } ],
  "matches" : [ {
    "key" : "resource_name",
    "value" : "resource1"
  } ]
}
"#;
    for (wire, body) in
        [(Wire::Ims, ims), (Wire::Ims, &ims_count), (Wire::Dns, dns), (Wire::Tms, tms), (Wire::Cts, cts)]
    {
        for world in [&world, &in_all_dialects(&[("r", "resource1", &[("key1", "value2")])])] {
            let answer = world.post(wire.path(), body);
            assert_eq!(answer.status, 200, "{wire:?}: {}", answer.body);
        }
    }
}
