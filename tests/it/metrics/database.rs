//! Metrics of the database: statements by form, connections, batches, readiness.

use serde_json::json;
use tagd::compiler::shapes;

use super::{Held, Samples, begin};
use crate::support::{Program, TestDb, Wire, World, block_on, check_golden, eventually, waiting_for_locks};

fn statements(form: &str) -> String {
    format!(r#"tagd_statement_duration_seconds_count{{form="{form}"}}"#)
}

#[test]
fn statements_are_counted_by_form() {
    let world = World::with(&[Wire::Ims.resource("r", "r", &[("k", "v")])]);
    let query = |fields| assert_eq!(Wire::Ims.ask(&world, &fields).status, 200);
    query(json!({}));
    query(json!({}));
    query(json!({"tags": [{"key": "k", "values": ["*v", "v"]}, {"key": "l", "values": []}]}));
    let (method, path, body) = Wire::Ims.change_tags("create", "r", &json!([{"key": "a", "value": "b"}]));
    let changed = world.send(method, &path, &[("Content-Type", "application/json")], body.to_string().as_bytes());
    assert!(changed.status < 300, "{changed:?}");
    let samples = Samples::of(&world);
    for (form, count) in
        [("single_page", 2.0), ("general_substring_page", 1.0), ("find_scope", 1.0), ("write_tags", 1.0)]
    {
        assert_eq!(samples.get(&statements(form)), count, "{form}: {:?}", samples.0);
    }
    assert_eq!(samples.get(r#"tagd_batch_size_count{kind="read"}"#), 2.0);
    assert_eq!(samples.get(r#"tagd_batch_size_sum{kind="read"}"#), 2.0);
    assert_eq!(samples.get(r#"tagd_batch_size_count{kind="write"}"#), 1.0);
    assert_eq!(samples.sum("tagd_statement_errors_total", &[]), 0.0);
    assert_eq!(samples.get("tagd_database_up"), 1.0);
    for (pool, at_least) in [("cheap", 3.0), ("expensive", 1.0), ("writes", 1.0), ("bulk", 0.0)] {
        let labels = format!(r#"pool="{pool}""#);
        assert!(samples.get(&format!("tagd_pool_limit{{{labels}}}")) >= 1.0, "{pool}");
        assert!(samples.get(&format!("tagd_pool_acquire_seconds_count{{{labels}}}")) >= at_least, "{pool}");
        assert_eq!(samples.get(&format!("tagd_pool_waiting{{{labels}}}")), 0.0, "{pool}");
        let open = samples.get(&format!(r#"tagd_pool_connections{{{labels},state="idle"}}"#));
        assert_eq!(open >= 1.0, at_least > 0.0, "{pool} has {open}");
    }
}

#[test]
fn every_shape_has_a_name_of_its_own_that_says_what_it_is() {
    let mut names: Vec<_> = shapes().into_iter().map(|shape| shape.name()).collect();
    names.sort_unstable();
    check_golden("metrics/forms.txt", &format!("{}\n", names.join("\n")));
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count < 100);
}

#[test]
fn a_connection_in_use_is_busy_and_who_waits_for_a_lock_holds_one() {
    let world = World::with(&[Wire::Ims.resource("r", "r", &[("k", "v")])]);
    let held = Held::over(&world.db, "begin; lock table tagd.tag");
    let busy = || Samples::of(&world).get(r#"tagd_pool_connections{pool="writes",state="busy"}"#);
    assert_eq!(busy(), 0.0);
    std::thread::scope(|scope| {
        let write = scope.spawn(|| {
            let (method, path, body) = Wire::Ims.change_tags("create", "r", &json!([{"key": "a", "value": "b"}]));
            world.send(method, &path, &[("Content-Type", "application/json")], body.to_string().as_bytes()).status
        });
        eventually("the write has a connection", || busy() == 1.0);
        held.release();
        assert!(write.join().unwrap() < 300);
    });
    eventually("the connection is free again", || busy() == 0.0);
}

#[test]
fn a_wait_for_a_connection_is_counted_once_however_it_ends_and_not_if_it_is_refused_at_once() {
    let db = TestDb::new();
    let mut store = db.settings();
    // one of them is for expensive reads, and as many of these may wait for it
    store.connections = 2;
    let waiting = 16;
    let world = World::over(db, store);
    world.load(&[Wire::Ims.resource("r", "r", &[("k", "v")])]);
    let expensive = json!({"tags": [{"key": "k", "values": ["*v", "v"]}, {"key": "l", "values": []}]});
    let body = Wire::Ims.body(&expensive).to_string();
    assert_eq!(Wire::Ims.ask(&world, &expensive).status, 200);
    let of_pool = |name: &str, labels: &str| format!(r#"{name}{{pool="expensive"{labels}}}"#);
    let get = |sample: &str| Samples::of(&world).get(sample);
    let waits = of_pool("tagd_pool_acquire_seconds_count", "");
    assert_eq!(get(&waits), 1.0);
    let held = Held::over(&world.db, "begin; lock table tagd.resource, tagd.label");
    let ask = || begin(&world.url, "POST", Wire::Ims.path(), &body);
    let running = ask();
    eventually("it has the connection", || get(&of_pool("tagd_pool_connections", r#",state="busy""#)) == 1.0);
    let clients: Vec<_> = (0..waiting).map(|_| ask()).collect();
    eventually("the others wait", || get(&of_pool("tagd_pool_waiting", "")) == f64::from(waiting));
    assert_eq!(get(&waits), 2.0);
    let refused = Wire::Ims.ask(&world, &expensive);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(get(&waits), 2.0);
    drop(clients);
    let gone = r#"tagd_http_requests_shed_total{reason="client_gone"}"#;
    eventually("their clients have gone", || get(gone) == f64::from(waiting));
    assert_eq!(get(&waits), f64::from(2 + waiting));
    drop(running);
    eventually("its client has gone", || get(gone) == f64::from(waiting + 1));
    assert_eq!(get(&waits), f64::from(2 + waiting));
    held.release();
}

#[test]
fn a_batch_of_an_import_that_fails_is_counted_as_a_statement_and_not_as_written() {
    let world = World::new();
    // nothing before the batch itself needs it
    let held = Held::over(&world.db, "begin; lock table tagd.scope_counter");
    let line = r#"{"project_id":"p","resource_type":"images","resource_id":"r","tags":[]}"#;
    let headers = [("Content-Type", "application/x-ndjson")];
    std::thread::scope(|scope| {
        let import = scope.spawn(|| world.send("POST", "/registry/v1/import", &headers, line.as_bytes()));
        let mut owner = block_on(world.db.connect());
        eventually("the batch waits", || !block_on(waiting_for_locks(&mut owner)).is_empty());
        let cancel = "select pg_cancel_backend(pid) from pg_stat_activity
                       where datname = current_database() and wait_event_type = 'Lock'";
        block_on(sqlx::query(cancel).execute(&mut owner)).unwrap();
        let answer = import.join().unwrap();
        assert!(answer.status >= 500 || answer.json()["rejected_count"] == 1, "{answer:?}");
    });
    let samples = Samples::of(&world);
    assert_eq!(samples.get(&statements("import_batch")), 1.0);
    assert_eq!(samples.get("tagd_import_batches_total"), 0.0);
    held.release();
}

#[test]
fn a_database_that_is_gone_is_down_and_its_errors_have_a_reason() {
    let world = World::with(&[Wire::Ims.resource("r", "r", &[("k", "v")])]);
    assert_eq!(Wire::Ims.ask(&world, &json!({})).status, 200);
    world.db.drop_now();
    assert_eq!(Wire::Ims.ask(&world, &json!({"tags": [{"key": "k", "values": []}]})).status, 503);
    eventually("it is down", || Samples::of(&world).get("tagd_database_up") == 0.0);
    assert!(Samples::of(&world).get(r#"tagd_statement_errors_total{reason="unreachable"}"#) >= 1.0);
}

#[test]
fn an_import_is_counted_by_line_and_batch_and_caches_by_look_up() {
    let world = World::new();
    let line = |id: &str| format!(r#"{{"project_id":"p","resource_type":"images","resource_id":"{id}","tags":[]}}"#);
    let body = [line("1"), line("2"), "no line".to_owned(), line("3")].join("\n");
    let headers = [("Content-Type", "application/x-ndjson")];
    let answer = world.send("POST", "/registry/v1/import", &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    // the first line is bad, so nothing is imported
    let strict = world.send("POST", "/registry/v1/import?strict=true", &headers, b"no line");
    assert_eq!(strict.status, 400, "{strict:?}");
    let samples = Samples::of(&world);
    let lines = |outcome: &str| samples.get(&format!(r#"tagd_import_lines_total{{outcome="{outcome}"}}"#));
    assert_eq!((lines("accepted"), lines("rejected")), (3.0, 2.0));
    assert_eq!(samples.get("tagd_import_batches_total"), 1.0);
    assert_eq!(samples.get("tagd_imports_in_progress"), 0.0);
    let lookups = |samples: &Samples, outcome: &str| {
        samples.get(&format!(r#"tagd_cache_lookups_total{{cache="scopes",outcome="{outcome}"}}"#))
    };
    assert_eq!(samples.get(r#"tagd_cache_entries{cache="scopes"}"#), 0.0);
    for _ in 0..3 {
        assert_eq!(Wire::Ims.ask(&world, &json!({})).status, 200);
    }
    let later = Samples::of(&world);
    assert_eq!(later.get(r#"tagd_cache_entries{cache="scopes"}"#), 1.0);
    assert_eq!(lookups(&later, "miss") - lookups(&samples, "miss"), 1.0);
    assert_eq!(lookups(&later, "hit") - lookups(&samples, "hit"), 2.0);
}

#[test]
fn what_is_in_the_database_is_told_by_the_program_from_its_start() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let line = |id: usize| {
        format!(
            r#"{{"project_id":"p","resource_type":"images","resource_id":"{id}","tags":[{{"key":"k","value":"v"}}]}}"#
        )
    };
    // enough for a label that is dense, and for one that is not
    let lines: Vec<_> = (0..300).map(line).collect();
    let mut lines = lines.join("\n");
    lines.push_str("\n{\"project_id\":\"q\",\"resource_type\":\"images\",\"resource_id\":\"1\",\"tags\":[]}\n");
    assert_eq!(program.import(lines).code, Some(0));
    program.expect(&["index", "verify"]);
    let serving = program.serve(&["--listen", "127.0.0.1:0"]);
    let samples = || Samples::read(&serving.get("/metrics").body);
    eventually("they were read", || samples().get("tagd_resources") == 301.0);
    let samples = samples();
    assert_eq!((samples.get("tagd_scopes"), samples.get("tagd_index_drift_scopes")), (2.0, 0.0));
    for family in [
        "tagd_index_bytes",
        "tagd_history_partitions",
        "tagd_history_bytes",
        "tagd_history_oldest_timestamp_seconds",
        "tagd_index_verified_timestamp_seconds",
    ] {
        assert!(samples.get(family) > 0.0, "{family}: {:?}", samples.0);
    }
    assert_eq!(samples.get("tagd_cluster_restarts_total"), 0.0);
    assert_eq!(serving.stop().code, Some(0));
}
