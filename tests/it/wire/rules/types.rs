//! Resource types and projects, most of all those of TMS.

use serde_json::{Value, json};
use tagd::domain::change::Registration;

use crate::support::{Broken, Wire, World, ids, in_all_dialects, registration};

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
    Wire::Tms.refuse(&world, &fields, Broken::General, &["resource_types: must have at most 10 types"]);
    let fields = json!({ "resource_types": [] });
    Wire::Tms.refuse(&world, &fields, Broken::General, &["resource_types: ", "between 1 and 10 types, got 0"]);
    let fields = json!({ "resource_types": null });
    Wire::Tms.refuse(&world, &fields, Broken::General, &["resource_types: ", "is required"]);
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
            Wire::Tms.check_refusal(&answer, Broken::Project, &["project_id: ", "is required"], &body.to_string());
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
fn tms_takes_an_empty_project_for_none() {
    let mut there = registration("cdn", "there", "", &[]);
    there.project_id = "q".into();
    let world = World::with(&[registration("cdn", "here", "", &[]), there]);
    let found = Wire::Tms.ids(&world, &json!({ "project_id": "", "resource_types": ["cdn"] }));
    assert_eq!(found, ["here", "there"]);
    Wire::Tms.refuse(&world, &json!({ "project_id": "" }), Broken::Project, &["project_id: "]);
    Wire::Tms.refuse(&world, &json!({ "project_id": 1 }), Broken::General, &["project_id: ", "line 1, column"]);
}
