//! Enforced policies: whichever way a write takes, it adds no violation.

use serde_json::{Value, json};
use sqlx::Connection;
use tagd::{
    domain::{
        CheckedPolicy, Policy, RequestError, Resource, Tag, Violation,
        registry::{Condition, RegistryError},
    },
    store::{SessionProfile, Store},
};

use super::{checked, put, required, send};
use crate::support::{Dice, Program, Wire, World, block_on, import_all, in_all_dialects, registration, tag};

/// Requests that change the tag `env` of resource `r`: to a value, and not to have it any more.
fn requests(wire: Wire, value: &str) -> [(&'static str, String, Value); 2] {
    let tags = json!([{ "key": "env", "value": value }]);
    let gone = json!([{ "key": "env" }]);
    match wire {
        Wire::Ims | Wire::Dns => {
            let path = format!("/v2/p/{}/r/tags/action", wire.resource_type());
            [
                ("POST", path.clone(), json!({ "action": "create", "tags": tags })),
                ("POST", path, json!({ "action": "delete", "tags": gone })),
            ]
        }
        Wire::Cts => [
            ("POST", "/v3/p/cts-tracker/r/tags/create".into(), json!({ "tags": tags })),
            ("DELETE", "/v3/p/cts-tracker/r/tags/delete".into(), json!({ "tags": gone })),
        ],
        Wire::Tms => {
            let resources = json!([{ "resource_id": "r", "resource_type": wire.resource_type() }]);
            let body = |tags: &Value| json!({ "project_id": "p", "resources": resources, "tags": tags });
            [
                ("POST", "/v1.0/resource-tags/batch-create".into(), body(&tags)),
                ("POST", "/v1.0/resource-tags/batch-delete".into(), body(&gone)),
            ]
        }
    }
}

#[test]
fn each_dialect_refuses_in_its_code_of_invalid_tags() {
    let world = in_all_dialects(&[("r", "n", &[("env", "prod")])]);
    put(&world, "env", &json!({ "key": "env", "required": true, "values": ["prod", "dev"], "enforced": true }));
    let wrong = r#"tags: policy "env" requires a value of the key "env" that is "prod" or "dev", got "test""#;
    let missing = r#"tags: policy "env" requires the key "env" with a value that is "prod" or "dev""#;
    for wire in Wire::ALL {
        let codes = match wire {
            Wire::Ims => ["IMG.0115"; 2],
            Wire::Dns => ["DNS.1003"; 2],
            Wire::Cts => ["CTS.0003"; 2],
            Wire::Tms => ["TMS.0010", "TMS.0009"],
        };
        for ((method, path, body), (code, message)) in
            requests(wire, "test").into_iter().zip(codes.into_iter().zip([wrong, missing]))
        {
            let answer = send(&world, method, &path, &body);
            if wire == Wire::Tms {
                // resource by resource
                assert_eq!(answer.status, 200, "{}", answer.body);
                let failed = &answer.json()["failed_resources"][0];
                assert_eq!((failed["error_code"].as_str(), failed["error_msg"].as_str()), (Some(code), Some(message)));
            } else {
                assert_eq!(answer.status, 400, "{wire:?}: {}", answer.body);
                let said: Value = serde_json::from_str(&answer.body).unwrap();
                assert!(said.to_string().contains(code), "{said}");
                assert!(said.to_string().contains(&json!(message).to_string()), "{said}");
            }
        }
        // one that is allowed
        let (method, path, body) = requests(wire, "dev")[0].clone();
        let answer = send(&world, method, &path, &body);
        assert!(answer.status < 300 && !answer.body.contains("error_code"), "{wire:?}: {}", answer.body);
    }
}

#[test]
fn the_registry_and_imports_refuse_too() {
    let world = World::with(&[registration("ecs", "old", "n", &[("env", "banana")])]);
    put(
        &world,
        "env",
        &json!({ "key": "env", "required": true, "values": ["prod"], "exact_spelling": true, "enforced": true }),
    );
    put(&world, "owner", &json!({ "key": "owner", "required": true, "enforced": true }));
    let resources = "/registry/v1/projects/p/types/ecs/resources";
    let tags = |tags: &[(&str, &str)]| json!({ "tags": tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect::<Vec<_>>() });
    let all = [("env", "prod"), ("owner", "me")];
    for (method, path, body, status) in [
        // registering without a key
        ("PUT", format!("{resources}/new"), json!({}), 400),
        ("PUT", format!("{resources}/new"), tags(&[("env", "prod")]), 400),
        ("PUT", format!("{resources}/new"), tags(&[("Env", "prod"), all[0], all[1]]), 400),
        ("PUT", format!("{resources}/new"), tags(&all), 201),
        ("PUT", format!("{resources}/new/tags"), tags(&[all[1]]), 400),
        ("PUT", format!("{resources}/new/tags"), tags(&[]), 400),
        ("PUT", format!("{resources}/new/tags"), tags(&all), 200),
        // one that violates both keeps its tags and may mend one of two
        ("PUT", format!("{resources}/old"), json!({ "resource_name": "other" }), 200),
        ("PUT", format!("{resources}/old/tags"), tags(&[("env", "banana"), ("owner", "me")]), 200),
        ("PUT", format!("{resources}/old/tags"), tags(&[("env", "apple"), ("owner", "me")]), 400),
        ("PUT", format!("{resources}/old/tags"), tags(&[("env", "banana")]), 400),
        ("PUT", format!("{resources}/old/tags"), tags(&all), 200),
        ("DELETE", format!("{resources}/old"), Value::Null, 204),
    ] {
        let answer = send(&world, method, &path, &body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.body);
        if status == 400 {
            assert_eq!(answer.json()["error_code"], "REGISTRY.0026", "{}", answer.body);
        }
    }

    let line = |id: &str, tags: &[(&str, &str)]| {
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        json!({ "project_id": "p", "resource_type": "ecs", "resource_id": id, "tags": tags }).to_string()
    };
    let lines = [
        line("i1", &all),
        line("i2", &[("env", "prod")]),
        String::new(),
        line("i3", &[("env", "test"), ("owner", "x")]),
        line("new", &[("env", "prod"), ("owner", "you")]),
    ]
    .join("\n");
    let missing = r#"tags: policy "owner" requires the key "owner""#;
    let wrong = r#"tags: policy "env" requires a value of the key "env" that is "prod", got "test""#;
    let ndjson = [("Content-Type", "application/x-ndjson")];
    let strict = world.send("POST", "/registry/v1/import?strict=true", &ndjson, lines.as_bytes());
    assert_eq!(strict.status, 400, "{}", strict.body);
    assert_eq!(strict.json()["error_msg"], format!("line 2: {missing}; nothing was imported"));
    let answer = world.send("POST", "/registry/v1/import", &ndjson, lines.as_bytes()).json();
    let expected = json!({ "created": 1, "changed": 1, "unchanged": 0, "removed": 0, "dry_run": false, "rejected_count": 2,
        "rejected": [{ "line": 2, "reason": missing }, { "line": 4, "reason": wrong }] });
    assert_eq!(answer, expected);

    let program = Program::new().on(&world.db);
    let said = program.import(&lines);
    assert!(
        said.err.contains(&format!("line 2: {missing}")) && said.err.contains(&format!("line 4: {wrong}")),
        "{}",
        said.err
    );
    program.write("r.csv", "project_id,resource_type,resource_id\np,ecs,c1\np,ecs,c2\n");
    program.write("t.csv", "project_id,resource_type,resource_id,key,value\np,ecs,c1,env,prod\np,ecs,c1,owner,x\n");
    let said = program.run(&["import", "--resources", "r.csv", "--tags", "t.csv"]);
    assert!(said.err.contains("line 3: tags: policy \"env\" requires the key \"env\""), "{}", said.err);
    let strict = program.run(&["import", "--strict", "--resources", "r.csv", "--tags", "t.csv"]);
    assert_ne!(strict.code, Some(0));
    let all: Vec<String> = crate::support::json_lines(&program.expect(&["export", "--only", "resource"]))
        .iter()
        .map(|line| line["resource_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(all, ["new", "i1", "c1"]);
    assert_eq!(program.run(&["index", "verify"]).code, Some(0));
}

// ---- random writes against a model

const KEYS: [&str; 6] = ["env", "Env", "ENV", "owner", "straße", "STRASSE"];
const VALUES: [&str; 4] = ["prod", "dev", "a1", ""];

fn policies() -> Vec<Policy> {
    vec![
        Policy {
            values: Some((0..12).map(|i| format!("dev{i}")).chain(["prod".into(), "dev".into()]).collect()),
            is_exact: true,
            ..required("env", "env")
        },
        Policy { pattern: Some("[a-z][0-9]|prod".into()), is_required: false, ..required("owner", "owner") },
        Policy { is_required: false, is_exact: true, ..required("street", "straße") },
        Policy { project_id: Some("p".into()), resource_types: Some(vec!["ecs".into()]), ..required("here", "owner") },
        // these concern other resources
        Policy { domain_id: Some("elsewhere".into()), ..required("there", "nothing") },
        Policy { resource_types: Some(vec!["disk".into()]), ..required("disk", "nothing") },
    ]
}

fn violations(policies: &[CheckedPolicy], tags: &[Tag]) -> Vec<Violation> {
    policies.iter().flat_map(|policy| policy.violations(tags)).collect()
}

fn drawn(dice: &mut Dice) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for key in KEYS {
        if dice.roll(3) == 0 {
            tags.push(tag(key, VALUES[dice.roll(VALUES.len())]));
        }
    }
    tags.sort_by(|a, b| a.key.cmp(&b.key));
    tags
}

/// The tags of `r`; `None` if it is not there.
async fn tags_of(store: &Store, scope_id: i64, id: &str) -> Option<Vec<Tag>> {
    store.find_registered(scope_id, id).await.unwrap().map(|found| found.tags)
}

#[test]
fn a_write_passes_if_it_adds_no_violation_and_only_then() {
    let world = World::with(&[registration("ecs", "r0", "n", &[])]);
    let mut dice = Dice(7);
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 1).await;
        let bulk = world.db.store(SessionProfile::Bulk, 1).await;
        let mut import = bulk.import().await.unwrap();
        let scope_id = store.find_scope("p", "ecs").await.unwrap().unwrap();
        let (mut passed, mut refused) = (0, 0);
        for round in 0..6 {
            let mut concerned = Vec::new();
            for policy in policies() {
                let is_enforced = dice.roll(3) > 0;
                let policy = checked(&Policy { is_enforced, ..policy });
                store.put_policy(&policy, None, &Condition::None).await.unwrap();
                if is_enforced && !["there", "disk"].contains(&policy.policy().name.as_str()) {
                    concerned.push(policy);
                }
            }
            for _ in 0..60 {
                let id = format!("r{}", dice.roll(4));
                let before = tags_of(&store, scope_id, &id).await;
                let some = drawn(&mut dice);
                let merged = |change: &dyn Fn(&mut Vec<Tag>)| {
                    let mut tags = before.clone().unwrap_or_default();
                    change(&mut tags);
                    tags.sort_by(|a, b| a.key.cmp(&b.key));
                    tags
                };
                let key = KEYS[dice.roll(KEYS.len())];
                let is_there = before.is_some();
                let (after, outcome) = match dice.roll(5) {
                    0 if is_there => {
                        let after = merged(&|tags| {
                            tags.retain(|tag| !some.iter().any(|new| new.key == tag.key));
                            tags.extend(some.iter().cloned());
                        });
                        (after, store.put_tags(scope_id, &id, &some).await.map_err(Some))
                    }
                    1 if is_there => {
                        let after = merged(&|tags| tags.retain(|tag| tag.key != key));
                        (after, store.remove_tags(scope_id, &id, &[(key.to_owned(), None)]).await.map_err(Some))
                    }
                    2 if is_there => {
                        let written = store.replace_tags_if(scope_id, &id, &some, &Condition::None, "replace").await;
                        (some, written.map(|_| ()).map_err(|error| Some(request_error(error))))
                    }
                    3 => {
                        let resource = Resource { resource_id: id.clone(), tags: some.clone(), ..Resource::default() };
                        let written = store.register("p", "ecs", &resource, true, &Condition::None).await;
                        (some, written.map(|_| ()).map_err(|error| Some(request_error(error))))
                    }
                    _ => {
                        let mut line = registration("ecs", &id, "n", &[]);
                        line.resource.tags = some.clone();
                        let done = import_all(&mut import, &[line]).await.unwrap();
                        // a line is refused with the same words
                        let outcome = match done.refused.first() {
                            None => Ok(()),
                            Some(refused) => {
                                assert!(
                                    refused.position == 0 && refused.reason.starts_with("tags: policy "),
                                    "{refused:?}"
                                );
                                assert_eq!(done.created + done.changed + done.unchanged, 0);
                                let words = violations(&concerned, &some);
                                assert!(
                                    words
                                        .iter()
                                        .any(|violation| refused.reason.contains(&format!("{:?}", violation.policy)))
                                );
                                Err(None)
                            }
                        };
                        (some, outcome)
                    }
                };
                let old = before.as_deref().map(|tags| violations(&concerned, tags)).unwrap_or_default();
                let new: Vec<Violation> =
                    violations(&concerned, &after).into_iter().filter(|violation| !old.contains(violation)).collect();
                let now = tags_of(&store, scope_id, &id).await;
                match outcome {
                    Ok(()) => {
                        assert_eq!(new, [], "round {round}: {before:?} -> {after:?}");
                        assert_eq!(now.as_ref(), Some(&after));
                        passed += 1;
                    }
                    Err(error) => {
                        match error {
                            // a line of an import
                            None => assert_ne!(new, []),
                            Some(RequestError::AgainstPolicy { refusal }) => {
                                assert!(new.contains(&refusal.violation), "{new:?} {refusal:?}");
                                let policy = concerned
                                    .iter()
                                    .find(|policy| policy.policy().name == refusal.violation.policy)
                                    .unwrap();
                                assert_eq!(policy.refusal(refusal.violation.clone()), *refusal);
                            }
                            Some(error) => panic!("{error}"),
                        }
                        assert_eq!(now, before);
                        refused += 1;
                    }
                }
            }
        }
        assert!(passed > 60 && refused > 60, "{passed} passed, {refused} refused");
        drop(import);
        bulk.close().await;
        store.close().await;
        let mut owner = world.db.connect().await;
        let wrong: i64 = sqlx::query_scalar("select count(*) from tagd.verify_scope($1)")
            .bind(scope_id)
            .fetch_one(&mut owner)
            .await
            .unwrap();
        assert_eq!(wrong, 0);
        owner.close().await.unwrap();
    });
}

fn request_error(error: RegistryError) -> RequestError {
    match error {
        RegistryError::Other(error) => error,
        error => panic!("{error}"),
    }
}
