//! The values of a key: none, empty, searched for, with case.

use serde_json::json;

use super::{FOUR_LISTS, by_value, with_values};
use crate::support::{Broken, Wire, World, in_all_dialects};

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
    let (missing, null_values) = (json!([{ "key": "k" }]), json!([{ "key": "k", "values": null }]));
    for wire in Wire::ALL {
        for list in wire.lists() {
            let fields = json!({ *list: missing });
            if [Wire::Ims, Wire::Tms].contains(&wire) {
                let path = format!("{list}[0].values: ");
                wire.refuse(&world, &fields, Broken::Value, &[&path, "is required"]);
            } else if !list.starts_with("not") && *list != "sys_tags" {
                assert_eq!(wire.ids(&world, &fields), ["<b>", "<a>"], "{wire:?} {list}");
            }
            // a Go client sends null for a list with nothing in it, which is any value everywhere
            let found = wire.ids(&world, &json!({ *list: null_values }));
            assert_eq!(found, wire.ids(&world, &json!({ *list: [{ "key": "k", "values": [] }] })), "{wire:?} {list}");
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
    Wire::Tms.refuse(&world, &fields, Broken::Value, &["tags[0].values[0]: ", "got \"*\""]);
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
