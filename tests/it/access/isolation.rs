//! Domains are kept apart: what one holds changes no answer to the other.
//!
//! Two servers get the same requests of the principals of domain `a`. On one of them domain `b` works as well, and projects
//! without a domain exist. Every answer to `a` must be the same on both: status, error, resources, tags, counts.
//! `TAGD_CASES` sets how many requests are sent, `TAGD_SEED` the seed.

use serde_json::{Value, json};
use tagd::domain::Role;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{guarded, token};
use crate::support::{Answer, Dice, Wire, World, every_route, registration};

const CASES: usize = 1500;

/// The projects of a domain, and one that is registered and deleted now and then.
fn projects(domain: &str) -> [String; 3] {
    ["1", "2", "new"].map(|name| format!("{domain}-{name}"))
}

/// A principal: its tokens on the two servers.
struct Caller {
    domain: &'static str,
    tokens: [String; 2],
}

fn callers(worlds: [&World; 2], domain: &'static str) -> Vec<Caller> {
    let one = format!("{domain}-1");
    [
        (Role::Reader, &[][..]),
        (Role::Tagger, &[]),
        (Role::Administrator, &[]),
        (Role::Administrator, &[]),
        (Role::Reader, &[&*one]),
        (Role::Tagger, &[&*one]),
        (Role::Administrator, &[&*one]),
    ]
    .into_iter()
    .map(|(role, projects)| Caller { domain, tokens: worlds.map(|world| token(world, role, domain, projects)) })
    .collect()
}

/// A request to a random route, with identifiers of any domain.
struct Request {
    method: &'static str,
    path: String,
    body: String,
}

/// Chooses one.
fn one<'a, T: ?Sized>(dice: &mut Dice, from: &[&'a T]) -> &'a T {
    from[dice.roll(from.len())]
}

impl Request {
    fn draw(dice: &mut Dice, routes: &[(&'static str, String)], domain: &str) -> Self {
        let (method, path) = &routes[dice.roll(routes.len())];
        // a project that a principal registers is one of its own: that an identifier is taken can be seen
        let own = projects(domain);
        let all: Vec<String> = [projects("a"), projects("b"), ["x-1", "x-2", "nowhere"].map(str::to_owned)].concat();
        let creates = *method == "PUT" && path.starts_with("/registry/v1/projects/") || path.ends_with("/import");
        let from = if creates || dice.roll(2) == 0 { &own[..] } else { &all[..] };
        let project = from[dice.roll(from.len())].clone();
        let other = all[dice.roll(all.len())].clone();
        let id = one(dice, &["r0", "r1", "r2", "of-a", "of-b", "of-x"]);
        let key = one(dice, &["env", "key-a", "key-b", "key-x", "nothing"]);
        let path = path.replace("/p/", &format!("/{project}/")).replace("/r/", &format!("/{id}/"));
        let path = replace_end(&replace_end(&path, "/p", &project), "/r", id).replace("/env", &format!("/{key}"));
        let path = path.replace("/policies/pol", one(dice, &["/policies/pol", "/policies/lop", "/policies/of-all"]));
        let query = match dice.roll(4) {
            0 if path.ends_with("/tag-values") => format!("?key={key}"),
            1 if path.ends_with("/tags") => format!("?resource_types=ecs&project_id={project}&tag_types=resource"),
            2 if path.ends_with("/tags") => format!("?resource_type=ecs&project_id={project}"),
            3 if path.ends_with("/tags") && *method == "GET" && path.starts_with("/registry/") => {
                format!("?at={}", now())
            }
            0 if path.ends_with("/history") && path.len() > "/registry/v1/history".len() => format!("?key={key}"),
            3 if ["/resources", "/projects", "/offenders", "/compliance", "/policies"]
                .iter()
                .any(|end| path.ends_with(end)) =>
            {
                "?limit=2".to_owned()
            }
            2 if path.contains("/policies/") => format!("?domain_id={}", one(dice, &["a", "b"])),
            1 if path.ends_with("/compliance") && *method == "GET" => format!("?project_id={project}"),
            _ => String::new(),
        };
        let value = one(dice, &["1", "of-a", "of-b"]);
        let tag = json!({ "key": key, "value": value });
        let filter = json!([{ "key": key, "values": if dice.roll(2) == 0 { json!([]) } else { json!([value]) } }]);
        let body = if path.ends_with("/resource_instances/action") {
            let action = one(dice, &["filter", "count"]);
            json!({ "action": action, "tags": filter })
        } else if path.ends_with("/resource-instances/filter") && path.starts_with("/v1.0") {
            let mut body = json!({ "resource_types": [one(dice, &["ecs", "cdn"])], "tags": filter });
            if dice.roll(3) > 0 {
                body["project_id"] = json!(project);
            }
            body
        } else if path.contains("/resource-instances/") {
            json!({ "tags": filter })
        } else if path.ends_with("/resource-tags/batch-create") || path.ends_with("/resource-tags/batch-delete") {
            let resources = json!([{ "resource_id": id, "resource_type": one(dice, &["ecs", "cdn"]) },
                                   { "resource_id": "r1", "resource_type": "ecs" }]);
            let mut body = json!({ "resources": resources, "tags": [tag] });
            if dice.roll(3) > 0 {
                body["project_id"] = json!(project);
            }
            body
        } else if path.ends_with("/predefine_tags") {
            json!({ "old_tag": tag, "new_tag": { "key": key, "value": "2" } })
        } else if path.ends_with("/action") {
            json!({ "action": one(dice, &["create", "delete"]), "tags": [tag] })
        } else if path.ends_with("/tags/create") || path.ends_with("/tags/delete") {
            json!({ "tags": [tag] })
        } else if path.ends_with("/cloudimages/tags") {
            json!({ "image_id": id, "tag": format!("{key}.{value}") })
        } else if path.starts_with("/registry/v1/projects/") && path.ends_with("/tags") {
            json!({ "tags": [tag, { "key": "_sys_x", "value": "1" }] })
        } else if path.ends_with("/tags") {
            json!({ "tag": tag })
        } else if path.ends_with("/restore") {
            json!({ "at": now() })
        } else if path.ends_with("/keys") || path.ends_with("/tokens") {
            json!({ "name": "n", "role": one(dice, &["reader", "operator"]), "domain_id": one(dice, &["a", "b"]) })
        } else if path.starts_with("/registry/v1/types/") {
            json!({ "service": "IMS", "regional": true, "tag_quota": 10 })
        } else if path.contains("/types/") {
            json!({ "resource_name": format!("name of {domain}"), "tags": [tag] })
        } else if path.ends_with("/import") {
            json!({ "project_id": project, "resource_type": "ecs", "resource_id": id, "tags": [tag] })
        } else if path.contains("/policies/") || path.ends_with("/compliance") {
            let mut policy = json!({ "key": key, "required": dice.roll(2) == 0, "exact_spelling": true });
            if dice.roll(2) == 0 {
                policy["project_id"] = json!(project);
            }
            if dice.roll(2) == 0 {
                policy["values"] = json!([value]);
                policy["enforced"] = json!(true);
            }
            if path.ends_with("/compliance") { json!({ "policy": policy, "tags": [tag] }) } else { policy }
        } else if path.starts_with("/registry/v1/projects/") {
            let mut body = json!({ "project_name": format!("project of {domain}") });
            if dice.roll(4) == 0 {
                body["domain_id"] = json!(one(dice, &["a", "b", ""]));
            }
            body
        } else {
            json!({ "project_id": other })
        };
        let body = if matches!(*method, "POST" | "PUT") { body.to_string() } else { String::new() };
        Self { method, path: path + &query, body }
    }

    fn send(&self, world: &World, token: &str) -> Answer {
        let headers = [("X-Auth-Token", token), ("Content-Type", "application/json")];
        world.send(self.method, &self.path, &headers, self.body.as_bytes())
    }
}

fn replace_end(path: &str, end: &str, by: &str) -> String {
    path.strip_suffix(end).map_or_else(|| path.to_owned(), |start| format!("{start}/{by}"))
}

fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap()
}

/// How much of the feed both have: transactions of others on the server hold it up, so one may be behind the other.
fn same_length(here: &mut (u16, Value), there: &mut (u16, Value)) {
    let length = |answer: &(u16, Value)| answer.1["changes"].as_array().map_or(0, Vec::len);
    let both = length(here).min(length(there));
    for (_, body) in [here, there] {
        if let Some(changes) = body["changes"].as_array_mut() {
            changes.truncate(both);
        }
    }
}

/// What an answer says, without what differs by time and chance.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = serde_json::from_str(&answer.body).unwrap_or_else(|_| json!(answer.body));
    strip(&mut body);
    (answer.status, body)
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // the marker of a page of changes, in which the number of an entry is sealed
            if fields.contains_key("changes") {
                fields.insert("next_marker".to_owned(), Value::Null);
            }
            for (name, value) in fields {
                let differs = [
                    "update_time",
                    "request_id",
                    "id",
                    "secret",
                    "token",
                    "created_at",
                    "updated_at",
                    "last_used_at",
                    "changed_at",
                ];
                // URLs have the port of the server
                let differs = [&differs[..], &["url", "self", "href"]].concat();
                if differs.contains(&name.as_str()) && !value.is_null() {
                    *value = json!("...");
                }
                strip(value);
            }
        }
        Value::Array(list) => {
            list.iter_mut().for_each(strip);
            // credentials are sorted by an identifier that is random
            if list.iter().all(|entry| entry.get("issued_for").is_some()) {
                list.sort_by_key(Value::to_string);
            }
        }
        _ => {}
    }
}

#[test]
fn what_another_domain_holds_changes_no_answer() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
    };
    let (cases, seed) = (number("TAGD_CASES", CASES as u64), number("TAGD_SEED", 1));
    let (shared, alone) = (guarded(), guarded());
    let fleet = |domain: &'static str| {
        let types = Wire::ALL.map(Wire::resource_type).into_iter().chain(["cdn"]);
        types
            .flat_map(move |kind| {
                ["1", "2"].into_iter().flat_map(move |name| {
                    let ids = ["r0".to_owned(), "r1".to_owned(), format!("of-{domain}")];
                    ids.into_iter().map(move |id| {
                        let key = format!("key-{domain}");
                        let value = format!("of-{domain}");
                        let mut one =
                            registration(kind, &id, &format!("name of {domain}"), &[("env", "1"), (&key, &value)]);
                        one.project_id = format!("{domain}-{name}");
                        one.project_name = Some(format!("project of {domain}"));
                        one.domain_id = Some(domain.to_owned()).filter(|domain| domain != "x");
                        one
                    })
                })
            })
            .collect::<Vec<_>>()
    };
    for domain in ["x", "b", "a"] {
        shared.load(&fleet(domain));
    }
    alone.load(&fleet("a"));
    for world in [&shared, &alone] {
        let operator = token(world, Role::Operator, "", &[]);
        let headers = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
        let body = br#"{"key":"key-x","exact_spelling":true}"#;
        assert_eq!(world.send("PUT", "/registry/v1/policies/of-all", &headers, body).status, 201);
    }
    let mut callers_of_both = callers([&shared, &alone], "a");
    // where they are alone, there is no domain b
    callers_of_both.extend(callers([&shared, &shared], "b"));
    let routes: Vec<_> = every_route().into_iter().filter(|(_, path)| !path.ends_with("/readyz")).collect();
    let mut dice = Dice(seed);
    let (mut allowed, mut forbidden) = (0_u64, 0_u64);
    for case in 0..cases {
        let caller = &callers_of_both[dice.roll(callers_of_both.len())];
        let request = Request::draw(&mut dice, &routes, caller.domain);
        let here = request.send(&shared, &caller.tokens[0]);
        assert!(
            here.status != 500 && here.status != 503,
            "case {case}: {} {}: {}",
            request.method,
            request.path,
            here.body
        );
        if caller.domain != "a" {
            continue;
        }
        let there = request.send(&alone, &caller.tokens[1]);
        let (mut said_here, mut said_there) = (said(&here), said(&there));
        if request.path.starts_with("/registry/v1/history") {
            same_length(&mut said_here, &mut said_there);
        }
        assert_eq!(said_here, said_there, "case {case}: {} {} {}", request.method, request.path, request.body);
        forbidden += u64::from(here.status == 403);
        allowed += u64::from(here.status < 300);
    }
    assert!(allowed > cases / 20 && forbidden > cases / 20, "{allowed} allowed, {forbidden} forbidden");
}

#[test]
fn an_identifier_that_another_domain_has_is_refused_and_nothing_changes() {
    let world = guarded();
    let mut of_b = registration("ecs", "r", "n", &[("env", "1")]);
    (of_b.project_id, of_b.domain_id) = ("b-1".into(), Some("b".into()));
    let mut of_none = registration("ecs", "r", "n", &[("env", "1")]);
    of_none.project_id = "x-1".into();
    world.load(&[of_b, of_none]);
    let administrator = token(&world, Role::Administrator, "a", &[]);
    let send = |method: &str, path: &str, kind: &str, body: &str| {
        world.send(method, path, &[("X-Auth-Token", &administrator), ("Content-Type", kind)], body.as_bytes())
    };
    for project in ["b-1", "x-1"] {
        let path = format!("/registry/v1/projects/{project}");
        for (method, path, body) in [
            ("PUT", path.clone(), "{}"),
            ("DELETE", path.clone(), ""),
            ("PUT", format!("{path}/types/ecs/resources/r2"), "{}"),
            ("DELETE", format!("{path}/types/ecs/resources/r"), ""),
            ("PUT", format!("{path}/types/ecs/resources/r/tags"), r#"{"tags":[]}"#),
        ] {
            let answer = send(method, &path, "application/json", body);
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
        }
        let line = format!(r#"{{"project_id":"{project}","resource_type":"ecs","resource_id":"r3","tags":[]}}"#);
        let own = r#"{"project_id":"a-1","resource_type":"ecs","resource_id":"r3","tags":[]}"#;
        let foreign = r#"{"project_id":"a-2","domain_id":"b","resource_type":"ecs","resource_id":"r3","tags":[]}"#;
        let unknown = r#"{"project_id":"a-2","resource_type":"no-such-type","resource_id":"r3","tags":[]}"#;
        let body = format!("{line}\n{own}\n{foreign}\n{unknown}\n");
        let answer = send("POST", "/registry/v1/import", "application/x-ndjson", &body).json();
        let expected = json!([
            { "line": 1, "reason": format!("project_id: access to project \"{project}\" is not allowed") },
            { "line": 3, "reason": "domain_id: must be the domain of the credentials" },
            { "line": 4, "reason": "resource_type: unknown resource type \"no-such-type\"" },
        ]);
        assert_eq!(answer["rejected"], expected);
    }
    let export = send("GET", "/registry/v1/export?only=resource", "", "").body;
    assert_eq!(export.lines().count(), 1, "{export}");
    assert!(export.contains(r#""project_id":"a-1","domain_id":"a""#), "{export}");
}
