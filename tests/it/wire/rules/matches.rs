//! `matches`: names in part and without case, ids whole.

use serde_json::json;

use super::{FOUR_LISTS, by_name, with_name};
use crate::support::{Broken, Wire, World, in_all_dialects};

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
        Wire::Cts.refuse(&world, &fields, Broken::General, &["matches[0].value: ", "must not contain", wrong]);
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
        Wire::Ims.refuse(&world, &fields, Broken::General, &["matches[0].value: ", "is required"]);
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
            (json!([{ "value": "a" }]), ["matches[0].key: ", "is required"]),
            (json!([name, name]), ["matches[1].key: ", "\"resource_name\""]),
            (json!([name, { "key": "resource_name", "value": "b" }]), ["matches[1].key: ", "duplicate key"]),
        ] {
            wire.refuse(&world, &json!({ "matches": matches }), Broken::General, &parts);
        }
    }
    let id = json!({ "key": "resource_id", "value": "a" });
    Wire::Ims.refuse(
        &world,
        &json!({ "matches": [id, name, id] }),
        Broken::General,
        &["matches[2].key: ", "duplicate key"],
    );
}
