//! The fields of an answer in each dialect.

use serde_json::{Value, json};
use tagd::domain::change::Registration;

use crate::support::{Wire, World, ids, in_all_dialects, tag};

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
        }
        item["resource_detail"] = json!({ "status": "active", "n": 1.5 });
        answer["resources"] = json!([item]);
        assert_eq!(wire.ask(&world, &json!({})).json(), answer, "{wire:?}");
    }
}

#[test]
fn a_detail_that_is_not_stored_is_an_empty_object_null_an_empty_text_or_left_out() {
    let world = World::with(&Wire::ALL.map(|wire| full(wire, "r", "web", None)));
    let item = &Wire::Tms.ask(&world, &json!({})).json()["resources"][0];
    assert_eq!((&item["resource_id"], item.get("resource_detail")), (&json!("r"), None));
    for (wire, absent) in [(Wire::Ims, json!({})), (Wire::Dns, json!(null)), (Wire::Cts, json!(""))] {
        let item = &wire.ask(&world, &json!({})).json()["resources"][0];
        assert_eq!(item.get("resource_detail"), Some(&absent), "{wire:?}");
    }
}

#[test]
fn a_stored_detail_of_any_type_is_answered_as_it_is() {
    for detail in ["null", "\"\"", "\"text\"", "[1, {\"a\": null}]", "false", "{}", "12345678901234567890"] {
        let world = World::with(&Wire::ALL.map(|wire| full(wire, "r", "web", Some(detail))));
        let expected: Value = serde_json::from_str(detail).unwrap();
        for wire in Wire::ALL {
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
