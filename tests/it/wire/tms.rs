//! The operations of TMS beside the query: goldens of each, and what they mean (`docs/SEMANTICS.md`, "Writes").

use std::{collections::BTreeSet, fmt::Write};

use serde_json::{Value, json};
use tagd::{dialects::DIALECTS, domain::change::Registration};

use crate::support::{Answer, World, check_golden, golden_dir, registration};

// ---- requests

fn send(world: &World, method: &str, path: &str, body: &str) -> Answer {
    let json = [("Content-Type", "application/json;charset=utf-8")];
    let headers = if body.is_empty() { &[][..] } else { &json[..] };
    world.send(method, path, headers, body.as_bytes())
}

/// An answer of 200.
fn get(world: &World, path: &str) -> Value {
    let answer = send(world, "GET", path, "");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// Creates or deletes predefined tags, which must succeed.
fn predefine(world: &World, action: &str, tags: &[(&str, &str)]) {
    let answer = send(world, "POST", "/v1.0/predefine_tags/action", &predefine_body(action, tags));
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{action} {tags:?}");
}

fn predefine_body(action: &str, tags: &[(&str, &str)]) -> String {
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({ "action": action, "tags": tags }).to_string()
}

/// The predefined tags of a list, as `key=value`.
fn predefined(world: &World, parameters: &str) -> Vec<String> {
    let list = get(world, &format!("/v1.0/predefine_tags?{parameters}"));
    let text = |tag: &Value| format!("{}={}", tag["key"].as_str().unwrap(), tag["value"].as_str().unwrap());
    list["tags"].as_array().unwrap().iter().map(text).collect()
}

/// Writes tags of resources; the answer's `failed_resources`.
fn change(world: &World, operation: &str, body: &Value) -> Value {
    let answer = send(world, "POST", &format!("/v1.0/resource-tags/{operation}"), &body.to_string());
    assert_eq!(answer.status, 200, "{operation} {body}: {}", answer.body);
    let answer = answer.json();
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["failed_resources"].clone()
}

/// The tags of a resource of project `p`, as `key=value`.
fn tags(world: &World, resource_type: &str, id: &str) -> Vec<String> {
    let list = get(world, &format!("/v2.0/resources/{id}/tags?project_id=p&resource_type={resource_type}"));
    let text = |tag: &Value| format!("{}={}", tag["key"].as_str().unwrap(), tag["value"].as_str().unwrap());
    list["tags"].as_array().unwrap().iter().map(text).collect()
}

/// Checks that a request is refused: status, code and what the message says.
fn refuse(world: &World, (method, path): (&str, &str), body: &str, status: u16, code: &str, part: &str) {
    let answer = send(world, method, path, body);
    assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.body);
    let json = answer.json();
    assert_eq!(json["error_code"], code, "{method} {path} {body}: {json}");
    let message = json["error_msg"].as_str().unwrap();
    assert!(message.contains(part), "{method} {path} {body}: no {part:?} in {message}");
}

fn in_project(project: &str, mut resource: Registration) -> Registration {
    resource.project_id = project.into();
    resource
}

// ---- goldens

/// A request as `METHOD path`, and its body. `$…` stands for something long, see [`fill`].
type Request = (&'static str, &'static str);

/// An operation: its route, and the four columns of requests. A column without one gives the reason.
struct Row {
    name: &'static str,
    route: &'static str,
    success: &'static [Request],
    unknown: Result<&'static [Request], &'static str>,
    bad: &'static [Request],
    over: Result<&'static [Request], &'static str>,
}

const NO_RESOURCE: Result<&[Request], &str> = Err("The request names nothing that could be unknown.");
const NO_LIMIT: Result<&[Request], &str> = Err("The request has nothing that is counted or measured.");
const PREDEFINED: Request = ("GET /v1.0/predefine_tags?order_field=key&order_method=asc", "");
const TAGS_OF_R: Request = ("GET /v2.0/resources/r/tags?project_id=p&resource_type=ecs", "");

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { name: "versions", route: "GET /",
        success: &[("GET /", "")],
        unknown: NO_RESOURCE,
        bad: &[("GET /?verbose=1", "")],
        over: NO_LIMIT },
    Row { name: "version", route: "GET /v1.0",
        success: &[("GET /v1.0", "")],
        unknown: Ok(&[("GET /v9.9", "")]),
        bad: &[("GET /v1.0?verbose=1", "")],
        over: NO_LIMIT },
    Row { name: "query", route: "POST /v1.0/resource-instances/filter",
        success: &[("POST /v1.0/resource-instances/filter", r#"{"project_id":"p","resource_types":["ecs"],"tags":[{"key":"env","values":["prod"]}]}"#)],
        unknown: Ok(&[
            ("POST /v1.0/resource-instances/filter", r#"{"project_id":"nowhere","resource_types":["ecs"]}"#),
            ("POST /v1.0/resource-instances/filter", r#"{"project_id":"p","resource_types":["spaceship"]}"#),
        ]),
        bad: &[("POST /v1.0/resource-instances/filter", r#"{"project_id":"p","resource_types":"ecs"}"#)],
        over: Ok(&[("POST /v1.0/resource-instances/filter", r#"{"project_id":"p","resource_types":["ecs"],"limit":201}"#)]) },
    Row { name: "predefine-create", route: "POST /v1.0/predefine_tags/action",
        success: &[("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[{"key":"env","value":"prod"},{"key":"env","value":"dev"},{"key":"team"}]}"#), PREDEFINED],
        unknown: NO_RESOURCE,
        bad: &[
            ("POST /v1.0/predefine_tags/action", ""),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"CREATE","tags":[{"key":"env","value":"prod"}]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"tags":[{"key":"env","value":"prod"}]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create"}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[{}]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[["env","prod"]]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[{"key":"a b","value":"prod"}]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[{"key":"a","value":"b","values":[]}]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[{"key":"a","value":"b"},{"key":"a","value":"b"}]}"#),
        ],
        over: Ok(&[
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":$51TAGS}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[{"key":"$37","value":""}]}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"create","tags":[{"key":"env","value":"$44"}]}"#),
            PREDEFINED,
        ]) },
    Row { name: "predefine-update", route: "PUT /v1.0/predefine_tags",
        success: &[("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"dev"},"new_tag":{"key":"env","value":"test"}}"#), PREDEFINED],
        unknown: Ok(&[("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"dev"},"new_tag":{"key":"env","value":"stage"}}"#)]),
        bad: &[
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"test"},"new_tag":{"key":"env","value":"prod"}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"new_tag":{"key":"env","value":"prod"}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"e v","value":"test"},"new_tag":{"key":"env","value":"prod"}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"t/t"},"new_tag":{"key":"env","value":"prod"}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"test"}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"test"},"new_tag":{}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"test"},"new_tag":{"key":"","value":"prod"}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"test"},"new_tag":{"key":"env","value":"*"}}"#),
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":["env","test"],"new_tag":{"key":"env","value":"prod"}}"#),
        ],
        over: Ok(&[
            ("PUT /v1.0/predefine_tags", r#"{"old_tag":{"key":"env","value":"test"},"new_tag":{"key":"$37","value":"prod"}}"#),
            PREDEFINED,
        ]) },
    Row { name: "predefine-list", route: "GET /v1.0/predefine_tags",
        success: &[
            ("GET /v1.0/predefine_tags?key=EN&value=P&order_field=value&order_method=asc", ""),
            ("GET /v1.0/predefine_tags?limit=2&order_field=key&order_method=asc", ""),
            ("GET /v1.0/predefine_tags?limit=2&order_field=key&order_method=asc&marker=2", ""),
            ("GET /v1.0/predefine_tags?limit=2&order_field=key&order_method=asc&marker=3", ""),
        ],
        unknown: Ok(&[("GET /v1.0/predefine_tags?key=nowhere", "")]),
        bad: &[
            ("GET /v1.0/predefine_tags?name=env", ""),
            ("GET /v1.0/predefine_tags?key=a&key=b", ""),
            ("GET /v1.0/predefine_tags?limit=ten", ""),
            ("GET /v1.0/predefine_tags?marker=-1", ""),
            ("GET /v1.0/predefine_tags?order_field=size", ""),
            ("GET /v1.0/predefine_tags?order_method=up", ""),
            ("GET /v1.0/predefine_tags?value=%2A", ""),
        ],
        over: Ok(&[("GET /v1.0/predefine_tags?limit=1001", ""), ("GET /v1.0/predefine_tags?key=$37", "")]) },
    Row { name: "predefine-delete", route: "POST /v1.0/predefine_tags/action",
        success: &[("POST /v1.0/predefine_tags/action", r#"{"action":"delete","tags":[{"key":"env","value":"prod"},{"key":"team","value":""}]}"#), PREDEFINED],
        unknown: Ok(&[("POST /v1.0/predefine_tags/action", r#"{"action":"delete","tags":[{"key":"no where","value":"/"}]}"#)]),
        bad: &[
            ("POST /v1.0/predefine_tags/action", r#"{"action":"delete","tags":{}}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"delete","tags":[{"value":"prod"}]}"#),
        ],
        over: Ok(&[
            ("POST /v1.0/predefine_tags/action", r#"{"action":"delete","tags":$51TAGS}"#),
            ("POST /v1.0/predefine_tags/action", r#"{"action":"delete","tags":[{"key":"$37","value":""}]}"#),
        ]) },
    Row { name: "resource-create", route: "POST /v1.0/resource-tags/batch-create",
        success: &[("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[{"key":"color","value":"blue"},{"key":"env","value":"dev"},{"key":"empty"}]}"#), TAGS_OF_R],
        unknown: Ok(&[
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_id":"nowhere","resource_type":"ecs"}],"tags":[{"key":"color","value":"red"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"nowhere","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[{"key":"color","value":"red"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"},{"resource_id":"r","resource_type":"spaceship"}],"tags":[{"key":"color","value":"red"}]}"#),
            TAGS_OF_R,
        ]),
        bad: &[
            ("POST /v1.0/resource-tags/batch-create", "{"),
            ("POST /v1.0/resource-tags/batch-create", r#"{"resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[{"key":"color","value":"red"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","tags":[{"key":"color","value":"red"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_type":"ecs"}],"tags":[{"key":"color","value":"red"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[{"key":"color","value":"red"},{"key":"color","value":"blue"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[["r","ecs"]],"tags":[{"key":"color","value":"red"}]}"#),
            TAGS_OF_R,
        ],
        over: Ok(&[
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_id":"full","resource_type":"ecs"}],"tags":[{"key":"color","value":"blue"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":$51RESOURCES,"tags":[{"key":"color","value":"blue"}]}"#),
            ("POST /v1.0/resource-tags/batch-create", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":$11TAGS}"#),
        ]) },
    Row { name: "resource-delete", route: "POST /v1.0/resource-tags/batch-delete",
        success: &[("POST /v1.0/resource-tags/batch-delete", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[{"key":"color","value":"blue"},{"key":"env","value":"other"},{"key":"team"},{"key":"ab sent"}]}"#), TAGS_OF_R],
        unknown: Ok(&[("POST /v1.0/resource-tags/batch-delete", r#"{"project_id":"p","resources":[{"resource_id":"nowhere","resource_type":"ecs"}],"tags":[{"key":"env"}]}"#)]),
        bad: &[("POST /v1.0/resource-tags/batch-delete", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":["env"]}"#)],
        over: Ok(&[
            ("POST /v1.0/resource-tags/batch-delete", r#"{"project_id":"p","resources":$51RESOURCES,"tags":[{"key":"color"}]}"#),
            ("POST /v1.0/resource-tags/batch-delete", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":$11TAGS}"#),
            ("POST /v1.0/resource-tags/batch-delete", r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[{"key":"$37"}]}"#),
            TAGS_OF_R,
        ]) },
    Row { name: "resource-list", route: "GET /v2.0/resources/{resource_id}/tags",
        success: &[TAGS_OF_R, ("GET /v2.0/resources/c/tags?resource_type=cdn", "")],
        unknown: Ok(&[
            ("GET /v2.0/resources/nowhere/tags?project_id=p&resource_type=ecs", ""),
            ("GET /v2.0/resources/r/tags?project_id=p&resource_type=spaceship", ""),
            ("GET /v2.0/resources/r/tags?project_id=nowhere&resource_type=ecs", ""),
        ]),
        bad: &[
            ("GET /v2.0/resources/r/tags?project_id=p", ""),
            ("GET /v2.0/resources/r/tags?resource_type=ecs", ""),
            ("GET /v2.0/resources/r/tags?project_id=&resource_type=ecs", ""),
            ("GET /v2.0/resources/twice/tags?resource_type=cdn", ""),
            ("GET /v2.0/resources/r/tags?project_id=p&resource_type=ecs&limit=1", ""),
        ],
        over: NO_LIMIT },
    Row { name: "tag-keys", route: "GET /v1.0/tag-keys",
        success: &[("GET /v1.0/tag-keys?limit=2", ""), ("GET /v1.0/tag-keys?limit=3&marker=k16&region_id=region-1", "")],
        unknown: Ok(&[("GET /v1.0/tag-keys?region_id=nowhere", "")]),
        bad: &[("GET /v1.0/tag-keys?project_id=p", ""), ("GET /v1.0/tag-keys?limit=0", "")],
        over: Ok(&[("GET /v1.0/tag-keys?limit=201", "")]) },
    Row { name: "tag-values", route: "GET /v1.0/tag-values",
        success: &[("GET /v1.0/tag-values?key=env", ""), ("GET /v1.0/tag-values?key=env&limit=1", ""), ("GET /v1.0/tag-values?key=env&limit=1&marker=dev", "")],
        unknown: Ok(&[("GET /v1.0/tag-values?key=nowhere", ""), ("GET /v1.0/tag-values?key=env&region_id=nowhere", "")]),
        bad: &[("GET /v1.0/tag-values", ""), ("GET /v1.0/tag-values?key=", ""), ("GET /v1.0/tag-values?key=env&offset=1", "")],
        over: Ok(&[("GET /v1.0/tag-values?key=env&limit=201", "")]) },
    Row { name: "tags", route: "GET /v1.0/tags",
        success: &[("GET /v1.0/tags?resource_types=cdn&project_id=p&tag_types=resource", ""), ("GET /v1.0/tags?resource_types=cdn,disk&project_id=p&tag_types=resource", "")],
        unknown: Ok(&[("GET /v1.0/tags?resource_types=ecs&project_id=nowhere&tag_types=resource", ""), ("GET /v1.0/tags?resource_types=ecs,spaceship&project_id=p&tag_types=resource", "")]),
        bad: &[
            ("GET /v1.0/tags?project_id=p&tag_types=resource", ""),
            ("GET /v1.0/tags?resource_types=ecs&tag_types=resource", ""),
            ("GET /v1.0/tags?resource_types=ecs&project_id=p", ""),
            ("GET /v1.0/tags?resource_types=ecs&project_id=p&tag_types=predefined", ""),
            ("GET /v1.0/tags?resource_types=ecs,ecs&project_id=p&tag_types=resource", ""),
        ],
        over: Ok(&[("GET /v1.0/tags?resource_types=a,b,c,d,e,f,g,h,i,j,k&project_id=p&tag_types=resource", "")]) },
    Row { name: "quotas", route: "GET /v1.0/tms/quotas",
        success: &[("GET /v1.0/tms/quotas", "")],
        unknown: NO_RESOURCE,
        bad: &[("GET /v1.0/tms/quotas?verbose=1", "")],
        over: NO_LIMIT },
    Row { name: "providers", route: "GET /v1.0/tms/providers",
        success: &[("GET /v1.0/tms/providers?locale=en-us&limit=200", ""), ("GET /v1.0/tms/providers?limit=1&offset=7", ""), ("GET /v1.0/tms/providers?provider=cts", "")],
        unknown: Ok(&[("GET /v1.0/tms/providers?provider=nowhere", "")]),
        bad: &[("GET /v1.0/tms/providers?locale=fr-fr", ""), ("GET /v1.0/tms/providers?limit=0", ""), ("GET /v1.0/tms/providers?offset=-1", "")],
        over: Ok(&[("GET /v1.0/tms/providers?limit=201", "")]) },
];

/// Puts in what would be too long to read.
fn fill(text: &str) -> String {
    let tags = |n: usize| (0..n).map(|i| json!({ "key": format!("n{i}") })).collect::<Value>().to_string();
    let resource = |i| json!({ "resource_id": format!("r{i}"), "resource_type": "ecs" });
    text.replace("$51TAGS", &tags(51))
        .replace("$11TAGS", &tags(11))
        .replace("$51RESOURCES", &(0..51).map(resource).collect::<Value>().to_string())
        .replace("$37", &"k".repeat(37))
        .replace("$44", &"v".repeat(44))
}

/// Puts fixed words in the place of what differs from run to run.
fn settle(answer: &Answer) -> String {
    let mut parts = answer.body.split("\"update_time\":\"");
    let mut body = parts.next().unwrap().to_owned();
    for part in parts {
        let (time, rest) = part.split_once('"').unwrap();
        assert!(time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        body.push_str("\"update_time\":\"(time)\"");
        body.push_str(rest);
    }
    if let Some(id) = answer.headers.get("x-request-id") {
        body = body.replace(id.as_str(), "(id)");
    }
    body
}

fn run(world: &World, (line, body): Request) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    let answer = send(world, method, &fill(path), &fill(body));
    assert_eq!(answer.headers.contains_key("content-type"), !answer.body.is_empty(), "a type where there is a body");
    let mut text = format!("{line}\n");
    for part in [body, &format!("=> {}", answer.status), &settle(&answer)] {
        if !part.is_empty() {
            writeln!(text, "{part}").unwrap();
        }
    }
    text
}

/// Resources for the goldens.
fn fleet() -> Vec<Registration> {
    let keys: Vec<String> = (0..20).map(|i| format!("k{i:02}")).collect();
    let full: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
    vec![
        registration("ecs", "r", "server", &[("_sys_owner", "o"), ("env", "prod"), ("team", "red")]),
        registration("ecs", "full", "", &full),
        registration("disk", "d", "", &[("env", "test"), ("k00", "value")]),
        registration("cdn", "c", "", &[("_sys_owner", "o"), ("env", ""), ("site", "example.com")]),
        registration("cdn", "twice", "", &[("env", "prod")]),
        in_project("q", registration("cdn", "twice", "", &[("env", "stage")])),
    ]
}

#[test]
fn every_operation_is_answered_as_its_golden_says() {
    let world = World::with(&fleet());
    for row in TABLE {
        let mut text = String::new();
        let columns =
            [("success", Ok(row.success)), ("unknown", row.unknown), ("bad request", Ok(row.bad)), ("over", row.over)];
        for (column, requests) in columns {
            writeln!(text, "# {column}").unwrap();
            match requests {
                Ok(requests) => {
                    let shown: Vec<String> = requests.iter().map(|request| run(&world, *request)).collect();
                    text.push_str(&shown.join("\n"));
                }
                Err(why) => writeln!(text, "{why}").unwrap(),
            }
            text.push('\n');
        }
        check_golden(&format!("operations/tms/{}.txt", row.name), &format!("{}\n", text.trim_end()));
    }
}

#[test]
fn every_operation_is_in_the_table_and_every_golden_is_of_one() {
    let tms = DIALECTS.iter().find(|dialect| dialect.service.name == "TMS").unwrap();
    let routes: BTreeSet<String> =
        tms.routes.iter().map(|route| format!("{} {}", route.method.name(), route.path)).collect();
    assert_eq!(routes, TABLE.iter().map(|row| row.route.to_owned()).collect());
    for row in TABLE {
        let (method, path) = row.route.split_once(' ').unwrap();
        let template: Vec<&str> = path.split('/').collect();
        let fits = |(line, _): &Request| {
            let (asked, path) = line.split_once(' ').unwrap();
            let path: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
            let same = |(a, b): (&&str, &&str)| a == b || a.starts_with('{');
            asked == method && path.len() == template.len() && template.iter().zip(&path).all(same)
        };
        assert!(row.success.iter().any(fits), "{}: no success of {}", row.name, row.route);
        assert!(row.bad.iter().any(fits), "{}: no bad request of {}", row.name, row.route);
    }
    let files = golden_dir().join("operations/tms").read_dir().unwrap();
    let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, TABLE.iter().map(|row| format!("{}.txt", row.name)).collect());
}

#[test]
fn the_operations_on_associated_resources_and_other_versions_are_not_there() {
    let world = World::empty();
    let there = "/v2/tms/associated-resources";
    for (method, path) in [
        ("GET", format!("{there}/status")),
        ("PUT", format!("{there}/status")),
        ("GET", format!("{there}/settings")),
        ("GET", format!("{there}/rules")),
        ("POST", format!("{there}/rules/batch-create")),
        ("PUT", format!("{there}/rules/batch-update")),
        ("DELETE", format!("{there}/rules/inherit?region_id=a&region_id=b")),
        ("GET", "/v2.1".into()),
        ("GET", "/v1.0/".into()),
        ("GET", "/v1.0/tag-key".into()),
    ] {
        let body = if ["POST", "PUT"].contains(&method) { "{}" } else { "" };
        refuse(&world, (method, &path), body, 404, "APIGW.0101", "no route matches");
    }
}

// ---- tags of resources

fn batch(project: Option<&str>, resources: &[(&str, &str)], tags: &Value) -> Value {
    let resources: Vec<Value> =
        resources.iter().map(|(kind, id)| json!({ "resource_type": kind, "resource_id": id })).collect();
    let mut body = json!({ "resources": resources, "tags": tags });
    if let Some(project) = project {
        body["project_id"] = json!(project);
    }
    body
}

#[test]
fn what_fails_on_one_resource_is_told_and_the_others_are_written() {
    let almost: Vec<String> = (0..19).map(|i| format!("k{i:02}")).collect();
    let almost: Vec<(&str, &str)> = almost.iter().map(|key| (key.as_str(), "")).collect();
    let world = World::with(&[
        registration("ecs", "a", "", &[("env", "prod")]),
        registration("ecs", "almost", "", &almost),
        registration("images", "i", "", &[]),
        registration("DNS-public_zone", "z", "", &[]),
    ]);
    let tags_put = json!([{ "key": "one", "value": "1" }, { "key": "two" }]);
    let all =
        [("ecs", "a"), ("ecs", "nowhere"), ("ecs", "almost"), ("images", "i"), ("DNS-public_zone", "z"), ("vpcs", "a")];
    let failed = change(&world, "batch-create", &batch(Some("p"), &all, &tags_put));
    assert_eq!(
        failed,
        json!([
            { "resource_id": "nowhere", "resource_type": "ecs", "error_code": "TMS.0005", "error_msg": "resource_id: unknown resource \"nowhere\"" },
            { "resource_id": "almost", "resource_type": "ecs", "error_code": "TMS.0002", "error_msg": "tags: must not exceed the quota of 20 tags on a resource, got 21" },
            { "resource_id": "a", "resource_type": "vpcs", "error_code": "TMS.0005", "error_msg": "resource_id: unknown resource \"a\"" },
        ])
    );
    assert_eq!(tags(&world, "ecs", "a"), ["env=prod", "one=1", "two="]);
    assert_eq!(tags(&world, "ecs", "almost").len(), 19, "a resource gets all or nothing");
    assert_eq!(tags(&world, "images", "i"), ["one=1", "two="]);
    // the other dialects and the query see it
    let zone = get(&world, "/v2/p/DNS-public_zone/z/tags");
    assert_eq!(zone, json!({ "tags": [{ "key": "one", "value": "1" }, { "key": "two", "value": "" }] }));
    let body = r#"{"project_id":"p","resource_types":["images","ecs"],"tags":[{"key":"one","values":["1"]}]}"#;
    assert_eq!(world.post("/v1.0/resource-instances/filter", body).json()["total_count"], 2);

    // a key that is there gets the new value; the same again is no change
    for _ in 0..2 {
        assert_eq!(
            change(
                &world,
                "batch-create",
                &batch(Some("p"), &[("ecs", "a")], &json!([{ "key": "env", "value": "dev" }]))
            ),
            json!([])
        );
        assert_eq!(tags(&world, "ecs", "a"), ["env=dev", "one=1", "two="]);
    }
    let failed = change(&world, "batch-delete", &batch(Some("p"), &all, &json!([{ "key": "one" }])));
    let ids: Vec<&str> =
        failed.as_array().unwrap().iter().map(|entry| entry["resource_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["nowhere", "a"]);
    assert_eq!(tags(&world, "ecs", "a"), ["env=dev", "two="]);
    assert_eq!(tags(&world, "images", "i"), ["two="]);
}

#[test]
fn a_delete_with_a_value_compares_it_and_what_is_absent_is_no_failure() {
    let world =
        World::with(&[registration("ecs", "r", "", &[("a", "1"), ("b", "2"), ("c", ""), ("d", "4"), ("e f/ü", "5")])]);
    let delete = |tags: Value| change(&world, "batch-delete", &batch(Some("p"), &[("ecs", "r")], &tags));
    assert_eq!(
        delete(json!([{ "key": "a", "value": "2" }, { "key": "b", "value": "2" }, { "key": "c", "value": "" }])),
        json!([])
    );
    assert_eq!(tags(&world, "ecs", "r"), ["a=1", "d=4", "e f/ü=5"]);
    // no set of characters is held: what another dialect wrote can be removed, and a NUL is just absent
    assert_eq!(
        delete(
            json!([{ "key": "e f/ü" }, { "key": "\0" }, { "key": "d", "value": "\0" }, { "key": "x", "value": null }])
        ),
        json!([])
    );
    assert_eq!(tags(&world, "ecs", "r"), ["a=1", "d=4"]);
    assert_eq!(
        change(&world, "batch-delete", &batch(Some("p"), &[("ecs", "r\0")], &json!([{ "key": "a" }])))[0]["error_code"],
        "TMS.0005"
    );
    assert_eq!(delete(json!([{ "key": "a" }, { "key": "d" }])), json!([]));
    assert_eq!(tags(&world, "ecs", "r"), [""; 0], "a resource without tags is there");
}

#[test]
fn an_unknown_type_or_a_regional_one_without_a_project_is_refused_before_anything_is_written() {
    let world = World::with(&[
        registration("ecs", "r", "", &[("keep", "")]),
        registration("cdn", "c", "", &[]),
        registration("cdn", "twice", "", &[]),
        in_project("q", registration("cdn", "twice", "", &[])),
    ]);
    let put = json!([{ "key": "a", "value": "1" }]);
    for operation in ["batch-create", "batch-delete"] {
        let path = format!("/v1.0/resource-tags/{operation}");
        let refuse = |body: Value, code, part| refuse(&world, ("POST", &path), &body.to_string(), 400, code, part);
        refuse(
            batch(Some("p"), &[("ecs", "r"), ("Ecs", "r")], &put),
            "TMS.5027",
            "resources[1].resource_type: unknown resource type \"Ecs\"",
        );
        refuse(batch(Some("p"), &[("ecs\0", "r")], &put), "TMS.5027", "resources[0].resource_type");
        refuse(batch(None, &[("cdn", "c"), ("ecs", "r")], &put), "TMS.2011", "regional resource type \"ecs\"");
        refuse(batch(Some(""), &[("cdn", "c"), ("ecs", "r")], &put), "TMS.2011", "regional resource type \"ecs\"");
    }
    assert_eq!(tags(&world, "ecs", "r"), ["keep="]);
    assert_eq!(tags(&world, "cdn", "c"), [""; 0]);
    // a global type needs none, unless two projects have the resource
    let failed = change(&world, "batch-create", &batch(None, &[("cdn", "c"), ("cdn", "twice")], &put));
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    assert_eq!((&failed[0]["resource_id"], &failed[0]["error_code"]), (&json!("twice"), &json!("TMS.2011")));
    assert_eq!(tags(&world, "cdn", "c"), ["a=1"]);
    assert_eq!(
        get(&world, "/v2.0/resources/c/tags?resource_type=cdn"),
        json!({ "tags": [{ "key": "a", "value": "1" }] })
    );
    assert_eq!(change(&world, "batch-create", &batch(Some("q"), &[("cdn", "twice")], &put)), json!([]));
    assert_eq!(tags(&world, "cdn", "twice"), [""; 0], "that of project q was meant");
}

#[test]
fn system_tags_are_neither_written_nor_shown() {
    let world = World::with(&[registration("ecs", "r", "", &[("_sys_a", "1"), ("b", "2")])]);
    for operation in ["batch-create", "batch-delete"] {
        let body = batch(Some("p"), &[("ecs", "r")], &json!([{ "key": "_sys_a", "value": "1" }])).to_string();
        refuse(
            &world,
            ("POST", &format!("/v1.0/resource-tags/{operation}")),
            &body,
            400,
            "TMS.0009",
            "tags[0].key: must not start with \"_sys_\"",
        );
    }
    for action in ["create", "delete"] {
        let body = predefine_body(action, &[("_sys_a", "1")]);
        refuse(&world, ("POST", "/v1.0/predefine_tags/action"), &body, 400, "TMS.0009", "system tags");
    }
    assert_eq!(tags(&world, "ecs", "r"), ["b=2"]);
    assert_eq!(get(&world, "/v1.0/tag-keys")["keys"], json!(["b"]));
    assert_eq!(get(&world, "/v1.0/tag-values?key=_sys_a")["values"], json!([]));
    let list = get(&world, "/v1.0/tags?resource_types=ecs&project_id=p&tag_types=resource");
    assert_eq!(list, json!({ "tags": [{ "key": "b", "values": ["2"] }], "errors": [] }));
    let query = r#"{"project_id":"p","resource_types":["ecs"],"tags":[{"key":"_sys_a","values":[]}]}"#;
    assert_eq!(world.post("/v1.0/resource-instances/filter", query).status, 200, "a query is free to ask");
}

#[test]
fn keys_and_values_have_the_lengths_and_characters_of_the_document() {
    let world = World::with(&[registration("ecs", "r", "", &[])]);
    let wide = |n: usize| "日".repeat(n);
    let attempt = |key: &str, value: &str| {
        let tags = json!([{ "key": key, "value": value }]);
        let batch = batch(Some("p"), &[("ecs", "r")], &tags).to_string();
        let on_resource = send(&world, "POST", "/v1.0/resource-tags/batch-create", &batch);
        let pair = predefine_body("create", &[(key, value)]);
        let as_predefined = send(&world, "POST", "/v1.0/predefine_tags/action", &pair);
        let code = |answer: &Answer| {
            if answer.status < 300 { String::new() } else { answer.json()["error_code"].as_str().unwrap().to_owned() }
        };
        assert_eq!(code(&on_resource), code(&as_predefined), "{key:?} {value:?}");
        code(&on_resource)
    };
    for (key, value) in [("a", ""), ("Zz09-_@", "Zz09-_@."), ("ключ", "étage"), (&*wide(36), &*wide(43)), ("٣", "Ⅷ")]
    {
        assert_eq!(attempt(key, value), "", "{key:?} {value:?}");
        assert_eq!(
            change(
                &world,
                "batch-delete",
                &batch(Some("p"), &[("ecs", "r")], &json!([{ "key": key, "value": value }]))
            ),
            json!([])
        );
        assert_eq!(tags(&world, "ecs", "r"), [""; 0]);
    }
    for key in ["", " ", "a b", "a.b", "a:b", "a=b", "a+b", "a/b", "*", "a\0", "a\n", &wide(37)] {
        assert_eq!(attempt(key, "v"), "TMS.0009", "{key:?}");
    }
    for value in [" ", "a b", "a:b", "a=b", "a+b", "a/b", "*", "a\0", "a\n", &wide(44)] {
        assert_eq!(attempt("k", value), "TMS.0010", "{value:?}");
    }
}

#[test]
fn marks_and_joiners_of_a_word_are_taken_wherever_a_key_or_a_value_stands() {
    let world = World::with(&[registration("ecs", "r", "", &[])]);
    let query = |key: &str, value: &str| {
        let tags = json!([{ "key": key, "values": [value] }]);
        let body = json!({ "project_id": "p", "resource_types": ["ecs"], "tags": tags });
        world.post("/v1.0/resource-instances/filter", &body.to_string())
    };
    let put = |key: &str, value: &str| batch(Some("p"), &[("ecs", "r")], &json!([{ "key": key, "value": value }]));
    for word in ["केन्द्र", "ช้างเก่า", "প্রকল্প", "می\u{200c}خواهم", "ශ\u{dca}\u{200d}රී"]
    {
        assert_eq!(change(&world, "batch-create", &put(word, word)), json!([]));
        assert_eq!(query(word, word).json()["total_count"], 1, "{word}");
        predefine(&world, "create", &[(word, word)]);
        assert_eq!(predefined(&world, &format!("key={}", form_encode(word))), [format!("{word}={word}")]);
        assert_eq!(change(&world, "batch-delete", &put(word, word)), json!([]));
    }
    for text in ["\u{94d}क", "1\u{94d}", "-\u{301}", "\u{200c}a", "1\u{200d}", "a@\u{200d}"] {
        let batch_path = ("POST", "/v1.0/resource-tags/batch-create");
        let predefine_path = ("POST", "/v1.0/predefine_tags/action");
        let reason = "except after a letter or a mark";
        for (key, value, code) in [(text, "v", "TMS.0009"), ("k", text, "TMS.0010")] {
            refuse(&world, batch_path, &put(key, value).to_string(), 400, code, reason);
            refuse(&world, predefine_path, &predefine_body("create", &[(key, value)]), 400, code, reason);
            assert_eq!(query(key, value).json()["error_code"], code, "{text:?}");
        }
        let list = format!("/v1.0/predefine_tags?value={}", form_encode(text));
        refuse(&world, ("GET", &list), "", 400, "TMS.0010", reason);
    }
}

#[test]
fn a_list_is_read_no_further_than_its_limit() {
    let world = World::with(&[registration("ecs", "r", "", &[])]);
    // the entry behind the limit is none, and is not looked at
    let list = |count: usize, entry: &dyn Fn(usize) -> Value| {
        (0..count).map(entry).chain([json!(true), json!(1)]).collect::<Value>()
    };
    let tag = |i: usize| json!({ "key": format!("k{i}") });
    let resource = |i: usize| json!({ "resource_id": format!("r{i}"), "resource_type": "ecs" });
    let put = json!([{ "key": "k" }]);
    let (one, many) = (json!([resource(0)]), list(50, &resource));
    for operation in ["batch-create", "batch-delete"] {
        let path = format!("/v1.0/resource-tags/{operation}");
        let refuse = |resources: &Value, tags: &Value, reason| {
            let body = json!({ "project_id": "p", "resources": resources, "tags": tags }).to_string();
            refuse(&world, ("POST", &path), &body, 400, "TMS.0002", reason);
        };
        refuse(&many, &put, "resources: must have at most 50 resources");
        refuse(&one, &list(10, &tag), "tags: must have at most 10 tags");
    }
    for action in ["create", "delete"] {
        let body = json!({ "action": action, "tags": list(50, &tag) }).to_string();
        let path = ("POST", "/v1.0/predefine_tags/action");
        refuse(&world, path, &body, 400, "TMS.0002", "tags: must have at most 50 tags");
    }
    let types = list(10, &|i| json!(format!("t{i}")));
    let body = json!({ "project_id": "p", "resource_types": types }).to_string();
    let path = ("POST", "/v1.0/resource-instances/filter");
    refuse(&world, path, &body, 400, "TMS.0002", "resource_types: must have at most 10 types");
}

// ---- what is remembered

#[test]
fn a_query_over_types_sees_new_scopes_new_names_and_deleted_projects_at_once() {
    let world = World::with(&[registration("ecs", "e", "", &[("k", "v")])]);
    let body = |types: &[&str]| {
        json!({ "project_id": "p", "resource_types": types, "tags": [{ "key": "k", "values": ["v"] }] }).to_string()
    };
    let ask = |types: &[&str]| {
        let answer = send(&world, "POST", "/v1.0/resource-instances/filter", &body(types));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = answer.json();
        let found: Vec<String> = answer["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| {
                let field = |name: &str| resource[name].as_str().unwrap().to_owned();
                format!("{} {} {}", field("resource_type"), field("resource_id"), field("project_name"))
            })
            .collect();
        assert_eq!(answer["total_count"], found.len());
        found
    };
    let registry = |method: &str, path: &str, body: &str| {
        let answer = send(&world, method, &format!("/registry/v1/{path}"), body);
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
    };
    let resource = json!({ "tags": [{ "key": "k", "value": "v" }] }).to_string();
    for _ in 0..2 {
        assert_eq!(ask(&["ecs", "disk"]), ["ecs e "]);
    }
    // a type that had no resource in the project
    registry("PUT", "projects/p/types/disk/resources/d", &resource);
    for _ in 0..2 {
        assert_eq!(ask(&["ecs", "disk"]), ["ecs e ", "disk d "]);
        assert_eq!(ask(&["disk", "ecs"]), ["disk d ", "ecs e "]);
    }
    for name in ["shop", "store", ""] {
        registry("PUT", "projects/p", &json!({ "project_name": name, "domain_id": "" }).to_string());
        assert_eq!(ask(&["ecs", "disk"]), [format!("ecs e {name}"), format!("disk d {name}")]);
        assert_eq!(ask(&["ecs"]), [format!("ecs e {name}")]);
    }
    registry("DELETE", "projects/p?with_resources=true", "");
    assert_eq!(ask(&["ecs", "disk"]), [""; 0]);
    registry("PUT", "projects/p", &json!({ "project_name": "again", "domain_id": "" }).to_string());
    registry("PUT", "projects/p/types/disk/resources/d", &resource);
    assert_eq!(ask(&["ecs", "disk"]), ["disk d again"]);
    // an unknown type is one still
    refuse(
        &world,
        ("POST", "/v1.0/resource-instances/filter"),
        &body(&["ecs", "disk", "none"]),
        400,
        "TMS.5027",
        "none",
    );
}

// ---- names in use

#[test]
fn keys_and_values_are_those_in_use_anywhere_each_once_and_come_in_parts_to_the_end() {
    let keys: Vec<String> = (0..450).map(|i| format!("k{i:03}")).collect();
    let mut fleet: Vec<Registration> = keys
        .chunks(9)
        .enumerate()
        .map(|(i, keys)| {
            let tags: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
            let kind = if i % 2 == 0 { "ecs" } else { "disk" };
            in_project(if i % 3 == 0 { "p" } else { "q" }, registration(kind, &format!("r{i}"), "", &tags))
        })
        .collect();
    let values = ["", "%", "a", "a b", "b", "ä"];
    for (i, value) in values.iter().enumerate() {
        for project in ["p", "q"] {
            fleet.push(in_project(project, registration("vpcs", &format!("v{i}"), "", &[("value", value)])));
        }
    }
    let world = World::with(&fleet);
    let page_through = |path: &str, field: &str, limit: usize| {
        let mut all: Vec<String> = Vec::new();
        let mut marker = String::new();
        for _ in 0..1000 {
            let separator = if path.contains('?') { '&' } else { '?' };
            let part = get(&world, &format!("{path}{separator}limit={limit}&marker={}", form_encode(&marker)));
            let names: Vec<String> = serde_json::from_value(part[field].clone()).unwrap();
            assert_eq!(part["page_info"]["current_count"], names.len(), "{part}");
            assert!(names.len() <= limit);
            all.extend(names);
            part["page_info"]["next_marker"].as_str().unwrap().clone_into(&mut marker);
            if marker.is_empty() {
                return all;
            }
        }
        panic!("no end of {path}");
    };
    let mut expected = keys.clone();
    expected.push("value".into());
    for limit in [7, 41, 200] {
        assert_eq!(page_through("/v1.0/tag-keys", "keys", limit), expected, "{limit}");
    }
    assert_eq!(get(&world, "/v1.0/tag-keys")["page_info"], json!({ "next_marker": "k199", "current_count": 200 }));
    for limit in [1, 2, 5, 6, 200] {
        assert_eq!(page_through("/v1.0/tag-values?key=value", "values", limit), values, "{limit}");
    }
    // a marker need not be a name, nor one that could be stored
    assert_eq!(get(&world, "/v1.0/tag-keys?marker=k448a")["keys"], json!(["k449", "value"]));
    assert_eq!(get(&world, "/v1.0/tag-keys?marker=k448%00x")["keys"], json!(["k449", "value"]));
    assert_eq!(get(&world, "/v1.0/tag-values?key=value%00")["values"], json!([]));
    assert_eq!(
        get(&world, "/v1.0/tag-keys?marker=zzz"),
        json!({ "keys": [], "page_info": { "next_marker": "", "current_count": 0 } })
    );

    // what no resource has any more is gone
    let both = [("vpcs", "v1"), ("vpcs", "v3")];
    for project in ["p", "q"] {
        assert_eq!(
            change(&world, "batch-delete", &batch(Some(project), &both, &json!([{ "key": "value" }]))),
            json!([])
        );
    }
    assert_eq!(get(&world, "/v1.0/tag-values?key=value")["values"], json!(["", "a", "b", "ä"]));
}

fn form_encode(text: &str) -> String {
    percent_encoding::percent_encode(text.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

// ---- predefined tags

#[test]
fn a_pair_is_the_identity_of_a_predefined_tag_and_written_twice_it_becomes_the_newest() {
    let world = World::new();
    predefine(&world, "create", &[("env", "prod"), ("env", "dev")]);
    predefine(&world, "create", &[("team", "")]);
    // the tags of one call are of one age, and ties go by key and value
    assert_eq!(predefined(&world, ""), ["team=", "env=dev", "env=prod"]);
    predefine(&world, "create", &[("env", "prod")]);
    assert_eq!(predefined(&world, ""), ["env=prod", "team=", "env=dev"]);
    assert_eq!(get(&world, "/v1.0/tms/quotas")["quotas"][0]["used"], 3);
    predefine(&world, "delete", &[("env", "prod"), ("env", "absent")]);
    predefine(&world, "delete", &[("env", "prod"), ("a\0", "\0")]);
    assert_eq!(predefined(&world, ""), ["team=", "env=dev"]);
    // a value left out is the empty one, not all of them
    let answer = send(
        &world,
        "POST",
        "/v1.0/predefine_tags/action",
        r#"{"action":"delete","tags":[{"key":"env"},{"key":"team"}]}"#,
    );
    assert_eq!(answer.status, 204);
    assert_eq!(predefined(&world, ""), ["env=dev"]);
    // what is predefined is on no resource
    assert_eq!(get(&world, "/v1.0/tag-keys")["keys"], json!([]));
}

#[test]
fn a_predefined_tag_becomes_another_which_may_not_be_there() {
    let world = World::new();
    predefine(&world, "create", &[("a", "1")]);
    predefine(&world, "create", &[("b", "2")]);
    let put = |old: (&str, &str), new: (&str, &str)| {
        let tag = |(key, value)| json!({ "key": key, "value": value });
        json!({ "old_tag": tag(old), "new_tag": tag(new) }).to_string()
    };
    let path = "/v1.0/predefine_tags";
    let answer = send(&world, "PUT", path, &put(("a", "1"), ("a", "3")));
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(predefined(&world, ""), ["a=3", "b=2"], "and it is the newest");
    refuse(&world, ("PUT", path), &put(("a", "3"), ("b", "2")), 400, "TMS.1003", "new_tag");
    refuse(&world, ("PUT", path), &put(("a", "1"), ("c", "")), 400, "TMS.1002", "old_tag");
    // into itself: it is only younger
    assert_eq!(send(&world, "PUT", path, &put(("b", "2"), ("b", "2"))).status, 200);
    assert_eq!(predefined(&world, ""), ["b=2", "a=3"]);
}

#[test]
fn predefined_tags_are_searched_for_in_part_and_without_case() {
    let world = World::new();
    predefine(
        &world,
        "create",
        &[("Env", "Prod"), ("environment", "test.prod"), ("team", "PRODUCT"), ("ÄRGER", "x"), ("a_b", "")],
    );
    let found = |parameters: &str| predefined(&world, &format!("order_field=key&order_method=asc&{parameters}"));
    assert_eq!(found("key=env"), ["Env=Prod", "environment=test.prod"]);
    assert_eq!(found("key=ENVI"), ["environment=test.prod"]);
    assert_eq!(found("value=prod"), ["Env=Prod", "environment=test.prod", "team=PRODUCT"]);
    assert_eq!(found("value=prod&key=t"), ["environment=test.prod", "team=PRODUCT"]);
    assert_eq!(found("key=%C3%A4rg"), ["ÄRGER=x"]);
    assert_eq!(found("key=_"), ["a_b="], "no wildcard");
    assert_eq!(found("key=&value=").len(), 5, "an empty text is in all");
    let list = get(&world, "/v1.0/predefine_tags?key=env&limit=1");
    assert_eq!((&list["total_count"], &list["marker"]), (&json!(2), &json!("1")), "the total is of what was found");
}

#[test]
fn predefined_tags_come_in_three_orders_with_their_ties_and_in_pages_to_the_end() {
    let world = World::new();
    for call in [&[("b", "1"), ("a", "2")][..], &[("a", "1"), ("c", "2")], &[("b", "2"), ("c", "1"), ("a", "3")]] {
        predefine(&world, "create", call);
    }
    let orders = [
        ("", &["a=3", "b=2", "c=1", "a=1", "c=2", "a=2", "b=1"]),
        ("order_method=asc", &["a=2", "b=1", "a=1", "c=2", "a=3", "b=2", "c=1"]),
        ("order_field=update_time&order_method=desc", &["a=3", "b=2", "c=1", "a=1", "c=2", "a=2", "b=1"]),
        // ties: the newest first, then by value
        ("order_field=key&order_method=asc", &["a=3", "a=1", "a=2", "b=2", "b=1", "c=1", "c=2"]),
        ("order_field=key", &["c=1", "c=2", "b=2", "b=1", "a=3", "a=1", "a=2"]),
        // ties: the newest first, then by key
        ("order_field=value&order_method=asc", &["c=1", "a=1", "b=1", "b=2", "c=2", "a=2", "a=3"]),
        ("order_field=value&order_method=desc", &["a=3", "b=2", "c=2", "a=2", "c=1", "a=1", "b=1"]),
    ];
    for (order, expected) in orders {
        assert_eq!(predefined(&world, order), expected, "{order}");
        assert_eq!(predefined(&world, &format!("{order}&limit=0")), expected, "{order}");
        for limit in [1, 2, 3, 7] {
            let mut all = Vec::new();
            let mut marker = String::new();
            loop {
                let parameters = format!("{order}&limit={limit}&marker={marker}");
                let page = predefined(&world, &parameters);
                let list = get(&world, &format!("/v1.0/predefine_tags?{parameters}"));
                assert_eq!(list["total_count"], 7);
                if page.is_empty() {
                    break;
                }
                all.extend(page);
                list["marker"].as_str().unwrap().clone_into(&mut marker);
                assert_eq!(marker, all.len().to_string());
            }
            assert_eq!(all, expected, "{order} by {limit}");
        }
    }
    let beyond = get(&world, "/v1.0/predefine_tags?marker=99999999999999999999999");
    assert_eq!(beyond, json!({ "marker": "", "total_count": 7, "tags": [] }));
}

#[test]
fn every_list_with_markers_ends_whichever_way_a_client_ends_its_loop() {
    let tags = [("a", "1"), ("b", ""), ("c", "1"), ("d", "1")];
    let mut fleet = vec![registration("cts-tracker", "t", "", &tags)];
    for (i, value) in ["", "x", "y", "z"].iter().enumerate() {
        fleet.push(in_project(&format!("q{i}"), registration("ecs", &format!("r{i}"), "", &[("many", value)])));
    }
    let world = World::with(&fleet);
    predefine(&world, "create", &tags);

    type Marker = fn(&Value) -> Option<String>;
    let predefined: Marker = |page| Some(page["marker"].as_str().unwrap().to_owned());
    let info: Marker = |page| Some(page["page_info"]["next_marker"].as_str().unwrap().to_owned());
    let registry: Marker = |page| page["next_marker"].as_str().map(ToOwned::to_owned);
    for (path, list, marker_of, count) in [
        ("/v1.0/predefine_tags?order_field=key&", "tags", predefined, 4),
        ("/v1.0/tag-keys?", "keys", info, 5),
        ("/v1.0/tag-values?key=many&", "values", info, 4),
        ("/v3/p/cts-tracker/tags?", "tags", info, 4),
        ("/registry/v1/projects?", "projects", registry, 5),
    ] {
        for limit in [1, 2, 3, count, count + 1, 100] {
            let page = |marker: &str| get(&world, &format!("{path}limit={limit}&marker={}", form_encode(marker)));
            let length = |page: &Value| page[list].as_array().unwrap().len();
            // each ending by itself: what it saw
            let until = |is_end: &dyn Fn(&Value) -> bool| {
                let mut seen = Vec::new();
                let mut marker = String::new();
                for _ in 0..20 {
                    let page =
                        if marker.is_empty() { get(&world, &format!("{path}limit={limit}")) } else { page(&marker) };
                    seen.extend(page[list].as_array().unwrap().iter().cloned());
                    if is_end(&page) {
                        return seen;
                    }
                    marker = marker_of(&page).unwrap_or_default();
                }
                panic!("no end of {path} by {limit}");
            };
            let by_empty_page = until(&|page| length(page) == 0);
            assert_eq!(by_empty_page.len(), count, "{path} by {limit}: {by_empty_page:?}");
            let by_marker = until(&|page| marker_of(page).is_none_or(|marker| marker.is_empty()));
            let by_short_page = until(&|page| length(page) < limit);
            assert_eq!(by_marker, by_empty_page, "{path} by {limit}");
            assert_eq!(by_short_page, by_empty_page, "{path} by {limit}");
        }
    }
    // as Terraform reads them
    let last = get(&world, "/v1.0/predefine_tags?limit=100");
    assert_eq!((&last["marker"], &last["total_count"]), (&json!("4"), &json!(4)));
    let behind = get(&world, "/v1.0/predefine_tags?limit=100&marker=4");
    assert_eq!(behind, json!({ "marker": "", "total_count": 4, "tags": [] }));
    assert_eq!(get(&world, "/v1.0/predefine_tags?limit=0&marker=4")["marker"], "");
    // by the total, with offsets
    let filter = |offset: usize| {
        let body = json!({ "project_id": "q1", "resource_types": ["ecs"], "limit": 1, "offset": offset });
        send(&world, "POST", "/v1.0/resource-instances/filter", &body.to_string()).json()
    };
    for (offset, ids) in [(0, 1), (1, 0)] {
        let page = filter(offset);
        assert_eq!((page["resources"].as_array().unwrap().len(), &page["total_count"]), (ids, &json!(1)));
    }
}

#[test]
fn what_clients_send_empty_is_as_if_left_out() {
    let world = World::with(&[registration("ecs", "r", "", &[("a", "1")]), registration("cdn", "c", "", &[("b", "")])]);
    assert_eq!(get(&world, "/v1.0/tag-keys?region_id=")["keys"], json!(["a", "b"]));
    assert_eq!(get(&world, "/v1.0/tag-values?key=a&region_id=")["values"], json!(["1"]));
    assert_eq!(get(&world, "/v1.0/tag-values?key=a&region_id=elsewhere")["values"], json!([]));
    let all = get(&world, "/v1.0/tms/providers?limit=200");
    assert_eq!(get(&world, "/v1.0/tms/providers?limit=200&provider="), all);
    let of_c = get(&world, "/v2.0/resources/c/tags?resource_type=cdn&project_id=");
    assert_eq!(of_c, json!({ "tags": [{ "key": "b", "value": "" }] }));
    assert_eq!(
        change(&world, "batch-create", &batch(Some(""), &[("cdn", "c")], &json!([{ "key": "x", "value": null }]))),
        json!([])
    );
    assert_eq!(tags(&world, "cdn", "c"), ["b=", "x="]);
    refuse(
        &world,
        ("GET", "/v1.0/tags?resource_types=cdn&project_id=&tag_types=resource"),
        "",
        400,
        "TMS.0002",
        "project_id: ",
    );
}

#[test]
fn a_stored_detail_is_part_of_an_item_and_no_other() {
    let mut with = registration("ecs", "with", "", &[]);
    with.resource.detail = Some(r#"{"status":"active"}"#.into());
    let mut falsy = registration("ecs", "falsy", "", &[]);
    falsy.resource.detail = Some("0".into());
    let world = World::with(&[with, falsy, registration("disk", "without", "", &[])]);
    let body = json!({ "project_id": "p", "resource_types": ["ecs", "disk"] });
    let page = send(&world, "POST", "/v1.0/resource-instances/filter", &body.to_string()).json();
    let details: Vec<Option<&Value>> =
        page["resources"].as_array().unwrap().iter().map(|item| item.get("resource_detail")).collect();
    assert_eq!(details, [Some(&json!(0)), Some(&json!({ "status": "active" })), None]);
}

#[test]
fn ten_are_listed_where_nothing_is_said_and_zero_is_without_end() {
    let world = World::new();
    for start in [0, 50] {
        let keys: Vec<String> = (start..start + 50).map(|i| format!("k{i}")).collect();
        predefine(&world, "create", &keys.iter().map(|key| (key.as_str(), "")).collect::<Vec<_>>());
    }
    assert_eq!(predefined(&world, "").len(), 10);
    assert_eq!(predefined(&world, "limit=0").len(), 100);
    assert_eq!(predefined(&world, "limit=1000").len(), 100);
    assert_eq!(predefined(&world, "limit=0&marker=95").len(), 5);
}

#[test]
fn no_more_than_500_predefined_tags_whoever_writes_at_once() {
    let world = World::new();
    let quota = || get(&world, "/v1.0/tms/quotas")["quotas"][0].clone();
    assert_eq!(quota(), json!({ "quota_key": "predefine_tag", "quota_limit": 500, "used": 0, "unit": "count" }));
    let results: Vec<u16> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let world = &world;
                scope.spawn(move || {
                    (0..10)
                        .map(|call| {
                            let keys: Vec<String> = (0..7).map(|i| format!("w{writer}-{call}-{i}")).collect();
                            let tags: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "v")).collect();
                            let body = predefine_body("create", &tags);
                            let answer = send(world, "POST", "/v1.0/predefine_tags/action", &body);
                            if answer.status != 204 {
                                assert_eq!(answer.json()["error_code"], "TMS.1001", "{}", answer.body);
                            }
                            answer.status
                        })
                        .collect::<Vec<u16>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    // 80 calls of 7 each: 71 fit, and a call is whole or not at all
    assert_eq!(results.iter().filter(|status| **status == 204).count(), 71);
    assert_eq!(results.iter().filter(|status| **status == 400).count(), 9);
    assert_eq!(quota()["used"], 497);
    predefine(&world, "create", &[("x", "1"), ("x", "2"), ("x", "3")]);
    let path = ("POST", "/v1.0/predefine_tags/action");
    refuse(
        &world,
        path,
        &predefine_body("create", &[("x", "4")]),
        400,
        "TMS.1001",
        "must not exceed the quota of 500 predefined tags, got 501",
    );
    // what is there may be written again, changed, and make room
    predefine(&world, "create", &[("x", "1"), ("x", "2")]);
    let put = r#"{"old_tag":{"key":"x","value":"1"},"new_tag":{"key":"x","value":"4"}}"#;
    assert_eq!(send(&world, "PUT", "/v1.0/predefine_tags", put).status, 200);
    predefine(&world, "delete", &[("x", "4")]);
    predefine(&world, "create", &[("x", "5")]);
    assert_eq!(quota()["used"], 500);
    assert_eq!(predefined(&world, "limit=0").len(), 500);
}
