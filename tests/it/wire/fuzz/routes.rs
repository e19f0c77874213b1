//! A valid request to every route.
//!
//! A route that has none here fails the test.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    MARK,
    request::{Request, chance, one},
    seen::Seen,
};
use crate::support::Dice;

/// A word that a user might choose. All of them have the mark, by which they would be found in the log.
pub fn word(dice: &mut Dice, kind: &str, of: usize) -> String {
    format!("{MARK}{kind}{}", dice.roll(of))
}

pub fn project(dice: &mut Dice) -> String {
    word(dice, "p", 4)
}

fn resource(dice: &mut Dice) -> String {
    word(dice, "r", 8)
}

fn key(dice: &mut Dice) -> String {
    if chance(dice, 12) { format!("_sys_{MARK}{}", dice.roll(2)) } else { word(dice, "k", 5) }
}

fn value(dice: &mut Dice) -> String {
    if chance(dice, 8) { String::new() } else { word(dice, "v", 6) }
}

fn domain(dice: &mut Dice) -> String {
    word(dice, "d", 2)
}

fn policy(dice: &mut Dice) -> String {
    word(dice, "policy", 4)
}

/// A type of the registry: one of a service, or one that users have made.
fn resource_type(dice: &mut Dice) -> String {
    let own = word(dice, "type", 3);
    let types = [
        "images",
        "images",
        "ecs",
        "cdn",
        "vpc",
        "DNS-public_zone",
        "DNS-public_zone",
        "cts-tracker",
        "cts-tracker",
        &own,
    ];
    one(dice, &types).to_owned()
}

/// A type that the cross-service API reaches.
fn cross_type(dice: &mut Dice) -> &'static str {
    one(dice, &["ecs", "images", "cdn", "vpcs", "DNS-public_zone", "cts-tracker", "private_image"])
}

fn tag(dice: &mut Dice) -> Value {
    json!({ "key": key(dice), "value": value(dice) })
}

/// Tags with different keys.
fn tags(dice: &mut Dice) -> Value {
    let count = 1 + dice.roll(3);
    (0..count).map(|i| json!({ "key": format!("{MARK}k{i}"), "value": value(dice) })).collect()
}

fn time(dice: &mut Dice) -> String {
    let ago = [0, 1, 5, 3600, 86_400 * 40][dice.roll(5)];
    (OffsetDateTime::now_utc() - Duration::seconds(ago)).format(&Rfc3339).unwrap()
}

fn conditions(dice: &mut Dice) -> Value {
    let count = dice.roll(3);
    let entries = (0..count).map(|i| {
        let values: Vec<String> = match dice.roll(4) {
            0 => Vec::new(),
            1 => vec![format!("*{}", word(dice, "v", 6))],
            2 => vec![word(dice, "v", 6), String::new()],
            _ => vec![word(dice, "v", 6)],
        };
        json!({ "key": format!("{MARK}k{i}"), "values": values })
    });
    entries.collect()
}

/// A query in the words of a dialect.
fn query(dice: &mut Dice, lists: &[&str], has_matches: bool) -> Value {
    let mut body = json!({});
    for list in lists {
        if chance(dice, 2) {
            let found = conditions(dice);
            if found.as_array().is_some_and(|list| !list.is_empty()) {
                body[*list] = found;
            }
        }
    }
    if has_matches && chance(dice, 3) {
        let searched = word(dice, "name", 4);
        body["matches"] = json!([{ "key": "resource_name", "value": searched }]);
    }
    if chance(dice, 6) {
        body["without_any_tag"] = json!(true);
    }
    body
}

const LISTS: [&str; 4] = ["tags", "tags_any", "not_tags", "not_tags_any"];

/// A line of an import, or what is registered under a path without the first three fields.
pub fn line(dice: &mut Dice) -> Value {
    let mut line = json!({
        "project_id": project(dice),
        "resource_type": resource_type(dice),
        "resource_id": resource(dice),
        "resource_name": word(dice, "name", 4),
        "tags": tags(dice),
    });
    if chance(dice, 3) {
        line["resource_detail"] = json!({ "status": word(dice, "detail", 3), "n": [1.5, null, { "a": "\u{1f600}" }] });
    }
    if chance(dice, 6) {
        line["project_name"] = json!(word(dice, "shop", 3));
    }
    line
}

fn registration(dice: &mut Dice) -> Value {
    let mut line = line(dice);
    let fields = line.as_object_mut().unwrap();
    for name in ["project_id", "resource_type", "resource_id", "project_name"] {
        fields.remove(name);
    }
    if chance(dice, 4) {
        fields.remove("tags");
    }
    line
}

/// A policy. It concerns one project, so that the policies of a run do not forbid everything to everybody.
fn rules(dice: &mut Dice) -> Value {
    let mut rules =
        json!({ "key": word(dice, "k", 5), "project_id": project(dice), "description": word(dice, "text", 3) });
    match dice.roll(4) {
        0 => rules["values"] = json!([word(dice, "v", 6), word(dice, "w", 6)]),
        1 => rules["pattern"] = json!(format!("{MARK}v[0-9]{{1,3}}|(a|b)*c")),
        2 => rules["exact_spelling"] = json!(true),
        _ => rules["required"] = json!(true),
    }
    if chance(dice, 3) {
        rules["enforced"] = json!(true);
    }
    if chance(dice, 3) {
        rules["resource_types"] = json!([resource_type(dice)]);
    }
    rules
}

fn credential(dice: &mut Dice) -> Value {
    let role = one(dice, &["reader", "tagger", "administrator", "operator"]);
    let mut body = json!({ "name": word(dice, "name", 4), "role": role });
    if role != "operator" {
        body["domain_id"] = json!(domain(dice));
        if chance(dice, 3) {
            body["projects"] = json!([project(dice)]);
        }
    }
    if chance(dice, 3) {
        body["expires_in"] = json!(60 + dice.roll(1000));
    }
    body
}

fn login(dice: &mut Dice, seen: &Seen) -> Value {
    let identity = if chance(dice, 2) {
        let user = if chance(dice, 2) { seen.key_name() } else { word(dice, "user", 3) };
        let password = if chance(dice, 2) { seen.key_secret() } else { format!("{}password", super::SECRET_MARK) };
        json!({ "methods": ["password"], "password": { "user": { "name": user, "password": password, "domain": { "name": "Default" } } } })
    } else {
        let found = seen.subject(dice).unwrap_or_else(|| format!("tagd_{}", super::SECRET_MARK));
        json!({ "methods": ["token"], "token": { "id": found } })
    };
    let mut auth = json!({ "identity": identity });
    match dice.roll(6) {
        0 => auth["scope"] = json!({ "project": { "id": project(dice) } }),
        1 => auth["scope"] = json!({ "domain": { "id": domain(dice) } }),
        2 => {
            auth["scope"] = json!({ "project": { "name": word(dice, "shop", 3), "domain": { "name": domain(dice) } } })
        }
        3 => auth["scope"] = json!({ "system": { "all": true } }),
        4 => auth["scope"] = json!("unscoped"),
        _ => {}
    }
    json!({ "auth": auth })
}

/// A body that the route takes, unless it takes none.
fn body(dice: &mut Dice, method: &str, path: &str, seen: &Seen) -> Option<Value> {
    let ends = |end: &str| path.ends_with(end);
    let is_registry = path.starts_with("/registry/v1/");
    let body = match method {
        "POST" if ends("/resource_instances/action") => {
            let mut body = query(dice, &LISTS, true);
            body["action"] = json!(one(dice, &["filter", "count"]));
            if path.contains("DNS") {
                body["limit"] = json!(1 + dice.roll(1000));
                // DNS has no such field
                body.as_object_mut().unwrap().remove("without_any_tag");
            } else {
                body["limit"] = json!((1 + dice.roll(1000)).to_string());
            }
            body
        }
        "POST" if ends("/v1.0/resource-instances/filter") => {
            let mut body = query(dice, &["tags"], false);
            body["resource_types"] = json!([cross_type(dice)]);
            body["project_id"] = json!(project(dice));
            body["limit"] = json!(1 + dice.roll(200));
            if body.get("tags").is_none() {
                body["tags"] = json!([]);
            }
            body
        }
        "POST" if ends("/resource-instances/filter") || ends("/resource-instances/count") => {
            query(dice, &["tags"], true)
        }
        "POST" if ends("/tags/action") => {
            json!({ "action": one(dice, &["create", "delete"]), "tags": tags(dice) })
        }
        "POST" if ends("/predefine_tags/action") => {
            json!({ "action": one(dice, &["create", "delete"]), "tags": [tag(dice)] })
        }
        "PUT" if ends("/v1.0/predefine_tags") => json!({ "old_tag": tag(dice), "new_tag": tag(dice) }),
        "POST" if ends("/resource-tags/batch-create") || ends("/resource-tags/batch-delete") => json!({
            "project_id": project(dice),
            "resources": [{ "resource_id": resource(dice), "resource_type": cross_type(dice) }],
            "tags": tags(dice),
        }),
        "PUT" if ends("/v1/cloudimages/tags") => {
            let id = resource(dice);
            if chance(dice, 2) {
                json!({ "image_id": id, "tag": format!("{}.{}", word(dice, "k", 5), word(dice, "v", 6)) })
            } else {
                json!({ "image_id": id, "image_tag": { "key": word(dice, "k", 5), "value": word(dice, "v", 6) } })
            }
        }
        "PUT" if is_registry && ends("/tags") => json!({ "tags": tags(dice) }),
        "POST" if ends("/tags") => json!({ "tag": tag(dice) }),
        "POST" if ends("/tags/create") => json!({ "tags": tags(dice) }),
        "DELETE" if ends("/tags/delete") => json!({ "tags": tags(dice) }),
        "PUT" if path.starts_with("/registry/v1/types/") => {
            let service = one(dice, &["TMS", "TMS", "IMS", "DNS", "CTS"]);
            let mut body = json!({ "service": service, "regional": chance(dice, 2), "tag_quota": 1 + dice.roll(1000) });
            if chance(dice, 3) {
                body["aliases"] = json!([word(dice, "alias", 4)]);
            }
            body
        }
        "PUT" if path.contains("/types/") => registration(dice),
        "PUT" if path.starts_with("/registry/v1/projects/") => {
            let mut body = json!({ "project_name": word(dice, "shop", 3) });
            if chance(dice, 3) {
                body["domain_id"] = json!(if chance(dice, 3) { String::new() } else { domain(dice) });
            }
            body
        }
        "PUT" if path.starts_with("/registry/v1/policies/") => rules(dice),
        "POST" if ends("/compliance") => json!({ "policy": rules(dice), "tags": tags(dice) }),
        "POST" if ends("/restore") => json!({ "at": time(dice) }),
        "POST" if ends("/v3/auth/tokens") => login(dice, seen),
        "POST" if is_registry && (ends("/keys") || ends("/tokens")) => credential(dice),
        _ => return None,
    };
    Some(body)
}

/// Parameters that the route takes; `None` if it is not known here.
fn parameters(dice: &mut Dice, method: &str, path: &str, seen: &Seen) -> Option<Vec<(String, String)>> {
    let ends = |end: &str| path.ends_with(end);
    let limit = |dice: &mut Dice, most: usize| (1 + dice.roll(most)).to_string();
    // each with some chance
    let candidates: Vec<(&str, String)> =
        match (method, path) {
            ("GET", "/healthz" | "/readyz" | "/" | "/v1" | "/v1/" | "/v1.0" | "/v2" | "/v2/" | "/v2.0" | "/v2.0/") => {
                vec![]
            }
            ("GET", "/v3" | "/v3/" | "/v3/auth/catalog" | "/v5/caller-identity") => vec![],
            ("GET", "/v1.0/tag-keys") => {
                vec![("limit", limit(dice, 200)), ("region_id", "region-1".into()), ("marker", word(dice, "k", 5))]
            }
            ("GET", "/v1.0/tag-values") => {
                let found = key(dice);
                let mut parameters = vec![("key".to_owned(), found)];
                if chance(dice, 2) {
                    parameters.push(("limit".to_owned(), limit(dice, 200)));
                }
                return Some(parameters);
            }
            ("GET", "/v1.0/tags") => {
                let all = [
                    ("resource_types", cross_type(dice).into()),
                    ("project_id", project(dice)),
                    ("tag_types", "resource".into()),
                ];
                return Some(all.map(|(name, value)| (name.to_owned(), value)).to_vec());
            }
            ("GET", "/v1.0/predefine_tags") => vec![
                ("limit", dice.roll(1000).to_string()),
                ("key", word(dice, "k", 5)),
                ("value", word(dice, "v", 6)),
                ("marker", dice.roll(5).to_string()),
                ("order_field", one(dice, &["update_time", "key", "value"]).into()),
                ("order_method", one(dice, &["asc", "desc"]).into()),
            ],
            ("GET", "/v1.0/tms/quotas") => vec![],
            ("GET", "/v1.0/tms/providers") => vec![
                ("locale", one(dice, &["zh-cn", "en-us"]).into()),
                ("limit", limit(dice, 200)),
                ("offset", dice.roll(3).to_string()),
                ("provider", one(dice, &["ims", "dns", "ecs"]).into()),
            ],
            ("GET", "/v1/cloudimages/tags") => vec![
                ("limit", limit(dice, 10)),
                ("page", limit(dice, 3)),
                ("id", resource(dice)),
                ("__imagetype", one(dice, &["private", "gold"]).into()),
            ],
            ("GET", _) if path.starts_with("/v2.0/resources/") => {
                let mut parameters = vec![("resource_type".to_owned(), cross_type(dice).to_owned())];
                if chance(dice, 2) {
                    parameters.push(("project_id".to_owned(), project(dice)));
                }
                return Some(parameters);
            }
            ("GET", "/v3/auth/tokens") => vec![("nocatalog", String::new())],
            ("GET", "/v3/auth/projects" | "/v3/auth/domains" | "/v3/projects" | "/v3/domains") => {
                vec![("name", word(dice, "shop", 3)), ("page", "1".into())]
            }
            ("GET", "/v3/endpoints") => vec![("interface", "public".into()), ("service_id", "image".into())],
            ("GET", "/v3/services") => vec![("type", "image".into()), ("name", "ims".into())],
            ("GET", _) if path.starts_with("/v3/projects/") || path.starts_with("/v3/domains/") => vec![],
            ("GET", _) if path.starts_with("/v3/endpoints/") || path.starts_with("/v3/services/") => vec![],
            ("GET", "/registry/v1/types" | "/registry/v1/export" | "/registry/v1/keys" | "/registry/v1/tokens") => {
                vec![]
            }
            ("GET", "/registry/v1/projects" | "/registry/v1/policies") => {
                vec![("limit", limit(dice, 5)), ("marker", project(dice))]
            }
            ("GET", "/registry/v1/compliance") => vec![
                ("limit", limit(dice, 10)),
                ("marker", seen.marker(dice)),
                ("policy_name", policy(dice)),
                ("project_id", project(dice)),
                ("resource_type", resource_type(dice)),
            ],
            ("GET", "/registry/v1/history") => {
                vec![
                    ("limit", limit(dice, 20)),
                    (one(dice, &["marker", "start"]), seen.marker(dice)),
                    ("start", "beginning".into()),
                ]
            }
            ("GET", "/registry/v1/audit") => vec![
                ("limit", limit(dice, 20)),
                ("marker", seen.marker(dice)),
                ("operation", "project.put".into()),
                ("principal", word(dice, "name", 4)),
                ("since", time(dice)),
            ],
            ("GET", _) if path.starts_with("/registry/v1/") && ends("/history") => vec![
                ("limit", limit(dice, 20)),
                ("marker", seen.marker(dice)),
                ("key", key(dice)),
                ("since", time(dice)),
                ("until", time(dice)),
                ("principal", "anyone".into()),
            ],
            ("GET", _) if ends("/offenders") => {
                vec![("limit", limit(dice, 5)), ("marker", seen.marker(dice)), ("resource_type", resource_type(dice))]
            }
            ("GET", _) if path.starts_with("/registry/v1/") && ends("/resources") => {
                let marker = seen.marker(dice);
                vec![
                    ("limit", limit(dice, 5)),
                    if chance(dice, 2) { ("marker", marker) } else { ("offset", dice.roll(9).to_string()) },
                ]
            }
            ("GET", _) if path.starts_with("/registry/v1/") && ends("/tags") => vec![("at", time(dice))],
            ("GET", _) if path.starts_with("/registry/v1/types/") => vec![],
            ("GET", _) if path.starts_with("/registry/v1/projects/") => vec![],
            ("GET" | "PUT" | "DELETE", _) if path.starts_with("/registry/v1/policies/") => {
                vec![("domain_id", domain(dice))]
            }
            ("POST", "/registry/v1/import") => {
                let mut parameters = vec![];
                if chance(dice, 2) {
                    parameters.push(("strict".to_owned(), "true".to_owned()));
                    if chance(dice, 2) {
                        parameters.push(("dry_run".to_owned(), "true".to_owned()));
                    }
                    if chance(dice, 4) {
                        parameters.push(("prune".to_owned(), "true".to_owned()));
                        parameters.push(("prune_limit".to_owned(), dice.roll(5).to_string()));
                    }
                }
                return Some(parameters);
            }
            // a project with its resources is deleted rarely, so that others have something to find
            ("DELETE", _) if path.starts_with("/registry/v1/projects/") && !path.contains("/types/") => {
                if chance(dice, 6) { vec![("with_resources", "true".into())] } else { vec![] }
            }
            ("DELETE", _) if path.starts_with("/registry/v1/") || path.contains("/tags/") => vec![],
            ("DELETE", "/v3/auth/tokens") => vec![],
            ("PUT", _) if path.starts_with("/v2/images/") => vec![],
            ("GET", _) if ends("/tags") && (path.starts_with("/v2/") || path.starts_with("/v3/")) => {
                if path.starts_with("/v3/") && path.split('/').count() == 5 {
                    vec![("limit", limit(dice, 200)), ("marker", word(dice, "k", 5))]
                } else {
                    vec![]
                }
            }
            ("POST", _) if path.starts_with("/v3/") && ends("/resource-instances/filter") => {
                vec![("limit", limit(dice, 1000)), ("offset", dice.roll(9).to_string())]
            }
            ("POST", _) if ends("/rotate") => vec![],
            _ if body(&mut Dice(1), method, path, seen).is_some() => vec![],
            _ => return None,
        };
    Some(candidates.into_iter().filter(|_| chance(dice, 2)).map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A path of the route, with the names that the run uses.
fn place(dice: &mut Dice, path: &str, seen: &Seen) -> String {
    let segments = path.split('/').collect::<Vec<_>>();
    let filled =
        segments.iter().enumerate().map(|(i, segment)| match (*segment, segments.get(i.wrapping_sub(1)).copied()) {
            ("p", _) => project(dice),
            ("r", Some("keys" | "tokens")) => seen.credential(dice).unwrap_or_else(|| format!("{MARK}0123456789")),
            ("r", _) => resource(dice),
            ("env", _) => key(dice),
            ("pol", _) => policy(dice),
            ("d", _) => domain(dice),
            ("images", Some("types")) => resource_type(dice),
            ("DNS-public_zone", _) => {
                one(dice, &["DNS-public_zone", "DNS-public_zone", "DNS-ptr_record", "DNS-private_zone"]).to_owned()
            }
            (fixed, _) => fixed.to_owned(),
        });
    filled.collect::<Vec<_>>().join("/")
}

/// A valid request to a route of [`every_route`](crate::support::every_route).
pub fn draw(dice: &mut Dice, (method, path): (&str, &str), seen: &Seen) -> Option<Request> {
    let parameters = parameters(dice, method, path, seen)?;
    let body = body(dice, method, path, seen);
    let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    let mut target = place(dice, path, seen);
    // what is registered must be of a type that the path names
    if method == "PUT" && path == "/registry/v1/types/images" {
        target = format!("/registry/v1/types/{}", word(dice, "type", 3));
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let mut request = Request::new(method, &target);
    if path == "/registry/v1/import" {
        let lines: String = (0..dice.roll(40)).map(|_| format!("{}\n", line(dice))).collect();
        request = request.with_body("application/x-ndjson", lines);
    } else if let Some(body) = body {
        request = request.with_body("application/json", body.to_string());
    }
    if path == "/v3/auth/tokens" && method != "POST" {
        let found = seen.subject(dice).unwrap_or_else(|| format!("tagd_{}", super::SECRET_MARK));
        request.set("X-Subject-Token", found);
    }
    let names_no_project =
        path.starts_with("/v1/cloudimages/") || path.starts_with("/v2/images/") || path.starts_with("/v1.0/");
    if names_no_project && chance(dice, 2) {
        request.set("X-Project-Id", project(dice));
    }
    Some(request)
}

/// A value in a query string.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
