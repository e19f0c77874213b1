//! Partitions by month, pruning, retention, and history that is off for a while.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread::{self, sleep},
    time::Duration,
};

use sqlx::{Connection, Executor, PgConnection, Row};
use tagd::store::{SessionProfile, Store};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{change, entries, follow, get};
use crate::support::{Program, TestDb, World, block_on, eventually, registration};

async fn names(owner: &mut PgConnection, table: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
          where i.inhparent = ('tagd.' || $1)::regclass order by 1",
    )
    .bind(table)
    .fetch_all(owner)
    .await
    .unwrap()
}

#[test]
fn months_are_made_ahead_by_the_service_and_take_what_was_written_before_them() {
    let world = World::new();
    world.load(&[registration("images", "r", "", &[])]);
    change(&world, "early", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"k","value":"1"}}"#);
    block_on(async {
        let mut owner = world.db.connect().await;
        assert_eq!(names(&mut owner, "history").await, ["history_default"]);
        owner.execute("set role tagd_service; set timezone = 'Pacific/Kiritimati'").await.unwrap();
        owner.execute("select tagd.prepare_months('history'), tagd.prepare_months('history')").await.unwrap();
        owner.execute("reset role").await.unwrap();
        let now = OffsetDateTime::now_utc();
        let name = |ahead: i32| {
            let month = now.year() * 12 + i32::from(u8::from(now.month())) - 1 + ahead;
            format!("history_{}_{:02}", month / 12, month % 12 + 1)
        };
        assert_eq!(names(&mut owner, "history").await, [name(0), name(1), name(2), "history_default".into()]);
        owner.execute("select tagd.prepare_months('audit')").await.unwrap();
        assert_eq!(names(&mut owner, "audit").await.len(), 4);
        let rows: i64 =
            sqlx::query_scalar("select count(*) from only tagd.history_default").fetch_one(&mut owner).await.unwrap();
        assert_eq!(rows, 0);
        // whoever serves can read both and change neither
        owner.execute("set role tagd_service").await.unwrap();
        for statement in [
            "delete from tagd.history",
            "update tagd.history set principal = 'x'",
            "insert into tagd.audit (operation, object, principal, request_id) values ('a', 'b', 'c', 'd')",
            "truncate tagd.audit",
            "update tagd.history_state set keep_days = 1",
            "delete from tagd.history_span",
            "select tagd.prune_months('history', now(), '(x,,,,)')",
            "select tagd.set_retention('audit', 1, '(x,,,,)')",
            "select tagd.record_act('(x,,,,)', 'a', 'b', null, '{}')",
            "select tagd.record_changes(1, '{}')",
        ] {
            let refused = owner.execute(statement).await.unwrap_err();
            assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501", "{statement}");
        }
        let partition = format!("delete from tagd.{}", name(0));
        let refused = owner.execute(sqlx::AssertSqlSafe(partition)).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501");
        owner.close().await.unwrap();
    });
    change(&world, "late", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"k","value":"2"}}"#);
    assert_eq!(entries(&follow(&world, None, 2).0), ["tag early:  -> k=1", "tag late: k=1 -> k=2"]);
}

#[test]
fn writers_go_on_while_months_are_made() {
    let world = World::new();
    world.load(&(0..4).map(|number| registration("images", &format!("r{number}"), "", &[])).collect::<Vec<_>>());
    let written = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..4 {
            let (world, written) = (&world, &written);
            scope.spawn(move || {
                for step in 0..60 {
                    let body = format!(r#"{{"tag":{{"key":"k","value":"{step}"}}}}"#);
                    change(world, "w", "POST", &format!("/v2/p/images/r{number}/tags"), &body);
                    written.fetch_add(1, Relaxed);
                }
            });
        }
        eventually("they write", || written.load(Relaxed) > 40);
        block_on(async {
            let mut owner = world.db.connect().await;
            owner.execute("select tagd.prepare_months('history')").await.unwrap();
            owner.close().await.unwrap();
        });
        assert!(written.load(Relaxed) < 240, "the writers were done before");
    });
    for number in 0..4 {
        let path = format!("/registry/v1/projects/p/types/images/resources/r{number}/history?limit=1000");
        assert_eq!(entries(&get(&world, &path)).len(), 60);
    }
}

/// Makes everything that was recorded as old as that.
async fn age(owner: &mut PgConnection, months: i32) {
    let statement = format!(
        "update tagd.history set changed_at = changed_at - interval '{months} months';
         update tagd.audit set recorded_at = recorded_at - interval '{months} months';
         update tagd.resource set registered_at = registered_at - interval '{months} months';
         update tagd.history_span set began_at = began_at - interval '{months} months';"
    );
    owner.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
}

#[test]
fn pruning_drops_whole_months_and_what_is_no_longer_known_is_an_error() {
    let world = World::new();
    let (db, program) = (&world.db, Program::new().on(&world.db));
    world.load(&[registration("images", "r", "", &[("k", "0")])]);
    change(&world, "old", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"k","value":"1"}}"#);
    let (_, old) = follow(&world, None, 1);
    change(&world, "older", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"k","value":"2"}}"#);
    block_on(async {
        let mut owner = db.connect().await;
        age(&mut owner, 3).await;
        owner.execute("select tagd.prepare_months('history')").await.unwrap();
        owner.close().await.unwrap();
    });
    change(&world, "new", "POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"k","value":"3"}}"#);
    let one = "/registry/v1/projects/p/types/images/resources/r";
    let month = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
    let now = OffsetDateTime::now_utc();
    let this_month = now.replace_day(1).unwrap().replace_time(time::Time::MIDNIGHT);
    let at = (this_month - Duration::from_secs(86_400 * 10)).format(&Rfc3339).unwrap();
    assert_eq!(get(&world, &format!("{one}/tags?at={at}"))["tags"][0]["value"], "2");

    let said = program.expect(&["history", "prune", "--before", &now.format(&Rfc3339).unwrap()]);
    assert!(said.starts_with("0 months and 2 entries of other months dropped, kept from "), "{said}");
    assert_eq!(month(said.trim().rsplit(' ').next().unwrap()), this_month);
    assert_eq!(entries(&follow(&world, None, 1).0), ["tag new: k=2 -> k=3"]);
    let acts = get(&world, "/registry/v1/audit?operation=history.prune");
    assert_eq!(acts["entries"][0]["detail"]["entries"], 2);
    let refused = world.send("GET", &format!("{one}/tags?at={at}"), &[], b"");
    assert_eq!((refused.status, &refused.json()["error_code"]), (410, &"REGISTRY.0025".into()), "{}", refused.body);
    assert!(refused.body.contains("at: history is kept since"), "{}", refused.body);
    // whoever had passed only some of what was dropped has missed the rest
    let missed = world.send("GET", &format!("/registry/v1/history?marker={old}"), &[], b"");
    assert_eq!((missed.status, &missed.json()["error_code"]), (410, &"REGISTRY.0025".into()), "{}", missed.body);
    assert!(missed.body.contains("changes after it were pruned"), "{}", missed.body);
}

#[test]
fn a_retention_drops_months_by_itself_and_only_the_owner_sets_it() {
    let world = World::new();
    let (db, program) = (&world.db, Program::new().on(&world.db));
    world.load(&[registration("images", "r", "", &[])]);
    assert!(program.expect(&["history", "status"]).contains("history: on\n"));
    assert_eq!(program.expect(&["history", "retention", "40d"]), "history is kept for 40 days at least\n");
    let said = program.expect(&["history", "retention", "50d", "--audit"]);
    assert_eq!(said, "the audit log is kept for 50 days at least\n");
    block_on(async {
        let mut owner = db.connect().await;
        let old = "
            create table tagd.history_2001_02 partition of tagd.history for values from ('2001-02-01Z') to ('2001-03-01Z');
            create table tagd.audit_2001_02 partition of tagd.audit for values from ('2001-02-01Z') to ('2001-03-01Z');
            update tagd.history_span set began_at = '2001-01-01Z';
            insert into tagd.history_span (span_id, began_at, ended_at) values (8, '2000-01-01Z', '2000-02-01Z'), (9, '2000-03-01Z', '2001-01-01Z');
            set role tagd_service";
        owner.execute(old).await.unwrap();
        for table in ["history", "audit"] {
            let apply = format!("select months from tagd.apply_retention('{table}', '(serve,,,,)')");
            let row = owner.fetch_one(sqlx::AssertSqlSafe(apply)).await.unwrap();
            assert_eq!(row.get::<i64, _>(0), 1, "{table}");
        }
        owner.execute("reset role").await.unwrap();
        assert!(!names(&mut owner, "history").await.contains(&"history_2001_02".to_owned()));
        assert!(!names(&mut owner, "audit").await.contains(&"audit_2001_02".to_owned()));
        owner.close().await.unwrap();
    });
    let status = program.expect(&["history", "status"]);
    assert!(status.contains("retention: 40 days\n") && !status.contains("2001-01"), "{status}");
    assert!(status.contains("retention of the audit log: 50 days\n"), "{status}");
    // a gap before what is kept says nothing any more
    assert!(!status.contains("off from"), "{status}");
    assert_eq!(program.expect(&["history", "retention", "forever"]), "history is kept forever\n");
    for (args, reason) in [
        (&["history", "retention", "0d"][..], "must be 1d to 36500d, or forever"),
        (&["history", "prune", "--before", "soon"], "must be a date such as 2026-11-30"),
        (&["history", "prune", "--before", "0000-01-01"], "in the years 1970 to 9999"),
    ] {
        let said = program.run(args);
        assert!(said.code != Some(0) && said.err.contains(reason), "{args:?}: {}", said.err);
    }
}

#[test]
fn the_audit_log_is_pruned_by_its_owner_only_and_not_while_it_is_in_use() {
    let world = World::new();
    let (db, program) = (&world.db, Program::new().on(&world.db));
    change(&world, "old", "PUT", "/registry/v1/projects/p", "{}");
    block_on(async {
        let mut owner = db.connect().await;
        age(&mut owner, 3).await;
        // times in the log do not have the time zone of a session
        let name: String = sqlx::query_scalar("select current_database()::text").fetch_one(&mut owner).await.unwrap();
        let zone = format!("alter database {name} set timezone = 'Pacific/Kiritimati'");
        owner.execute(sqlx::AssertSqlSafe(zone)).await.unwrap();
        owner.execute("select tagd.prepare_months('audit')").await.unwrap();
        owner.execute("select tagd.prepare_months('history')").await.unwrap();
        let old = "create table tagd.audit_2001_02 partition of tagd.audit for values from ('2001-02-01Z') to ('2001-03-01Z')";
        owner.execute(old).await.unwrap();
        let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
        let prune = || program.run(&["history", "prune", "--before", &now, "--audit"]);
        owner.execute("begin; lock table tagd.audit in row exclusive mode").await.unwrap();
        let busy = prune();
        assert!(busy.code != Some(0) && busy.err.contains("other work has the tables in use"), "{}", busy.err);
        owner.execute("commit").await.unwrap();
        let said = prune();
        assert!(said.out.starts_with("1 months and 1 entries of other months dropped"), "{} {}", said.out, said.err);
        owner.close().await.unwrap();
    });
    let acts = get(&world, "/registry/v1/audit");
    let acts = acts["entries"].as_array().unwrap();
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert_eq!(acts[0]["operation"], "audit.prune");
    let kept_from = acts[0]["detail"]["kept_from"].as_str().unwrap();
    assert!(kept_from.ends_with("-01T00:00:00Z"), "{kept_from}");
}

#[test]
fn a_switch_waits_for_writers_however_long_they_take() {
    let world = World::new();
    block_on(async {
        let mut settings = world.db.settings();
        // what begins with a deadline would have twice this time
        settings.acquire_timeout = Duration::from_millis(500);
        let store = Store::open(&settings, SessionProfile::Bulk).await.unwrap();
        assert!(store.history_status().await.unwrap().is_on);
        let mut writer = world.db.connect().await;
        writer.execute("begin; select tagd.enter_import(true)").await.unwrap();
        let end = async {
            tokio::time::sleep(3 * settings.acquire_timeout).await;
            writer.execute("commit").await.unwrap();
        };
        let (switched, ()) = tokio::join!(store.switch_history(false), end);
        assert!(switched.unwrap());
        assert!(!store.history_status().await.unwrap().is_on);
        store.close().await;
        writer.close().await.unwrap();
    });
}

#[test]
fn a_time_when_history_was_off_is_a_gap_that_everyone_is_told_of() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let serve = |switch: &str| program.serve(&["--listen", "127.0.0.1:0", "--history", switch]);
    let put = |serving: &crate::support::Serving, value: &str| {
        let body = format!(r#"{{"tag":{{"key":"k","value":"{value}"}}}}"#);
        let answer = serving.post("/v2/p/images/r/tags", &body);
        assert_eq!(answer.status, 204, "{}", answer.body);
    };
    let now = || {
        sleep(Duration::from_millis(5));
        OffsetDateTime::now_utc().format(&Rfc3339).unwrap()
    };
    let one = "/registry/v1/projects/p/types/images/resources/r";
    let on = serve("on");
    assert_eq!(
        program.import(r#"{"project_id":"p","resource_type":"images","resource_id":"r","tags":[]}"#).code,
        Some(0)
    );
    put(&on, "1");
    let known = now();
    let mut marker = String::new();
    eventually("the feed has the change", || {
        let page = on.get("/registry/v1/history").json();
        marker = page["next_marker"].as_str().unwrap().to_owned();
        page["changes"].as_array().unwrap().len() == 1
    });
    assert_eq!(on.stop().code, Some(0));

    let off = serve("off");
    let in_gap = now();
    put(&off, "2");
    assert_eq!(off.get(&format!("{one}/history")).json()["changes"].as_array().unwrap().len(), 1);
    let refused = off.get(&format!("{one}/tags?at={in_gap}"));
    assert_eq!(refused.status, 410, "{}", refused.body);
    assert!(refused.body.contains("when it was turned off"), "{}", refused.body);
    let said = off.stop();
    assert!(said.err.contains("history is off from now on"), "{}", said.err);

    let again = serve("on");
    put(&again, "3");
    assert_eq!(again.get(&format!("{one}/tags?at={known}")).json()["tags"][0]["value"], "1");
    let refused = again.get(&format!("{one}/tags?at={in_gap}"));
    assert_eq!(refused.status, 410, "{}", refused.body);
    assert!(refused.body.contains("when it was off"), "{}", refused.body);
    eventually("the feed tells of the gap and goes on", || {
        let next = again.get(&format!("/registry/v1/history?marker={marker}")).json();
        assert_eq!(next["gaps"].as_array().unwrap().len(), 1);
        entries(&next).len() == 1
    });
    let acts = again.get("/registry/v1/audit").json();
    let operations: Vec<_> = acts["entries"].as_array().unwrap().iter().map(|act| act["operation"].clone()).collect();
    assert!(operations.contains(&"history.off".into()) && operations.contains(&"history.on".into()), "{operations:?}");
    assert!(program.expect(&["history", "status"]).contains("\noff from "));
    assert_eq!(again.stop().code, Some(0));
}
