//! Tokens of a Keystone, which mostly is another tagd here: what they allow, and what happens while it is down or says odd things.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::Connection;
use tagd::{
    auth::{
        Keystone, Secret,
        keystone::{KeystoneSettings, RoleNames, default_roles},
    },
    domain::{Rights, Role},
    service::{AuthSettings, ConfiguredKey},
};
use time::OffsetDateTime;

use super::{MASTER, settings, token};
use crate::support::{Answer, Authority, Behind, Program, Site, TestDb, World, block_on, eventually, registration};

fn project(id: &str, domain_id: &str) -> tagd::domain::change::Registration {
    let mut one = registration("images", "r", "n", &[("env", "prod")]);
    (one.project_id, one.domain_id) = (id.into(), Some(domain_id.into()));
    one
}

fn key(access_key: &str, rights: Rights) -> ConfiguredKey {
    ConfiguredKey { access_key: access_key.into(), secret: Secret::new("SK"), name: access_key.into(), rights }
}

/// The Keystone: a tagd with the keys of some users, and one of the service.
fn keystone() -> World {
    let of = |role| Rights::in_domain(role, "shop".into(), None);
    let configured = vec![
        key("reader", of(Role::Reader)),
        key("tagger", of(Role::Tagger)),
        key("administrator", of(Role::Administrator)),
        key("operator", Rights::operator(None)),
        key("service", Rights::operator(None)),
    ];
    let world = World::with_auth(AuthSettings { configured, ..settings() });
    world.load(&[project("p", "shop"), project("q", "shop")]);
    world
}

/// A Keystone at some address, to which tagd logs in as `service`.
pub fn source(url: &str, password: &str, roles: RoleNames) -> Keystone {
    Keystone::new(KeystoneSettings {
        url: url.into(),
        authorities: None,
        user: "service".into(),
        password: Secret::new(password),
        domain: "Default".into(),
        project: None,
        roles,
    })
}

/// A tagd that accepts tokens of a Keystone.
fn tagd(url: &str, password: &str, roles: RoleNames) -> World {
    let keystone = source(url, password, roles);
    let world = World::with_auth(AuthSettings { keystone: Some(Arc::new(keystone)), ..AuthSettings::default() });
    world.load(&[project("p", "shop"), project("q", "shop"), project("x", "other")]);
    world
}

/// Logs in at the Keystone.
fn log_in(keystone: &World, user: &str, scope: &serde_json::Value) -> String {
    let identity = json!({ "methods": ["password"], "password": { "user": { "name": user, "password": "SK" } } });
    let answer =
        keystone.post("/v3/auth/tokens", &json!({ "auth": { "identity": identity, "scope": scope } }).to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.headers["x-subject-token"].clone()
}

fn read(world: &World, token: &str, project: &str) -> Answer {
    world.send("GET", &format!("/v2/{project}/images/r/tags"), &[("X-Auth-Token", token)], b"")
}

#[test]
fn roles_and_scope_of_a_token_decide_what_it_allows() {
    let keystone = keystone();
    let world = tagd(&keystone.url, "SK", default_roles());
    let may = |token: &str| {
        let headers = [("X-Auth-Token", token), ("Content-Type", "application/json")];
        let reads = ["p", "q", "x"].map(|project| read(&world, token, project).status == 200);
        let tag = br#"{"tag":{"key":"k","value":"v"}}"#;
        let tags = world.send("POST", "/v2/p/images/r/tags", &headers, tag).status == 204;
        let registers =
            world.send("PUT", "/registry/v1/projects/p/types/images/resources/r", &headers, b"{}").status == 200;
        let types = br#"{"service":"IMS","regional":true,"tag_quota":10}"#;
        let types = world.send("PUT", "/registry/v1/types/images", &headers, types).status == 200;
        (reads, [tags, registers, types])
    };
    let (one, domain, system) = (
        json!({ "project": { "id": "p" } }),
        json!({ "domain": { "id": "shop" } }),
        json!({ "system": { "all": true } }),
    );
    for (user, scope, expected) in [
        ("reader", &one, ([true, false, false], [false, false, false])),
        ("tagger", &one, ([true, false, false], [true, false, false])),
        ("administrator", &one, ([true, false, false], [true, true, false])),
        ("reader", &domain, ([true, true, false], [false, false, false])),
        ("administrator", &domain, ([true, true, false], [true, true, false])),
        ("operator", &one, ([true, false, false], [true, true, false])),
        ("operator", &system, ([true, true, true], [true, true, true])),
    ] {
        assert_eq!(may(&log_in(&keystone, user, scope)), expected, "{user} {scope}");
    }
    for bad in ["nonsense", "tagd_nonsense"] {
        let answer = read(&world, bad, "p");
        let expected = json!({ "error": { "code": "IMG.0087", "message": "token: is unknown, revoked or expired" } });
        assert_eq!((answer.status, answer.json()), (401, expected));
    }
    // Keystone has no scope for several projects
    for role in [Role::Reader, Role::Administrator] {
        let several = token(&keystone, role, "shop", &["p", "q"]);
        assert_eq!(read(&keystone, &several, "p").status, 200);
        assert_eq!(may(&several), ([false; 3], [false; 3]), "{role}");
    }
    // a role that is mapped to none
    let strict = tagd(&keystone.url, "SK", RoleNames::from([("member".to_owned(), Role::Reader)]));
    assert_eq!(read(&strict, &log_in(&keystone, "reader", &one), "p").status, 403);
    let lowered = log_in(&keystone, "administrator", &one);
    assert_eq!(read(&strict, &lowered, "p").status, 200);
    let headers = [("X-Auth-Token", lowered.as_str()), ("Content-Type", "application/json")];
    let refused = strict.send("POST", "/v2/p/images/r/tags", &headers, br#"{"tag":{"key":"k","value":"v"}}"#);
    assert_eq!(refused.status, 403);
}

#[test]
fn while_keystone_is_down_only_known_tokens_are_accepted() {
    let keystone = keystone();
    let scope = json!({ "project": { "id": "p" } });
    let (known, other) = (log_in(&keystone, "reader", &scope), log_in(&keystone, "reader", &scope));
    let world = tagd(&keystone.url, "SK", default_roles());
    assert_eq!(read(&world, &known, "p").status, 200);
    drop(keystone);
    assert_eq!(read(&world, &known, "p").status, 200);
    for (path, code) in
        [("/v2/p/images/r/tags", "IMG.0061"), ("/registry/v1/types", "REGISTRY.0015"), ("/nowhere", "APIGW.0201")]
    {
        let answer = world.send("GET", path, &[("X-Auth-Token", &other)], b"");
        assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (503, "1"), "{}", answer.body);
        assert!(answer.body.contains(code) && answer.body.contains("Keystone cannot say"), "{}", answer.body);
    }
    assert_eq!(world.send("GET", "/healthz", &[], b"").status, 200);
}

#[test]
fn the_token_of_tagd_itself_is_renewed_and_its_password_must_be_right() {
    let keystone = keystone();
    let scope = json!({ "project": { "id": "p" } });
    let world = tagd(&keystone.url, "SK", default_roles());
    assert_eq!(read(&world, &log_in(&keystone, "reader", &scope), "p").status, 200);
    block_on(async {
        let mut owner = keystone.db.connect().await;
        let ended =
            sqlx::query("delete from tagd.credential where name = 'service'").execute(&mut owner).await.unwrap();
        assert_eq!(ended.rows_affected(), 1, "one login for all requests");
        owner.close().await.unwrap();
    });
    // whatever is revoked, the other tagd forgets what it remembers
    let operator = token(&keystone, Role::Operator, "", &[]);
    let forgotten = keystone.send("DELETE", "/registry/v1/tokens/x", &[("X-Auth-Token", &operator)], b"");
    assert_eq!(forgotten.status, 404);
    assert_eq!(read(&world, &log_in(&keystone, "reader", &scope), "p").status, 200);
    let wrong = tagd(&keystone.url, "wrong", default_roles());
    assert_eq!(read(&wrong, &log_in(&keystone, "reader", &scope), "p").status, 503);
}

/// A Keystone that says this of tokens and accepts every login of tagd, and the tokens that it was asked about; the login is
/// an empty one.
fn scripted(say: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> (Site, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&asked);
    let script = move |token: &str| {
        kept.lock().unwrap().push(token.to_owned());
        let login = json!({ "token": { "user": { "name": "service" }, "expires_at": "2100-01-01T00:00:00.000000Z" } });
        Some(if token.is_empty() { (201, login) } else { say(token) })
    };
    (Site::new("", Behind::Keystone(Box::new(script))), asked)
}

#[test]
fn a_token_allows_nothing_whose_scope_or_texts_are_none_of_tagd() {
    let of = |name: &str, scope: Value| {
        let mut token = json!({ "user": { "name": name }, "roles": [{ "name": "boss" }, { "name": "member" }] });
        token.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        json!({ "token": token })
    };
    let in_domain = |id: &str| json!({ "domain": { "id": id } });
    let in_project = |id: &str, domain: &str| json!({ "project": { "id": id, "domain": { "id": domain } } });
    let (long, longer) = ("n".repeat(255), "n".repeat(256));
    let invisible = |code| format!("user.name: must not contain invisible characters, got U+{code}");
    let too_long = |field, most| format!("{field}: must be at most {most} characters, got {}", most + 1);
    let nul = |field| format!("{field}: must not contain NUL characters");
    let empty = |field| format!("{field}: must not be empty");
    let scope = "must have a project, a domain or the system as its scope".to_owned();
    let cases = [
        (of("ann", in_domain("shop")), None),
        (of(&long, in_project("p", "shop")), None),
        (of("ann", json!({ "system": { "all": true } })), None),
        (of("ann", json!({})), Some(scope.clone())),
        (of("ann", json!({ "system": { "all": false } })), Some(scope)),
        (of("a\0b", in_domain("shop")), Some(invisible("0000"))),
        (of("a\nb", in_domain("shop")), Some(invisible("000A"))),
        (of("\u{1b}[31m", in_domain("shop")), Some(invisible("001B"))),
        (of("", in_domain("shop")), Some(empty("user.name"))),
        (of(&longer, in_domain("shop")), Some(too_long("user.name", 255))),
        (of("ann", in_domain("s\0")), Some(nul("domain_id"))),
        (of("ann", in_domain("")), Some(empty("domain_id"))),
        (of("ann", in_domain(&longer[..129])), Some(too_long("domain_id", 128))),
        (of("ann", in_project("p\0", "shop")), Some(nul("project.id"))),
        (of("ann", in_project("", "shop")), Some(empty("project.id"))),
        (of("ann", in_project(&longer[..129], "shop")), Some(too_long("project.id", 128))),
        (of("ann", in_project("p", "")), Some(empty("domain_id"))),
    ];
    let tokens: Vec<_> = cases.iter().map(|(token, _)| token.clone()).collect();
    let (keystone, _) = scripted(move |token| (200, tokens[token.parse::<usize>().unwrap()].clone()));
    for boss in [Role::Operator, Role::Administrator] {
        let roles = RoleNames::from([("boss".to_owned(), boss)]);
        let world = tagd(&keystone.url("127.0.0.1", ""), "SK", roles);
        for (i, (said, expected)) in cases.iter().enumerate() {
            let token = i.to_string();
            let answer = read(&world, &token, "p");
            let Some(reason) = expected else {
                assert_eq!(answer.status, 200, "{boss} {said}: {}", answer.body);
                continue;
            };
            let message = format!("token: {reason}");
            assert_eq!(answer.status, 403, "{boss} {said}: {}", answer.body);
            assert_eq!(answer.json()["error"]["message"], message, "{boss} {said}");
            // wherever the path leads
            let nowhere = world.send("GET", "/nowhere", &[("X-Auth-Token", &token)], b"");
            let code = nowhere.json()["error_code"].clone();
            assert_eq!((nowhere.status, code), (403, json!("APIGW.0302")), "{}", nowhere.body);
        }
    }
}

#[test]
fn what_keystone_takes_for_no_token_is_a_failed_authentication() {
    let (keystone, asked) = scripted(|token| (token[..3].parse().unwrap(), json!({})));
    let world = tagd(&keystone.url("127.0.0.1", ""), "SK", default_roles());
    for (status, expected) in [(400, 401), (404, 401), (413, 401), (414, 401), (431, 401), (403, 503), (500, 503)] {
        assert_eq!(read(&world, &format!("{status} from Keystone"), "p").status, expected, "{status}");
    }
    // a new login for each token would not help
    asked.lock().unwrap().clear();
    for i in 0..30 {
        assert_eq!(read(&world, &format!("401 {i}"), "p").status, 503);
    }
    let logins = asked.lock().unwrap().iter().filter(|token| token.is_empty()).count();
    assert!((1..30).contains(&logins), "{logins} logins");
    // what is too long is not even asked about
    asked.lock().unwrap().clear();
    let long = |length: usize| format!("404{}", "x".repeat(length - 3));
    assert_eq!(read(&world, &long(8192), "p").status, 401);
    assert_eq!(asked.lock().unwrap().len(), 1);
    let answer = read(&world, &long(8193), "p");
    assert_eq!(answer.json()["error"]["message"], "token: must be at most 8192 bytes, got 8193");
    eventually("the limit is reached", || {
        let status = read(&world, &long(8193), "p").status;
        assert!([401, 429].contains(&status), "{status}");
        status == 429
    });
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn a_login_that_keystone_does_not_answer_fails_once_for_all_who_wait() {
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let keystone = Site::new(
        "",
        Behind::Keystone(Box::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            None
        })),
    );
    let world = tagd(&keystone.url("127.0.0.1", ""), "SK", default_roles());
    thread::scope(|scope| {
        for i in 0..10 {
            let world = &world;
            scope.spawn(move || assert_eq!(read(world, &format!("token {i}"), "p").status, 503));
        }
    });
    let logins = logins.load(Ordering::Relaxed);
    assert!((1..10).contains(&logins), "{logins} logins");
}

#[test]
fn a_login_that_keystone_refuses_is_not_tried_again_by_every_request() {
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let keystone = Site::new(
        "",
        Behind::Keystone(Box::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Some((401, json!({ "error": { "code": 401 } })))
        })),
    );
    let world = tagd(&keystone.url("127.0.0.1", ""), "SK", default_roles());
    let begun = Instant::now();
    for i in 0..20 {
        assert_eq!(read(&world, &format!("token {i}"), "p").status, 503);
    }
    // one more each time that five seconds are over
    let most = 1 + begun.elapsed().as_secs() / 5;
    assert!((1..=most).contains(&(logins.load(Ordering::Relaxed) as u64)), "{logins:?} logins");
}

#[test]
fn the_token_of_tagd_is_used_for_as_long_as_it_lasts_if_it_cannot_be_renewed() {
    let end = OffsetDateTime::now_utc() + Duration::from_secs(50);
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&logins);
    let keystone = Site::new(
        "",
        Behind::Keystone(Box::new(move |token| {
            let domain = json!({ "id": "shop" });
            Some(match token {
                "" if counted.fetch_add(1, Ordering::Relaxed) == 0 => {
                    (201, json!({ "token": { "user": { "name": "service" }, "expires_at": end } }))
                }
                "" => (500, json!({})),
                _ => (
                    200,
                    json!({ "token": { "user": { "name": "u" }, "roles": [{ "name": "reader" }], "domain": domain } }),
                ),
            })
        })),
    );
    let world = tagd(&keystone.url("127.0.0.1", ""), "SK", default_roles());
    let begun = Instant::now();
    let statuses: Vec<_> = (0..5).map(|i| read(&world, &format!("token {i}"), "p").status).collect();
    assert!(statuses == [200; 5] || begun.elapsed() > Duration::from_secs(45), "{statuses:?}");
    assert!(logins.load(Ordering::Relaxed) > 1, "it was to be renewed");
}

#[test]
fn with_a_keystone_alone_there_is_no_identity_api_and_no_signature_is_accepted() {
    let keystone = keystone();
    let world = tagd(&keystone.url, "SK", default_roles());
    let token = log_in(&keystone, "reader", &json!({ "project": { "id": "p" } }));
    assert_eq!(world.send("GET", "/v3", &[], b"").status, 404);
    assert_eq!(world.post("/v3/auth/tokens", "{}").status, 404);
    assert_eq!(world.send("GET", "/v3/projects", &[], b"").status, 401);
    assert_eq!(world.send("GET", "/v3/projects", &[("X-Auth-Token", &token)], b"").status, 404);
    let answer = world.send("GET", "/v2/p/images/r/tags", &[], b"");
    assert_eq!(
        (answer.status, answer.json()["error"]["message"].as_str()),
        (401, Some("no credentials: send a token in X-Auth-Token"))
    );
    // beside keys and tokens, each is recognised
    let beside = source(&keystone.url, "SK", default_roles());
    let all = World::with_auth(AuthSettings { keystone: Some(Arc::new(beside)), ..settings() });
    all.load(&[project("p", "shop")]);
    let own = super::token(&all, Role::Reader, "shop", &[]);
    assert_eq!(read(&all, &own, "p").status, 200);
    assert_eq!(read(&all, "nonsense", "p").status, 401);
}

#[test]
fn over_https_the_certificate_of_keystone_must_be_signed_by_the_given_ca() {
    const LINE: &str = r#"{"project_id":"p","domain_id":"shop","resource_type":"images","resource_id":"r","tags":[]}"#;
    let (ca, other) = (Authority::new("CA"), Authority::new("another CA"));
    let db = TestDb::new();
    let there = Program::new().on(&db).with("TAGD_MASTER_KEY", MASTER);
    assert_eq!(there.import(LINE).code, Some(0));
    ca.sign().write(&there);
    there.write(
        "tagd.toml",
        "auth = ['keys', 'tokens']\n[[keys]]\naccess = 'service'\nsecret = '0123456789abcdef'\nrole = 'operator'\nname = 'tagd'\n",
    );
    let tls = ["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--config", "tagd.toml"];
    let keystone = there.serve(&tls);
    let made = there.expect(&["token", "create", "--name", "ann", "--role", "reader", "--domain", "shop"]);
    let token = made.lines().find_map(|line| line.strip_prefix("token: ")).unwrap();
    let port = keystone.address().rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}");

    let db = TestDb::new();
    let here =
        Program::new().on(&db).with("TAGD_KEYSTONE_PASSWORD", "0123456789abcdef").with("TAGD_LOG_FORMAT", "text");
    assert_eq!(here.import(LINE).code, Some(0));
    here.write("ca.pem", ca.certificate.pem());
    here.write("other.pem", other.certificate.pem());
    here.write("both.pem", other.certificate.pem() + &ca.certificate.pem());
    let serve = ["--listen", "127.0.0.1:0", "--auth", "keystone", "--keystone-url", &url, "--keystone-user", "service"];
    for (file, status) in [("ca.pem", 200), ("both.pem", 200), ("other.pem", 503), ("", 503)] {
        let serving = here.serve(&[&serve[..], &["--keystone-ca-file", file]].concat());
        let answer = serving.send("GET", "/v2/p/images/r/tags", &[("X-Auth-Token", token)], b"");
        let log = serving.stop().err;
        assert_eq!(answer.status, status, "{file:?}: {}: {log}", answer.body);
        assert_eq!(log.contains("invalid peer certificate: UnknownIssuer"), status == 503, "{file:?}: {log}");
    }
    here.write("key.pem", there.read("key.pem"));
    here.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (file, reason) in [
        ("missing.pem", "cannot read missing.pem: No such file"),
        ("key.pem", "key.pem: contains no certificate in PEM"),
        ("broken.pem", "broken.pem: certificate 1 is not a valid X.509 v3 certificate: "),
    ] {
        let said = here.run(&[&["serve"], &serve[..], &["--keystone-ca-file", file]].concat());
        assert_eq!(said.code, Some(1), "{file}");
        assert!(said.err.starts_with(&format!("tagd: keystone_ca_file: {reason}")), "{}", said.err);
    }
    let plain = ["serve", "--auth", "keystone", "--keystone-url", "http://k", "--keystone-ca-file", "ca.pem"];
    let said = here.run(&plain);
    assert_eq!(said.err, "tagd: keystone_ca_file: requires a keystone_url with https://\n");
}
