//! Definitions of an import that are stored in one transaction: how many, and which locks they keep.

use std::thread;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::definitions::{import, new_type, of_kind, policy, predefined};
use crate::support::{Program, TestDb, block_on, eventually, waiting_for_locks};

/// Runs an import until it waits for a project that another transaction has locked. Returns what is to be asked meanwhile.
fn while_waiting<T>(db: &TestDb, program: &Program, input: &[Value], project: &str, ask: impl FnOnce(i32) -> T) -> T {
    let lock = format!("begin; select from tagd.project where project_id = '{project}' for update");
    let mut owner = block_on(db.connect());
    block_on(owner.execute(AssertSqlSafe(lock))).unwrap();
    let answer = thread::scope(|scope| {
        let importing = scope.spawn(|| import(program, input, &[]));
        let mut waiting = None;
        eventually("the import waits for the project", || {
            waiting = block_on(waiting_for_locks(&mut owner)).first().copied();
            waiting.is_some()
        });
        let answer = ask(waiting.unwrap());
        block_on(owner.execute("rollback")).unwrap();
        importing.join().unwrap();
        answer
    });
    block_on(owner.close()).unwrap();
    answer
}

#[test]
fn definitions_that_are_refused_leave_no_locks_until_the_end_of_the_transaction() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let project = |name: &str| json!({ "kind": "project", "project_id": "p", "project_name": name });
    let mut full: Vec<Value> = (0..500).map(|i| predefined("d", &format!("k{i}"), "v")).collect();
    full.extend([project("old"), new_type("owner", &["taken"])]);
    assert_eq!(import(&program, &full, &["--strict"]).code, Some(0));
    // the first are refused by the quota, the others because nobody gives up the name
    let mut input: Vec<Value> = (0..150).map(|i| predefined("d", &format!("more{i}"), "v")).collect();
    input.extend((0..50).map(|i| new_type(&format!("type{i}"), &["taken"])));
    input.push(project("new"));
    let locks = while_waiting(&db, &program, &input, "p", |pid| {
        let statement =
            "select count(*) from pg_locks where locktype = 'transactionid' and mode = 'ExclusiveLock' and pid = $1";
        let mut owner = block_on(db.connect());
        let locks: i64 = block_on(sqlx::query_scalar(statement).bind(pid).fetch_one(&mut owner)).unwrap();
        block_on(owner.close()).unwrap();
        locks
    });
    assert!(locks < 10, "{locks} locks of transactions after 200 lines that were refused");
    assert_eq!(of_kind(&program, "project")[0]["project_name"], "new");
    assert_eq!(of_kind(&program, "predefined_tag").len(), 500);
}

#[test]
fn an_import_stores_policies_by_themselves_and_other_definitions_500_at_a_time() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let project =
        |i: usize, name: &str| json!({ "kind": "project", "project_id": format!("p{i:03}"), "project_name": name });
    assert_eq!(import(&program, &[project(500, "old")], &[]).code, Some(0));
    let mut input = vec![policy("first", "k", false)];
    input.extend((0..502).map(|i| project(i, "new")));
    let other = Program::new().on(&db);
    while_waiting(&db, &program, &input, "p500", |_| {
        assert_eq!((of_kind(&other, "policy").len(), of_kind(&other, "project").len()), (1, 501));
        // nobody waits for the import to change policies
        assert_eq!(import(&other, &[policy("second", "k", false)], &[]).code, Some(0));
    });
    assert_eq!((of_kind(&other, "policy").len(), of_kind(&other, "project").len()), (2, 502));
}
