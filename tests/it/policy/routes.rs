//! Policies over HTTP: bodies, conditions, names, who sees and changes which.

use serde_json::{Value, json};
use sqlx::Connection;
use tagd::domain::Role;

use super::{put, send};
use crate::{
    access::{guarded, token},
    support::{Answer, World, block_on, registration},
};

const POLICIES: &str = "/registry/v1/policies";

fn fleet() -> Vec<tagd::domain::change::Registration> {
    [("a-1", "a"), ("a-2", "a"), ("b-1", "b")]
        .into_iter()
        .map(|(project, domain)| {
            let mut one = registration("ecs", "r", "n", &[]);
            (one.project_id, one.domain_id) = (project.into(), Some(domain.into()));
            one
        })
        .collect()
}

#[test]
fn a_policy_is_put_read_listed_and_deleted() {
    let world = World::with(&fleet());
    let body = json!({ "key": "env", "required": true, "values": ["b", "a"], "resource_types": ["vpc", "ecs"], "description": "d" });
    let created = put(&world, "env", &body);
    assert_eq!(created.status, 201);
    let mut expected = json!({ "policy_name": "env", "domain_id": null, "project_id": null, "resource_types": ["ecs", "vpcs"],
        "key": "env", "required": true, "exact_spelling": false, "values": ["b", "a"], "pattern": null, "enforced": false,
        "description": "d" });
    let times = |answer: &Answer| {
        let mut found = answer.json();
        let fields = found.as_object_mut().unwrap();
        assert!(fields.remove("created_at").is_some() && fields.remove("updated_at").is_some());
        found
    };
    assert_eq!(times(&created), expected);
    let etag = created.headers["etag"].clone();
    // the same again, with what identifies it in the body
    let again = put(&world, "env", &expected);
    assert_eq!((again.status, &again.headers["etag"]), (200, &etag));
    assert_eq!(again.json(), created.json());

    let path = format!("{POLICIES}/env");
    let with = |method: &str, header: &str, etag: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        world.send(method, &path, &[("Content-Type", "application/json"), (header, etag)], body.as_bytes()).status
    };
    let found = send(&world, "GET", &path, &Value::Null);
    assert_eq!((times(&found), &found.headers["etag"]), (expected.clone(), &etag));
    assert_eq!(with("GET", "If-None-Match", &etag, &Value::Null), 304);
    expected["pattern"] = json!("a|b");
    expected["values"] = Value::Null;
    assert_eq!(with("PUT", "If-None-Match", "*", &expected), 412);
    assert_eq!(with("PUT", "If-Match", "\"0\"", &expected), 412);
    assert_eq!(with("PUT", "If-Match", &etag, &expected), 200);
    assert_eq!(with("PUT", "If-Match", &etag, &expected), 412);
    assert_eq!(with("DELETE", "If-Match", &etag, &Value::Null), 412);

    put(&world, "b", &json!({ "key": "k", "exact_spelling": true }));
    assert_eq!(send(&world, "PUT", &format!("{POLICIES}/env?domain_id=a"), &body).status, 409);
    assert_eq!(send(&world, "PUT", &format!("{POLICIES}/of-a?domain_id=a"), &body).status, 201);
    assert_eq!(send(&world, "PUT", &format!("{POLICIES}/of-a?domain_id=b"), &body).status, 201);
    assert_eq!(send(&world, "PUT", &format!("{POLICIES}/of-a"), &body).json()["error_code"], "REGISTRY.0028");
    let (mut listed, mut marker) = (Vec::new(), String::new());
    loop {
        let page = send(&world, "GET", &format!("{POLICIES}?limit=1{marker}"), &Value::Null).json();
        let Some(next) = page["next_marker"].as_str() else { break };
        marker = format!("&marker={}", next.replace('/', "%2F"));
        let policy = &page["policies"][0];
        listed.push(format!(
            "{} {}",
            policy["policy_name"].as_str().unwrap(),
            policy["domain_id"].as_str().unwrap_or("-")
        ));
    }
    assert_eq!(listed, ["b -", "env -", "of-a a", "of-a b"]);

    assert_eq!(send(&world, "DELETE", &path, &Value::Null).status, 204);
    assert_eq!(send(&world, "DELETE", &path, &Value::Null).json()["error_code"], "REGISTRY.0027");
    assert_eq!(send(&world, "GET", &path, &Value::Null).status, 404);
}

#[test]
fn what_is_wrong_with_a_policy_is_named() {
    let world = World::with(&fleet());
    for (name, body, status, message) in [
        ("x", json!({}), 400, "missing field `key`"),
        ("x", json!({ "key": "k" }), 400, "required: must be true if there are no"),
        ("x", json!({ "key": "", "required": true }), 400, "key: must not be empty"),
        ("x", json!({ "key": "k", "values": [] }), 400, "values: must not be empty"),
        (
            "x",
            json!({ "key": "k", "pattern": "[a" }),
            400,
            "pattern: must be a regular expression: unclosed character class",
        ),
        (
            "x",
            json!({ "key": "k", "pattern": "a", "values": ["a"] }),
            400,
            "pattern: must not be combined with \"values\"",
        ),
        (
            "x",
            json!({ "key": "k", "required": true, "policy_name": "y" }),
            400,
            "policy_name: must be the name in the path",
        ),
        ("x%20y", json!({ "key": "k", "required": true }), 400, "policy_name: must contain only"),
        (
            "x",
            json!({ "key": "k", "required": true, "resource_types": ["none"] }),
            404,
            "unknown resource type \"none\"",
        ),
        ("x", json!({ "key": "k", "required": true, "project_id": "none" }), 404, "unknown project \"none\""),
        ("x?domain_id=b", json!({ "key": "k", "required": true, "project_id": "a-1" }), 404, "unknown project \"a-1\""),
        (
            "x?domain_id=b",
            json!({ "key": "k", "required": true, "domain_id": "a" }),
            400,
            "domain_id: must be the same",
        ),
        ("x", json!({ "key": "k", "required": true, "extra": 1 }), 400, "unknown field `extra`"),
    ] {
        let answer = send(&world, "PUT", &format!("{POLICIES}/{name}"), &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.json()["error_msg"].as_str().unwrap().contains(message), "{body}: {}", answer.body);
    }
    put(&world, "env", &json!({ "key": "env", "required": true }));
    for path in [
        "compliance?marker=x",
        "compliance?domain_id=a",
        "policies/env/offenders?marker=0000000/ecs/p",
        "policies/env/offenders?limit=0",
        "projects/a-1/offenders?marker=zzzzzzzz/ecs/p",
    ] {
        assert_eq!(send(&world, "GET", &format!("/registry/v1/{path}"), &Value::Null).status, 400, "{path}");
    }
    for path in [
        "compliance?resource_type=x",
        "compliance?project_id=x",
        "compliance?policy_name=x",
        "policies/x/offenders",
        "projects/x/offenders",
    ] {
        assert_eq!(send(&world, "GET", &format!("/registry/v1/{path}"), &Value::Null).status, 404, "{path}");
    }
    for i in 0..199 {
        put(&world, &format!("n{i}"), &json!({ "key": "env", "required": true }));
    }
    let full = send(&world, "PUT", &format!("{POLICIES}/more"), &json!({ "key": "env", "required": true }));
    assert_eq!(full.json()["error_msg"], "policies: must have at most 200 policies in a domain");
}

#[test]
fn a_trial_stores_nothing_and_says_what_would_be_refused() {
    let world = World::with(&[
        registration("ecs", "r", "n", &[("env", "x")]),
        registration("ecs", "s", "n", &[("env", "prod")]),
    ]);
    let body = json!({ "policy": { "key": "env", "values": ["prod"], "resource_types": ["ecs"] },
        "tags": [{ "key": "env", "value": "dev" }] });
    let answer = world.post("/registry/v1/compliance", &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let row = json!({ "project_id": "p", "resource_type": "ecs", "policy_name": "trial", "key": "env", "enforced": false,
        "resources": 2, "violating": 1, "missing": 0, "wrong_value": 1, "misspelled": 0 });
    let message = "tags: policy \"trial\" requires a value of the key \"env\" that is \"prod\", got \"dev\"";
    let refused =
        json!([{ "policy_name": "trial", "key": "env", "problem": "value", "found": "dev", "message": message }]);
    assert_eq!(answer.json(), json!({ "resources": 2, "violating": 1, "compliance": [row], "refused": refused }));
    let page = send(&world, "GET", POLICIES, &Value::Null).json();
    assert_eq!(page, json!({ "policies": [], "next_marker": null }));
}

#[test]
fn policies_go_with_their_project_and_their_type() {
    let world = World::with(&fleet());
    assert_eq!(
        send(&world, "PUT", "/registry/v1/types/t1", &json!({ "service": "TMS", "regional": true, "tag_quota": 5 }))
            .status,
        201
    );
    put(&world, "one", &json!({ "key": "k", "required": true, "resource_types": ["t1"] }));
    put(&world, "two", &json!({ "key": "k", "required": true, "resource_types": ["t1", "ecs"] }));
    put(&world, "here", &json!({ "key": "k", "required": true, "project_id": "a-1" }));
    assert_eq!(send(&world, "DELETE", "/registry/v1/types/t1", &Value::Null).status, 204);
    assert_eq!(send(&world, "DELETE", "/registry/v1/projects/a-1?with_resources=true", &Value::Null).status, 204);
    let page = send(&world, "GET", POLICIES, &Value::Null).json();
    let left: Vec<String> = page["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| format!("{} {}", policy["policy_name"], policy["resource_types"]))
        .collect();
    assert_eq!(left, [r#""two" ["ecs"]"#]);
}

#[test]
fn each_domain_has_its_own_policies_and_sees_those_of_all() {
    let world = guarded();
    world.load(&fleet());
    let operator = token(&world, Role::Operator, "", &[]);
    let [a, b] = ["a", "b"].map(|domain| token(&world, Role::Administrator, domain, &[]));
    let one = token(&world, Role::Administrator, "a", &["a-1"]);
    let reader = token(&world, Role::Reader, "a", &["a-2"]);
    let ask = |token: &str, method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("X-Auth-Token", token), ("Content-Type", "application/json")];
        world.send(method, &format!("/registry/v1/{path}"), &headers, body.as_bytes())
    };
    let rule = |project: Option<&str>| json!({ "key": "env", "required": true, "project_id": project });
    for (token, path, project, status) in [
        (&operator, "policies/all", None, 201),
        (&operator, "policies/all-in-b", Some("b-1"), 201),
        (&a, "policies/own", None, 201),
        (&b, "policies/own", None, 201),
        (&a, "policies/all", None, 409),
        (&a, "policies/own?domain_id=b", None, 403),
        (&a, "policies/foreign", Some("b-1"), 403),
        (&a, "policies/unknown", Some("nowhere"), 403),
        (&a, "policies/in-2", Some("a-2"), 201),
        (&one, "policies/in-1", Some("a-1"), 201),
        (&one, "policies/wide", None, 403),
        (&one, "policies/other", Some("a-2"), 403),
        // not theirs to replace
        (&one, "policies/own", Some("a-1"), 409),
        (&one, "policies/in-2", Some("a-1"), 409),
        (&reader, "policies/x", Some("a-2"), 403),
    ] {
        let answer = ask(token, "PUT", path, &rule(project));
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    let names = |token: &str| -> Vec<String> {
        let page = ask(token, "GET", "policies", &Value::Null).json();
        page["policies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|policy| policy["policy_name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&operator), ["all", "all-in-b", "in-1", "in-2", "own", "own"]);
    assert_eq!(names(&a), ["all", "in-1", "in-2", "own"]);
    assert_eq!(names(&b), ["all", "all-in-b", "own"]);
    assert_eq!(names(&one), ["all", "in-1", "own"]);
    assert_eq!(names(&reader), ["all", "in-2", "own"]);
    for (token, path, status) in [
        (&a, "policies/all-in-b", 404),
        (&a, "policies/own?domain_id=b", 403),
        (&one, "policies/in-2", 404),
        (&reader, "policies/own", 200),
        (&operator, "policies/own", 404),
        (&operator, "policies/own?domain_id=b", 200),
    ] {
        assert_eq!(ask(token, "GET", path, &Value::Null).status, status, "{path}");
    }
    let places = |token: &str, path: &str| -> Vec<String> {
        let page = ask(token, "GET", path, &Value::Null).json();
        let list = page["compliance"].as_array().or(page["offenders"].as_array()).unwrap_or_else(|| panic!("{page}"));
        list.iter().map(|row| row["project_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(places(&a, "policies/all/offenders"), ["a-1", "a-2"]);
    assert_eq!(places(&one, "policies/all/offenders"), ["a-1"]);
    assert_eq!(places(&operator, "policies/all/offenders"), ["a-1", "a-2", "b-1"]);
    assert_eq!(places(&reader, "compliance?policy_name=own"), ["a-2"]);
    assert_eq!(ask(&a, "GET", "projects/b-1/offenders", &Value::Null).status, 403);
    assert_eq!(ask(&a, "GET", "compliance?project_id=b-1", &Value::Null).status, 403);
    // a trial is held to the domain as well
    let tried = ask(&a, "POST", "compliance", &json!({ "policy": { "key": "env", "required": true } })).json();
    assert_eq!(tried["resources"], 2);
    for (token, path, status) in [
        (&a, "policies/all", 403),
        (&one, "policies/own", 403),
        (&one, "policies/in-2", 404),
        (&one, "policies/in-1", 204),
        (&b, "policies/in-2", 404),
        (&a, "policies/own", 204),
        (&operator, "policies/own?domain_id=b", 204),
    ] {
        let answer = ask(token, "DELETE", path, &Value::Null);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    block_on(async {
        // a policy of a domain does not follow its project into another one
        let mut owner = world.db.connect().await;
        sqlx::query("select tagd.put_project('a-2', '', 'b', null)").execute(&mut owner).await.unwrap();
        let concerned: Vec<String> = sqlx::query_scalar(
            "select (s.policy).policy_name from tagd.policy_scope s where s.project_id = 'a-2' order by 1",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        assert_eq!(concerned, ["all"]);
        owner.close().await.unwrap();
    });
}

#[test]
fn a_pattern_that_postgres_prepares_too_slowly_is_refused() {
    let world = World::new();
    // a third of a second each, of which a write might need 24
    let slow = ".?".repeat(30) + &(0..80).filter_map(|n| char::from_u32(0x4e00 + n)).collect::<String>();
    let body = json!({ "key": "k", "pattern": slow });
    for (method, path, body) in [
        ("PUT", format!("{POLICIES}/slow"), body.clone()),
        ("POST", "/registry/v1/compliance".to_owned(), json!({ "policy": body })),
    ] {
        let refused = send(&world, method, &path, &body);
        assert_eq!(refused.status, 400, "{method}: {}", refused.body);
        assert!(refused.body.contains("pattern: takes the database too long to prepare"), "{}", refused.body);
    }
}

#[test]
fn the_patterns_of_a_domain_and_those_for_all_are_limited_apart() {
    let world = World::with(&fleet());
    let body = json!({ "key": "k", "pattern": "a" });
    let names = |place: &str, count: usize| {
        (0..count).map(|i| format!("{}-{i}", place.trim_start_matches('?').replace('=', "-"))).collect::<Vec<_>>()
    };
    for (place, most, what) in
        [("", 8, "for all domains"), ("?domain_id=a", 16, "in a domain"), ("?domain_id=b", 16, "in a domain")]
    {
        for name in names(place, most) {
            put(&world, &format!("p{name}{place}"), &body);
        }
        let refused = send(&world, "PUT", &format!("{POLICIES}/more{place}"), &body);
        assert_eq!(refused.status, 400, "{}", refused.body);
        let message = format!("pattern: there may be at most {most} policies with a pattern {what}");
        assert_eq!(refused.json()["error_msg"], message.as_str());
        // those that are there can be changed, and one that gets no pattern can be added
        put(&world, &format!("p{}{place}", names(place, 1)[0]), &json!({ "key": "k", "pattern": "b" }));
        put(&world, &format!("other{}{place}", names(place, 1)[0]), &json!({ "key": "k", "required": true }));
        let refused = send(&world, "PUT", &format!("{POLICIES}/other{}{place}", names(place, 1)[0]), &body);
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
}
