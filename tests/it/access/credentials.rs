//! Keys and tokens: how they are sent, what they are worth when they are wrong, expired or revoked, and what is kept of them.

use serde_json::{Value, json};
use sqlx::Connection;
use tagd::{
    auth::Secret,
    domain::{Rights, Role, credential::CredentialKind},
    service::{AuthSettings, ConfiguredKey, NewCredential},
};

use super::{guarded, issue, settings, token};
use crate::support::{Answer, World, block_on, registration};

const COUNT: &str = "/v2/p/images/resource_instances/action";

fn furnished() -> World {
    let world = guarded();
    let mut one = registration("images", "r", "n", &[("env", "prod")]);
    one.domain_id = Some("d".into());
    world.load(&[one]);
    world
}

fn count(world: &World, headers: &[(&str, &str)]) -> Answer {
    let headers = [headers, &[("Content-Type", "application/json")]].concat();
    world.send("POST", COUNT, &headers, br#"{"action":"count"}"#)
}

fn operator(world: &World) -> String {
    token(world, Role::Operator, "d", &[])
}

#[test]
fn a_token_is_sent_in_either_header_and_a_wrong_one_is_refused() {
    let world = furnished();
    let token = token(&world, Role::Reader, "d", &[]);
    for headers in [
        vec![("X-Auth-Token", token.clone())],
        vec![("Authorization", format!("Bearer {token}"))],
        vec![("Authorization", format!("bearer  {token} "))],
        vec![("X-Auth-Token", token.clone()), ("Authorization", "nonsense".to_owned())],
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = count(&world, &headers);
        assert_eq!((answer.status, answer.json()["total_count"].clone()), (200, json!(1)), "{headers:?}");
    }
    let mut typo = token.clone();
    typo.replace_range(20..21, if typo.as_bytes()[20] == b'x' { "y" } else { "x" });
    for (headers, reason) in [
        (vec![], "no credentials: sign the request, or send a token in X-Auth-Token"),
        (vec![("X-Auth-Token", typo.as_str())], "X-Auth-Token: is not a token of this service"),
        (vec![("X-Auth-Token", "")], "X-Auth-Token: must not be empty"),
        (vec![("Authorization", "Bearer x")], "Authorization: is not a token of this service"),
        (vec![("Authorization", "Basic eDp5")], "no credentials: sign the request, or send a token in X-Auth-Token"),
        (
            vec![("X-Auth-Token", token.as_str()), ("X-Auth-Token", token.as_str())],
            "X-Auth-Token: must be sent only once",
        ),
    ] {
        let answer = count(&world, &headers);
        let expected = json!({ "error": { "code": "IMG.0087", "message": reason } });
        assert_eq!((answer.status, answer.json()), (401, expected), "{headers:?}");
    }
}

#[test]
fn headers_that_could_be_meant_in_two_ways_are_refused() {
    let world = furnished();
    let token = token(&world, Role::Reader, "d", &[]);
    let bearer = format!("Bearer {token}");
    let signature = signature("AK", "");
    let date = now();
    let date = ("X-Sdk-Date", date.as_str());
    for (headers, reason) in [
        (vec![("Authorization", &*bearer), ("Authorization", &*bearer)], "Authorization: must be sent only once"),
        (vec![("Authorization", &*bearer), ("Authorization", &*signature)], "Authorization: must be sent only once"),
        (vec![("Authorization", &*signature), ("Authorization", &*bearer)], "Authorization: must be sent only once"),
        (
            vec![("X-Auth-Token", &*token), ("Authorization", &*bearer), ("Authorization", "x")],
            "Authorization: must be sent only once",
        ),
        (
            vec![("X-Auth-Token", &*token), ("Authorization", &*bearer)],
            "Authorization: must not have a token if X-Auth-Token has one",
        ),
        (
            vec![("X-Auth-Token", ""), ("Authorization", &*bearer)],
            "Authorization: must not have a token if X-Auth-Token has one",
        ),
        (vec![("X-Auth-Token", ""), ("Authorization", &*signature), date], "X-Auth-Token: must not be empty"),
        (vec![("X-Auth-Token", ""), ("X-Auth-Token", &*token)], "X-Auth-Token: must be sent only once"),
        (
            vec![("Authorization", &*signature), date, ("X-Security-Token", "a"), ("X-Security-Token", "b")],
            "X-Security-Token: must be sent only once",
        ),
        (vec![("Authorization", &*signature), date, date], "X-Sdk-Date: must be sent only once"),
    ] {
        let answer = count(&world, &headers);
        let expected = json!({ "error": { "code": "IMG.0087", "message": reason } });
        assert_eq!((answer.status, answer.json()), (401, expected), "{headers:?}");
    }
    // SDKs sign a request even if they were given a token: the token counts
    let answer = count(&world, &[("X-Auth-Token", &token), ("Authorization", &signature), date]);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The present time as the header of a signed request has it.
fn now() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (month, day) = (u8::from(now.month()), now.day());
    format!("{:04}{month:02}{day:02}T{:02}{:02}{:02}Z", now.year(), now.hour(), now.minute(), now.second())
}

/// A wrong signature, which claims to cover a header as well.
fn signature(access_key: &str, header: &str) -> String {
    let digits = "0123456789abcdef".repeat(4);
    format!("SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={header}x-sdk-date, Signature={digits}")
}

#[test]
fn a_request_with_an_unknown_access_key_is_refused_like_one_with_a_wrong_signature() {
    let world = furnished();
    for (access_key, temporary) in [("KNOWN", false), ("TEMPORARY", true)] {
        let new = NewCredential {
            name: "n".into(),
            role: Some(Role::Reader),
            domain_id: Some("d".into()),
            temporary,
            lifetime: temporary.then_some(3600),
            given: Some((access_key.to_owned(), Secret::new("a-secret-from-elsewhere"))),
            ..NewCredential::default()
        };
        issue(&world, CredentialKind::Key, new);
    }
    let small = br#"{"action":"count"}"#.to_vec();
    let large = vec![b' '; 8 * 1024 * 1024 + 1];
    let hash = "0".repeat(64);
    let mut statuses = Vec::new();
    for (headers, signed, body) in [
        (&[][..], "", &small),
        (&[], "", &large),
        (&[], "x-missing;", &small),
        (&[("X-Sdk-Content-Sha256", hash.as_str())], "", &small),
        (&[("X-Sdk-Content-Sha256", &hash)], "", &large),
        (&[("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD")], "", &small),
        (&[("X-Sdk-Content-Sha256", "nonsense")], "", &small),
        (&[("X-Security-Token", "wrong")], "", &small),
    ] {
        let answers = ["KNOWN", "TEMPORARY", "UNKNOWN"].map(|access_key| {
            let (date, signature) = (now(), signature(access_key, signed));
            let own =
                [("X-Sdk-Date", date.as_str()), ("Authorization", &signature), ("Content-Type", "application/json")];
            let answer = world.send("POST", COUNT, &[headers, &own].concat(), body);
            let mut said = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
            // the gateway's form has it
            said.as_object_mut().map(|said| said.remove("request_id"));
            (answer.status, said)
        });
        assert!(answers.iter().all(|answer| *answer == answers[2]), "{headers:?} {signed} {}: {answers:?}", body.len());
        statuses.push(answers[2].0);
    }
    assert_eq!(statuses, [401, 413, 401, 401, 401, 401, 401, 401]);
}

#[test]
fn what_is_revoked_rotated_or_expired_ends() {
    let world = furnished();
    let operator = operator(&world);
    let send = |method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
        world.send(method, &format!("/registry/v1{path}"), &headers, body.as_bytes())
    };
    let created =
        send("POST", "/tokens", &json!({ "name": "n", "role": "reader", "domain_id": "d", "expires_in": 3600 }));
    assert_eq!(created.status, 201, "{}", created.body);
    assert!(created.headers.iter().any(|(name, value)| name == "cache-control" && value == "no-store"));
    let created = created.json();
    let (id, first) = (created["id"].as_str().unwrap(), created["token"].as_str().unwrap().to_owned());
    assert_eq!(count(&world, &[("X-Auth-Token", &first)]).status, 200);
    let listed = send("GET", "/tokens", &Value::Null);
    assert!(listed.body.contains(id) && !listed.body.contains(&first), "{}", listed.body);
    let rotated = send("POST", &format!("/tokens/{id}/rotate"), &Value::Null).json();
    let second = rotated["token"].as_str().unwrap().to_owned();
    assert_eq!(count(&world, &[("X-Auth-Token", &first)]).status, 401);
    assert_eq!(count(&world, &[("X-Auth-Token", &second)]).status, 200);
    assert_eq!(send("DELETE", &format!("/tokens/{id}"), &Value::Null).status, 204);
    assert_eq!(count(&world, &[("X-Auth-Token", &second)]).status, 401);
    let again = send("DELETE", &format!("/tokens/{id}"), &Value::Null);
    assert_eq!((again.status, again.json()["error_code"].clone()), (404, json!("REGISTRY.0023")));
    let third = token(&world, Role::Reader, "d", &[]);
    block_on(async {
        let mut owner = world.db.connect().await;
        sqlx::query("update tagd.credential set expires_at = now() - interval '1 second' where role = 'reader'")
            .execute(&mut owner)
            .await
            .unwrap();
        owner.close().await.unwrap();
    });
    assert_eq!(count(&world, &[("X-Auth-Token", &third)]).status, 401);
}

#[test]
fn what_a_credential_may_be_is_checked_field_by_field() {
    let configured = ConfiguredKey {
        access_key: "CONFIGURED".into(),
        secret: Secret::new("a secret of the settings"),
        name: "n".into(),
        rights: Rights::operator(None),
    };
    let world = World::with_auth(AuthSettings { configured: vec![configured], ..settings() });
    let mut one = registration("images", "r", "n", &[]);
    one.domain_id = Some("d".into());
    let mut foreign = registration("images", "r", "n", &[]);
    (foreign.project_id, foreign.domain_id) = ("foreign".into(), Some("e".into()));
    world.load(&[one, foreign]);
    let given = |secret: &str, access: &str| json!({ "name": "n", "role": "reader", "domain_id": "d", "access": access, "secret": secret });
    let operator = operator(&world);
    let administrator = token(&world, Role::Administrator, "d", &[]);
    let limited = token(&world, Role::Administrator, "d", &["p"]);
    let create = |token: &str, path: &str, body: Value| {
        let headers = [("X-Auth-Token", token), ("Content-Type", "application/json")];
        let answer = world.send("POST", &format!("/registry/v1{path}"), &headers, body.to_string().as_bytes());
        (answer.status, answer.json()["error_msg"].as_str().unwrap_or_default().to_owned())
    };
    for (body, status, message) in [
        (json!({ "name": "", "role": "reader", "domain_id": "d" }), 400, "name: must not be empty"),
        (json!({ "name": "n", "role": "boss", "domain_id": "d" }), 400, "role: must be reader or tagger"),
        (json!({ "name": "n", "role": "reader" }), 400, "domain_id: is required for the role reader"),
        (
            json!({ "name": "n", "role": "reader", "domain_id": "d", "expires_in": 5 }),
            400,
            "expires_in: must be between",
        ),
        (
            json!({ "name": "n", "role": "reader", "domain_id": "d", "expires_in": "90d" }),
            400,
            "expires_in: must be an integer number of seconds (line 1, column ",
        ),
        (
            json!({ "name": "n", "role": "reader", "domain_id": "d", "expires_in": u64::MAX }),
            400,
            "expires_in: must be an integer number of seconds (line 1, column ",
        ),
        (json!({ "name": "n", "role": "reader", "domain_id": "d", "projects": "p" }), 400, "projects: must be a list"),
        (json!({ "name": "n", "role": "reader", "domain_id": "d", "projects": [""] }), 400, "projects[0]: must not"),
        (
            json!({ "name": "n", "role": "reader", "domain_id": "d", "projects": [] }),
            400,
            "projects: must not be empty",
        ),
        (json!({ "name": "n", "role": "reader", "domain_id": "" }), 400, "domain_id: must not be empty"),
        (json!({ "name": "n", "role": "reader", "domain_id": "d", "temporary": true }), 400, "expires_in: is required"),
        (json!({ "name": "n", "role": "operator", "projects": ["p"] }), 400, "projects: must not be given"),
        (json!({ "name": "n", "role": "reader", "domain_id": "d", "access": "AK" }), 400, "access: must be given"),
        (
            json!({ "name": "n", "role": "reader", "domain_id": "d", "access": "A K", "secret": "s" }),
            400,
            "access: must be 1 to 128 letters",
        ),
        (given("too short", "AK"), 400, "secret: must be letters, digits and signs of ASCII, without spaces"),
        (given("tooshort", "AK"), 400, "secret: must be 16 to 128 characters, got 8"),
        (given(&"x".repeat(129), "AK"), 400, "secret: must be 16 to 128 characters, got 129"),
        (given("a secret\nin two lines", "AK"), 400, "secret: must be letters, digits and signs of ASCII"),
        (given("Geheimnis-für-alle", "AK"), 400, "secret: must be letters, digits and signs of ASCII"),
        (given("", "AK"), 400, "secret: must be 16 to 128 characters, got 0"),
        (given("16-characters-or", "AK"), 201, ""),
        (given("16-characters-or", "AK"), 409, "access: \"AK\" is already taken"),
        // of the settings, which would take its place
        (given("16-characters-or", "CONFIGURED"), 409, "access: \"CONFIGURED\" is already taken"),
        (json!({ "name": "a\u{202e}b", "role": "reader", "domain_id": "d" }), 400, "name: must not contain invisible"),
        (json!({ "name": "a\u{200b}", "role": "reader", "domain_id": "d" }), 400, "name: must not contain invisible"),
        (json!({ "name": "a\n", "role": "reader", "domain_id": "d" }), 400, "name: must not contain invisible"),
        (json!({ "name": "Jürgen 日本 🙂", "role": "reader", "domain_id": "d" }), 201, ""),
        (
            json!({ "name": "n", "role": "reader", "domain_id": "d", "projects": ["p", "typo"] }),
            400,
            "projects[1]: unknown project \"typo\" in domain \"d\"",
        ),
        (
            json!({ "name": "n", "role": "reader", "domain_id": "e", "projects": ["p"] }),
            400,
            "projects[0]: unknown project \"p\" in domain \"e\"",
        ),
        (json!({ "name": "n", "role": "reader", "domain_id": "d", "projects": ["p", "p"] }), 201, ""),
    ] {
        let (found, said) = create(&operator, "/keys", body.clone());
        assert!(found == status && said.starts_with(message), "{body}: {found} {said}");
    }
    for (token, body, message) in [
        (&administrator, json!({ "name": "n", "role": "operator" }), "role: must be administrator or lower"),
        (&administrator, json!({ "name": "n", "role": "reader", "domain_id": "e" }), "domain_id: must be the domain"),
        (&limited, json!({ "name": "n", "role": "reader" }), "projects: these credentials only cover"),
        // it would show which access keys other domains have, and could take them
        (&administrator, given("16-characters-or", "AK"), "access: only an operator may choose the access key"),
        (&administrator, given("16-characters-or", "FREE"), "access: only an operator may choose the access key"),
    ] {
        let (found, said) = create(token, "/keys", body.clone());
        assert!(found == 403 && said.starts_with(message), "{body}: {found} {said}");
    }
    assert_eq!(create(&administrator, "/tokens", json!({ "name": "n", "role": "reader" })).0, 201);
    // an unknown project and one of another domain are told alike
    let of_project = |project: &str| {
        let body = json!({ "name": "n", "role": "reader", "projects": [project] });
        let (status, said) = create(&administrator, "/tokens", body);
        (status, said.replace(project, "..."))
    };
    assert_eq!(of_project("foreign"), of_project("nowhere"));
    assert_eq!((of_project("foreign").0, of_project("p").0), (400, 201));
}

#[test]
fn without_keys_no_key_is_created_and_the_reason_is_told() {
    for (keys, message) in [
        (true, "master_key_file: is required for keys"),
        (false, "auth: keys can only be created and rotated by a tagd that runs with --auth keys"),
    ] {
        let world = World::with_auth(AuthSettings { keys, master: None, ..settings() });
        let operator = operator(&world);
        let headers = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
        let answer = world.send("POST", "/registry/v1/keys", &headers, br#"{"name":"n","role":"operator"}"#);
        let said = answer.json()["error_msg"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && said.starts_with(message), "{}", answer.body);
    }
}

#[test]
fn no_error_shows_a_secret_in_the_wrong_form_or_place() {
    let world = furnished();
    let operator = operator(&world);
    let key = |secret: &str| format!(r#"{{"name":"n","role":"operator","access":"AK","secret":{secret}}}"#);
    let login = |identity: &str| format!(r#"{{"auth":{{"identity":{identity}}}}}"#);
    let user = |user: &str| login(&format!(r#"{{"methods":["password"],"password":{user}}}"#));
    let token = |token: &str| login(&format!(r#"{{"methods":["token"],"token":{token}}}"#));
    for (path, body) in [
        ("/registry/v1/keys", key("918273645")),
        ("/registry/v1/keys", key("-918273645.5")),
        ("/registry/v1/keys", key(r#"["hunter2"]"#)),
        ("/registry/v1/keys", key(r#"{"a":"hunter2"}"#)),
        ("/registry/v1/keys", key("hunter2")),
        ("/registry/v1/keys", key(r#""hunter2"#)),
        ("/registry/v1/keys", key(r#""hunter2\ud800""#)),
        ("/registry/v1/keys", r#""hunter2""#.to_owned()),
        ("/registry/v1/keys", r#"["hunter2"]"#.to_owned()),
        ("/v3/auth/tokens", user(r#"{"user":{"name":"AK","password":918273645}}"#)),
        ("/v3/auth/tokens", user(r#"{"user":"AK:hunter2"}"#)),
        ("/v3/auth/tokens", user(r#""hunter2""#)),
        ("/v3/auth/tokens", token(r#""tagd_hunter2""#)),
        ("/v3/auth/tokens", token(r#"{"id":918273645}"#)),
        ("/v3/auth/tokens", login(r#""hunter2""#)),
        ("/v3/auth/tokens", r#"{"auth":"hunter2"}"#.to_owned()),
    ] {
        let headers = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
        let answer = world.send("POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert!(!answer.body.contains("hunter2") && !answer.body.contains("918273645"), "{body}: {}", answer.body);
    }
    // a whole token with a typing error, or the secret of a key, where the identifier belongs
    let headers = [("X-Auth-Token", operator.as_str())];
    for (method, path, said) in [
        ("DELETE", "/registry/v1/tokens/tagd_hunter2hunter2", "id: unknown token \"...\""),
        ("DELETE", "/registry/v1/keys/hunter2-hunter2-hunter2", "id: unknown key \"...\""),
        ("POST", "/registry/v1/keys/hunter2-hunter2-hunter2/rotate", "id: unknown key \"...\""),
        ("DELETE", "/registry/v1/keys/MYACCESSKEY", "id: unknown key \"MYACCESSKEY\""),
    ] {
        let answer = world.send(method, path, &headers, b"");
        assert_eq!((answer.status, answer.json()["error_msg"].as_str()), (404, Some(said)), "{path}");
    }
}

#[test]
fn times_in_lists_are_never_later_than_they_were() {
    let world = furnished();
    let operator = operator(&world);
    block_on(async {
        let mut owner = world.db.connect().await;
        let time = "'2026-01-02T03:04:05.999Z'";
        let update = format!("update tagd.credential set created_at = {time}, last_used_at = {time}");
        sqlx::query(sqlx::AssertSqlSafe(update)).execute(&mut owner).await.unwrap();
        owner.close().await.unwrap();
    });
    let listed = world.send("GET", "/registry/v1/tokens", &[("X-Auth-Token", &operator)], b"").json();
    assert_eq!(listed["tokens"][0]["created_at"], "2026-01-02T03:04:05Z");
}

#[test]
fn the_database_keeps_no_secret_as_it_is() {
    let world = furnished();
    let new = |temporary: bool| NewCredential {
        name: "n".into(),
        role: Some(Role::Reader),
        domain_id: Some("d".into()),
        temporary,
        lifetime: temporary.then_some(3600),
        given: (!temporary).then(|| ("AK".to_owned(), Secret::new("a-secret-of-a-key"))),
        ..NewCredential::default()
    };
    let given = issue(&world, CredentialKind::Key, new(false));
    let temporary = issue(&world, CredentialKind::Key, new(true));
    let token = issue(&world, CredentialKind::Token, NewCredential { given: None, ..new(false) });
    assert!(temporary.security_token.is_some() && given.security_token.is_none());
    let rows: Vec<(Vec<u8>, Option<Vec<u8>>)> = block_on(async {
        let mut owner = world.db.connect().await;
        sqlx::query_as("select secret, security_token from tagd.credential").fetch_all(&mut owner).await.unwrap()
    });
    assert_eq!(rows.len(), 3);
    let kept: Vec<u8> =
        rows.into_iter().flat_map(|(secret, token)| [secret, token.unwrap_or_default()].concat()).collect();
    let secrets = [Some(given.secret), Some(temporary.secret), temporary.security_token, Some(token.secret)];
    for secret in secrets.iter().flatten() {
        let secret = secret.expose();
        assert!(!kept.windows(8).any(|part| secret.windows(8).any(|of| of == part)));
    }
    assert!(!format!("{:?}", settings()).contains("0001"), "{:?}", settings());
}
