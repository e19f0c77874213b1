//! Every route with every role.

use tagd::{
    dialects::{DIALECTS, Dialect},
    domain::Role,
};

use super::{guarded, token};
use crate::support::{Answer, Wire, World, every_route, fill, repository};

/// The lowest role that a route needs, as the table of docs/SECURITY.md has it; `None` if it needs no credentials.
fn lowest(method: &str, path: &str, rows: &[(String, String)]) -> Option<Role> {
    let row = rows.iter().find(|(pattern, _)| matches(pattern, &format!("{method} {path}")));
    let (pattern, role) = row.unwrap_or_else(|| panic!("docs/SECURITY.md has no row for {method} {path}"));
    match role.as_str() {
        "none" => None,
        role => Some(role.parse().unwrap_or_else(|_| panic!("{pattern}: {role}"))),
    }
}

/// Whether a request is one of a pattern, in which `*` is anything.
fn matches(pattern: &str, request: &str) -> bool {
    let mut rest = request;
    for (i, part) in pattern.split('*').enumerate() {
        match rest.find(part) {
            Some(0) => rest = &rest[part.len()..],
            Some(at) if i > 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    rest.is_empty() || pattern.ends_with('*')
}

/// The rows of the table of operations: pattern and role.
fn table() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(repository("docs/SECURITY.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<_> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[3].to_owned())
        })
        .collect();
    assert!(rows.len() > 8, "{rows:?}");
    rows
}

fn dialect_of(path: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().copied().find(|dialect| {
        let resource_type = Wire::of(dialect).resource_type();
        dialect.routes.iter().any(|route| fill(route.path, resource_type) == path)
    })
}

/// A body that every route takes.
pub(super) fn body_of(method: &str, path: &str) -> &'static str {
    let tags = r#"{"tags":[{"key":"k","value":"v"}]}"#;
    let by_end = [
        (
            "/v3/auth/tokens",
            r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"nobody","password":"x"}}}}}"#,
        ),
        ("/resource_instances/action", r#"{"action":"count"}"#),
        ("/tags/action", r#"{"action":"create","tags":[{"key":"k","value":"v"}]}"#),
        ("/predefine_tags/action", r#"{"action":"create","tags":[{"key":"k","value":"v"}]}"#),
        ("/predefine_tags", r#"{"old_tag":{"key":"k","value":"v"},"new_tag":{"key":"k","value":"w"}}"#),
        ("/v1.0/resource-instances/filter", r#"{"resource_types":["ecs"],"project_id":"p"}"#),
        ("/cloudimages/tags", r#"{"image_id":"r","tag":"k.v"}"#),
        ("/cloudimages/r/tags/delete", tags),
        ("/tags/create", tags),
        ("/tags/delete", tags),
        ("/registry/v1/projects/p/types/images/resources/r/tags", r#"{"tags":[]}"#),
        ("/tags", r#"{"tag":{"key":"k","value":"v"}}"#),
        ("/registry/v1/types/images", r#"{"service":"IMS","regional":true,"tag_quota":10}"#),
        ("/registry/v1/projects/p", r#"{"domain_id":"d"}"#),
        ("/keys", r#"{"name":"n","role":"reader","domain_id":"d"}"#),
        ("/tokens", r#"{"name":"n","role":"reader","domain_id":"d"}"#),
        ("/policies/pol", r#"{"key":"k","required":true}"#),
        ("/compliance", r#"{"policy":{"key":"k","required":true}}"#),
        ("/restore", r#"{"at":"2026-01-01T00:00:00Z"}"#),
        ("/import", ""),
    ];
    if method == "GET" || method == "DELETE" && !path.ends_with("/tags/delete") || path.ends_with("/tags/k") {
        return "";
    }
    if path.ends_with("/resource-tags/batch-create") || path.ends_with("/resource-tags/batch-delete") {
        return r#"{"project_id":"p","resources":[{"resource_id":"r","resource_type":"ecs"}],"tags":[{"key":"k","value":"v"}]}"#;
    }
    by_end.iter().find(|(end, _)| path.ends_with(end)).map_or("{}", |(_, body)| body)
}

fn send(world: &World, method: &str, path: &str, token: Option<&str>) -> Answer {
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(token.map(|token| ("X-Auth-Token", token)));
    world.send(method, path, &headers, body_of(method, path).as_bytes())
}

#[test]
fn every_route_takes_the_roles_of_its_row_and_no_other() {
    let world = guarded();
    world.load(&Wire::ALL.map(|wire| {
        let mut registration = wire.resource("r", "n", &[("env", "prod")]);
        registration.domain_id = Some("d".into());
        registration
    }));
    let rows = table();
    let tokens = Role::ALL.map(|role| (role, token(&world, role, "d", &[])));
    let mut tried = 0;
    // what deletes comes last, the whole project last of all
    let mut routes = every_route();
    routes.push(("GET", "/metrics".to_owned()));
    routes.sort_by_key(|(method, path)| (*method == "DELETE", std::cmp::Reverse(path.len())));
    for (method, path) in routes {
        let lowest = lowest(method, &path, &rows);
        let bare = send(&world, method, &path, None);
        let Some(lowest) = lowest else {
            // a login is open, and refused if it is wrong
            let expected = if method == "POST" { 401 } else { 200 };
            assert_eq!(bare.status, expected, "{method} {path}: {}", bare.body);
            continue;
        };
        assert_eq!(bare.status, 401, "{method} {path}: {}", bare.body);
        assert!(bare.headers.iter().any(|(name, _)| name == "www-authenticate"), "{method} {path}");
        let (unauthenticated, forbidden) = codes(&path);
        assert!(bare.body.contains(unauthenticated), "{method} {path}: {}", bare.body);
        for (role, token) in &tokens {
            let answer = send(&world, method, &path, Some(token));
            if *role < lowest {
                assert_eq!(answer.status, 403, "{role}: {method} {path}: {}", answer.body);
                assert!(answer.body.contains(forbidden), "{role}: {method} {path}: {}", answer.body);
            } else {
                assert!(![401, 403, 500].contains(&answer.status), "{role}: {method} {path}: {}", answer.body);
            }
            tried += 1;
        }
    }
    assert!(tried > 150, "{tried}");
    for path in ["/nowhere", "/v2/p/nowhere", "/registry/v2"] {
        let answer = send(&world, "GET", path, None);
        assert_eq!((answer.status, answer.json()["error_code"].as_str()), (401, Some("APIGW.0301")), "{path}");
        assert_eq!(send(&world, "GET", path, Some(&tokens[0].1)).status, 404, "{path}");
    }
}

#[test]
fn with_a_slash_at_its_end_a_path_is_open_if_there_is_such_a_path() {
    let (open, guarded) = (World::empty(), guarded());
    for path in ["/healthz", "/readyz", "/v1", "/v1.0", "/v2", "/v2.0", "/v3"] {
        let path = format!("{path}/");
        let (without, with) = (open.send("GET", &path, &[], b"").status, guarded.send("GET", &path, &[], b"").status);
        // the identity API is only there with credentials
        let expected = if without == 200 || path == "/v3/" { 200 } else { 401 };
        assert!([200, 404].contains(&without) && with == expected, "{path}: {without}, {with}");
    }
}

/// The codes of 401 and 403 at a path.
fn codes(path: &str) -> (&'static str, &'static str) {
    match dialect_of(path).map(Wire::of) {
        Some(Wire::Ims) => ("IMG.0087", "IMG.0026"),
        Some(Wire::Dns) => ("DNS.0005", "DNS.0031"),
        Some(Wire::Cts) => ("APIGW.0301", "CTS.0013"),
        Some(Wire::Tms) => ("TMS.0003", "TMS.0004"),
        None if path.starts_with("/registry") => ("REGISTRY.0021", "REGISTRY.0022"),
        None if path == "/metrics" => ("APIGW.0301", "APIGW.0302"),
        // the identity API
        None => (r#""title":"Unauthorized""#, r#""title":"Forbidden""#),
    }
}
