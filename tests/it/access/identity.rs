//! The identity API: logging in, scopes, who may see a token, and clients that use it.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor};
use tagd::{
    app::credentials_of,
    auth::{Principal, Secret},
    domain::{Rights, Role, credential::CredentialKind},
    http::LimitSettings,
    service::{AuthSettings, ConfiguredKey, NewCredential},
    store::SessionProfile,
};

use super::{borrowed, issue, settings, signed, token};
use crate::support::{Answer, World, block_on, eventually, registration, run_python};

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// A key from the settings.
fn configured(access_key: &str, role: Role, domain_id: &str) -> ConfiguredKey {
    let rights = match role {
        Role::Operator => Rights::operator(None),
        role => Rights::in_domain(role, domain_id.into(), None),
    };
    ConfiguredKey { access_key: access_key.into(), secret: Secret::new("SK"), name: "sdk".into(), rights }
}

pub(super) fn world() -> World {
    let keys = [
        configured("AK", Role::Tagger, "shop"),
        configured("TWO", Role::Tagger, "two"),
        configured("ADMIN", Role::Administrator, "two"),
        configured("OPERATOR", Role::Operator, ""),
    ];
    let world = World::with_auth(AuthSettings { configured: keys.into(), ..settings() });
    let projects =
        [(PROJECT, "web", "shop", "env"), ("two-a", "north-1", "two", "a"), ("two-b", "north-1_test", "two", "b")];
    world.load(&projects.map(|(project_id, name, domain_id, key)| {
        let mut one = registration("images", "r1", "n", &[(key, "prod")]);
        (one.project_id, one.project_name, one.domain_id) =
            (project_id.into(), Some(name.into()), Some(domain_id.into()));
        one
    }));
    world
}

pub(super) fn post(world: &World, auth: &Value) -> Answer {
    world.post("/v3/auth/tokens", &json!({ "auth": auth }).to_string())
}

pub(super) fn password(access_key: &str, secret: &str) -> Value {
    json!({ "methods": ["password"], "password": { "user": { "name": access_key, "password": secret } } })
}

/// Logs in; the token and what is said of it.
pub(super) fn log_in(world: &World, access_key: &str, scope: &Value) -> (String, Value) {
    let answer = post(world, &json!({ "identity": password(access_key, "SK"), "scope": scope }));
    assert_eq!(answer.status, 201, "{scope}: {}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
    (answer.headers["x-subject-token"].clone(), answer.json()["token"].clone())
}

fn get(world: &World, token: &str, path: &str) -> Answer {
    world.send("GET", path, &[("X-Auth-Token", token)], b"")
}

/// Identifiers of the entries of a list.
fn ids(answer: &Answer, list: &str) -> Vec<String> {
    let body = answer.json();
    let entries = body[list].as_array().unwrap_or_else(|| panic!("{body}"));
    entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn unmodified_clients_find_out_what_they_need() {
    let world = world();
    let new = NewCredential {
        name: "n".into(),
        role: Some(Role::Tagger),
        domain_id: Some("two".into()),
        ..NewCredential::default()
    };
    let key = issue(&world, CredentialKind::Key, new);
    let secret = String::from_utf8(key.secret.expose().to_vec()).unwrap();
    run_python("tests/sdk/identity.py", &world, &[("TAGD_KEY", &key.credential.id), ("TAGD_SECRET", &secret)]);
}

#[test]
fn what_a_path_names_is_shown_if_the_credentials_cover_it() {
    let world = world();
    let (two, _) = log_in(&world, "TWO", &Value::Null);
    let (one, _) = log_in(&world, "TWO", &json!({ "project": { "id": "two-a" } }));
    let (operator, _) = log_in(&world, "OPERATOR", &Value::Null);
    for (path, seen) in [
        ("/v3/projects/two-a", [true, true, true]),
        ("/v3/projects/two-b", [true, false, true]),
        (&format!("/v3/projects/{PROJECT}"), [false, false, true]),
        ("/v3/projects/nowhere", [false, false, false]),
        ("/v3/domains/two", [true, true, true]),
        ("/v3/domains/shop", [false, false, true]),
        ("/v3/domains/nowhere", [false, false, false]),
        ("/v3/services/image", [true, true, true]),
        ("/v3/services/ims", [false, false, false]),
        ("/v3/endpoints/image-public", [true, true, true]),
        ("/v3/endpoints/nowhere%2Fx", [false, false, false]),
    ] {
        let kind = path.split('/').nth(2).unwrap().trim_end_matches('s');
        let id = path.rsplit('/').next().unwrap();
        for (token, is_seen) in [&two, &one, &operator].into_iter().zip(seen) {
            let answer = get(&world, token, path);
            if is_seen {
                assert_eq!((answer.status, answer.json()[kind]["id"].as_str()), (200, Some(id)), "{path}");
            } else {
                let message = format!("{kind}: unknown {kind} {:?}", id.replace("%2F", "/"));
                let expected = json!({ "error": { "code": 404, "message": message, "title": "Not Found" } });
                assert_eq!((answer.status, answer.json()), (404, expected), "{path}");
            }
        }
        assert!(world.send("GET", path, &[], b"").body.contains(r#""title":"Unauthorized""#), "{path}");
    }
    assert_eq!(ids(&get(&world, &operator, "/v3/domains?name=shop"), "domains"), ["shop"]);
    assert_eq!(ids(&get(&world, &two, "/v3/domains?name=shop"), "domains"), Vec::<String>::new());
}

#[test]
fn a_scope_narrows_the_rights_of_the_key() {
    let world = world();
    let status = |token: &str, project: &str| get(&world, token, &format!("/v2/{project}/images/r1/tags")).status;
    let (one, said) = log_in(&world, "TWO", &json!({ "project": { "id": "two-a" } }));
    assert_eq!(said["project"], json!({ "id": "two-a", "name": "north-1", "domain": { "id": "two", "name": "two" } }));
    assert_eq!(said["user"]["domain"]["id"], "two");
    assert_eq!([status(&one, "two-a"), status(&one, "two-b"), status(&one, PROJECT)], [200, 403, 403]);
    assert_eq!(ids(&get(&world, &one, "/v3/auth/projects"), "projects"), ["two-a"]);
    // a token gives no more than it has
    for (scope, expected) in [
        (json!({ "project": { "id": "two-b" } }), 401),
        (json!({ "project": { "id": "two-a" } }), 201),
        (json!("unscoped"), 201),
    ] {
        let identity = json!({ "methods": ["token"], "token": { "id": one } });
        assert_eq!(post(&world, &json!({ "identity": identity, "scope": scope })).status, expected, "{scope}");
    }
    let (all, said) = log_in(&world, "TWO", &json!({ "domain": { "name": "two" } }));
    assert_eq!((&said["domain"]["id"], said.get("project")), (&json!("two"), None));
    assert_eq!([status(&all, "two-a"), status(&all, "two-b"), status(&all, PROJECT)], [200, 200, 403]);
    assert_eq!(ids(&get(&world, &all, "/v3/auth/domains"), "domains"), ["two"]);
    // several projects are less than their domain, and Keystone has no scope for them
    let some = token(&world, Role::Administrator, "two", &["two-a", "two-b"]);
    let own = [("X-Auth-Token", some.as_str()), ("X-Subject-Token", some.as_str())];
    let said = world.send("GET", "/v3/auth/tokens", &own, b"").json()["token"].clone();
    assert_eq!(["project", "domain", "system", "roles"].map(|field| said.get(field)), [None; 4], "{said}");
    assert!(said["catalog"].is_array(), "{said}");
    // an operator is an administrator in what is less than everything
    let (system, said) = log_in(&world, "OPERATOR", &json!({ "system": { "all": true } }));
    assert_eq!((&said["system"]["all"], said["user"]["domain"]["id"].as_str()), (&json!(true), Some("default")));
    assert_eq!(ids(&get(&world, &system, "/v3/auth/domains"), "domains"), ["shop", "two"]);
    let (narrow, _) = log_in(&world, "OPERATOR", &json!({ "project": { "id": "two-a" } }));
    assert_eq!([status(&narrow, "two-a"), status(&narrow, PROJECT)], [200, 403]);
    let body = br#"{"service":"IMS","regional":true,"tag_quota":10}"#;
    for (token, expected) in [(&narrow, 403), (&system, 200)] {
        let headers = [("X-Auth-Token", token.as_str()), ("Content-Type", "application/json")];
        assert_eq!(world.send("PUT", "/registry/v1/types/images", &headers, body).status, expected);
    }
}

#[test]
fn a_wrong_login_is_refused_in_the_form_of_keystone() {
    let world = world();
    let new = |temporary: bool, lifetime: Option<i64>| NewCredential {
        name: "n".into(),
        role: Some(Role::Reader),
        domain_id: Some("shop".into()),
        temporary,
        lifetime,
        ..NewCredential::default()
    };
    let temporary = issue(&world, CredentialKind::Key, new(true, Some(3600)));
    let secret = String::from_utf8(temporary.secret.expose().to_vec()).unwrap();
    for (identity, scope, message) in [
        (password("AK", "wrong"), Value::Null, "user: unknown access key, or the password is not its secret"),
        (password("nobody", "SK"), Value::Null, "user: unknown access key, or the password is not its secret"),
        (
            password(&temporary.credential.id, &secret),
            Value::Null,
            "user: a temporary access key can only sign requests",
        ),
        (
            password("AK", "SK"),
            json!({ "domain": { "id": "two" } }),
            "scope.domain: is not the domain of the access key",
        ),
        (password("AK", "SK"), json!({ "system": { "all": true } }), "scope.system: is only for the role operator"),
        (
            password("AK", "SK"),
            json!({ "project": { "id": "two-a" } }),
            "scope.project: is unknown, or the access key does not cover it",
        ),
        (
            password("AK", "SK"),
            json!({ "project": { "name": "web", "domain": { "id": "two" } } }),
            "scope.project: is unknown, or the access key does not cover it",
        ),
        (json!({ "methods": ["token"], "token": { "id": "x" } }), Value::Null, "token: is not a token of this service"),
    ] {
        let answer = post(&world, &json!({ "identity": identity, "scope": scope }));
        let expected = json!({ "error": { "code": 401, "message": message, "title": "Unauthorized" } });
        assert_eq!((answer.status, answer.json()), (401, expected), "{scope}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for body in
        ["{}", "[]", r#"{"auth":{"identity":{"methods":["password"]}}}"#, r#"{"auth":{"identity":{"methods":"x"}}}"#]
    {
        let answer = world.post("/v3/auth/tokens", body);
        assert_eq!((answer.status, answer.json()["error"]["title"].as_str()), (400, Some("Bad Request")), "{body}");
    }
    let large = format!("{{\"auth\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(world.post("/v3/auth/tokens", &large).status, 413);
    assert_eq!(world.send("POST", "/v3/auth/tokens", &[("Content-Type", "text/plain")], b"{}").status, 415);
}

#[test]
fn what_is_wrong_with_a_login_is_said_without_names_of_types() {
    let world = world();
    for (body, message) in [
        (r#"{"auth":[1]}"#, "auth: must be a JSON object"),
        (r#"{"auth":7}"#, "auth: must be a JSON object"),
        (r#"{"auth":{"identity":[["password"]]}}"#, "auth.identity: must be a JSON object"),
        (r#"{"auth":{"identity":{"methods":["token"],"token":["x"]}}}"#, "auth.identity.token: must be a JSON object"),
    ] {
        let answer = world.post("/v3/auth/tokens", body);
        let said = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        let (reason, place) = said.split_once(" (").unwrap();
        assert_eq!((answer.status, reason), (400, message), "{body}");
        assert!(place.starts_with("line 1, column "), "{said}");
    }
}

#[test]
fn secrets_cannot_be_guessed_by_logging_in() {
    let world = world();
    let attempt = |secret: &str| post(&world, &json!({ "identity": password("AK", secret) }));
    // so many are allowed from a loopback address
    for _ in 0..200 {
        assert_eq!(attempt("wrong").status, 401);
    }
    let answer = attempt("SK");
    assert_eq!((answer.status, answer.json()["error_code"].clone()), (429, json!("APIGW.0308")), "{}", answer.body);
    assert!(answer.headers.contains_key("retry-after"));
}

#[test]
fn a_token_ends_with_its_key_and_is_seen_by_those_who_may() {
    let world = world();
    let new = || NewCredential {
        name: "ci".into(),
        role: Some(Role::Tagger),
        domain_id: Some("two".into()),
        lifetime: Some(600),
        ..NewCredential::default()
    };
    let key = issue(&world, CredentialKind::Key, new());
    let (access_key, secret) = (&key.credential.id, String::from_utf8(key.secret.expose().to_vec()).unwrap());
    let log_in_with = || {
        let answer = post(&world, &json!({ "identity": password(access_key, &secret) }));
        assert_eq!(answer.status, 201, "{}", answer.body);
        (answer.headers["x-subject-token"].clone(), answer.json()["token"].clone())
    };
    let (first, said) = log_in_with();
    let (second, _) = log_in_with();
    assert_eq!(said["user"]["id"], json!(access_key));
    assert_eq!(said["user"]["name"], "ci");
    let (issued, expires) = (said["issued_at"].as_str().unwrap(), said["expires_at"].as_str().unwrap());
    assert!(issued < expires && expires.ends_with(".000000Z"), "{said}");
    // the key ends in ten minutes
    let seconds = |text: &str| {
        let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
        part(11..13) * 3600 + part(14..16) * 60 + part(17..19)
    };
    assert!((seconds(expires) - seconds(issued)).rem_euclid(86_400) <= 600, "{said}");
    let validate = |with: &str, method: &str, subject: &str| {
        world.send(method, "/v3/auth/tokens", &[("X-Auth-Token", with), ("X-Subject-Token", subject)], b"")
    };
    let (foreign, administrator, operator) = (
        token(&world, Role::Administrator, "shop", &[]),
        token(&world, Role::Administrator, "two", &[]),
        token(&world, Role::Operator, "", &[]),
    );
    let reader = token(&world, Role::Reader, "two", &[]);
    for (with, expected) in
        [(&first, 200), (&second, 200), (&administrator, 200), (&operator, 200), (&reader, 404), (&foreign, 404)]
    {
        let answer = validate(with, "GET", &first);
        assert_eq!(answer.status, expected, "{}", answer.body);
        if expected == 200 {
            assert_eq!(answer.json()["token"]["audit_ids"], said["audit_ids"]);
            assert_eq!(answer.headers["x-subject-token"], first);
        }
        assert_eq!(validate(with, "HEAD", &first).status, expected);
    }
    // the key itself may see it, and another key of the domain may not
    let other = issue(&world, CredentialKind::Key, new());
    let other_secret = String::from_utf8(other.secret.expose().to_vec()).unwrap();
    for (key, expected) in [((access_key, &secret), 200), ((&other.credential.id, &other_secret), 404)] {
        let headers = signed((key.0, key.1), "GET", ("/v3/auth/tokens", ""), &[], b"");
        let headers = [&borrowed(&headers)[..], &[("X-Subject-Token", first.as_str())]].concat();
        let answer = world.send("GET", "/v3/auth/tokens", &headers, b"");
        assert_eq!(answer.status, expected, "{}", answer.body);
    }
    assert_eq!(validate(&foreign, "DELETE", &first).status, 404);
    assert_eq!(validate(&second, "DELETE", &first).status, 204);
    assert_eq!(validate(&second, "GET", &first).status, 404);
    assert_eq!(get(&world, &first, "/v3/auth/projects").status, 401);
    assert_eq!(get(&world, &second, "/v3/auth/projects").status, 200);
    // the token that a request is sent with is its own, in whichever header it is
    let bearer = format!("Bearer {reader}");
    let own = [("Authorization", bearer.as_str()), ("X-Subject-Token", &reader)];
    assert_eq!(world.send("GET", "/v3/auth/tokens", &own, b"").status, 200);
    let headers = [("X-Auth-Token", administrator.as_str())];
    assert_eq!(world.send("DELETE", &format!("/registry/v1/keys/{access_key}"), &headers, b"").status, 204);
    assert_eq!(get(&world, &second, "/v3/auth/projects").status, 401);
    assert_eq!(post(&world, &json!({ "identity": password(access_key, &secret) })).status, 401);
}

/// Exchanges a token for another; the answer.
pub(super) fn exchange(world: &World, token: &str) -> Answer {
    post(world, &json!({ "identity": { "methods": ["token"], "token": { "id": token } } }))
}

/// A token that was issued for a token.
fn exchanged(world: &World, token: &str) -> String {
    let answer = exchange(world, token);
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.headers["x-subject-token"].clone()
}

pub(super) fn id_of(token: &str) -> &str {
    &token["tagd_".len()..][..12]
}

#[test]
fn a_token_ends_with_each_of_those_that_it_goes_back_to() {
    let world = world();
    let operator = token(&world, Role::Operator, "", &[]);
    let headers = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
    let registry = |method: &str, path: &str| {
        let answer = world.send(method, &format!("/registry/v1/{path}"), &headers, b"");
        assert!(answer.status < 300, "{path}: {}", answer.body);
    };
    let statuses =
        |tokens: &[&str]| tokens.iter().map(|token| get(&world, token, "/v3/auth/projects").status).collect::<Vec<_>>();
    let first = token(&world, Role::Administrator, "two", &[]);
    let second = exchanged(&world, &first);
    let [third, beside] = [0, 1].map(|_| exchanged(&world, &second));
    assert_eq!(statuses(&[&first, &second, &third, &beside]), [200; 4]);
    registry("DELETE", &format!("tokens/{}", id_of(&third)));
    assert_eq!(statuses(&[&first, &second, &third, &beside]), [200, 200, 401, 200]);
    registry("DELETE", &format!("tokens/{}", id_of(&second)));
    assert_eq!(statuses(&[&first, &second, &beside]), [200, 401, 401]);
    // another secret
    let second = exchanged(&world, &first);
    let third = exchanged(&world, &second);
    registry("POST", &format!("tokens/{}/rotate", id_of(&first)));
    assert_eq!(statuses(&[&first, &second, &third]), [401; 3]);
    // a key of the settings has no row, but its tokens do
    let (first, _) = log_in(&world, "TWO", &Value::Null);
    let third = exchanged(&world, &exchanged(&world, &first));
    let own = [("X-Auth-Token", third.as_str()), ("X-Subject-Token", first.as_str())];
    assert_eq!(world.send("DELETE", "/v3/auth/tokens", &own, b"").status, 204);
    assert_eq!(statuses(&[&first, &third]), [401; 2]);
    // by another program, while the third is cached
    let first = token(&world, Role::Reader, "two", &[]);
    let third = exchanged(&world, &exchanged(&world, &first));
    assert_eq!(get(&world, &third, "/v3/auth/projects").status, 200);
    let delete = format!("delete from tagd.credential where credential_id = '{}'", id_of(&first));
    block_on(async { world.db.connect().await.execute(AssertSqlSafe(delete)).await.unwrap() });
    eventually("the token has ended", || get(&world, &third, "/v3/auth/projects").status == 401);
}

#[test]
fn tokens_in_a_row_show_their_key_and_are_limited() {
    let world = world();
    let new = NewCredential {
        name: "ci".into(),
        role: Some(Role::Reader),
        domain_id: Some("two".into()),
        ..NewCredential::default()
    };
    let key = issue(&world, CredentialKind::Key, new);
    let secret = String::from_utf8(key.secret.expose().to_vec()).unwrap();
    let answer = post(&world, &json!({ "identity": password(&key.credential.id, &secret) }));
    let first = answer.headers["x-subject-token"].clone();
    let answer = exchange(&world, &first);
    let (second, said) = (answer.headers["x-subject-token"].clone(), answer.json()["token"].clone());
    assert_eq!((&said["user"]["id"], &said["methods"]), (&json!(key.credential.id), &json!(["token"])));
    for (with, subject, methods) in [(&first, &second, ["token"]), (&second, &first, ["password"])] {
        let headers = [("X-Auth-Token", with.as_str()), ("X-Subject-Token", subject.as_str())];
        let seen = world.send("GET", "/v3/auth/tokens", &headers, b"").json()["token"].clone();
        assert_eq!((&seen["user"]["id"], &seen["methods"]), (&json!(key.credential.id), &json!(methods)));
    }
    let mut last = second;
    for _ in 2..16 {
        last = exchanged(&world, &last);
    }
    let answer = exchange(&world, &last);
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(answer.status == 401 && message.contains("16 times in a row, which is the maximum"), "{message}");
    assert_eq!(exchange(&world, &first).status, 201);
}

#[test]
fn a_secret_that_was_replaced_gives_no_token_though_it_is_cached() {
    let world = world();
    let new = NewCredential { name: "ci".into(), role: Some(Role::Operator), ..NewCredential::default() };
    let key = issue(&world, CredentialKind::Key, new);
    let secret = String::from_utf8(key.secret.expose().to_vec()).unwrap();
    let attempt = || post(&world, &json!({ "identity": password(&key.credential.id, &secret) })).status;
    assert_eq!(attempt(), 201);
    // by another program
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let credentials = credentials_of(&store, settings());
        credentials.rotate(&Principal::command("test"), CredentialKind::Key, &key.credential.id).await.unwrap();
        store.close().await;
    });
    assert_eq!(attempt(), 401);
}

#[test]
fn the_catalog_has_the_address_by_which_the_client_came() {
    let world = world();
    let (token, said) = log_in(&world, "AK", &Value::Null);
    let urls = |said: &Value| {
        let entries = said.as_array().unwrap().iter();
        entries.map(|entry| entry["endpoints"][0]["url"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = |base: &str| ["/v2", "/v2", "/v1.0", "/v3", "/v3"].map(|path| format!("{base}{path}")).to_vec();
    assert_eq!(urls(&said["catalog"]), all(&world.url));
    // who is no trusted proxy is not believed
    let headers = [("Host", "tagd:99"), ("X-Forwarded-Proto", "https")];
    let answer = world.send("GET", "/v3/auth/catalog", &[&headers[..], &[("X-Auth-Token", &token)]].concat(), b"");
    assert_eq!(urls(&answer.json()["catalog"]), all("http://tagd:99"));
    let proxy = vec!["127.0.0.0/8".parse().unwrap()];
    let auth = AuthSettings { configured: vec![configured("AK", Role::Tagger, "shop")], ..settings() };
    let proxied = World::with_limits(auth, proxy, LimitSettings::default());
    let (token, _) = log_in(&proxied, "AK", &Value::Null);
    let answer = proxied.send("GET", "/v3/auth/catalog", &[&headers[..], &[("X-Auth-Token", &token)]].concat(), b"");
    assert_eq!(urls(&answer.json()["catalog"]), all("https://tagd:99"));
    let (token, _) = log_in(&world, "AK", &Value::Null);
    let version = world.send("GET", "/v3", &[], b"").json();
    assert_eq!(version["version"]["links"][0]["href"], json!(format!("{}/v3/", world.url)));
    let identity = get(&world, &token, "/v5/caller-identity").json();
    assert_eq!((&identity["account_id"], &identity["principal_id"]), (&json!("shop"), &json!("sdk")));
    let one = get(&world, &token, "/v3/endpoints?service_id=dns").json();
    assert_eq!(one["endpoints"].as_array().unwrap().len(), 1);
    assert_eq!(get(&world, &token, "/v3/projects?parent_id=x").status, 400);
}

#[test]
fn without_credentials_there_is_no_identity_api() {
    let world = World::empty();
    for path in ["/v3", "/v3/auth/tokens", "/v3/projects", "/v5/caller-identity"] {
        for method in ["GET", "OPTIONS", "DELETE"] {
            assert_eq!(world.send(method, path, &[], b"").status, 404, "{method} {path}");
        }
    }
    let keys = World::with_auth(AuthSettings {
        tokens: false,
        configured: vec![configured("AK", Role::Reader, "shop")],
        ..settings()
    });
    assert_eq!(post(&keys, &json!({ "identity": password("AK", "SK") })).status, 401);
    let tokens = World::with_auth(AuthSettings {
        keys: false,
        configured: vec![configured("AK", Role::Reader, "shop")],
        ..settings()
    });
    assert_eq!(post(&tokens, &json!({ "identity": password("AK", "SK") })).status, 401);
}
