//! Every change of tags passes one place in the database, brings along who causes it, and is refused in another domain.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tagd::domain::Role;

use crate::{
    access::{guarded, token},
    support::{Program, TestDb, World, begin, block_on, eventually_found, registration, waiting_for_locks},
};

/// Records what passes `tagd.change_tags` on its way.
const RECORD: &str = "
create table tagd.passed (slot integer, old_tags text[], new_tags text[], principal text, request_id text);
alter function tagd.change_tags(bigint, tagd.resource_change[]) rename to change_tags_itself;
create function tagd.change_tags(p_scope_id bigint, p_changes tagd.resource_change[]) returns void language plpgsql as $$
begin
  insert into tagd.passed
  select c.slot, c.old_tags, c.new_tags, (c.caller).principal, (c.caller).request_id from unnest(p_changes) as c;
  perform tagd.change_tags_itself(p_scope_id, p_changes);
end
$$;";

fn passed(db: &TestDb) -> Vec<String> {
    block_on(async {
        let mut owner = db.connect().await;
        let rows = sqlx::query_scalar(
            "select concat_ws(' ', p.principal, p.request_id, p.slot, coalesce(p.old_tags::text, '-'), coalesce(p.new_tags::text, '-'))
               from tagd.passed p order by p.ctid",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        owner.execute("truncate tagd.passed").await.unwrap();
        owner.close().await.unwrap();
        rows
    })
}

#[test]
fn a_change_passes_one_place_whatever_its_origin_with_the_principal_and_the_request() {
    let world = World::new();
    block_on(async {
        let mut owner = world.db.connect().await;
        owner.execute(AssertSqlSafe(RECORD)).await.unwrap();
        owner.close().await.unwrap();
    });
    let send = |id: &str, method: &str, path: &str, body: &str| {
        let headers = [("Content-Type", "application/json"), ("X-Request-Id", id)];
        let answer = world.send(method, path, &headers, body.as_bytes());
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.body);
        passed(&world.db)
    };
    let resource = "/registry/v1/projects/p/types/images/resources/r";
    let tags = "/v2/p/images/r/tags";
    assert_eq!(send("made", "PUT", resource, r#"{"tags":[{"key":"a","value":"1"}]}"#), ["anyone made 0 - {a,1}"]);
    assert_eq!(send("put", "POST", tags, r#"{"tag":{"key":"b","value":"2"}}"#), ["anyone put 0 {a,1} {a,1,b,2}"]);
    assert_eq!(send("key", "DELETE", &format!("{tags}/a"), ""), ["anyone key 0 {a,1,b,2} {b,2}"]);
    let replaced = send("replaced", "PUT", &format!("{resource}/tags"), r#"{"tags":[{"key":"c","value":""}]}"#);
    assert_eq!(replaced, [r#"anyone replaced 0 {b,2} {c,""}"#]);
    // nothing changes
    let same = send("same", "PUT", &format!("{resource}/tags"), r#"{"tags":[{"key":"c","value":""}]}"#);
    assert_eq!(same, Vec::<String>::new());
    assert_eq!(send("gone", "DELETE", resource, ""), [r#"anyone gone 0 {c,""} -"#]);

    let line = |id: &str, value: &str| {
        format!(
            r#"{{"project_id":"p","resource_type":"images","resource_id":"{id}","tags":[{{"key":"k","value":"{value}"}}]}}"#
        )
    };
    let lines = [line("s", "1"), line("t", "2")].join("\n");
    assert_eq!(Program::new().on(&world.db).import(&lines).code, Some(0));
    let mut imported = passed(&world.db);
    imported.sort();
    assert_eq!(imported, ["cli:import 1 - {k,1}", "cli:import 2 - {k,2}"].map(|row| row.replacen(' ', "  ", 1)));
    let headers = [("Content-Type", "application/x-ndjson"), ("X-Request-Id", "bulk")];
    let answer = world.send("POST", "/registry/v1/import", &headers, line("s", "3").as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(passed(&world.db), ["anyone bulk 1 {k,1} {k,3}"]);

    let pruned = "/registry/v1/import?strict=true&prune=true";
    let headers = [("Content-Type", "application/x-ndjson"), ("X-Request-Id", "pruned")];
    let answer = world.send("POST", pruned, &headers, line("s", "3").as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(passed(&world.db), ["anyone pruned 2 {k,2} -"]);

    let program = Program::new().on(&world.db);
    program.write("r.csv", "project_id,resource_type,resource_id\np,images,s\n");
    program.write("t.csv", "project_id,resource_type,resource_id,key,value\np,images,s,k,4\n");
    assert_eq!(program.run(&["import", "--resources", "r.csv", "--tags", "t.csv"]).code, Some(0));
    assert_eq!(passed(&world.db), ["cli:import  1 {k,3} {k,4}"]);
    assert_eq!(program.run(&["index", "verify"]).code, Some(0));
}

/// A caller of domain `a`, who wants to change what belongs to domain `b`.
const STRANGER: &str = "row('s', 'r', null, 'a', null)::tagd.caller";

/// What each function that takes a caller does for one of another domain: the statement, and its result or its state.
const WRITES: [(&str, &str, &str); 27] = [
    // one of a batch is refused, and the others are not
    (
        "write_tags",
        "select string_agg(w.outcome, ' ') from tagd.write_tags(1, array['r', 'none', 's'], array[0, 0, 0]::smallint[],
           array[2, 4, 6], array['k', '1', 'k', '1', 'k', '1'], array[STRANGER, STRANGER, row('o', 'r', null, 'b', null)::tagd.caller]) w",
        "foreign foreign changed",
    ),
    ("replace_tags_if", "select tagd.replace_tags_if(1, 'r', '{}', null, STRANGER, 'replace')", "TG012"),
    ("replace_resource_tags", "select tagd.replace_resource_tags(1, 'r', '{}', null, array[STRANGER], 'replace')", "TG012"),
    ("unregister_resource", "select tagd.unregister_resource(1, 'r', null, STRANGER)::text", "TG012"),
    ("remove_resource", "select tagd.remove_resource(1, 'r', null, array[STRANGER])::text", "TG012"),
    ("remove_resource", "select tagd.remove_resource(1, 'none', null, array[STRANGER])::text", "TG012"),
    (
        "register_resource",
        "select r.etag from tagd.register_resource('p', 'images', 'r', 'x', 'x', null, '{}', null, false, STRANGER) r",
        "TG012",
    ),
    ("put_project", "select coalesce(tagd.put_project('p', 'x', 'a', STRANGER)::text, 'foreign')", "foreign"),
    ("remove_project", "select tagd.remove_project('p', true, STRANGER)::text", "false"),
    // before import_batch, in its transaction
    ("lock_import_projects_shared", "select tagd.lock_import_projects_shared(STRANGER)::text", "TG012"),
    ("find_unlisted", "select tagd.find_unlisted(STRANGER)::text", "TG012"),
    ("remove_unlisted", "select tagd.remove_unlisted(STRANGER, 0)::text", "TG012"),
    (
        "put_credential",
        "select tagd.put_credential('x', 1::smallint, 'x', 'reader', 'b', null, '', null, null, null, null, STRANGER)::text",
        "P0001",
    ),
    ("remove_credential", "select tagd.remove_credential('c', 1::smallint, STRANGER)::text", "false"),
    (
        "replace_credential_secret",
        "select tagd.replace_credential_secret('c', 1::smallint, 'x', null, STRANGER)::text",
        "false",
    ),
    ("reseal_credential", "select tagd.reseal_credential('c', 'x', 'y', STRANGER)::text", "P0001"),
    (
        "put_policy",
        r#"select r.etag from tagd.put_policy('{"policy_name":"x","domain_id":"b","key":"k","folded_key":"k","is_required":true,
             "is_exact":false,"is_enforced":false,"description":""}', null, null, false, STRANGER) r"#,
        "P0001",
    ),
    ("remove_policy", "select tagd.remove_policy('b', 'q', null, null, STRANGER)::text", "false"),
    // what has no project: the domain is an argument, or only operators may do it
    (
        "import_predefined",
        "select r.created::text from tagd.import_predefined('b', 'k', 'v', null, 500, STRANGER) r",
        "P0001",
    ),
    ("put_predefined", "", ""),
    ("remove_predefined", "", ""),
    ("replace_predefined", "", ""),
    ("put_type_with_aliases", "", ""),
    ("remove_type", "", ""),
    ("import_batch", "", ""),
    ("switch_history", "", ""),
    // what the owner of the schema has decided
    ("apply_retention", "", ""),
];

/// Functions with the rights of the owner that change nothing for anyone by themselves: steps of an import and of a registration, repairs of the index, numbers, months, and what is noted.
const WITHOUT_CALLER: [&str; 16] = [
    "begin_import",
    "begin_prune",
    "count_violations",
    "enter_import",
    "history_origin",
    "last_change_id",
    "list_violations",
    "note_verification",
    "offenders",
    "prepare_history",
    "prepare_months",
    "put_names",
    "put_scope",
    "rebuild_scope",
    "record_failures",
    "touch_credentials",
];

async fn state_of(owner: &mut PgConnection) -> Vec<String> {
    let statement = "
        select r.resource_id || ' ' || r.resource_name || ' ' || r.tags::text from tagd.resource r
         union all select p.project_id || ' ' || p.domain_id from tagd.project p
         union all select p.policy_name || ' ' || p.key from tagd.policy p
         union all select c.credential_id || ' ' || encode(c.secret, 'hex') from tagd.credential c order by 1";
    sqlx::query_scalar(statement).fetch_all(owner).await.unwrap()
}

#[test]
fn every_function_that_takes_a_caller_refuses_one_of_another_domain() {
    let world = World::new();
    let resources = ["r", "s"].map(|id| {
        let mut one = registration("images", id, "n", &[("env", "prod")]);
        one.domain_id = Some("b".into());
        one
    });
    world.load(&resources);
    block_on(async {
        let mut owner = world.db.connect().await;
        let setup = "
            insert into tagd.credential (credential_id, kind, name, role, domain_id, secret, created_by)
            values ('c', 1, 'n', 'reader', 'b', 'secret', 't');
            insert into tagd.policy (policy_name, domain_id, key, folded_key, is_required, is_exact, is_enforced, description, created_at, updated_at)
            values ('q', 'b', 'k', 'k', true, false, false, '', now(), now());
            select tagd.begin_import();
            insert into pg_temp.import_line (line, project_id, resource_type, resource_id, resource_name, name_folded, tags)
            values (1, 'p', 'images', 'r', 'x', 'x', '{}');
            select tagd.begin_prune();
            insert into pg_temp.import_listed (project_id, resource_type, resource_id) values ('p', 'images', 's');
            insert into pg_temp.import_unlisted (place, scope_id, slot) values (1, 1, 0)";
        owner.execute(setup).await.unwrap();
        let writing: Vec<(String, bool)> = sqlx::query_as(
            "select distinct p.proname::text, t.takes_caller
               from pg_proc p
              cross join lateral (
                      select coalesce(bool_or(a.type in ('tagd.caller'::regtype, 'tagd.caller[]'::regtype)), false) as takes_caller
                        from unnest(p.proargtypes::oid[]) as a (type)) t
              where p.pronamespace = 'tagd'::regnamespace and p.prosecdef
                and has_function_privilege('tagd_service', p.oid, 'execute')
              order by 1",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        let taking = |caller: bool| -> Vec<&str> {
            writing.iter().filter(|(_, takes)| *takes == caller).map(|(name, _)| name.as_str()).collect()
        };
        let mut listed: Vec<&str> = WRITES.iter().map(|(name, ..)| *name).collect();
        listed.sort_unstable();
        listed.dedup();
        assert_eq!(taking(true), listed);
        assert_eq!(taking(false), WITHOUT_CALLER);
        let mut before = state_of(&mut owner).await;
        for (name, statement, expected) in WRITES.into_iter().filter(|(_, statement, _)| !statement.is_empty()) {
            let statement = statement.replace("STRANGER", STRANGER);
            let found = match owner.fetch_one(AssertSqlSafe(statement)).await {
                Ok(row) => row.get::<Option<String>, _>(0).unwrap_or_default(),
                Err(error) => error.as_database_error().unwrap().code().unwrap().into_owned(),
            };
            assert_eq!(found, expected, "{name}");
            let after = state_of(&mut owner).await;
            if name == "write_tags" {
                // that of its own domain
                let changed: Vec<&String> = after.iter().filter(|row| !before.contains(row)).collect();
                assert_eq!(changed, ["s n {env,prod,k,1}"]);
                before.clone_from(&after);
            }
            assert_eq!(after, before, "{name}");
        }
        owner.close().await.unwrap();
    });
}

#[test]
fn who_waits_while_a_project_is_moved_to_another_domain_changes_nothing_in_it() {
    let world = World::new();
    let mut resource = registration("images", "r", "n", &[("env", "prod")]);
    resource.domain_id = Some("a".into());
    world.load(&[resource]);
    let register = format!(
        "select tagd.register_resource('p', 'images', 'new', 'n', 'n', null, '{{}}', null, false, {STRANGER})::text"
    );
    let import =
        format!("select tagd.lock_import_projects_shared({STRANGER}); select tagd.import_batch({STRANGER})::text");
    block_on(async {
        let (mut owner, mut looking) = (world.db.connect().await, world.db.connect().await);
        for write in [register, import] {
            let mut stranger = world.db.connect().await;
            let line = "
                select tagd.begin_import();
                insert into pg_temp.import_line (line, project_id, resource_type, resource_id, resource_name, name_folded, tags)
                values (1, 'p', 'images', 'r', 'x', 'x', '{}')";
            stranger.execute(line).await.unwrap();
            owner.execute("select tagd.put_project('p', '', 'a', null)").await.unwrap();
            let before = state_of(&mut looking).await;
            assert_eq!(before, ["p a", "r n {env,prod}"]);
            let hold = "begin; select tagd.lock_scope(1); select from tagd.scope_counter for no key update";
            owner.execute(hold).await.unwrap();
            let waits =
                begin(
                    async move { stranger.execute(AssertSqlSafe(format!("begin; {write}; commit"))).await.map(|_| ()) },
                );
            eventually_found("it waits", async || (!waiting_for_locks(&mut looking).await.is_empty()).then_some(()))
                .await;
            looking.execute("select tagd.put_project('p', '', 'b', null)").await.unwrap();
            owner.execute("commit").await.unwrap();
            let refused = waits.await.unwrap().unwrap_err();
            assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "TG012");
            assert_eq!(state_of(&mut looking).await, ["p b", "r n {env,prod}"]);
        }
        owner.close().await.unwrap();
        looking.close().await.unwrap();
    });
}

#[test]
fn what_another_domain_has_registered_anew_is_not_changed_through_a_server_that_remembers_the_old_one() {
    let world = guarded();
    let of = |domain: &str| {
        let mut one = registration("images", "r", "n", &[("env", "prod")]);
        one.domain_id = Some(domain.to_owned());
        one
    };
    world.load(&[of("a")]);
    let operator = token(&world, Role::Operator, "", &[]);
    let administrator = token(&world, Role::Administrator, "a", &[]);
    let other = Program::new().on(&world.db).serve(&["--auth", "tokens", "--listen", "127.0.0.1:0"]);
    let headers = [("X-Auth-Token", administrator.as_str()), ("Content-Type", "application/json")];
    let writes = [
        ("POST", "/v2/p/images/r/tags", json!({ "tag": { "key": "k", "value": "v" } })),
        ("POST", "/v2/p/images/r/tags/action", json!({ "action": "delete", "tags": [{ "key": "env" }] })),
        ("POST", "/v2/p/images/none/tags", json!({ "tag": { "key": "k", "value": "v" } })),
        ("DELETE", "/v2/p/images/r/tags/env", json!(null)),
        ("PUT", "/registry/v1/projects/p/types/images/resources/r/tags", json!({ "tags": [] })),
        ("PUT", "/registry/v1/projects/p/types/images/resources/r", json!({ "resource_name": "x" })),
        ("DELETE", "/registry/v1/projects/p/types/images/resources/r", json!(null)),
        ("PUT", "/registry/v1/projects/p", json!({ "project_name": "x" })),
    ];
    for (method, path, body) in &writes {
        // now the other server knows the project, as one of domain a
        let known = other.send("POST", writes[0].1, &headers, writes[0].2.to_string().as_bytes());
        assert_eq!(known.status, 204, "{}", known.body);
        let as_operator = [("X-Auth-Token", operator.as_str()), ("Content-Type", "application/json")];
        let gone = world.send("DELETE", "/registry/v1/projects/p?with_resources=true", &as_operator, b"");
        assert_eq!(gone.status, 204, "{}", gone.body);
        world.load(&[of("b")]);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let refused = other.send(method, path, &headers, body.as_bytes());
        assert_eq!(refused.status, 403, "{method} {path}: {}", refused.body);
        let export = world.send("GET", "/registry/v1/export", &as_operator, b"").body;
        assert!(
            export.contains(r#""domain_id":"b""#) && export.contains(r#"[{"key":"env","value":"prod"}]"#),
            "{export}"
        );
        // back to the beginning; the other server has to learn of it
        world.send("DELETE", "/registry/v1/projects/p?with_resources=true", &as_operator, b"");
        world.load(&[of("a")]);
        crate::support::eventually("the other server knows that the project is one of domain a again", || {
            other.send("GET", "/v2/p/images/r/tags", &headers, b"").status == 200
        });
    }
    assert_eq!(other.stop().code, Some(0));
}
