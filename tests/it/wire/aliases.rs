//! Aliases of resource types: known to TMS, registry and imports, and never beside a type of the same name.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};
use tagd::{
    domain::change::Registration,
    store::{SessionProfile, StoreError},
};

use crate::support::{Answer, Program, TestDb, World, block_on, ids, import_all, json_lines, registration, untimed};

/// The aliases that tagd is shipped with.
const SHIPPED: [(&str, &str); 8] = [
    ("DNS_public_zone", "DNS-public_zone"),
    ("DNS_private_zone", "DNS-private_zone"),
    ("DNS_public_recordset", "DNS-public_recordset"),
    ("DNS_private_recordset", "DNS-private_recordset"),
    ("DNS_ptr_record", "DNS-ptr_record"),
    ("private_image", "images"),
    ("vpc", "vpcs"),
    ("elb", "loadbalancers"),
];

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

fn send(world: &World, method: &str, path: &str, body: &Value) -> Answer {
    match body {
        Value::Null => world.send(method, path, &[], b""),
        body => world.send(method, path, &JSON, body.to_string().as_bytes()),
    }
}

fn get(world: &World, path: &str) -> Value {
    let answer = send(world, "GET", path, &Value::Null);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// A change of tags by TMS; the answer's `failed_resources`.
fn change(world: &World, operation: &str, resources: &[(&str, &str)], tags: &Value) -> Value {
    let resources: Vec<Value> =
        resources.iter().map(|(kind, id)| json!({ "resource_type": kind, "resource_id": id })).collect();
    let body = json!({ "project_id": "p", "resources": resources, "tags": tags });
    let answer = send(world, "POST", &format!("/v1.0/resource-tags/{operation}"), &body);
    assert_eq!(answer.status, 200, "{body}: {}", answer.body);
    answer.json()["failed_resources"].clone()
}

fn filter(world: &World, types: &[&str]) -> Answer {
    send(world, "POST", "/v1.0/resource-instances/filter", &json!({ "project_id": "p", "resource_types": types }))
}

/// A body of a type of TMS, with aliases or without the field.
fn kind(aliases: Option<&[&str]>) -> Value {
    let mut body = json!({ "service": "TMS", "regional": true, "tag_quota": 20 });
    if let Some(aliases) = aliases {
        body["aliases"] = json!(aliases);
    }
    body
}

fn put_type(world: &World, name: &str, aliases: Option<&[&str]>) -> Answer {
    send(world, "PUT", &format!("/registry/v1/types/{name}"), &kind(aliases))
}

/// The names of the answer's types, and its aliases.
fn aliases(world: &World, name: &str) -> Value {
    get(world, &format!("/registry/v1/types/{name}"))["aliases"].clone()
}

fn refuse(answer: &Answer, status: u16, code: &str, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.json(), json!({ "error_code": code, "error_msg": message }));
}

/// Project, type and id of everything there is.
fn everything(world: &World) -> Vec<String> {
    let export = send(world, "GET", "/registry/v1/export?only=resource", &Value::Null);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json_lines(&export.body)
        .iter()
        .map(|line| {
            format!("{} {} {}", text(&line["project_id"]), text(&line["resource_type"]), text(&line["resource_id"]))
        })
        .collect()
}

#[test]
fn the_names_that_shipped_clients_use_are_known_wherever_tms_names_a_type() {
    let fleet: Vec<Registration> = SHIPPED.iter().map(|(_, kind)| registration(kind, "r", "", &[])).collect();
    let world = World::with(&fleet);
    for (alias, kind) in SHIPPED {
        let tags = json!([{ "key": "env", "value": "prod" }]);
        assert_eq!(change(&world, "batch-create", &[(alias, "r")], &tags), json!([]), "{alias}");
        // twice: what one request remembers must not mislead the next
        for _ in 0..2 {
            let page = filter(&world, &[alias]).json();
            assert_eq!((ids(&page), &page["total_count"]), (vec!["r".to_owned()], &json!(1)), "{alias}");
            assert_eq!(page["resources"][0]["resource_type"], alias, "as it was asked for");
            assert_eq!(filter(&world, &[kind]).json()["resources"][0]["resource_type"], kind);
        }
        for name in [alias, kind] {
            let list = get(&world, &format!("/v2.0/resources/r/tags?project_id=p&resource_type={name}"));
            assert_eq!(list["tags"], tags, "{name}");
            let used = get(&world, &format!("/v1.0/tags?project_id=p&resource_types={name}&tag_types=resource"));
            assert_eq!(used["tags"], json!([{ "key": "env", "values": ["prod"] }]), "{name}");
        }
        let failed = change(&world, "batch-delete", &[(alias, "r"), (alias, "nowhere")], &json!([{ "key": "env" }]));
        assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
        assert_eq!((&failed[0]["resource_type"], &failed[0]["error_code"]), (&json!(alias), &json!("TMS.0005")));
        let list = get(&world, &format!("/v2.0/resources/r/tags?project_id=p&resource_type={kind}"));
        assert_eq!(list["tags"], json!([]), "{kind}");
        assert_eq!(aliases(&world, kind), json!([alias]));
    }
    // alone, in the type's own dialect, an alias is no type
    let dns = send(&world, "POST", "/v2/p/DNS_public_zone/resource_instances/action", &json!({ "action": "filter" }));
    assert_eq!((dns.status, &dns.json()["code"]), (400, &json!("DNS.1002")));

    let page = filter(&world, &["vpc", "images", "elb"]).json();
    let types: Vec<&str> =
        page["resources"].as_array().unwrap().iter().map(|item| item["resource_type"].as_str().unwrap()).collect();
    assert_eq!(types, ["vpc", "images", "elb"]);
    for names in [["vpc", "vpcs"], ["vpcs", "vpc"]] {
        let answer = filter(&world, &names);
        let message = format!(
            "resource_types[1]: duplicate resource type, \"{}\" and \"{}\" are the same type",
            names[0], names[1]
        );
        refuse(&answer, 400, "TMS.0002", &message);
    }
    let twice = send(&world, "GET", "/v1.0/tags?project_id=p&resource_types=vpc,vpcs&tag_types=resource", &Value::Null);
    assert_eq!(twice.status, 400, "{}", twice.body);
    // without a project: of the region as its type
    let body = json!({ "resource_types": ["vpc"] });
    let answer = send(&world, "POST", "/v1.0/resource-instances/filter", &body);
    assert_eq!((answer.status, &answer.json()["error_code"]), (400, &json!("TMS.2011")));
}

#[test]
fn the_list_of_services_has_types_and_not_aliases() {
    let world = World::new();
    let providers = get(&world, "/v1.0/tms/providers?locale=en-us&limit=200");
    let types: Vec<(&str, &str)> = providers["providers"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| {
            let types = one["resource_types"].as_array().unwrap();
            types.iter().map(|kind| (one["provider"].as_str().unwrap(), kind["resource_type"].as_str().unwrap()))
        })
        .collect();
    assert!(types.contains(&("elb", "loadbalancers")), "{types:?}");
    for (alias, _) in SHIPPED {
        assert!(!types.iter().any(|(_, kind)| *kind == alias), "{alias} in {types:?}");
    }
    let listed = get(&world, "/registry/v1/types");
    let names: Vec<&str> =
        listed["resource_types"].as_array().unwrap().iter().map(|one| one["resource_type"].as_str().unwrap()).collect();
    assert_eq!(names.len(), types.len(), "{names:?}");
}

#[test]
fn a_type_is_put_with_aliases_keeps_them_and_loses_them() {
    let world = World::new();
    let made = put_type(&world, "buckets", Some(&["s3", "bucket"]));
    assert_eq!(made.status, 201);
    let mut expected = kind(Some(&["bucket", "s3"]));
    expected["resource_type"] = json!("buckets");
    assert_eq!(made.json(), expected, "sorted");
    assert_eq!(get(&world, "/registry/v1/types/buckets"), expected);
    assert_eq!(get(&world, "/registry/v1/types/s3"), expected, "an alias leads to its type");
    let listed = get(&world, "/registry/v1/types");
    assert!(listed["resource_types"].as_array().unwrap().contains(&expected), "{listed}");
    // left out or null, they stay; a request of before does not take them away
    for body in [kind(None), json!({ "service": "TMS", "regional": true, "tag_quota": 20, "aliases": null })] {
        let answer = send(&world, "PUT", "/registry/v1/types/buckets", &body);
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    }
    assert_eq!(put_type(&world, "buckets", Some(&["s3", "store"])).json()["aliases"], json!(["s3", "store"]));
    refuse(
        &send(&world, "GET", "/registry/v1/types/bucket", &Value::Null),
        404,
        "REGISTRY.0003",
        "resource_type: unknown resource type \"bucket\"",
    );
    // what a type becomes its aliases are at once
    let global = json!({ "service": "TMS", "regional": false, "tag_quota": 20 });
    assert_eq!(send(&world, "PUT", "/registry/v1/types/buckets", &global).status, 200);
    let body = json!({ "resource_types": ["store"] });
    assert_eq!(send(&world, "POST", "/v1.0/resource-instances/filter", &body).status, 200);
    assert_eq!(put_type(&world, "buckets", Some(&[])).json()["aliases"], json!([]));
    // an alias that was given up is free
    assert_eq!(put_type(&world, "s3", None).status, 201);
    assert_eq!(put_type(&world, "buckets", Some(&["store"])).status, 200);
    // a type goes with its aliases
    assert_eq!(send(&world, "DELETE", "/registry/v1/types/buckets", &Value::Null).status, 204);
    assert_eq!(put_type(&world, "store", None).status, 201);
}

#[test]
fn an_alias_that_moves_to_another_type_is_that_type_at_once() {
    let world = World::with(&[registration("ecs", "server", "", &[]), registration("disk", "volume", "", &[])]);
    let put =
        |kind: &str, names: &[&str]| assert_eq!(put_type(&world, kind, Some(names)).status, 200, "{kind} {names:?}");
    let found = |names: &[&str]| ids(&filter(&world, names).json());
    for _ in 0..3 {
        put("ecs", &["thing"]);
        assert_eq!(found(&["thing"]), ["server"]);
        assert_eq!(found(&["images", "thing"]), ["server"]);
        put("ecs", &[]);
        let gone = filter(&world, &["thing"]);
        assert_eq!((gone.status, &gone.json()["error_code"]), (400, &json!("TMS.5027")));
        put("disk", &["thing"]);
        assert_eq!(found(&["thing"]), ["volume"]);
        assert_eq!(found(&["thing", "ecs"]), ["volume", "server"]);
        put("disk", &[]);
    }
}

#[test]
fn a_name_is_a_type_or_an_alias_of_one_type() {
    let world = World::new();
    let taken = |answer: &Answer, message: &str| refuse(answer, 409, "REGISTRY.0019", message);
    taken(&put_type(&world, "x", Some(&["free", "vpcs"])), "aliases[1]: \"vpcs\" is already a resource type");
    taken(&put_type(&world, "x", Some(&["vpc"])), "aliases[0]: \"vpc\" is an alias of \"vpcs\"");
    taken(&put_type(&world, "x", Some(&["x"])), "aliases[0]: \"x\" is already a resource type");
    taken(&put_type(&world, "vpc", None), "resource_type: \"vpc\" is an alias of \"vpcs\"");
    taken(&put_type(&world, "vpc", Some(&["y"])), "resource_type: \"vpc\" is an alias of \"vpcs\"");
    let removed = send(&world, "DELETE", "/registry/v1/types/vpc", &Value::Null);
    taken(&removed, "resource_type: \"vpc\" is an alias of \"vpcs\"");
    // nothing of a refused request is done
    assert_eq!(send(&world, "GET", "/registry/v1/types/x", &Value::Null).status, 404);
    assert_eq!(send(&world, "GET", "/registry/v1/types/free", &Value::Null).status, 404);
    assert_eq!(aliases(&world, "vpcs"), json!(["vpc"]));
    let wrong = |names: Value, message: &str| {
        let mut body = kind(None);
        body["aliases"] = names;
        let answer = send(&world, "PUT", "/registry/v1/types/x", &body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        let said = answer.json()["error_msg"].as_str().unwrap().to_owned();
        assert!(said.starts_with(message), "{said}");
    };
    wrong(json!(["a", "a"]), "aliases[1]: duplicate alias \"a\"");
    wrong(json!([""]), "aliases[0]: ");
    wrong(json!(["a b"]), "aliases[0]: ");
    wrong(json!(["x".repeat(65)]), "aliases[0]: ");
    wrong(json!((0..21).map(|i| format!("a{i}")).collect::<Vec<_>>()), "aliases: must have at most 20 entries");
    wrong(json!("a"), "aliases: ");
    wrong(json!([null]), "aliases[0]: ");
}

#[test]
fn of_a_type_and_an_alias_of_one_name_that_come_at_once_one_is_refused() {
    let world = World::new();
    for round in 0..12 {
        let name = format!("n{round}");
        let line = json!({ "project_id": "p", "resource_type": name, "resource_id": "r", "tags": [] });
        let barrier = Barrier::new(3);
        let (alias, kind, import) = thread::scope(|scope| {
            let alias = scope.spawn(|| {
                barrier.wait();
                put_type(&world, &format!("t{round}"), Some(&[&name])).status
            });
            let kind = scope.spawn(|| {
                barrier.wait();
                put_type(&world, &name, None).status
            });
            barrier.wait();
            let answer = world.post("/registry/v1/import", &line.to_string());
            (alias.join().unwrap(), kind.join().unwrap(), answer)
        });
        let owner = get(&world, &format!("/registry/v1/types/{name}"))["resource_type"].clone();
        if owner == json!(name) {
            // it is a type, by the import or by its own request: the alias came too late
            assert_eq!(alias, 409, "{round}");
            assert!([200, 201].contains(&kind), "{round}");
        } else {
            assert_eq!((alias, kind), (201, 409), "{round}");
        }
        // the import found one or the other, or was told to come again: never both
        let there: Vec<String> =
            everything(&world).into_iter().filter(|one| one.contains(&format!("{round} "))).collect();
        match import.status {
            200 => assert_eq!(there, [format!("p {} r", owner.as_str().unwrap())], "{round}"),
            503 => assert_eq!(there, [""; 0], "{round}"),
            _ => panic!("{}", import.body),
        }
    }
}

#[test]
fn an_import_that_began_before_an_alias_ends_in_an_error_and_not_in_two_scopes() {
    let world = World::new();
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let mut import = store.import().await.unwrap();
        assert_eq!(import_all(&mut import, &[registration("ecs", "before", "", &[])]).await.unwrap().created, 1);
        assert_eq!(put_type(&world, "buckets", Some(&["bucket"])).status, 201);
        let error = import_all(&mut import, &[registration("bucket", "r", "", &[])]).await.unwrap_err();
        assert!(matches!(error, StoreError::TypeGone), "{error}");
        assert_eq!(import_all(&mut import, &[registration("buckets", "r", "", &[])]).await.unwrap().created, 1);
        drop(import);
        store.close().await;
    });
    assert_eq!(everything(&world), ["p buckets r", "p ecs before"]);
}

#[test]
fn a_registry_path_that_names_an_alias_is_one_of_the_type() {
    let world = World::new();
    let path = |kind: &str| format!("/registry/v1/projects/p/types/{kind}/resources/r");
    let body = json!({ "resource_name": "net", "tags": [{ "key": "a", "value": null }, { "key": "b" }] });
    let made = send(&world, "PUT", &path("vpc"), &body);
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(send(&world, "PUT", &path("vpcs"), &body).status, 200);
    assert_eq!(send(&world, "PUT", &path("vpc"), &body).status, 200);
    assert_eq!(everything(&world), ["p vpcs r"]);
    let tags = json!([{ "key": "a", "value": "" }, { "key": "b", "value": "" }]);
    assert_eq!(
        get(&world, &path("vpc")),
        json!({ "resource_id": "r", "resource_name": "net", "resource_detail": null, "tags": tags })
    );
    let list = get(&world, "/registry/v1/projects/p/types/vpc/resources");
    assert_eq!((ids(&list), &list["total_count"]), (vec!["r".to_owned()], &json!(1)));
    let put =
        send(&world, "PUT", &format!("{}/tags", path("vpc")), &json!({ "tags": [{ "key": "c", "value": null }] }));
    assert_eq!((put.status, put.json()), (200, json!({ "tags": [{ "key": "c", "value": "" }] })));
    assert_eq!(get(&world, &format!("{}/tags", path("vpcs"))), put.json());
    assert_eq!(send(&world, "DELETE", &path("vpc"), &Value::Null).status, 204);
    assert_eq!(everything(&world), [""; 0]);
    assert_eq!(get(&world, "/registry/v1/projects/p/types/vpc/resources")["total_count"], 0);
    assert_eq!(send(&world, "GET", "/registry/v1/projects/p/types/vp/resources", &Value::Null).status, 404);
}

#[test]
fn an_import_line_that_names_an_alias_is_one_of_the_type() {
    let line = |kind: &str, id: &str, value: &str| {
        json!({ "project_id": "p", "resource_type": kind, "resource_id": id, "tags": [{ "key": "k", "value": value }] })
            .to_string()
    };
    // the third line is the first resource again, under another name: it counts as a change of it
    let lines =
        [line("vpc", "a", "1"), line("vpcs", "b", "1"), line("vpcs", "a", "2"), line("private_image", "i", "1")];
    let lines = lines.join("\n");
    let world = World::new();
    let reply = world.send("POST", "/registry/v1/import", &JSON, lines.as_bytes()).json();
    let expected = json!({
        "created": 3, "changed": 1, "unchanged": 0, "removed": 0, "dry_run": false, "rejected": [], "rejected_count": 0,
    });
    assert_eq!(reply, expected);
    assert_eq!(everything(&world), ["p images i", "p vpcs a", "p vpcs b"]);
    let page = filter(&world, &["vpc"]).json();
    assert_eq!(page["resources"][1]["tags"], json!([{ "key": "k", "value": "2" }]));

    for strict in [&[][..], &["--strict"]] {
        let db = TestDb::new();
        let program = Program::new().on(&db);
        let said = untimed(program.run_with_input(&[&["import", "-"], strict].concat(), lines.as_bytes()));
        assert_eq!((said.code, said.out.as_str()), (Some(0), "3 new, 1 changed, 0 unchanged, 0 rejected"), "{said:?}");
        assert_eq!(said.err, "", "no new type");

        // CSV: both files may name the type as they like
        let db = TestDb::new();
        let program = Program::new().on(&db);
        program.write("r.csv", "project_id,resource_type,resource_id\np,vpc,a\np,vpcs,b\np,vpc,c\n");
        program
            .write("t.csv", "project_id,resource_type,resource_id,key,value\np,vpcs,a,k,1\np,vpc,b,k,2\np,vpc,c,k,3\n");
        let said = untimed(program.run(&[&["import", "--resources", "r.csv", "--tags", "t.csv"], strict].concat()));
        assert_eq!((said.code, said.out.as_str()), (Some(0), "3 new, 0 changed, 0 unchanged, 0 rejected"), "{said:?}");
        let lines = json_lines(&program.expect(&["export", "--only", "resource"]));
        let found: Vec<(&Value, &Value)> =
            lines.iter().map(|line| (&line["resource_type"], &line["tags"][0]["value"])).collect();
        let vpcs = json!("vpcs");
        assert_eq!(found, [(&vpcs, &json!("1")), (&vpcs, &json!("2")), (&vpcs, &json!("3"))]);
    }
}
