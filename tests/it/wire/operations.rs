//! The table operation × (success, unknown resource, bad body, over the limit), a golden for each operation.
//!
//! Each row has a project to itself. What a request changes is read back and stands in the golden too.

use std::{collections::BTreeSet, fmt::Write};

use tagd::{dialects::DIALECTS, domain::change::Registration};

use crate::support::{Answer, Wire, World, check_golden, golden_dir, registration};

/// What takes a request over a limit.
enum Over {
    /// The same request for a resource that has as many tags as it may.
    Full,
    /// Another body.
    Body(&'static str),
    /// A query string.
    Query(&'static str),
    /// Nothing can: why.
    None(&'static str),
}

/// An operation. In `body`, `$ID` is the resource.
struct Row {
    name: &'static str,
    /// Method and path as the dialect has it.
    route: &'static str,
    resource_type: &'static str,
    /// The key that the path names, if it does.
    key: &'static str,
    body: &'static str,
    /// Empty: an unknown parameter in the query string, since there is no body to be bad.
    bad: &'static str,
    over: Over,
}

const NO_LIMIT: Over = Over::None("The request has nothing that is counted or measured.");
const KEY_OVER: Over = Over::Body(
    r#"{"action":"delete","tags":[{"key":"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"}]}"#,
);
const KEY_OVER_ALONE: Over = Over::Body(
    r#"{"tags":[{"key":"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"}]}"#,
);
const ADD: &str = r#"{"tag":{"key":"color","value":"blue"}}"#;
const CREATE: &str = r#"{"action":"create","tags":[{"key":"color","value":"blue"},{"key":"env","value":"dev"}]}"#;
const DELETE: &str = r#"{"action":"delete","tags":[{"key":"env","value":"prod"},{"key":"absent"}]}"#;
const FILTER: &str = r#"{"action":"filter","tags":[{"key":"env","values":["prod"]}]}"#;

const IMAGES: &str = "images";
const ZONE: &str = "DNS-public_zone";
const TRACKER: &str = "cts-tracker";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { name: "ims-query", route: "POST /v2/{project_id}/images/resource_instances/action", resource_type: IMAGES, key: "",
        body: FILTER, bad: r#"{"action":"filter","tag":[]}"#, over: Over::Body(r#"{"action":"filter","limit":"1001"}"#) },
    Row { name: "ims-add", route: "POST /v2/{project_id}/images/{image_id}/tags", resource_type: IMAGES, key: "",
        body: ADD, bad: r#"{"tag":["color","blue"]}"#, over: Over::Full },
    Row { name: "ims-create", route: "POST /v2/{project_id}/images/{image_id}/tags/action", resource_type: IMAGES, key: "",
        body: CREATE, bad: r#"{"action":"create","tags":{}}"#, over: Over::Full },
    Row { name: "ims-delete", route: "POST /v2/{project_id}/images/{image_id}/tags/action", resource_type: IMAGES, key: "",
        body: DELETE, bad: r#"{"action":"remove","tags":[{"key":"env"}]}"#, over: KEY_OVER },
    Row { name: "ims-delete-v1", route: "DELETE /v1/{project_id}/cloudimages/{image_id}/tags/delete", resource_type: IMAGES, key: "",
        body: r#"{"tags":[{"key":"env","value":"prod"},{"key":"absent"}]}"#, bad: "{", over: KEY_OVER_ALONE },
    Row { name: "ims-put-v1", route: "PUT /v1/cloudimages/tags", resource_type: IMAGES, key: "",
        body: r#"{"image_id":"$ID","tag":"color.blue"}"#, bad: r#"{"image_id":"$ID","tag":"a.b","image_tag":{"key":"a","value":"b"}}"#, over: Over::Full },
    Row { name: "ims-list-v1", route: "GET /v1/cloudimages/tags", resource_type: IMAGES, key: "",
        body: "", bad: "", over: Over::Query("limit=0") },
    Row { name: "ims-delete-one", route: "DELETE /v2/{project_id}/images/{image_id}/tags/{key}", resource_type: IMAGES, key: "env",
        body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-list", route: "GET /v2/{project_id}/images/{image_id}/tags", resource_type: IMAGES, key: "",
        body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-list-project", route: "GET /v2/{project_id}/images/tags", resource_type: IMAGES, key: "",
        body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-native-add", route: "PUT /v2/images/{image_id}/tags/{tag}", resource_type: IMAGES, key: "blue",
        body: "", bad: "", over: Over::Full },
    Row { name: "ims-versions-1", route: "GET /v1", resource_type: IMAGES, key: "", body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-versions-1-slash", route: "GET /v1/", resource_type: IMAGES, key: "", body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-versions-2", route: "GET /v2", resource_type: IMAGES, key: "", body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-versions-2-slash", route: "GET /v2/", resource_type: IMAGES, key: "", body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-versions-2-0", route: "GET /v2.0", resource_type: IMAGES, key: "", body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-versions-2-0-slash", route: "GET /v2.0/", resource_type: IMAGES, key: "", body: "", bad: "", over: NO_LIMIT },
    Row { name: "ims-native-delete", route: "DELETE /v2/images/{image_id}/tags/{tag}", resource_type: IMAGES, key: "env",
        body: "", bad: "", over: NO_LIMIT },

    Row { name: "dns-query", route: "POST /v2/{project_id}/{resource_type}/resource_instances/action", resource_type: ZONE, key: "",
        body: FILTER, bad: r#"{"action":"filter","tags":[{"key":"env","values":"prod"}]}"#, over: Over::Body(r#"{"action":"filter","limit":1001}"#) },
    Row { name: "dns-add", route: "POST /v2/{project_id}/{resource_type}/{resource_id}/tags", resource_type: ZONE, key: "",
        body: r#"{"tag":{"key":"color"}}"#, bad: r#"{"tag":{"key":"color","values":["blue"]}}"#, over: Over::Full },
    Row { name: "dns-create", route: "POST /v2/{project_id}/{resource_type}/{resource_id}/tags/action", resource_type: "DNS-private_recordset", key: "",
        body: CREATE, bad: r#"{"tags":[{"key":"color","value":"blue"}]}"#, over: Over::Full },
    Row { name: "dns-delete", route: "POST /v2/{project_id}/{resource_type}/{resource_id}/tags/action", resource_type: ZONE, key: "",
        body: DELETE, bad: r#"{"action":"delete","tags":[]}"#, over: KEY_OVER },
    Row { name: "dns-delete-one", route: "DELETE /v2/{project_id}/{resource_type}/{resource_id}/tags/{key}", resource_type: "DNS-ptr_record", key: "env",
        body: "", bad: "", over: NO_LIMIT },
    Row { name: "dns-list", route: "GET /v2/{project_id}/{resource_type}/{resource_id}/tags", resource_type: ZONE, key: "",
        body: "", bad: "", over: NO_LIMIT },
    Row { name: "dns-list-project", route: "GET /v2/{project_id}/{resource_type}/tags", resource_type: ZONE, key: "",
        body: "", bad: "", over: NO_LIMIT },

    Row { name: "cts-filter", route: "POST /v3/{project_id}/{resource_type}/resource-instances/filter", resource_type: TRACKER, key: "",
        body: FILTER, bad: "[]", over: Over::Query("limit=1001") },
    Row { name: "cts-count", route: "POST /v3/{project_id}/{resource_type}/resource-instances/count", resource_type: TRACKER, key: "",
        body: r#"{"tags":[{"key":"env"}]}"#, bad: "", over: Over::None("A count has no page, and what is said of one is passed over.") },
    Row { name: "cts-create", route: "POST /v3/{project_id}/{resource_type}/{resource_id}/tags/create", resource_type: TRACKER, key: "",
        body: r#"{"tags":[{"key":"color","value":"blue"},{"key":"env","value":"dev"}]}"#, bad: r#"{"tags":[{}]}"#, over: Over::Full },
    Row { name: "cts-delete", route: "DELETE /v3/{project_id}/{resource_type}/{resource_id}/tags/delete", resource_type: TRACKER, key: "",
        body: r#"{"tags":[{"key":"env","value":"prod"},{"key":"team","value":"blue"}]}"#, bad: r#"{"tags":"env"}"#, over: KEY_OVER_ALONE },
    Row { name: "cts-add", route: "POST /v3/{project_id}/{resource_type}/{resource_id}/tags", resource_type: TRACKER, key: "",
        body: ADD, bad: r#"{"tag":{"key":"color","value":1}}"#, over: Over::Full },
    Row { name: "cts-delete-one", route: "DELETE /v3/{project_id}/{resource_type}/{resource_id}/tags/{key}", resource_type: TRACKER, key: "env",
        body: "", bad: "", over: NO_LIMIT },
    Row { name: "cts-list", route: "GET /v3/{project_id}/{resource_type}/{resource_id}/tags", resource_type: TRACKER, key: "",
        body: "", bad: "", over: NO_LIMIT },
    Row { name: "cts-list-project", route: "GET /v3/{project_id}/{resource_type}/tags", resource_type: TRACKER, key: "",
        body: "", bad: "", over: Over::Query("limit=201") },
];

/// The dialect whose operations are not in the table: `tms.rs` has their goldens.
const ELSEWHERE: &str = "TMS";

/// A resource with two tags, and one that has as many as its type may.
fn fleet() -> Vec<Registration> {
    let mut fleet = Vec::new();
    for row in TABLE {
        let keys: Vec<String> =
            (0..if row.resource_type == IMAGES { 10 } else { 20 }).map(|i| format!("k{i:02}")).collect();
        let full: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
        let two = [("_sys_owner", "o"), ("env", "prod"), ("team", "red")];
        for (id, tags) in [("r", &two[..]), ("full", &full[..])] {
            let mut resource = registration(row.resource_type, id, "", tags);
            row.name.clone_into(&mut resource.project_id);
            fleet.push(resource);
        }
    }
    fleet
}

impl Row {
    fn fill(&self, path: &str, project: &str, id: &str) -> String {
        path.replace("{project_id}", project)
            .replace("{resource_type}", self.resource_type)
            .replace("{image_id}", id)
            .replace("{resource_id}", id)
            .replace("{key}", self.key)
            .replace("{tag}", self.key)
    }

    /// Sends a request and writes it down with its answer and, if it is for a resource, what that looks like then.
    fn run(&self, world: &World, project: &str, id: &str, query: &str, body: &str) -> String {
        let (method, path) = self.route.split_once(' ').unwrap();
        let mut path = self.fill(path, project, id);
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
        let body = body.replace("$ID", id);
        let mut headers = Vec::new();
        let mut text = format!("{method} {path}\n");
        if !self.route.contains("{project_id}") {
            headers.push(("X-Project-Id", project));
            writeln!(text, "X-Project-Id: {project}").unwrap();
        }
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json;charset=utf-8"));
            writeln!(text, "{body}").unwrap();
        }
        text.push_str(&show(&world.send(method, &path, &headers, body.as_bytes())));
        let is_resource =
            ["{image_id}", "{resource_id}"].iter().any(|part| self.route.contains(part)) || body.contains("image_id");
        if method != "GET" && is_resource && ["r", "full"].contains(&id) {
            let name = format!("{}-list", self.name.split('-').next().unwrap());
            let row = TABLE.iter().find(|row| row.name == name).expect("every dialect lists the tags of a resource");
            let list = self.fill(row.route.trim_start_matches("GET "), project, id);
            write!(text, "GET {list}\n{}", show(&world.send("GET", &list, &[], b""))).unwrap();
        }
        text
    }
}

fn show(answer: &Answer) -> String {
    let body = if answer.body.is_empty() { String::new() } else { format!("{}\n", answer.body) };
    assert_eq!(answer.headers.contains_key("content-type"), !body.is_empty(), "a type where there is a body");
    format!("=> {}\n{body}", answer.status)
}

#[test]
fn every_operation_is_answered_as_its_golden_says() {
    let world = World::with(&fleet());
    for row in TABLE {
        let project = row.name;
        let mut text = format!("# success\n{}", row.run(&world, project, "r", "", row.body));
        text.push_str("\n# unknown resource\n");
        let is_project = !row.route.contains("_id}/tags") && !row.body.contains("$ID");
        let unknown = if is_project { ("nowhere", "r") } else { (project, "nowhere") };
        text.push_str(&row.run(&world, unknown.0, unknown.1, "", row.body));
        text.push_str("\n# bad body\n");
        let query = if row.bad.is_empty() { "verbose=1" } else { "" };
        text.push_str(&row.run(&world, project, "r", query, if row.bad.is_empty() { row.body } else { row.bad }));
        text.push_str("\n# over the limit\n");
        let over = match row.over {
            Over::Full => row.run(&world, project, "full", "", row.body),
            Over::Body(body) => row.run(&world, project, "r", "", body),
            Over::Query(query) => row.run(&world, project, "r", query, row.body),
            Over::None(why) => format!("{why}\n"),
        };
        text.push_str(&over);
        check_golden(&format!("operations/{}.txt", row.name), &text);
    }
}

#[test]
fn a_change_has_a_content_type_and_no_condition() {
    let world = World::with(&fleet());
    let everything = || world.send("GET", "/registry/v1/export", &[], b"").body;
    let before = everything();
    for row in TABLE {
        let (method, path) = row.route.split_once(' ').unwrap();
        let path = row.fill(path, row.name, "r");
        let body = row.body.replace("$ID", "r");
        let body = if body.is_empty() { "{}" } else { &body };
        let is_query = path.contains("instances");
        let right = if is_query || method == "GET" { 200 } else { 415 };
        let project = ("X-Project-Id", row.name);
        let untyped = world.send(method, &path, &[project], body.as_bytes());
        assert_eq!(untyped.status, right, "{}: {}", row.name, untyped.body);
        assert_eq!(untyped.body.contains("Content-Type: is required"), right == 415, "{}", untyped.body);
        for name in ["If-Match", "If-None-Match"] {
            for value in ["*", "\"0a\""] {
                let headers = [project, ("Content-Type", "application/json"), (name, value)];
                let answer = world.send(method, &path, &headers, body.as_bytes());
                let right = match (method, name, value) {
                    // nothing has an ETag, so none matches
                    ("GET", "If-Match", "\"0a\"") => 412,
                    ("GET", ..) => 200,
                    _ if is_query => 200,
                    _ => 400,
                };
                assert_eq!(answer.status, right, "{} {name}: {value}: {}", row.name, answer.body);
                assert!(right < 300 || answer.body.contains(&format!("{name}: ")), "{}", answer.body);
            }
        }
    }
    assert_eq!(everything(), before);
}

#[test]
fn every_dialect_is_described_for_the_tests() {
    let described: Vec<Wire> = DIALECTS.iter().map(|dialect| Wire::of(dialect)).collect();
    assert_eq!(described.len(), Wire::ALL.len());
    assert!(Wire::ALL.iter().all(|wire| described.contains(wire)));
    let single = Wire::ALL.iter().filter(|wire| !wire.is_cross_service());
    assert!(single.eq(Wire::ONE_SERVICE.iter()));
}

#[test]
fn every_operation_of_a_dialect_is_in_the_table() {
    let routes: BTreeSet<String> = DIALECTS
        .iter()
        .filter(|dialect| dialect.service.name != ELSEWHERE)
        .flat_map(|dialect| dialect.routes.iter().map(|route| format!("{} {}", route.method.name(), route.path)))
        .collect();
    let table: BTreeSet<String> = TABLE.iter().map(|row| row.route.to_owned()).collect();
    assert_eq!(routes, table);
}

#[test]
fn no_golden_of_an_operation_is_an_orphan() {
    let dialects = DIALECTS.iter().map(|dialect| dialect.service.name).filter(|name| *name != ELSEWHERE);
    let prefixes: Vec<String> = dialects.map(|name| format!("{}-", name.to_lowercase())).collect();
    let files = golden_dir().join("operations").read_dir().unwrap();
    let files = files.map(|file| file.unwrap().file_name().to_str().unwrap().to_owned());
    let files: BTreeSet<String> = files.filter(|file| prefixes.iter().any(|prefix| file.starts_with(prefix))).collect();
    let table: BTreeSet<String> = TABLE.iter().map(|row| format!("{}.txt", row.name)).collect();
    assert_eq!(files, table);
}
