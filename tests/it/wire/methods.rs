//! HEAD, OPTIONS and conditions, on every path.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tagd::domain::Role;

use crate::{
    access,
    support::{Answer, Wire, World, every_route},
};

/// Query strings of paths that are nothing without one.
const QUERIES: [(&str, &str); 3] = [
    ("/v2.0/resources/r/tags", "?resource_type=ecs&project_id=p"),
    ("/v1.0/tag-values", "?key=env"),
    ("/v1.0/tags", "?resource_types=ecs&project_id=p&tag_types=resource"),
];

/// A server with credentials, since only such a one has the identity API, and a client that sends some.
fn furnished() -> World {
    let world = World::with_auth(access::settings());
    world.load(&Wire::ALL.map(|wire| wire.resource("r", "n", &[("env", "prod")])));
    let token = || access::token(&world, Role::Operator, "d", &[]);
    // not the same: one is revoked on the way
    let (token, subject) = (token(), token());
    let world = world.sending(vec![("X-Auth-Token", token), ("X-Subject-Token", subject)]);
    let body = br#"{"key":"env","required":true}"#;
    assert_eq!(
        world.send("PUT", "/registry/v1/policies/pol", &[("Content-Type", "application/json")], body).status,
        201
    );
    world
}

/// What must be alike in the answers to GET and HEAD.
fn headers(answer: &Answer) -> BTreeMap<&str, &str> {
    let differs = ["x-request-id", "date", "transfer-encoding"];
    answer.headers.iter().filter(|(name, _)| !differs.contains(&name.as_str())).map(|(n, v)| (&**n, &**v)).collect()
}

#[test]
fn head_is_answered_as_get_is_without_the_body() {
    let world = furnished();
    let mut answered = 0;
    for (method, path) in every_route() {
        if method != "GET" {
            continue;
        }
        let query = QUERIES.iter().find(|(of, _)| *of == path).map_or("", |(_, query)| query);
        // and refusals are alike too
        for path in [format!("{path}{query}"), format!("{path}?no_such_parameter=1")] {
            let get = world.send("GET", &path, &[], b"");
            let head = world.send("HEAD", &path, &[], b"");
            assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}: {}", get.body);
            assert_eq!(headers(&head), headers(&get), "{path}");
            assert!(get.status == 200 || path.ends_with("=1"), "{path}: {}", get.body);
            answered += usize::from(get.status == 200);
        }
    }
    assert!(answered >= 25, "{answered}");
    let missing = world.send("HEAD", "/registry/v1/projects/p/types/images/resources/nowhere", &[], b"");
    assert_eq!((missing.status, missing.body.as_str()), (404, ""));
}

#[test]
fn options_says_which_methods_a_path_takes() {
    let world = furnished();
    let mut methods: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (method, path) in every_route() {
        let of = methods.entry(path).or_default();
        of.extend([method, "OPTIONS"]);
        if method == "GET" {
            of.insert("HEAD");
        }
    }
    for (path, expected) in methods {
        let answer = world.send("OPTIONS", &path, &[], b"");
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        let allowed = &answer.headers["allow"];
        assert!(expected.iter().all(|method| allowed.split(", ").any(|one| one == *method)), "{path}: {allowed}");
        let refused = world.send("PATCH", &path, &[], b"");
        assert_eq!((refused.status, &refused.headers["allow"]), (405, allowed), "{path}");
        assert!(refused.body.contains(allowed.as_str()), "{path}: {}", refused.body);
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE"] {
            let answer = world.send(method, &path, &[("Content-Type", "x")], b"");
            let is_allowed = allowed.split(", ").any(|one| one == method);
            assert_eq!(answer.status != 405, is_allowed, "{method} {path}: {allowed}");
        }
    }
    for path in ["/nowhere", "/registry/v1", "/registry/v1/nothing", "/v1.0/resource-instances", "/healthz/"] {
        let answer = world.send("OPTIONS", path, &[], b"");
        assert_eq!((answer.status, answer.headers.contains_key("allow")), (404, false), "{path}");
    }
}

#[test]
fn a_read_keeps_to_its_conditions() {
    let world = furnished();
    let one = "/registry/v1/projects/p/types/images/resources/r";
    let etag = world.send("GET", one, &[], b"").headers["etag"].clone();
    let weak = format!("W/{etag}");
    for path in [one, &format!("{one}/tags")] {
        for (name, value, right) in [
            ("If-None-Match", etag.as_str(), 304),
            ("If-None-Match", &weak, 304),
            ("If-None-Match", "*", 304),
            ("If-None-Match", &format!("\"a,b\" , W/\"\", {etag}"), 304),
            ("If-None-Match", "\"0a\"", 200),
            ("If-None-Match", "\"a\", W/\"b\"", 200),
            ("If-None-Match", "00", 400),
            ("If-None-Match", "\"00\"x", 400),
            ("If-None-Match", "*, \"00\"", 400),
            ("If-None-Match", "\"00", 400),
            ("If-Match", &etag, 200),
            ("If-Match", &format!("\"00\",{etag}"), 200),
            ("If-Match", "*", 200),
            ("If-Match", &weak, 412),
            ("If-Match", "\"00\", \"01\"", 412),
            ("If-Match", "", 400),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = world.send(method, path, &[(name, value)], b"");
                assert_eq!(answer.status, right, "{method} {name}: {value}: {}", answer.body);
                if right < 400 {
                    assert_eq!(answer.headers["etag"], etag);
                }
                if right == 304 {
                    assert_eq!(answer.body, "");
                    assert!(!answer.headers.contains_key("content-type"));
                }
            }
        }
        // If-Match is looked at first
        let both = [("If-Match", "\"00\""), ("If-None-Match", etag.as_str())];
        assert_eq!(world.send("GET", path, &both, b"").json()["error_code"], "REGISTRY.0008");
        let both = [("If-Match", etag.as_str()), ("If-None-Match", etag.as_str())];
        assert_eq!(world.send("GET", path, &both, b"").status, 304);
        // several headers are one list
        let two = [("If-None-Match", "\"00\""), ("If-None-Match", etag.as_str())];
        assert_eq!(world.send("GET", path, &two, b"").status, 304);
    }
    let missing = world.send("GET", "/registry/v1/projects/p/types/images/resources/x", &[("If-Match", "*")], b"");
    assert_eq!(missing.status, 404, "what is not there has no state to compare");
    let tags = json!({ "tags": [] }).to_string();
    let change = [("Content-Type", "application/json"), ("If-Match", etag.as_str())];
    assert_eq!(world.send("PUT", &format!("{one}/tags"), &change, tags.as_bytes()).status, 200);
    assert_eq!(world.send("GET", one, &[("If-None-Match", &etag)], b"").status, 200);
}

#[test]
fn a_read_without_an_etag_is_never_unmodified_and_matches_none() {
    let world = furnished();
    for (method, path) in every_route() {
        if method != "GET" || path.contains("/resources/r") || path.ends_with('z') || path.ends_with("/pol") {
            continue;
        }
        let query = QUERIES.iter().find(|(of, _)| *of == path).map_or("", |(_, query)| query);
        let path = format!("{path}{query}");
        for (name, value, right) in [
            ("If-None-Match", "*", 200),
            ("If-None-Match", "\"0a\"", 200),
            ("If-Match", "*", 200),
            ("If-Match", "\"0a\"", 412),
        ] {
            let answer = world.send("GET", &path, &[(name, value)], b"");
            assert_eq!(answer.status, right, "{path} {name}: {value}: {}", answer.body);
        }
    }
}
