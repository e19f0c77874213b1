//! `?prune=true` of the registry's import: parameters, counts and limit, and that nothing of another domain is removed.

use std::{io::Write, thread};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::domain::{Role, change::Registration};

use crate::{
    access::{guarded, token},
    support::{Answer, Program, World, block_on, eventually, registration, waiting_for_locks},
};

fn line(project: &str, resource_type: &str, id: &str) -> String {
    let line = json!({
        "project_id": project, "resource_type": resource_type, "resource_id": id, "tags": [{ "key": "k", "value": "v" }],
    });
    format!("{line}\n")
}

fn import(world: &World, query: &str, headers: &[(&str, &str)], lines: impl AsRef<[u8]>) -> Answer {
    let headers = [&[("Content-Type", "application/x-ndjson")], headers].concat();
    world.send("POST", &format!("/registry/v1/import{query}"), &headers, lines.as_ref())
}

fn counts(created: u64, unchanged: u64, removed: u64, dry_run: bool) -> Value {
    json!({
        "created": created, "changed": 0, "unchanged": unchanged, "removed": removed, "dry_run": dry_run,
        "rejected": [], "rejected_count": 0,
    })
}

/// Code and message of an error.
fn refused(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    (answer.status, text("error_code"), text("error_msg"))
}

/// Project, type and id of what there is, as an operator sees it.
fn there(world: &World) -> Vec<String> {
    let lines = crate::support::json_lines(&Program::new().on(&world.db).expect(&["export", "--only", "resource"]));
    let ids = lines.iter().map(|line| {
        ["project_id", "resource_type", "resource_id"].map(|field| line[field].as_str().unwrap()).join(" ")
    });
    ids.collect()
}

fn verified(world: &World) {
    let said = Program::new().on(&world.db).run(&["index", "verify"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Resources of a project of a domain.
fn fleet(domain: &str, project: &str, resource_type: &str, ids: &[&str]) -> Vec<Registration> {
    let one = |id: &&str| Registration {
        domain_id: Some(domain.into()),
        project_id: project.into(),
        ..registration(resource_type, id, "", &[("k", "v")])
    };
    ids.iter().map(one).collect()
}

const PRUNE: &str = "?strict=true&prune=true";

#[test]
fn an_import_that_prunes_counts_what_it_removes_and_is_refused_beyond_its_limit() {
    let world = World::new();
    world.load(&fleet("", "p", "images", &["a", "b", "c"]));
    world.load(&fleet("", "p", "disk", &["d"]));
    let lines = line("p", "images", "b") + &line("p", "images", "n");
    let before = there(&world);
    for (query, limit) in [("&prune_limit=1", 1), ("&prune_limit=0", 0), ("&prune_limit=1&dry_run=true", 1)] {
        let answer = import(&world, &format!("{PRUNE}{query}"), &[], &lines);
        let message = format!(
            "prune_limit: must be at least 2, the number of resources that would be removed, got {limit}; nothing was imported"
        );
        assert_eq!(refused(&answer), (409, "REGISTRY.0029".into(), message));
        assert_eq!(there(&world), before);
    }
    let answer = import(&world, &format!("{PRUNE}&prune_limit=2&dry_run=true"), &[], &lines);
    assert_eq!((answer.status, answer.json()), (200, counts(1, 1, 2, true)));
    assert_eq!(there(&world), before);
    let answer = import(&world, &format!("{PRUNE}&prune_limit=2"), &[], &lines);
    assert_eq!((answer.status, answer.json()), (200, counts(1, 1, 2, false)));
    assert_eq!(there(&world), ["p disk d", "p images b", "p images n"]);
    // the same by a query of a dialect
    let found = world.post("/v2/p/images/resource_instances/action", r#"{"action":"count"}"#).json();
    assert_eq!(found["total_count"], 2);

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(line("p", "images", "n").as_bytes()).unwrap();
    let answer = import(&world, PRUNE, &[("Content-Encoding", "gzip")], packed.finish().unwrap());
    assert_eq!((answer.status, answer.json()), (200, counts(0, 1, 1, false)));
    assert_eq!(import(&world, PRUNE, &[], "").json(), counts(0, 0, 0, false));
    assert_eq!(there(&world), ["p disk d", "p images n"]);
    let one = "/registry/v1/projects/p/types/images/resources/a";
    assert_eq!(world.send("PUT", one, &[("Content-Type", "application/json")], b"{}").status, 201);
    verified(&world);
}

#[test]
fn parameters_that_need_another_are_refused_without_it() {
    let world = World::new();
    world.load(&fleet("", "p", "images", &["a", "b"]));
    let before = there(&world);
    for (query, message) in [
        ("?prune=true", "prune: is only supported with strict=true"),
        ("?prune=true&strict=false", "prune: is only supported with strict=true"),
        ("?dry_run=true", "dry_run: is only supported with strict=true"),
        ("?strict=true&prune_limit=5", "prune_limit: is only supported with prune=true"),
        ("?strict=true&prune=false&prune_limit=x", "prune_limit: is only supported with prune=true"),
        ("?strict=true&prune=yes", r#"prune: must be true or false, got "yes""#),
        ("?strict=true&dry_run=", r#"dry_run: must be true or false, got """#),
        (
            "?strict=true&prune=true&prune_limit=-1",
            "prune_limit: must be an integer greater than or equal to 0, got -1",
        ),
        (
            "?strict=true&prune=true&prune_limit=",
            "prune_limit: must be an integer greater than or equal to 0, got \"\"",
        ),
        ("?strict=true&prune=true&prune=true", "prune: duplicate query parameter"),
        (
            "?strict=true&purge=true",
            r#""purge": unknown query parameter, expected one of strict, prune, prune_limit, dry_run"#,
        ),
    ] {
        let answer = import(&world, query, &[], line("p", "images", "a"));
        assert_eq!(refused(&answer), (400, "REGISTRY.0002".into(), message.into()), "{query}");
    }
    // false is as if it were left out
    let answer = import(&world, "?strict=false&prune=false&dry_run=false", &[], line("p", "images", "a"));
    assert_eq!(answer.json(), counts(0, 1, 0, false));
    let answer = import(&world, PRUNE, &[], line("p", "images", "a") + "[]\n");
    assert_eq!(refused(&answer).1, "REGISTRY.0010");
    assert_eq!(there(&world), before);
}

#[test]
fn only_projects_of_the_credentials_are_pruned() {
    let world = guarded();
    world.load(&fleet("a", "a-1", "ecs", &["r0", "r1", "r2"]));
    world.load(&fleet("a", "a-2", "ecs", &["r0", "r1"]));
    world.load(&fleet("b", "b-1", "ecs", &["r0", "r1"]));
    let before = there(&world);
    let administrator = token(&world, Role::Administrator, "a", &[]);
    let of_project = token(&world, Role::Administrator, "a", &["a-1"]);
    let tagger = token(&world, Role::Tagger, "a", &[]);
    let send = |token: &str, lines: &str| import(&world, PRUNE, &[("X-Auth-Token", token)], lines);

    let own = line("a-1", "ecs", "r1");
    assert_eq!(send(&tagger, &own).status, 403);
    for (token, other) in [(&administrator, "b-1"), (&of_project, "b-1"), (&of_project, "a-2")] {
        let answer = send(token, &(own.clone() + &line(other, "ecs", "r1")));
        let message = format!("line 2: project_id: access to project {other:?} is not allowed; nothing was imported");
        assert_eq!(refused(&answer), (400, "REGISTRY.0010".into(), message));
    }
    assert_eq!(there(&world), before);

    assert_eq!(send(&of_project, &own).json(), counts(0, 1, 2, false));
    assert_eq!(there(&world), ["a-1 ecs r1", "a-2 ecs r0", "a-2 ecs r1", "b-1 ecs r0", "b-1 ecs r1"]);
    assert_eq!(send(&administrator, &line("a-2", "ecs", "new")).json(), counts(1, 0, 2, false));
    assert_eq!(there(&world), ["a-1 ecs r1", "a-2 ecs new", "b-1 ecs r0", "b-1 ecs r1"]);
    let operator = token(&world, Role::Operator, "", &[]);
    assert_eq!(send(&operator, &(own + &line("b-1", "ecs", "r1"))).json(), counts(0, 2, 1, false));
    assert_eq!(there(&world), ["a-1 ecs r1", "a-2 ecs new", "b-1 ecs r1"]);
    verified(&world);
}

#[test]
fn a_project_that_moves_to_another_domain_while_the_import_waits_is_not_pruned() {
    let world = guarded();
    world.load(&fleet("a", "p", "ecs", &["r0", "r1"]));
    let before = there(&world);
    let administrator = token(&world, Role::Administrator, "a", &[]);
    let (mut owner, mut looking) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(owner.execute("begin; lock table tagd.resource in row exclusive mode")).unwrap();
    let answer = thread::scope(|scope| {
        let sent = scope.spawn(|| import(&world, PRUNE, &[("X-Auth-Token", &administrator)], line("p", "ecs", "r1")));
        eventually("the import waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
        block_on(owner.execute("select tagd.put_project('p', '', 'b', null); commit")).unwrap();
        sent.join().unwrap()
    });
    let message = "project_id: access to the project is not allowed";
    assert_eq!(refused(&answer), (403, "REGISTRY.0022".into(), message.into()));
    assert_eq!(there(&world), before);
    block_on(async {
        owner.close().await.unwrap();
        looking.close().await.unwrap();
    });
}

#[test]
fn whoever_makes_a_project_by_a_resource_waits_for_a_strict_import_before_it() {
    let world = World::with(&fleet("a", "p", "ecs", &["r0"]));
    let (mut importing, mut looking) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(importing.execute("begin; select tagd.enter_import(true)")).unwrap();
    thread::scope(|scope| {
        let put = scope.spawn(|| {
            let json = [("Content-Type", "application/json")];
            world.send("PUT", "/registry/v1/projects/new/types/ecs/resources/r", &json, b"{}")
        });
        eventually("the resource waits", || !block_on(waiting_for_locks(&mut looking)).is_empty());
        // the import may make this project: whoever had made it already would wait for the import, and the import for them
        let made =
            "select count(*) from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
              where l.relation = 'tagd.project'::regclass and l.mode = 'RowExclusiveLock'";
        let made: i64 = block_on(sqlx::query_scalar(made).fetch_one(&mut looking)).unwrap();
        assert_eq!(made, 0);
        block_on(importing.execute("insert into tagd.project (project_id) values ('new'); commit")).unwrap();
        assert_eq!(put.join().unwrap().status, 201);
    });
    block_on(async {
        importing.close().await.unwrap();
        looking.close().await.unwrap();
    });
}
