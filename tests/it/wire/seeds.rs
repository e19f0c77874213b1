//! Every request example of the four services' documents, character by character as they print it.
//!
//! Two of them contradict themselves, so that nothing can match: DNS asks for a tag and excludes it, CTS asks for
//! a system tag by a key that no system tag has. They are sent as they are, and once more without the contradiction.

use serde_json::{Value, json};
use tagd::domain::change::Registration;

use crate::support::{World, check_golden, golden_dir, registration};

const IMS: &str = "/v2/fd73a4a14a4a4dfb9771a8475e5198ea/images/resource_instances/action";
const DNS: &str = "/v2/a/DNS-public_zone/resource_instances/action";
const TMS: &str = "/v1.0/resource-instances/filter";
const CTS: &str = "/v3/a/cts-tracker/resource-instances/filter";

/// An example as it stands in the document.
fn example(name: &str) -> String {
    std::fs::read_to_string(golden_dir().join(format!("seeds/{name}.request.json"))).unwrap()
}

/// Posts a body, compares the answer with its golden, and gives it back.
fn answer(world: &World, path: &str, body: &str, name: &str) -> Value {
    let answer = world.post(path, body);
    assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/json");
    let answer = answer.json();
    check_golden(&format!("seeds/{name}.answer.json"), &format!("{answer:#}\n"));
    answer
}

/// Field names and types: scalars by the name of their type, lists by the one shape of their elements.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(number) => json!(if number.is_u64() { "integer" } else { "number" }),
        Value::String(_) => json!("string"),
        Value::Array(elements) => {
            let mut shapes: Vec<Value> = elements.iter().map(shape).collect();
            shapes.dedup();
            shapes.into()
        }
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), shape(field))).collect(),
    }
}

/// The page of the documents of IMS, DNS and CTS.
fn page(resource_detail: &Value) -> Value {
    json!({
        "resources": [{
            "resource_detail": resource_detail,
            "resource_id": "string",
            "resource_name": "string",
            "tags": [{ "key": "string", "value": "string" }],
        }],
        "total_count": "integer",
    })
}

fn in_project(project: &str, mut resource: Registration) -> Registration {
    resource.project_id = project.into();
    resource
}

fn images() -> Vec<Registration> {
    let image = |id: String, name: &str, tags: &[(&str, &str)]| {
        let mut image = in_project("fd73a4a14a4a4dfb9771a8475e5198ea", registration("images", &id, name, tags));
        image.resource.detail = Some(json!({ "status": "active" }).to_string());
        image
    };
    let wanted = [("key0", "valueXX"), ("key3", "valueXX")];
    let mut fleet = Vec::new();
    for i in 0..36 {
        fleet.push(image(format!("wanted-{i}"), &format!("test100{i:02}"), &wanted));
    }
    // what the example excludes: one condition fails each
    fleet.push(image("other-name".into(), "test10", &wanted));
    fleet.push(image("without-key0".into(), "test10099", &[("key3", "valueXX")]));
    fleet.push(image("other-key3".into(), "test10099", &[("key0", "valueXX"), ("key3", "valueYY")]));
    fleet.push(image(
        "excluded-by-key7".into(),
        "test10099",
        &[("key0", "valueXX"), ("key3", "valueXX"), ("key7", "value7")],
    ));
    fleet.push(image(
        "excluded-by-key9".into(),
        "test10099",
        &[("key0", "valueXX"), ("key3", "valueXX"), ("key9", "value9")],
    ));
    fleet
}

#[test]
fn the_examples_of_ims_are_answered() {
    let world = World::with(&images());
    let count = answer(&world, IMS, &example("ims-count"), "ims-count");
    assert_eq!(count, json!({ "total_count": 36 }));
    let filter = answer(&world, IMS, &example("ims-filter"), "ims-filter");
    assert_eq!(shape(&filter), page(&json!({ "status": "string" })));
    assert_eq!(filter["total_count"], 36);
    assert_eq!(filter["resources"].as_array().unwrap().len(), 1, "the example's limit");
    assert_eq!(filter["resources"][0]["resource_id"], "wanted-35", "the newest");
}

fn zones() -> Vec<Registration> {
    let mut fleet = Vec::new();
    for i in 0..103 {
        let tags = [("key1", if i % 2 == 0 { "value1" } else { "value2" }), ("key2", "value1")];
        fleet.push(registration("DNS-public_zone", &format!("zone-{i}"), &format!("resource1.{i}"), &tags));
    }
    fleet.push(registration("DNS-public_zone", "other-name", "resource2", &[("key1", "value1")]));
    fleet.push(registration("DNS-public_zone", "other-value", "resource1", &[("key1", "value3")]));
    fleet.push(registration("DNS-private_zone", "other-type", "resource1", &[("key1", "value1")]));
    fleet.into_iter().map(|zone| in_project("a", zone)).collect()
}

#[test]
fn the_example_of_dns_is_answered() {
    let world = World::with(&zones());
    let filter = answer(&world, DNS, &example("dns-filter"), "dns-filter");
    assert_eq!(filter, json!({ "resources": [], "total_count": 0 }));

    let mut body: Value = serde_json::from_str(&example("dns-filter")).unwrap();
    for list in ["not_tags", "not_tags_any"] {
        body.as_object_mut().unwrap().remove(list).unwrap();
    }
    let filter = answer(&world, DNS, &body.to_string(), "dns-without-not-lists");
    assert_eq!(shape(&filter), page(&json!("null")));
    assert_eq!(filter["total_count"], 103);
    assert_eq!(filter["resources"].as_array().unwrap().len(), 3, "behind the example's offset");
}

fn disks() -> Vec<Registration> {
    let mut fleet = vec![
        registration("ecs", "server-1", "untagged server", &[]),
        registration("disk", "disk-1", "untagged disk", &[]),
        registration("disk", "disk-2", "with a system tag alone", &[("_sys_enterprise_project_id", "0")]),
        registration("disk", "disk-3", "tagged", &[("env", "dev"), ("test", "test")]),
        registration("ecs", "server-2", "tagged", &[("env", "prod"), ("team", "a"), ("test", "test")]),
        registration("ecs", "server-3", "of another environment", &[("env", "staging"), ("test", "test")]),
        registration("ecs", "server-4", "without test", &[("env", "prod")]),
        registration("eip", "address-1", "of another type", &[]),
    ];
    for resource in &mut fleet {
        resource.project_id = "e1eb7c40cbeaxxxxxxcde527594a306d".into();
        resource.project_name = Some("a project".into());
    }
    fleet.push(in_project("another", registration("disk", "disk-1", "of another project", &[])));
    fleet
}

#[test]
fn the_example_of_tms_is_answered() {
    let world = World::with(&disks());
    let page = |tags: &Value| {
        json!({
            "errors": [],
            "resources": [{
                "project_id": "string",
                "project_name": "string",
                "resource_id": "string",
                "resource_name": "string",
                "resource_type": "string",
                "tags": tags,
            }],
            "total_count": "integer",
        })
    };
    let filter = answer(&world, TMS, &example("tms-filter"), "tms-filter");
    assert_eq!(shape(&filter), page(&json!([])));
    assert_eq!(ids(&filter), ["disk-2", "disk-1", "server-1"], "untagged: disks first, as the example asks");

    let mut body: Value = serde_json::from_str(&example("tms-filter")).unwrap();
    body["without_any_tag"] = json!(false);
    let filter = answer(&world, TMS, &body.to_string(), "tms-by-tags");
    assert_eq!(shape(&filter), page(&json!([{ "key": "string", "value": "string" }])));
    assert_eq!(ids(&filter), ["disk-3", "server-2"]);
}

fn trackers() -> Vec<Registration> {
    let mut fleet = vec![registration("cts-tracker", "tagged", "resource1", &[("key1", "value1")])];
    for i in 0..103 {
        let tags = [("_sys_enterprise_project_id", "0")];
        fleet.push(registration("cts-tracker", &format!("tracker-{i}"), &format!("Resource1-{i}"), &tags));
    }
    fleet.push(registration("cts-tracker", "other-name", "resource2", &[]));
    fleet.into_iter().map(|tracker| in_project("a", tracker)).collect()
}

#[test]
fn the_example_of_cts_is_answered() {
    let world = World::with(&trackers());
    let filter = answer(&world, CTS, &example("cts-filter"), "cts-filter");
    assert_eq!(filter, json!({ "resources": [], "total_count": 0 }));

    let mut body: Value = serde_json::from_str(&example("cts-filter")).unwrap();
    body.as_object_mut().unwrap().remove("sys_tags").unwrap();
    let filter = answer(&world, CTS, &body.to_string(), "cts-without-sys-tags");
    assert_eq!(shape(&filter), page(&json!("string")));
    assert_eq!(filter["total_count"], 103);
    assert_eq!(ids(&filter), ["tracker-2", "tracker-1", "tracker-0"], "the oldest, behind the example's offset");
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["resources"].as_array().unwrap().iter().map(|resource| resource["resource_id"].as_str().unwrap()).collect()
}
