//! The four lists, `without_any_tag` and `sys_tags`: which resources a query finds.

use serde_json::{Value, json};

use super::{FOUR_LISTS, env_and_team, two_by_two};
use crate::support::{Broken, Wire, World, in_all_dialects};

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
        Wire::Ims.refuse(&world, &json!({ *list: [] }), Broken::Tags, &[&format!("{list}: "), "must not be empty"]);
    }
    Wire::Ims.refuse(&world, &json!({ "matches": [] }), Broken::General, &["matches: ", "must not be empty"]);
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
