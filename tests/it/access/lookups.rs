//! What the database is asked about credentials: as much for access keys that exist as for those that do not.

use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::{
    app::credentials_of,
    auth::{Principal, Secret},
    domain::{Rights, Role, credential::CredentialKind},
    http::LimitSettings,
    service::{AuthSettings, ConfiguredKey, NewCredential},
    store::SessionProfile,
};

use super::{borrowed, issue, settings, signed, token};
use crate::support::{Answer, World, block_on, eventually, waiting_for_locks};

const SECRET: &str = "a-secret-from-elsewhere";
const TYPES: &str = "/registry/v1/types";

/// A server with the keys KNOWN in the database and SETTINGS in the settings, behind a proxy on this machine.
fn world() -> World {
    let configured = ConfiguredKey {
        access_key: "SETTINGS".into(),
        secret: Secret::new(SECRET),
        name: "n".into(),
        rights: Rights::operator(None),
    };
    let auth = AuthSettings { configured: vec![configured], ..settings() };
    let world = World::with_limits(auth, vec!["127.0.0.0/8".parse().unwrap()], LimitSettings::default());
    issue(&world, CredentialKind::Key, new_key("KNOWN"));
    world
}

fn new_key(access_key: &str) -> NewCredential {
    NewCredential {
        name: "n".into(),
        role: Some(Role::Operator),
        given: Some((access_key.to_owned(), Secret::new(SECRET))),
        ..NewCredential::default()
    }
}

/// A signed request of an address.
fn send(world: &World, client: &str, key: (&str, &str)) -> Answer {
    let headers = signed(key, "GET", (TYPES, ""), &[], b"");
    world.send("GET", TYPES, &[&borrowed(&headers)[..], &[("X-Forwarded-For", client)]].concat(), b"")
}

fn log_in(world: &World, access_key: &str, secret: &str) -> Answer {
    let user = json!({ "user": { "name": access_key, "password": secret } });
    let identity = json!({ "methods": ["password"], "password": user });
    world.post("/v3/auth/tokens", &json!({ "auth": { "identity": identity } }).to_string())
}

/// Whether the database is asked about a credential for a request, which is refused.
fn asks(world: &World, refused: impl Fn() -> Answer + Sync) -> bool {
    let mut owner = block_on(world.db.connect());
    // as long as nobody can read the table, who asks waits
    block_on(owner.execute("begin; lock table tagd.credential in access exclusive mode")).unwrap();
    std::thread::scope(|scope| {
        let request = scope.spawn(&refused);
        let mut waits = false;
        eventually("the request waits or is answered", || {
            waits = !block_on(waiting_for_locks(&mut owner)).is_empty();
            waits || request.is_finished()
        });
        block_on(owner.execute("rollback")).unwrap();
        let answer = request.join().unwrap();
        assert_eq!(answer.status, 401, "{}", answer.body);
        block_on(owner.close()).unwrap();
        waits
    })
}

#[test]
fn look_ups_do_not_show_which_access_keys_exist() {
    let world = world();
    let used = || {
        block_on(async {
            let mut owner = world.db.connect().await;
            let statement = "select last_used_at is not null from tagd.credential where credential_id = 'KNOWN'";
            let used: bool = sqlx::query_scalar(statement).fetch_one(&mut owner).await.unwrap();
            owner.close().await.unwrap();
            used
        })
    };
    // others use those that exist
    for key in ["KNOWN", "SETTINGS"] {
        assert_eq!(send(&world, "192.0.2.1", (key, SECRET)).status, 200);
    }
    eventually("the use is noted, which asks the database too", used);
    for key in ["KNOWN", "SETTINGS", "UNKNOWN", "TAGD0123456789ABCDEF"] {
        let probe = || send(&world, "192.0.2.7", (key, "wrong"));
        assert!(asks(&world, probe), "{key}: the first request of an address");
        // again and again, for a machine on which the first one is five seconds ago by now
        eventually("the next request is answered without a look-up", || !asks(&world, probe));
        assert!(asks(&world, || send(&world, "192.0.2.8", (key, "wrong"))), "{key}: another address");
        for _ in 0..2 {
            assert!(asks(&world, || log_in(&world, key, "wrong")), "{key}: a login");
        }
    }
}

#[test]
fn a_key_that_was_tried_before_it_was_created_is_known_at_once() {
    let world = world();
    let operator = token(&world, Role::Operator, "", &[]);
    let attempt = || send(&world, "192.0.2.1", ("LATER", SECRET)).status;
    assert_eq!([attempt(), attempt()], [401, 401]);
    let body = json!({ "name": "n", "role": "operator", "access": "LATER", "secret": SECRET });
    let headers = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
    let created = world.send("POST", "/registry/v1/keys", &headers, body.to_string().as_bytes());
    assert_eq!((created.status, &created.json()["id"]), (201, &Value::from("LATER")));
    assert_eq!(attempt(), 200);
    // also if another program creates it
    assert_eq!(send(&world, "192.0.2.1", ("ELSEWHERE", SECRET)).status, 401);
    issue(&world, CredentialKind::Key, new_key("ELSEWHERE"));
    assert_eq!(send(&world, "192.0.2.1", ("ELSEWHERE", SECRET)).status, 200);
}

#[test]
fn a_secret_that_another_program_has_replaced_is_known_at_once() {
    let world = world();
    let reader = token(&world, Role::Reader, "d", &[]);
    let with_token = |token: &str| world.send("GET", TYPES, &[("X-Auth-Token", token)], b"").status;
    let with_body = |secret: &str| {
        let body = br#"{"service":"IMS","regional":true,"tag_quota":10}"#;
        let (path, headers) = ("/registry/v1/types/images", [("Content-Type", "application/json")]);
        let signed = signed(("KNOWN", secret), "PUT", (path, ""), &[], body);
        world.send("PUT", path, &[&borrowed(&signed)[..], &headers].concat(), body).status
    };
    let rotate = |kind: CredentialKind, id: &str| {
        let issued = block_on(async {
            let store = world.db.store(SessionProfile::Bulk, 1).await;
            let credentials = credentials_of(&store, settings());
            let issued = credentials.rotate(&Principal::command("test"), kind, id).await.unwrap();
            store.close().await;
            issued
        });
        String::from_utf8(issued.secret.expose().to_vec()).unwrap()
    };
    assert_eq!([send(&world, "127.0.0.1", ("KNOWN", SECRET)).status, with_token(&reader)], [200, 200]);
    let (second, other) = (rotate(CredentialKind::Key, "KNOWN"), rotate(CredentialKind::Token, &reader[5..17]));
    assert_eq!([send(&world, "127.0.0.1", ("KNOWN", &second)).status, with_token(&other)], [200, 200]);
    assert_eq!([send(&world, "127.0.0.1", ("KNOWN", SECRET)).status, with_token(&reader)], [401, 401]);
    // half a second later at the latest, where wrong secrets are tried; also for a body that is verified after it was read
    let third = rotate(CredentialKind::Key, "KNOWN");
    eventually("it is looked up again", || with_body(&third) == 200);
}
