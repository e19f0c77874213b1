//! What tokens of the identity API go back to: how many there may be, and who sees it.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{
    domain::{Role, credential::CredentialKind},
    service::NewCredential,
};

use super::{
    identity::{exchange, id_of, log_in, password, post, world},
    issue, token,
};
use crate::support::{TestDb, World, block_on, repository};

fn sql(db: &TestDb, statement: &str) {
    block_on(async {
        let mut owner = db.connect().await;
        owner.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        owner.close().await.unwrap();
    });
}

/// Rows of one text column.
fn rows(db: &TestDb, statement: &str) -> Vec<String> {
    block_on(async {
        let mut owner = db.connect().await;
        let rows = sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_all(&mut owner).await.unwrap();
        owner.close().await.unwrap();
        rows
    })
}

/// A key of the domain `two` in the database, and its secret.
fn key(world: &World, role: Role) -> (String, String) {
    let domain_id = (role != Role::Operator).then(|| "two".to_owned());
    let new = NewCredential { name: "ci".into(), role: Some(role), domain_id, ..NewCredential::default() };
    let key = issue(world, CredentialKind::Key, new);
    (key.credential.id, String::from_utf8(key.secret.expose().to_vec()).unwrap())
}

/// A token that a key logs in for.
fn token_of((access_key, secret): (&str, &str), world: &World, scope: &Value) -> String {
    let answer = post(world, &json!({ "identity": password(access_key, secret), "scope": scope }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.headers["x-subject-token"].clone()
}

/// Adds tokens named `PREFIX1` and so on that go back to a key, each a little younger than the one before.
fn add(world: &World, count: u32, prefix: &str, (issued_for, root): (&str, &str), expires: &str) {
    sql(
        &world.db,
        &format!(
            "insert into tagd.credential (credential_id, kind, name, role, domain_id, secret, issued_for, root_id, created_by,
                                          created_at, expires_at)
             select '{prefix}' || n, 1, 'n', 'reader', 'two', '', {issued_for}, '{root}', 'test',
                    now() - interval '50 minutes' + n * interval '1 millisecond', {expires}
               from generate_series(1, {count}) n"
        ),
    );
}

#[test]
fn of_more_than_ten_thousand_tokens_of_one_key_the_oldest_end() {
    let world = world();
    let (access_key, secret) = key(&world, Role::Reader);
    let quoted = format!("'{access_key}'");
    let live = "now() + interval '10 minutes'";
    // one in the database, and one of the settings, which has no row
    for (key, issued_for) in [((&*access_key, &*secret), &*quoted), (("TWO", "SK"), "null")] {
        let root = key.0;
        let count = || rows(&world.db, &format!("select count(*)::text from tagd.credential where root_id = '{root}'"));
        let oldest = || {
            let oldest = "select credential_id from tagd.credential where root_id =";
            rows(&world.db, &format!("{oldest} '{root}' and credential_id like '{root}-%' order by created_at limit 1"))
        };
        let first = token_of(key, &world, &Value::Null);
        add(&world, 9_998, &format!("{root}-"), (issued_for, root), live);
        token_of(key, &world, &Value::Null);
        assert_eq!((count(), oldest()), (vec!["10000".to_owned()], vec![format!("{root}-1")]));
        token_of(key, &world, &Value::Null);
        assert_eq!((count(), oldest()), (vec!["10000".to_owned()], vec![format!("{root}-2")]));
        // that of which another one is issued stays, though it is the oldest
        let made_oldest = "update tagd.credential set created_at = now() - interval '55 minutes' where credential_id =";
        sql(&world.db, &format!("{made_oldest} '{}'", id_of(&first)));
        let exchanged = exchange(&world, &first);
        assert_eq!(exchanged.status, 201, "{}", exchanged.body);
        assert_eq!((count(), oldest()), (vec!["10000".to_owned()], vec![format!("{root}-3")]));
        assert_eq!(exchange(&world, &first).status, 201);
        let roots = "select distinct root_id from tagd.credential where name <> 'n' and kind = 1 and root_id =";
        assert_eq!(rows(&world.db, &format!("{roots} '{root}'")), [root]);
    }
}

#[test]
fn tokens_for_one_domain_do_not_end_those_for_others_and_no_login_is_in_the_audit_log() {
    let world = world();
    let domain = |id: &str| json!({ "domain": { "id": id } });
    let others = [log_in(&world, "OPERATOR", &Value::Null).0, log_in(&world, "OPERATOR", &domain("shop")).0];
    sql(&world.db, "update tagd.credential set created_at = now() - interval '55 minutes'");
    add(&world, 9_999, "two-", ("null", "OPERATOR"), "now() + interval '10 minutes'");
    let own = [0; 2].map(|_| log_in(&world, "OPERATOR", &domain("two")).0);
    let tokens = "select count(*)::text from tagd.credential where root_id = 'OPERATOR' and domain_id = 'two'";
    assert_eq!(rows(&world.db, tokens), ["10000"]);
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| world.send(method, path, headers, b"").status;
    for other in &others {
        assert_eq!(send("GET", "/v3/auth/projects", &[("X-Auth-Token", other)]), 200);
    }
    // neither a login nor a log-out is an act; it is one to revoke somebody's token
    let headers = [("X-Auth-Token", own[0].as_str()), ("X-Subject-Token", own[0].as_str())];
    assert_eq!(send("DELETE", "/v3/auth/tokens", &headers), 204);
    let acts = || rows(&world.db, "select operation from tagd.audit where operation like 'credential.%'");
    assert_eq!(acts(), Vec::<String>::new());
    let administrator = token(&world, Role::Administrator, "two", &[]);
    let path = format!("/registry/v1/tokens/{}", id_of(&own[1]));
    assert_eq!(send("DELETE", &path, &[("X-Auth-Token", &administrator)]), 204);
    assert_eq!(acts(), ["credential.create", "credential.revoke"]);
}

#[test]
fn a_token_for_one_domain_does_not_show_the_access_key_of_its_operator() {
    let world = world();
    let (access_key, secret) = key(&world, Role::Operator);
    let user = |token: &str, with: &str| {
        let headers = [("X-Auth-Token", with), ("X-Subject-Token", token)];
        world.send("GET", "/v3/auth/tokens", &headers, b"").json()["token"]["user"]["id"].clone()
    };
    let of_domain = |id: &str| token_of((&access_key, &secret), &world, &json!({ "domain": { "id": id } }));
    let (system, two, shop) =
        (token_of((&access_key, &secret), &world, &Value::Null), of_domain("two"), of_domain("shop"));
    assert_eq!(user(&system, &system), *access_key);
    let id = user(&two, &two);
    assert!(id.as_str().is_some_and(|id| id.len() == 32 && !id.contains(&access_key)), "{id}");
    let exchanged = exchange(&world, &two);
    assert_eq!(exchanged.json()["token"]["user"]["id"], id);
    // always the same
    let again = exchanged.headers["x-subject-token"].clone();
    assert_eq!([user(&again, &again), user(&shop, &system)], [id.clone(), id]);
}

#[test]
fn a_login_deletes_some_of_the_tokens_that_have_ended_and_none_that_was_created_by_itself() {
    let world = world();
    let by_itself = token(&world, Role::Reader, "two", &[]);
    let short = "set created_at = now() - interval '61 seconds', expires_at = now() - interval '1 second'";
    sql(&world.db, &format!("update tagd.credential {short} where credential_id = '{}'", id_of(&by_itself)));
    add(&world, 1_200, "ended", ("null", "AK"), "now() - interval '1 second'");
    let ended = || rows(&world.db, "select count(*)::text from tagd.credential where credential_id like 'ended%'");
    for left in ["700", "200", "0", "0"] {
        log_in(&world, "TWO", &Value::Null);
        assert_eq!(ended(), [left]);
    }
    assert_eq!(rows(&world.db, "select credential_id from tagd.credential where root_id is null"), [id_of(&by_itself)]);
}

#[test]
fn the_migration_finds_what_tokens_go_back_to() {
    let db = TestDb::new();
    sql(
        &db,
        "alter table tagd.credential drop column root_id;
         create index credential_expires_at_idx on tagd.credential (expires_at) where expires_at is not null;
         insert into tagd.credential (credential_id, kind, name, role, secret, issued_for, created_by, expires_at)
         select c.id, c.kind, 'n', 'operator', '', c.issued_for, 'test', now() + c.lasts * interval '1 minute'
           from (values ('KEY', 0, null, 90), ('a', 1, 'KEY', 60), ('b', 1, 'a', 60), ('c', 1, 'b', 60), ('ended', 1, 'a', -1),
                        ('alone', 1, null, 60), ('of-alone', 1, 'alone', 60), ('alone-ended', 1, null, -1))
             as c (id, kind, issued_for, lasts);
         insert into tagd.credential (credential_id, kind, name, role, secret, issued_for, created_by, created_at, expires_at)
         select 'many' || n, 1, 'n', 'operator', '', 'alone', 'test', now() + n * interval '1 millisecond', now() + interval '1 hour'
           from generate_series(1, 10001) n",
    );
    sql(&db, &std::fs::read_to_string(repository("migrations/V0027__roots.sql")).unwrap());
    let found = "select c.credential_id || ' ' || coalesce(c.root_id, '-') from tagd.credential c";
    let few = format!("{found} where c.credential_id not like 'many%' order by c.credential_id");
    // of those that go back to `alone`, its first two are one and another too many
    assert_eq!(rows(&db, &few), ["KEY -", "a KEY", "alone -", "alone-ended -", "b KEY", "c KEY"]);
    let many = "where c.credential_id like 'many%' and c.root_id = 'alone'";
    assert_eq!(rows(&db, &format!("select count(*)::text from tagd.credential c {many}")), ["10000"]);
    assert_eq!(rows(&db, &format!("{found} {many} order by c.created_at limit 1")), ["many2 alone"]);
}

#[test]
fn what_an_operator_made_for_a_domain_is_not_traced_back_there() {
    let world = world();
    let domain = json!({ "domain": { "id": "two" } });
    let administrator = token(&world, Role::Administrator, "two", &[]);
    let operator = token(&world, Role::Operator, "", &[]);
    let send = |with: &str, method: &str, path: &str| world.send(method, path, &[("X-Auth-Token", with)], b"");
    let issued_for = |with: &str, id: &str| {
        let listed = send(with, "GET", "/registry/v1/tokens").json();
        let found = listed["tokens"].as_array().unwrap().iter().find(|token| token["id"] == *id).cloned();
        found.unwrap_or_else(|| panic!("{id} is not listed"))["issued_for"].clone()
    };
    let validate = |with: &str, subject: &str| {
        world.send("GET", "/v3/auth/tokens", &[("X-Auth-Token", with), ("X-Subject-Token", subject)], b"").status
    };
    let (own, foreign) = (key(&world, Role::Tagger), key(&world, Role::Operator));
    for ((access_key, secret), is_own, is_stored) in [
        ((&*own.0, &*own.1), true, true),
        ((&*foreign.0, &*foreign.1), false, true),
        (("TWO", "SK"), true, false),
        (("OPERATOR", "SK"), false, false),
    ] {
        let first = token_of((access_key, secret), &world, &domain);
        let second = exchange(&world, &first).headers["x-subject-token"].clone();
        let parent = if is_stored { json!(access_key) } else { Value::Null };
        assert_eq!(issued_for(&operator, id_of(&first)), parent);
        assert_eq!(issued_for(&operator, id_of(&second)), id_of(&first));
        assert_eq!(issued_for(&administrator, id_of(&first)), if is_own { parent } else { Value::Null });
        if is_own || is_stored {
            let parent = if is_own { json!(id_of(&first)) } else { Value::Null };
            assert_eq!(issued_for(&administrator, id_of(&second)), parent);
        }
        for subject in [&first, &second] {
            assert_eq!(validate(&administrator, subject), if is_own { 200 } else { 404 }, "{access_key}");
            assert_eq!([validate(&operator, subject), validate(subject, subject)], [200, 200]);
        }
        for subject in [&second, &first] {
            let rotated = send(&administrator, "POST", &format!("/registry/v1/tokens/{}/rotate", id_of(subject)));
            assert_eq!(rotated.status, if is_own { 200 } else { 404 }, "{access_key}: {}", rotated.body);
        }
        if !is_own {
            let headers = [("X-Auth-Token", administrator.as_str()), ("X-Subject-Token", &second)];
            assert_eq!(world.send("DELETE", "/v3/auth/tokens", &headers, b"").status, 204);
        }
        let revoked = send(&administrator, "DELETE", &format!("/registry/v1/tokens/{}", id_of(&first)));
        assert_eq!(revoked.status, 204, "{access_key}");
    }
}

#[test]
fn a_login_with_a_token_whose_origin_is_revoked_meanwhile_is_401() {
    let world = world();
    let (first, _) = log_in(&world, "TWO", &Value::Null);
    let second = exchange(&world, &first).headers["x-subject-token"].clone();
    // as it is seen between two look-ups
    sql(
        &world.db,
        &format!(
            "alter table tagd.credential drop constraint credential_issued_for_fkey;
             delete from tagd.credential where credential_id = '{}'",
            id_of(&first)
        ),
    );
    let answer = exchange(&world, &second);
    let expected = json!({ "error": { "code": 401, "message": "token: is unknown, revoked or expired", "title": "Unauthorized" } });
    assert_eq!((answer.status, answer.json()), (401, expected));
}
