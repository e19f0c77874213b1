//! The registry: every operation as it stands on the wire, conditions under races, deletion, import and export.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{Read, Write},
    net::TcpStream,
    sync::Barrier,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::store::SessionProfile;

use crate::support::{
    PATIENCE, TestDb, Wire, World, block_on, check_golden, eventually, registration, tag, waiting_for_locks,
};

const ONE: &str = "/projects/p/types/images/resources/r";

struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn etag(&self) -> &str {
        &self.headers["etag"]
    }

    /// The code of an error, which must be of exactly the registry's shape.
    fn code(&self) -> String {
        let json = self.json();
        assert_eq!(json.as_object().unwrap().len(), 2, "{json}");
        assert!(!json["error_msg"].as_str().unwrap().is_empty());
        json["error_code"].as_str().unwrap().to_owned()
    }
}

fn send(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let url = format!("{}/registry/v1{path}", world.url);
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = if body.is_empty() {
        agent.run(request.body(()).unwrap()).unwrap()
    } else {
        agent.run(request.body(body).unwrap()).unwrap()
    };
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Reply {
        status: answer.status().as_u16(),
        headers: headers.collect(),
        body: answer.body_mut().with_config().limit(1 << 30).read_to_string().unwrap(),
    }
}

fn get(world: &World, path: &str) -> Reply {
    send(world, "GET", path, &[], b"")
}

fn put(world: &World, path: &str, body: &Value) -> Reply {
    send(world, "PUT", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

fn put_if(world: &World, path: &str, condition: (&str, &str), body: &Value) -> Reply {
    let headers = [("Content-Type", "application/json"), condition];
    send(world, "PUT", path, &headers, body.to_string().as_bytes())
}

fn delete(world: &World, path: &str) -> Reply {
    send(world, "DELETE", path, &[], b"")
}

fn import(world: &World, query: &str, lines: &str) -> Reply {
    send(world, "POST", &format!("/import{query}"), &[("Content-Type", "application/x-ndjson")], lines.as_bytes())
}

/// One exchange beside its golden.
fn exchange(world: &World, name: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let reply = send(world, method, path, headers, body.as_bytes());
    assert!(reply.headers.contains_key("x-request-id"), "{name}");
    let mut text = format!("{method} /registry/v1{path}\n");
    for (name, value) in headers {
        writeln!(text, "{name}: {value}").unwrap();
    }
    let shown = |body: &str| match serde_json::from_str::<Value>(body) {
        _ if body.len() > 2000 => format!("({} bytes)\n", body.len()),
        Ok(mut json) => {
            without_times(&mut json);
            format!("{json:#}\n")
        }
        Err(_) if body.is_empty() => String::new(),
        Err(_) => format!("{body}\n"),
    };
    writeln!(text, "\n{}\n{}", shown(body), reply.status).unwrap();
    for name in ["allow", "content-type", "etag", "retry-after"] {
        if let Some(value) = reply.headers.get(name) {
            writeln!(text, "{name}: {value}").unwrap();
        }
    }
    write!(text, "\n{}", shown(&reply.body)).unwrap();
    check_golden(&format!("operations/registry/{name}.txt"), &text);
    reply
}

/// Proves truth and index of every scope against each other.
fn verify(db: &TestDb) {
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 1).await;
        for scope in store.list_scopes().await.unwrap() {
            assert_eq!(store.verify_scope(scope.scope_id).await.unwrap(), [], "{scope:?}");
        }
        store.close().await;
    });
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
const LINES: &[(&str, &str)] = &[("Content-Type", "application/x-ndjson")];

/// A world with something of each kind in it.
fn furnished() -> World {
    let mut one = registration("images", "r", "web", &[("_sys_owner", "ops"), ("env", "prod")]);
    one.resource.detail = Some(json!({ "status": "active" }).to_string());
    let world = World::with(&[one]);
    assert_eq!(put(&world, "/projects/empty", &json!({})).status, 201);
    assert_eq!(put(&world, "/projects/p", &json!({ "project_name": "shop", "domain_id": "d" })).status, 200);
    world
}

fn many_tags(count: usize) -> Value {
    json!((0..count).map(|i| json!({ "key": format!("k{i}"), "value": "v" })).collect::<Vec<_>>())
}

#[test]
fn a_project_keeps_its_domain_if_none_is_given() {
    let world = furnished();
    let domain = |body: &Value| {
        let reply = put(&world, "/projects/p", body);
        assert_eq!(reply.status, 200, "{}", reply.body);
        let shown = [reply.json(), get(&world, "/projects/p").json()];
        assert_eq!(shown[0], shown[1]);
        shown[0]["domain_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(domain(&json!({ "project_name": "other" })), "d");
    assert_eq!(domain(&json!({ "project_name": "other", "domain_id": null })), "d");
    assert_eq!(domain(&json!({ "domain_id": "e" })), "e");
    assert_eq!(domain(&json!({})), "e");
    assert_eq!(domain(&json!({ "domain_id": "" })), "");
    assert_eq!(put(&world, "/projects/q", &json!({})).json()["domain_id"], "");
}

#[test]
fn every_operation_on_types_stands_in_a_golden() {
    let world = furnished();
    let call = |name: &str, method: &str, path: &str, body: &str| {
        let headers = if method == "PUT" { JSON } else { &[] };
        exchange(&world, name, method, path, headers, body).status
    };
    let new = r#"{"service":"TMS","regional":false,"tag_quota":20}"#;
    assert_eq!(call("put_type.success", "PUT", "/types/buckets", new), 201);
    assert_eq!(call("put_type.again", "PUT", "/types/buckets", new), 200);
    assert_eq!(call("put_type.bad_body", "PUT", "/types/buckets", r#"{"service":"TMS","regional":"no"}"#), 400);
    assert_eq!(call("put_type.array", "PUT", "/types/buckets", r#"["TMS",false,20]"#), 400);
    let other = r#"{"service":"S3","regional":false,"tag_quota":20}"#;
    assert_eq!(call("put_type.unknown_service", "PUT", "/types/buckets", other), 400);
    let over = r#"{"service":"TMS","regional":false,"tag_quota":1001}"#;
    assert_eq!(call("put_type.over_the_limit", "PUT", "/types/buckets", over), 400);
    assert_eq!(call("put_type.name_over_the_limit", "PUT", &format!("/types/{}", "x".repeat(65)), new), 400);
    assert_eq!(call("get_type.success", "GET", "/types/buckets", ""), 200);
    assert_eq!(call("get_type.unknown", "GET", "/types/nothing", ""), 404);
    assert_eq!(call("list_types.success", "GET", "/types", ""), 200);
    assert_eq!(call("list_types.unknown_parameter", "GET", "/types?limit=1", ""), 400);
    assert_eq!(call("delete_type.success", "DELETE", "/types/buckets", ""), 204);
    assert_eq!(call("delete_type.unknown", "DELETE", "/types/buckets", ""), 404);
    assert_eq!(call("delete_type.in_use", "DELETE", "/types/images", ""), 409);
    assert_eq!(call("type.wrong_method", "POST", "/types/images", "{}"), 405);
    verify(&world.db);
}

#[test]
fn every_operation_on_projects_stands_in_a_golden() {
    let world = furnished();
    let call = |name: &str, method: &str, path: &str, body: &str| {
        let headers = if method == "PUT" { JSON } else { &[] };
        exchange(&world, name, method, path, headers, body).status
    };
    let new = r#"{"project_name":"shop","domain_id":"d"}"#;
    assert_eq!(call("put_project.success", "PUT", "/projects/new", new), 201);
    assert_eq!(call("put_project.again", "PUT", "/projects/new", new), 200);
    assert_eq!(call("put_project.bad_body", "PUT", "/projects/new", r#"{"project_nam":"shop"}"#), 400);
    let over = json!({ "project_name": "x".repeat(256) }).to_string();
    assert_eq!(call("put_project.over_the_limit", "PUT", "/projects/new", &over), 400);
    assert_eq!(call("get_project.success", "GET", "/projects/new", ""), 200);
    assert_eq!(call("get_project.unknown", "GET", "/projects/nothing", ""), 404);
    assert_eq!(call("list_projects.success", "GET", "/projects", ""), 200);
    assert_eq!(call("list_projects.page", "GET", "/projects?limit=1&marker=empty", ""), 200);
    assert_eq!(call("list_projects.over_the_limit", "GET", "/projects?limit=1001", ""), 400);
    assert_eq!(call("delete_project.success", "DELETE", "/projects/new", ""), 204);
    assert_eq!(call("delete_project.unknown", "DELETE", "/projects/new", ""), 404);
    assert_eq!(call("delete_project.in_use", "DELETE", "/projects/p", ""), 409);
    assert_eq!(call("delete_project.bad_parameter", "DELETE", "/projects/p?with_resources=yes", ""), 400);
    assert_eq!(call("delete_project.with_resources", "DELETE", "/projects/p?with_resources=true", ""), 204);
    let refused = exchange(&world, "delete_project.condition", "DELETE", "/projects/empty", &[("If-Match", "*")], "");
    assert_eq!(refused.status, 400);
    verify(&world.db);
}

#[test]
fn every_operation_on_policies_stands_in_a_golden() {
    let world = furnished();
    let call = |name: &str, method: &str, path: &str, body: &str| {
        let headers = if body.is_empty() { &[] } else { JSON };
        exchange(&world, name, method, path, headers, body).status
    };
    let rule = r#"{"key":"env","required":true,"values":["stage","dev"],"exact_spelling":true,"resource_types":["private_image"]}"#;
    assert_eq!(call("put_policy.success", "PUT", "/policies/env", rule), 201);
    assert_eq!(call("put_policy.again", "PUT", "/policies/env", rule), 200);
    assert_eq!(call("put_policy.bad_body", "PUT", "/policies/env", r#"{"required":true}"#), 400);
    assert_eq!(call("put_policy.bad_pattern", "PUT", "/policies/env", r#"{"key":"env","pattern":"[a-"}"#), 400);
    let enforced = r#"{"key":"owner","required":true,"pattern":"[a-z]+","enforced":true,"project_id":"p"}"#;
    assert_eq!(call("put_policy.enforced", "PUT", "/policies/owner", enforced), 201);
    assert_eq!(call("put_policy.taken", "PUT", "/policies/owner?domain_id=d", enforced), 409);
    assert_eq!(
        call("put_policy.unknown_type", "PUT", "/policies/x", r#"{"key":"k","required":true,"resource_types":["x"]}"#),
        404
    );
    assert_eq!(call("get_policy.success", "GET", "/policies/env", ""), 200);
    assert_eq!(call("get_policy.unknown", "GET", "/policies/nothing", ""), 404);
    assert_eq!(call("list_policies.success", "GET", "/policies?limit=1", ""), 200);
    assert_eq!(call("compliance.success", "GET", "/compliance?resource_type=images", ""), 200);
    assert_eq!(call("compliance.unknown", "GET", "/compliance?policy_name=nothing", ""), 404);
    let trial = r#"{"policy":{"key":"team","values":["a"]},"tags":[{"key":"team","value":"b"}]}"#;
    assert_eq!(call("compliance.trial", "POST", "/compliance", trial), 200);
    assert_eq!(call("offenders.of_policy", "GET", "/policies/env/offenders?limit=2", ""), 200);
    assert_eq!(call("offenders.in_project", "GET", "/projects/p/offenders?resource_type=images&limit=1", ""), 200);
    assert_eq!(call("offenders.bad_marker", "GET", "/projects/p/offenders?marker=x", ""), 400);
    assert_eq!(call("put_tags.policy", "PUT", "/projects/p/types/images/resources/new", r#"{"tags":[]}"#), 400);
    assert_eq!(call("delete_policy.success", "DELETE", "/policies/env", ""), 204);
    assert_eq!(call("delete_policy.unknown", "DELETE", "/policies/env", ""), 404);
}

#[test]
fn every_operation_on_the_history_and_the_audit_log_stands_in_a_golden() {
    let world = World::new();
    let call = |name: &str, method: &str, path: &str, body: &str| {
        let mut headers = vec![("X-Request-Id", name)];
        headers.extend(if body.is_empty() { &[] } else { JSON });
        exchange(&world, name, method, path, &headers, body)
    };
    put(&world, ONE, &json!({ "resource_name": "web", "tags": [{ "key": "env", "value": "prod" }] }));
    let now = || time::OffsetDateTime::now_utc().format(&time::format_description::well_known::Rfc3339).unwrap();
    let at = now();
    put(&world, &format!("{ONE}/tags"), &json!({ "tags": [{ "key": "env", "value": "test" }] }));
    assert_eq!(get(&world, &format!("{ONE}/tags?at={at}")).json()["tags"][0]["value"], "prod");
    assert_eq!(call("get_tags.in_the_future", "GET", &format!("{ONE}/tags?at=9999-01-01T00:00:00Z"), "").status, 400);
    let restore = |at: &str| json!({ "at": at }).to_string();
    assert_eq!(call("restore.success", "POST", &format!("{ONE}/restore"), &restore(&at)).status, 200);
    assert_eq!(
        call("restore.in_the_future", "POST", &format!("{ONE}/restore"), &restore("9999-01-01T00:00:00Z")).status,
        400
    );
    assert_eq!(call("restore.unknown", "POST", &format!("{ONE}-none/restore"), &restore(&at)).status, 404);
    eventually("the feed has the changes", || get(&world, "/history").json()["changes"].as_array().unwrap().len() == 3);
    assert_eq!(call("history.of_resource", "GET", &format!("{ONE}/history?limit=2"), "").status, 200);
    assert_eq!(call("history.of_project", "GET", "/projects/p/history?key=env&limit=1", "").status, 200);
    assert_eq!(call("history.unknown", "GET", &format!("{ONE}-none/history"), "").status, 404);
    assert_eq!(call("history.feed", "GET", "/history?limit=1", "").status, 200);
    assert_eq!(call("history.bad_start", "GET", "/history?start=now", "").status, 400);
    assert_eq!(call("audit.success", "GET", "/audit?limit=1", "").status, 200);
    assert_eq!(call("audit.bad_time", "GET", "/audit?since=today", "").status, 400);
}

/// Hides what differs from run to run.
fn without_times(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                if ["at", "created_at", "updated_at", "changed_at", "recorded_at"].contains(&name.as_str()) {
                    *value = json!("(a time)");
                } else if name == "request_id" {
                    *value = json!("(an id)");
                } else if name == "next_marker" && value.as_str().is_some_and(|marker| marker.len() > 60) {
                    *value = json!("(a sealed marker)");
                }
                without_times(value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(without_times),
        _ => {}
    }
}

#[test]
fn every_operation_on_resources_stands_in_a_golden() {
    let world = furnished();
    let call = |name: &str, method: &str, path: &str, body: &str| {
        let headers = if method == "PUT" { JSON } else { &[] };
        exchange(&world, name, method, path, headers, body).status
    };
    let images = "/projects/p/types/images/resources";
    assert_eq!(call("list_resources.success", "GET", images, ""), 200);
    assert_eq!(call("list_resources.page", "GET", &format!("{images}?limit=1&offset=1"), ""), 200);
    assert_eq!(call("list_resources.unknown_type", "GET", "/projects/p/types/nothing/resources", ""), 404);
    assert_eq!(call("list_resources.unknown_project", "GET", "/projects/nothing/types/images/resources", ""), 404);
    assert_eq!(call("list_resources.of_none", "GET", "/projects/empty/types/images/resources", ""), 200);
    assert_eq!(call("list_resources.over_the_limit", "GET", &format!("{images}?limit=0"), ""), 400);
    assert_eq!(call("get_resource.success", "GET", ONE, ""), 200);
    assert_eq!(call("get_resource.unknown", "GET", &format!("{images}/nothing"), ""), 404);
    assert_eq!(call("get_resource.unknown_type", "GET", "/projects/p/types/nothing/resources/r", ""), 404);

    let new = json!({
        "resource_name": "Größe", "resource_detail": { "size": 12_345_678_901_234_567_890_u64, "price": "1.50" },
        "tags": [{ "key": "_sys_owner", "value": "ops" }, { "key": "a" }],
    });
    assert_eq!(call("put_resource.success", "PUT", &format!("{images}/new"), &new.to_string()), 201);
    assert_eq!(call("put_resource.again", "PUT", &format!("{images}/new"), &new.to_string()), 200);
    assert_eq!(call("put_resource.tags_kept", "PUT", &format!("{images}/new"), "{}"), 200);
    assert_eq!(call("put_resource.unknown_type", "PUT", "/projects/p/types/nothing/resources/r", "{}"), 404);
    assert_eq!(call("put_resource.bad_body", "PUT", ONE, r#"{"tags":[{"key":"a","valu":"b"}]}"#), 400);
    assert_eq!(call("put_resource.bad_tag", "PUT", ONE, r#"{"tags":[["a","b"]]}"#), 400);
    assert_eq!(call("put_resource.no_json", "PUT", ONE, "{\n x"), 400);
    let over = json!({ "tags": many_tags(11) }).to_string();
    assert_eq!(call("put_resource.over_the_quota", "PUT", ONE, &over), 400);
    let over = json!({ "tags": many_tags(1001) }).to_string();
    assert_eq!(call("put_resource.over_the_limit", "PUT", ONE, &over), 400);
    // what stands behind the limit is not read, be it JSON or not
    for path in [ONE.to_owned(), format!("{ONE}/tags")] {
        let json = [("Content-Type", "application/json")];
        let endless = json!({ "tags": many_tags(1257) }).to_string();
        let last = endless.rfind(r#"{"key""#).unwrap();
        let answer = send(&world, "PUT", &path, &json, format!("{}nonsense", &endless[..last]).as_bytes());
        assert_eq!((answer.status, answer.code().as_str()), (400, "REGISTRY.0002"), "{path}");
        assert_eq!(answer.json()["error_msg"], "tags: must have at most 1256 entries", "{path}");
    }
    let text = exchange(&world, "put_resource.other_type", "PUT", ONE, &[("Content-Type", "text/plain")], "{}");
    assert_eq!(text.status, 415);
    let escaped = format!("{images}/a%2Fb%20%C3%A9");
    assert_eq!(call("put_resource.escaped", "PUT", &escaped, "{}"), 201);
    assert_eq!(get(&world, &escaped).json()["resource_id"], "a/b é");

    assert_eq!(call("get_tags.success", "GET", &format!("{ONE}/tags"), ""), 200);
    assert_eq!(call("get_tags.unknown", "GET", &format!("{images}/nothing/tags"), ""), 404);
    let tags = r#"{"tags":[{"key":"z","value":"1"},{"key":"_sys_x","value":"2"}]}"#;
    assert_eq!(call("put_tags.success", "PUT", &format!("{ONE}/tags"), tags), 200);
    assert_eq!(call("put_tags.unknown", "PUT", &format!("{images}/nothing/tags"), tags), 404);
    assert_eq!(call("put_tags.bad_body", "PUT", &format!("{ONE}/tags"), "{}"), 400);
    let twice = r#"{"tags":[{"key":"a"},{"key":"a"}]}"#;
    assert_eq!(call("put_tags.twice", "PUT", &format!("{ONE}/tags"), twice), 400);
    let over = json!({ "tags": many_tags(11) }).to_string();
    assert_eq!(call("put_tags.over_the_quota", "PUT", &format!("{ONE}/tags"), &over), 400);

    let stale = |name: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        exchange(&world, name, method, path, headers, body).status
    };
    let json_if = |condition| [("Content-Type", "application/json"), condition];
    assert_eq!(stale("put_resource.stale", "PUT", ONE, &json_if(("If-Match", "\"00\"")), "{}"), 412);
    assert_eq!(stale("put_resource.exists", "PUT", ONE, &json_if(("If-None-Match", "*")), "{}"), 412);
    assert_eq!(stale("put_resource.bad_condition", "PUT", ONE, &json_if(("If-Match", "00")), "{}"), 400);
    assert_eq!(stale("put_tags.stale", "PUT", &format!("{ONE}/tags"), &json_if(("If-Match", "\"00\"")), tags), 412);
    assert_eq!(stale("delete_resource.stale", "DELETE", ONE, &[("If-Match", "\"00\"")], ""), 412);
    assert_eq!(call("delete_resource.success", "DELETE", ONE, ""), 204);
    assert_eq!(call("delete_resource.unknown", "DELETE", ONE, ""), 404);
    verify(&world.db);
}

#[test]
fn import_and_export_stand_in_goldens() {
    let world = furnished();
    let line = |id: &str| format!(r#"{{"project_id":"p","resource_type":"images","resource_id":"{id}","tags":[]}}"#);
    let lines = format!("{}\n{{\"project_id\":\"p\"}}\n\n{}\n", line("x"), line("y"));
    let call = |name: &str, path: &str, body: &str| exchange(&world, name, "POST", path, LINES, body).status;
    assert_eq!(call("import.success", "/import", &lines), 200);
    assert_eq!(call("import.strict", "/import?strict=true", &format!("{}\n[]\n", line("z"))), 400);
    assert_eq!(call("import.bad_parameter", "/import?strict=1", &lines), 400);
    let prune = "/import?strict=true&prune=true";
    let only = format!("{}\n", line("x"));
    assert_eq!(call("import.prune_limit", &format!("{prune}&prune_limit=1"), &only), 409);
    assert_eq!(call("import.dry_run", &format!("{prune}&dry_run=true"), &only), 200);
    let text = exchange(&world, "import.other_type", "POST", "/import", &[("Content-Type", "text/csv")], &lines);
    assert_eq!(text.status, 415);
    let export = exchange(&world, "export.success", "GET", "/export?only=resource", &[], "");
    assert_eq!((export.status, export.headers["content-type"].as_str()), (200, "application/x-ndjson"));
    assert_eq!(export.body.lines().count(), 3);
    let definitions = r#"{"kind":"predefined_tag","domain_id":"d","key":"env","value":"prod","updated_at":"2026-11-30T08:12:41.120133Z"}
{"kind":"policy","policy_name":"env","key":"env","required":true}
{"kind":"type","resource_type":"vpc","service":"TMS","regional":true,"tag_quota":20}
"#;
    assert_eq!(call("import.definitions", "/import", definitions), 200);
    let chosen = "/export?only=policy,predefined_tag,project";
    assert_eq!(exchange(&world, "export.definitions", "GET", chosen, &[], "").status, 200);
    assert_eq!(exchange(&world, "export.bad_kind", "GET", "/export?only=policies", &[], "").status, 400);
    assert_eq!(call("import.prune", prune, &only), 200);
    assert_eq!(call("import.prune_alone", "/import?prune=true", &only), 400);
    assert_eq!(get(&world, "/export?only=resource").body.lines().count(), 1);
    verify(&world.db);
}

#[test]
fn an_etag_changes_with_name_detail_and_tags_and_with_nothing_else() {
    let world = furnished();
    let before = get(&world, ONE).etag().to_owned();
    assert_eq!(get(&world, &format!("{ONE}/tags")).etag(), before);
    let body = |name: &str, detail: &str, value: &str| {
        json!({
            "resource_name": name, "resource_detail": { "status": detail },
            "tags": [{ "key": "_sys_owner", "value": "ops" }, { "key": "env", "value": value }],
        })
    };
    assert_eq!(put(&world, ONE, &body("web", "active", "prod")).etag(), before, "the same state");
    let mut seen = vec![before];
    for body in [body("db", "active", "prod"), body("web", "gone", "prod"), body("web", "active", "test")] {
        let etag = put(&world, ONE, &body).etag().to_owned();
        assert_eq!(get(&world, ONE).etag(), etag);
        assert!(!seen.contains(&etag), "{body}");
        seen.push(etag);
    }
    // whoever changes it: here the dialect, or what stands for it
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 1).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        store.put_tags(scope, "r", &[tag("env", "other")]).await.unwrap();
        store.close().await;
    });
    let now = get(&world, ONE).etag().to_owned();
    assert!(!seen.contains(&now));
    let stale = put_if(&world, &format!("{ONE}/tags"), ("If-Match", seen.last().unwrap()), &json!({ "tags": [] }));
    assert_eq!((stale.status, stale.code()), (412, "REGISTRY.0008".to_owned()));
    let several = format!("\"ab\", W/{now}, {now}");
    assert_eq!(
        put_if(&world, &format!("{ONE}/tags"), ("If-Match", &format!("W/{now}")), &json!({ "tags": [] })).status,
        412
    );
    assert_eq!(put_if(&world, &format!("{ONE}/tags"), ("If-Match", &several), &json!({ "tags": [] })).status, 200);
    assert_eq!(put_if(&world, ONE, ("If-Match", "*"), &json!({})).status, 200);
    let nothing = "/projects/p/types/images/resources/nothing";
    assert_eq!(put_if(&world, nothing, ("If-Match", "*"), &json!({})).status, 412);
    assert_eq!(put_if(&world, nothing, ("If-None-Match", "*"), &json!({})).status, 201);
    verify(&world.db);
}

/// The statuses of requests that are sent at once.
fn race(count: usize, request: impl Fn(usize) -> u16 + Sync) -> Vec<u16> {
    let barrier = Barrier::new(count);
    let (barrier, request) = (&barrier, &request);
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|i| {
                scope.spawn(move || {
                    barrier.wait();
                    request(i)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    statuses
}

#[test]
fn of_clients_that_read_the_same_and_both_write_one_wins() {
    let world = furnished();
    for round in 0..10 {
        let etag = get(&world, ONE).etag().to_owned();
        let statuses = race(4, |i| {
            let body = json!({ "tags": [{ "key": "winner", "value": format!("{round}-{i}") }] });
            match i % 2 {
                0 => put_if(&world, &format!("{ONE}/tags"), ("If-Match", &etag), &body).status,
                _ => put_if(&world, ONE, ("If-Match", &etag), &body).status,
            }
        });
        assert_eq!(statuses, [200, 412, 412, 412], "round {round}");
        let new = format!("/projects/p/types/images/resources/new-{round}");
        let statuses = race(4, |_| put_if(&world, &new, ("If-None-Match", "*"), &json!({})).status);
        assert_eq!(statuses, [201, 412, 412, 412], "round {round}");
        let etag = get(&world, &new).etag().to_owned();
        let statuses = race(4, |i| match i {
            0 => send(&world, "DELETE", &new, &[("If-Match", &etag)], b"").status,
            _ => put_if(&world, &new, ("If-Match", &etag), &json!({ "resource_name": format!("n{i}") })).status,
        });
        assert!(matches!(statuses.as_slice(), [200 | 204, 412, 412, 412]), "round {round}: {statuses:?}");
    }
    verify(&world.db);
}

/// The table has two unique constraints. A transaction that has found no such type may come upon it in either of them.
#[test]
fn a_type_that_another_transaction_adds_meanwhile_is_no_error() {
    let world = World::new();
    let (mut owner, mut holder) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(async {
        // writers of sessions from now on wait where both constraints have been looked at and before either gets the row
        let waiting = "
            create function public.wait(name text) returns integer language plpgsql immutable as $$
            begin
              if current_setting('test.wait', true) = 'on' then
                perform pg_advisory_xact_lock_shared(4711);
              end if;
              return 0;
            end $$;
            alter table tagd.resource_type drop constraint resource_type_pkey cascade, drop constraint resource_type_is_alias_key cascade;
            create index on tagd.resource_type (public.wait(resource_type));
            alter table tagd.resource_type add constraint resource_type_pkey primary key (resource_type),
                                           add constraint resource_type_is_alias_key unique (resource_type, is_alias);
            do $$ begin execute format('alter database %I set test.wait = on', current_database()); end $$";
        owner.execute(waiting).await.unwrap();
        holder.execute("select pg_advisory_lock(4711)").await.unwrap();
    });
    let add = "select created from tagd.put_type_with_aliases('new', 'TMS', true, 5, null, null)";
    std::thread::scope(|scope| {
        let put = scope.spawn(|| {
            block_on(async {
                let mut late = world.db.connect().await;
                let created: bool = sqlx::query_scalar(add).fetch_one(&mut late).await.unwrap();
                late.close().await.unwrap();
                created
            })
        });
        let imported = scope.spawn(|| world.load(&[registration("new", "r", "", &[])]));
        eventually("both wait", || block_on(waiting_for_locks(&mut owner)).len() == 2);
        let created: bool = block_on(sqlx::query_scalar(add).fetch_one(&mut owner)).unwrap();
        block_on(holder.execute("select pg_advisory_unlock(4711)")).unwrap();
        assert_eq!((created, put.join().unwrap()), (true, false));
        imported.join().unwrap();
    });
    assert_eq!(get(&world, "/projects/p/types/new/resources/r").status, 200);
    block_on(async {
        owner.close().await.unwrap();
        holder.close().await.unwrap();
    });
}

/// Registrations, whole sets of tags and single tags on resources of one block, their bitmaps in every order.
#[test]
fn registrations_and_writers_of_tags_do_not_stand_in_each_others_way() {
    let world = furnished();
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        store.rebuild_scope(scope).await.unwrap();
        store.close().await;
    });
    let statuses = race(6, |i| {
        let mut last = 0;
        for round in 0..30 {
            let path = format!("/projects/p/types/images/resources/w{}", (i + round) % 4);
            let tags = json!({ "tags": [{ "key": format!("k{}", round % 3), "value": format!("{i}") }] });
            last = match (i + round) % 3 {
                0 => put(&world, &path, &tags).status,
                1 => put(&world, &format!("{path}/tags"), &tags).status,
                _ => delete(&world, &path).status,
            };
            assert!(matches!(last, 200 | 201 | 204 | 404), "{i}: {last}");
        }
        last
    });
    assert_eq!(statuses.len(), 6);
    verify(&world.db);
}

#[test]
fn a_quota_that_was_lowered_takes_no_tag_and_lets_no_more_in() {
    let world = furnished();
    let tags = |count: usize| json!({ "tags": many_tags(count) });
    assert_eq!(put(&world, ONE, &tags(5)).status, 200);
    let quota = |tag_quota: u32| json!({ "service": "IMS", "regional": true, "tag_quota": tag_quota });
    assert_eq!(put(&world, "/types/images", &quota(3)).status, 200);
    assert_eq!(put(&world, ONE, &tags(5)).status, 200);
    assert_eq!(put(&world, ONE, &tags(6)).code(), "REGISTRY.0009");
    assert_eq!(put(&world, ONE, &tags(4)).status, 200);
    assert_eq!(put(&world, "/projects/p/types/images/resources/new", &tags(4)).code(), "REGISTRY.0009");
    assert_eq!(get(&world, "/projects/p/types/images/resources/new").status, 404, "all or nothing");
    assert_eq!(get(&world, ONE).json()["tags"].as_array().unwrap().len(), 4);
    verify(&world.db);
}

#[test]
fn a_deleted_project_is_gone_everywhere_and_can_be_put_again() {
    let world = furnished();
    let ecs = registration("ecs", "s", "server", &[("env", "prod")]);
    world.load(&[ecs]);
    let tms = |world: &World| Wire::Tms.ids(world, &json!({}));
    assert_eq!(tms(&world), ["s"]);
    assert_eq!(Wire::Ims.ids(&world, &json!({})), ["r"], "its scope is remembered now");
    assert_eq!(delete(&world, "/projects/p").code(), "REGISTRY.0007");
    assert_eq!(delete(&world, "/projects/p?with_resources=false").status, 409);
    assert_eq!(delete(&world, "/projects/p?with_resources=true").status, 204);

    assert_eq!(get(&world, "/projects/p").code(), "REGISTRY.0004");
    assert_eq!(get(&world, ONE).code(), "REGISTRY.0005");
    assert_eq!(get(&world, "/projects/p/types/images/resources").code(), "REGISTRY.0004");
    assert_eq!(get(&world, "/projects").json()["projects"].as_array().unwrap().len(), 1);
    assert_eq!(tms(&world), Vec::<String>::new());
    assert_eq!(Wire::Ims.ids(&world, &json!({})), Vec::<String>::new());
    assert_eq!(get(&world, "/export?only=resource").body, "");
    assert_eq!(delete(&world, "/types/ecs").code(), "REGISTRY.0006", "the scope stays");
    verify(&world.db);

    assert_eq!(put(&world, ONE, &json!({ "tags": [{ "key": "env", "value": "new" }] })).status, 201);
    let project = get(&world, "/projects/p").json();
    assert_eq!(project, json!({ "project_id": "p", "project_name": "", "domain_id": "" }), "made with its resource");
    assert_eq!(Wire::Ims.ids(&world, &json!({})), ["r"]);
    let tags = json!({ "tags": [{ "key": "env", "values": ["prod"] }] });
    assert_eq!(Wire::Ims.ids(&world, &tags), Vec::<String>::new(), "nothing of before is left");
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let scopes = store.list_scopes().await.unwrap();
        assert_eq!(scopes.len(), 2, "the scopes of before");
        store.close().await;
    });
    verify(&world.db);
}

/// Registrations, an import and deletions of one project at once: whatever is there in the end is in order.
#[test]
fn a_project_that_is_deleted_under_writers_leaves_no_resource_without_a_project() {
    let world = furnished();
    let lines: String = (0..300).map(|i| line_of("p", &format!("i{i}"), "x")).collect();
    let statuses = race(6, |i| {
        let mut last = 0;
        for round in 0..8 {
            last = match i {
                0 => delete(&world, "/projects/p?with_resources=true").status,
                1 => import(&world, "", &lines).status,
                _ => {
                    let path = format!("/projects/p/types/images/resources/r{i}-{round}");
                    put(&world, &path, &json!({ "tags": [{ "key": "k", "value": "v" }] })).status
                }
            };
            assert!(matches!(last, 200 | 201 | 204 | 404), "{i}: {last}");
        }
        last
    });
    assert_eq!(statuses.len(), 6);
    verify(&world.db);
    let orphans: i64 = block_on(async {
        let mut owner = world.db.connect().await;
        sqlx::query_scalar(
            "select count(*) from tagd.resource r
               join tagd.scope s on s.scope_id = r.scope_id
              where not exists (select from tagd.project p where p.project_id = s.project_id)",
        )
        .fetch_one(&mut owner)
        .await
        .unwrap()
    });
    assert_eq!(orphans, 0);
}

fn line_of(project: &str, id: &str, value: &str) -> String {
    let line = json!({
        "project_id": project, "resource_type": "images", "resource_id": id, "resource_name": format!("name {id}"),
        "resource_detail": { "note": "n".repeat(150) }, "tags": [{ "key": "_sys_n", "value": value }, { "key": "k", "value": value }],
    });
    format!("{line}\n")
}

#[test]
fn what_is_exported_imports_the_same_and_30000_lines_go_both_ways() {
    let world = World::new();
    let lines: String =
        (0..30_000).map(|i| line_of(&format!("p{}", i % 3), &format!("r{i}"), &i.to_string())).collect();
    assert!(lines.len() > 8 * 1024 * 1024, "more than any other body may have: {}", lines.len());
    let reply = import(&world, "", &lines);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let counts = |created: u64, changed: u64, unchanged: u64| json!({ "created": created, "changed": changed, "unchanged": unchanged, "removed": 0, "dry_run": false, "rejected": [], "rejected_count": 0 });
    assert_eq!(reply.json(), counts(30_000, 0, 0));
    assert_eq!(import(&world, "?strict=true", &lines).json(), counts(0, 0, 30_000));

    let export = get(&world, "/export?only=resource");
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    assert_eq!(export.body.lines().count(), 30_000);
    let mut sent: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    sent.sort_by_key(|line| line["project_id"].to_string());
    let got: Vec<Value> = export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(got == sent, "by project, in the order of registration");
    verify(&world.db);

    let other = World::new();
    assert_eq!(import(&other, "?strict=true", &export.body).json(), counts(30_000, 0, 0));
    assert!(get(&other, "/export?only=resource").body == export.body);
    verify(&other.db);
}

#[test]
fn bad_lines_are_counted_and_the_first_thousand_told_and_strict_imports_nothing() {
    let world = World::new();
    let mut lines = String::new();
    for i in 0..1500 {
        lines.push_str(&line_of("p", &format!("r{i}"), "v"));
        lines.push_str("{\"project_id\":\"p\"}\n");
    }
    let reply = import(&world, "?strict=true", &lines);
    assert_eq!((reply.status, reply.code()), (400, "REGISTRY.0010".to_owned()));
    assert!(reply.json()["error_msg"].as_str().unwrap().starts_with("line 2: "), "{}", reply.body);
    assert_eq!(get(&world, "/export?only=resource").body, "");
    let reply = import(&world, "", &lines).json();
    assert_eq!((&reply["created"], &reply["rejected_count"]), (&json!(1500), &json!(1500)));
    let rejected = reply["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 1000);
    assert_eq!((&rejected[0]["line"], &rejected[999]["line"]), (&json!(2), &json!(2000)));
    verify(&world.db);
}

#[test]
fn a_client_that_breaks_off_leaves_whole_batches_and_strict_nothing() {
    let world = World::new();
    let body: String = (0..25_000).map(|i| line_of("p", &format!("r{i}"), "v")).collect();
    let address = world.url.strip_prefix("http://").unwrap();
    for (strict, query) in [(true, "?strict=true"), (false, "")] {
        let mut client = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /registry/v1/import{query} HTTP/1.1\r\nHost: tagd\r\nContent-Type: application/x-ndjson\r\n\
             Content-Length: {}\r\n\r\n",
            body.len() + 1000
        );
        client.write_all(head.as_bytes()).unwrap();
        // the last line only in part, though what is there of it would be a line
        client.write_all(body.as_bytes()).unwrap();
        client.write_all(line_of("p", "half", "v").trim_end().as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        // there may be an answer or none
        let _ = client.read_to_string(&mut answer);
        assert!(!answer.contains("200 OK"), "{answer}");
        drop(client);
        let deadline = Instant::now() + PATIENCE;
        let mut last = usize::MAX;
        // until nothing more comes in
        loop {
            let there: Vec<String> = get(&world, "/export?only=resource")
                .body
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["resource_id"].as_str().unwrap().to_owned())
                .collect();
            let expected: Vec<String> = (0..there.len()).map(|i| format!("r{i}")).collect();
            assert_eq!(there, expected, "the front of the input, without a gap");
            if there.len() == last {
                if strict {
                    assert_eq!(last, 0);
                } else {
                    assert!([0, 10_000, 20_000].contains(&last), "{last}");
                }
                break;
            }
            last = there.len();
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    verify(&world.db);
}
