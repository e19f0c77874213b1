//! The audit log: administrative acts, without their secrets.

use sqlx::Connection;
use tagd::domain::Role;

use super::get;
use crate::{
    access::{borrowed, guarded, token},
    support::{Program, TestDb, World, block_on, eventually},
};

#[test]
fn acts_are_in_the_log_with_who_and_what_and_never_with_a_secret() {
    let world = guarded();
    let operator = token(&world, Role::Operator, "", &[]);
    let administrator = token(&world, Role::Administrator, "d", &[]);
    let send = |token: &str, method: &str, path: &str, body: &str| {
        let headers = [("Content-Type", "application/json"), ("X-Auth-Token", token), ("X-Request-Id", "req")];
        let answer = world.send(method, path, &headers, body.as_bytes());
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.body);
        answer
    };
    send(&administrator, "PUT", "/registry/v1/projects/p", r#"{"project_name":"shop"}"#);
    send(&administrator, "PUT", "/registry/v1/projects/q/types/images/resources/r", r#"{"tags":[]}"#);
    send(&administrator, "DELETE", "/registry/v1/projects/q?with_resources=true", "");
    let boat = r#"{"service":"TMS","regional":true,"tag_quota":9,"aliases":["ship"]}"#;
    for _ in 0..2 {
        // the second time nothing changes
        send(&operator, "PUT", "/registry/v1/types/boat", boat);
    }
    send(&operator, "DELETE", "/registry/v1/types/boat", "");
    for _ in 0..2 {
        // the second time nothing changes
        send(&administrator, "PUT", "/registry/v1/policies/env", r#"{"key":"env","required":true}"#);
    }
    send(&administrator, "PUT", "/registry/v1/policies/env", r#"{"key":"env","values":["a"]}"#);
    send(&administrator, "DELETE", "/registry/v1/policies/env", "");
    let key = send(&administrator, "POST", "/registry/v1/keys", r#"{"name":"robot","role":"tagger"}"#).json();
    let path = format!("/registry/v1/keys/{}", key["id"].as_str().or(key["access"].as_str()).unwrap());
    let rotated = send(&administrator, "POST", &format!("{path}/rotate"), "").json();
    send(&administrator, "DELETE", &path, "");

    let log = send(&operator, "GET", "/registry/v1/audit?limit=100", "");
    for secret in [&operator, &administrator, key["secret"].as_str().unwrap(), rotated["secret"].as_str().unwrap()] {
        assert!(!log.body.contains(secret), "{}", log.body);
    }
    let all = log.json();
    let acts: Vec<String> = all["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| {
            format!(
                "{} {} {}",
                act["operation"].as_str().unwrap(),
                act["principal"].as_str().unwrap(),
                act["domain_id"]
            )
        })
        .collect();
    assert_eq!(
        acts,
        [
            r#"credential.revoke administrator of d "d""#,
            r#"credential.rotate administrator of d "d""#,
            r#"credential.create administrator of d "d""#,
            r#"policy.remove administrator of d "d""#,
            r#"policy.put administrator of d "d""#,
            r#"policy.put administrator of d "d""#,
            "type.remove operator of  null",
            "type.put operator of  null",
            r#"project.remove administrator of d "d""#,
            r#"project.put administrator of d "d""#,
            r#"project.put administrator of d "d""#,
            r#"credential.create cli:test "d""#,
            "credential.create cli:test null",
        ]
    );
    assert_eq!(all["entries"][4]["detail"]["allowed_values"][0], "a");
    let act = &all["entries"][8];
    assert_eq!(
        (&act["object"], &act["request_id"], &act["detail"]["resources"]),
        (&"q".into(), &"req".into(), &1.into())
    );
    assert_eq!(act["address"], "127.0.0.1");
    let some = send(&operator, "GET", "/registry/v1/audit?operation=type.put&principal=operator%20of%20", "").json();
    assert_eq!(some["entries"].as_array().unwrap().len(), 1);
    assert_eq!(some["entries"][0]["detail"]["aliases"][0], "ship");
    let first = send(&operator, "GET", "/registry/v1/audit?limit=4", "").json();
    let rest = format!("/registry/v1/audit?marker={}", first["next_marker"].as_str().unwrap());
    assert_eq!(send(&operator, "GET", &rest, "").json()["entries"].as_array().unwrap().len(), 9);
    // it has the acts in all domains
    let headers = [("X-Auth-Token", administrator)];
    assert_eq!(world.send("GET", "/registry/v1/audit", &borrowed(&headers), b"").status, 403);
}

#[test]
fn what_is_refused_is_no_act() {
    let world = World::new();
    let headers = [("Content-Type", "application/json")];
    assert_eq!(world.send("PUT", "/registry/v1/projects/p", &headers, br#"{"project_name":1}"#).status, 400);
    assert_eq!(world.send("DELETE", "/registry/v1/types/unknown", &headers, b"").status, 404);
    assert_eq!(get(&world, "/registry/v1/audit")["entries"].as_array().unwrap().len(), 0);
}

#[test]
fn failed_log_ins_are_counted_by_address() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--auth", "tokens"]);
    for _ in 0..3 {
        let refused = serving.send("GET", "/registry/v1/projects", &[("X-Auth-Token", "tagd_wrong")], b"");
        assert_eq!(refused.status, 401);
    }
    // it writes what it has counted when it stops
    assert_eq!(serving.stop().code, Some(0));
    eventually("the log has them", || {
        let acts: Vec<String> = block_on(async {
            let mut owner = db.connect().await;
            let acts = sqlx::query_scalar("select concat_ws(' ', operation, address, detail) from tagd.audit")
                .fetch_all(&mut owner)
                .await
                .unwrap();
            owner.close().await.unwrap();
            acts
        });
        acts == [r#"login.failed 127.0.0.1 {"count": 3}"#]
    });
}
