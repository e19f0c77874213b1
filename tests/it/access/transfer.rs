//! Who may export and import what: of each kind of line, as of a single request.

use serde_json::{Value, json};
use tagd::domain::Role;

use super::{guarded, token};
use crate::support::{Answer, World, json_lines};

/// A line of each kind in domain a.
fn all_kinds() -> Vec<Value> {
    vec![
        json!({ "kind": "type", "resource_type": "buckets", "service": "TMS", "regional": true, "tag_quota": 5, "aliases": ["obs"] }),
        json!({ "kind": "project", "project_id": "a-1", "project_name": "one", "domain_id": "a" }),
        json!({ "kind": "predefined_tag", "domain_id": "a", "key": "env", "value": "prod", "updated_at": "2026-01-02T03:04:05.000000Z" }),
        json!({ "project_id": "a-1", "project_name": "one", "domain_id": "a", "resource_type": "ecs", "resource_id": "r", "tags": [] }),
        policy("own", &json!("a"), &json!("a-1")),
    ]
}

fn policy(name: &str, domain_id: &Value, project_id: &Value) -> Value {
    json!({
        "kind": "policy", "policy_name": name, "domain_id": domain_id, "project_id": project_id, "resource_types": null, "key": "k",
        "required": true, "exact_spelling": false, "values": null, "pattern": null, "enforced": false, "description": "",
    })
}

fn text_of(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn import(world: &World, token: &str, query: &str, lines: &[Value]) -> Answer {
    let headers = [("Content-Type", "application/x-ndjson"), ("X-Auth-Token", token)];
    world.send("POST", &format!("/registry/v1/import{query}"), &headers, text_of(lines).as_bytes())
}

fn export(world: &World, token: &str) -> Vec<Value> {
    json_lines(&world.send("GET", "/registry/v1/export", &[("X-Auth-Token", token)], b"").body)
}

/// Lines that were rejected, each as its number and reason.
fn rejected(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let lines = answer.json()["rejected"].as_array().unwrap().clone();
    lines.iter().map(|line| format!("{}: {}", line["line"], line["reason"].as_str().unwrap())).collect()
}

#[test]
fn an_administrator_exports_and_imports_what_belongs_to_the_domain() {
    let world = guarded();
    let operator = token(&world, Role::Operator, "", &[]);
    let others = [
        json!({ "kind": "project", "project_id": "b-1", "domain_id": "b" }),
        json!({ "kind": "predefined_tag", "domain_id": "b", "key": "env", "value": "b" }),
        policy("of-b", &json!("b"), &Value::Null),
        policy("for-all", &Value::Null, &Value::Null),
    ];
    assert_eq!(rejected(&import(&world, &operator, "", &[all_kinds(), others.to_vec()].concat())), [""; 0]);
    let administrator = token(&world, Role::Administrator, "a", &[]);
    let exported = export(&world, &administrator);
    assert_eq!(exported, all_kinds()[1..], "resource types and policies for all domains belong to no domain");
    assert_eq!(export(&world, &operator).len(), 17 + 2 + 2 + 1 + 3);

    // into another server with nothing in it
    let other = guarded();
    let there = token(&other, Role::Administrator, "a", &[]);
    for query in ["", "?strict=true"] {
        assert_eq!(rejected(&import(&other, &there, query, &exported)), [""; 0], "{query}");
        assert_eq!(export(&other, &there), exported);
    }

    // what a single request would be refused for
    let wanted = [
        all_kinds()[0].clone(),
        others[0].clone(),
        json!({ "kind": "project", "project_id": "b-1" }),
        others[1].clone(),
        others[2].clone(),
        policy("own-2", &json!("a"), &json!("b-1")),
        policy("own-3", &json!("a"), &json!("nowhere")),
        policy("for-all", &Value::Null, &Value::Null),
        // a policy without a domain is one of the own domain
        policy("mine", &Value::Null, &Value::Null),
        json!({ "kind": "predefined_tag", "key": "mine", "value": "" }),
        json!({ "kind": "project", "project_id": "a-2", "domain_id": "" }),
    ];
    let before = export(&world, &operator).len();
    let project = |id: &str| format!("project_id: access to project \"{id}\" is not allowed");
    let domain = "domain_id: must be the domain of the credentials";
    let reasons = [
        "1: role: must be operator or higher for this operation, got administrator".to_owned(),
        format!("2: {}", project("b-1")),
        format!("3: {}", project("b-1")),
        format!("4: {domain}"),
        format!("5: {domain}"),
        format!("6: {}", project("b-1")),
        format!("7: {}", project("nowhere")),
        "8: policy_name: \"for-all\" is already taken by a policy that this request cannot replace".to_owned(),
    ];
    let mut found = rejected(&import(&world, &administrator, "", &wanted));
    found.sort();
    assert_eq!(found, reasons);
    assert_eq!(export(&world, &operator).len(), before + 3);
    let own = export(&world, &administrator);
    assert!(own.iter().all(|line| line["domain_id"] == "a"), "{own:#?}");
    for (i, line) in wanted[..8].iter().enumerate() {
        let strict = import(&world, &administrator, "?strict=true", std::slice::from_ref(line));
        let (_, reason) = reasons[i].split_once(": ").unwrap();
        assert_eq!(strict.status, 400, "{}", strict.body);
        assert!(strict.json()["error_msg"].as_str().unwrap().contains(reason), "{}", strict.body);
    }
}

#[test]
fn credentials_for_single_projects_have_their_resources_and_policies_only() {
    let world = guarded();
    let operator = token(&world, Role::Operator, "", &[]);
    let mut lines = all_kinds();
    lines.push(json!({ "kind": "project", "project_id": "a-2", "domain_id": "a" }));
    lines.push(policy("of-two", &json!("a"), &json!("a-2")));
    lines.push(policy("of-domain", &json!("a"), &Value::Null));
    assert_eq!(rejected(&import(&world, &operator, "", &lines)), [""; 0]);
    let single = token(&world, Role::Administrator, "a", &["a-1"]);
    let exported = export(&world, &single);
    assert_eq!(exported, all_kinds()[3..]);
    assert_eq!(rejected(&import(&world, &single, "", &exported)), [""; 0]);
    let cover = "these credentials only cover some projects of the domain";
    let found = rejected(&import(&world, &single, "", &[&lines[1..3], &lines[6..]].concat()));
    let starts = [
        "1: project_id: these credentials cover single projects".to_owned(),
        format!("2: projects: {cover}"),
        "3: project_id: access to project \"a-2\" is not allowed".to_owned(),
        format!("4: projects: {cover}"),
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(&starts) {
        assert!(found.starts_with(start), "{found}");
    }
}

#[test]
fn an_import_leaves_the_acts_of_single_requests_in_the_audit_log() {
    let world = guarded();
    let operator = token(&world, Role::Operator, "", &[]);
    for query in ["", "?strict=true"] {
        assert_eq!(rejected(&import(&world, &operator, query, &all_kinds())), [""; 0]);
    }
    let audit = world.send("GET", "/registry/v1/audit?limit=1000", &[("X-Auth-Token", &operator)], b"").json();
    let acts: Vec<String> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|act| act["principal"] == "operator of " && act["operation"] != "credential.create")
        .map(|act| format!("{} {}", act["operation"].as_str().unwrap(), act["object"].as_str().unwrap()))
        .collect();
    // newest first, and the second import changed nothing
    assert_eq!(acts, ["policy.put own", "project.put a-1", "type.put buckets"]);
}
