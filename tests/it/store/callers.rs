//! Every change of tags passes one place in the database, and brings along who causes it.

use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::support::{Program, TestDb, World, block_on};

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

    let program = Program::new().on(&world.db);
    program.write("r.csv", "project_id,resource_type,resource_id\np,images,s\n");
    program.write("t.csv", "project_id,resource_type,resource_id,key,value\np,images,s,k,4\n");
    assert_eq!(program.run(&["import", "--resources", "r.csv", "--tags", "t.csv"]).code, Some(0));
    assert_eq!(passed(&world.db), ["cli:import  1 {k,3} {k,4}"]);
    assert_eq!(program.run(&["index", "verify"]).code, Some(0));
}
