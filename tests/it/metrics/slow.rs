//! The log line of a slow request.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Held, Samples, begin};
use crate::support::{Program, Serving, TestDb, Wire, eventually, json_lines};

fn slow_lines(serving: &Serving) -> Vec<Value> {
    json_lines(&serving.log()).into_iter().filter(|line| line["message"] == "a slow request").collect()
}

#[test]
fn a_slow_request_is_told_with_its_statements_and_without_values() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let line = r#"{"project_id":"p","resource_type":"images","resource_id":"secret-id","tags":[{"key":"secret-key","value":"secret-value"}]}"#;
    assert_eq!(program.import(line).code, Some(0));
    // all requests are slow
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--slow-request", "0.000001"]);
    let body = Wire::Ims.body(&json!({"tags": [{"key": "secret-key", "values": ["*secret-value"]}]})).to_string();
    let answer = serving.post(Wire::Ims.path(), &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    eventually("it is in the log", || slow_lines(&serving).len() == 1);
    let line = slow_lines(&serving).remove(0);
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["request_id"], answer.headers["x-request-id"]);
    assert_eq!(line["dialect"], "ims");
    assert_eq!(line["route"], "/v2/{project_id}/images/resource_instances/action");
    assert_eq!((&line["method"], &line["status"], &line["principal"]), (&json!("POST"), &json!(200), &json!("anyone")));
    assert_eq!(line["forms"], "find_scope,values_page");
    assert_eq!((&line["statements"], &line["scopes"]), (&json!(2), &json!(1)));
    let micros = |name: &str| line[name].as_u64().unwrap_or_else(|| panic!("{name}: {line}"));
    assert!(micros("statements_us") > 0 && micros("waited_us") > 0, "{line}");
    assert!(micros("elapsed_us") >= micros("statements_us") + micros("waited_us"), "{line}");
    assert!(!line.to_string().contains("secret"), "{line}");
    // imports take as long as they take
    let import = r#"{"project_id":"p","resource_type":"images","resource_id":"x","tags":[]}"#;
    let headers = [("Content-Type", "application/x-ndjson")];
    assert_eq!(serving.send("POST", "/registry/v1/import", &headers, import.as_bytes()).status, 200);
    let (method, path, body) = Wire::Ims.change_tags("create", "secret-id", &json!([{"key": "a", "value": "b"}]));
    let headers = [("Content-Type", "application/json")];
    assert!(serving.send(method, &path, &headers, body.to_string().as_bytes()).status < 300);
    eventually("the change is in the log", || slow_lines(&serving).len() == 2);
    let line = slow_lines(&serving).remove(1);
    assert_eq!(line["forms"], "write_tags", "{line}");
    assert!(!line.to_string().contains("secret"), "{line}");
    serving.signal(Signal::SIGTERM);
}

#[test]
fn a_request_that_was_cut_off_is_told_with_the_wait_or_the_statement_that_it_gave_up() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let line = r#"{"project_id":"p","resource_type":"images","resource_id":"r","tags":[{"key":"k","value":"v"}]}"#;
    assert_eq!(program.import(line).code, Some(0));
    // all requests are slow, and cheap reads have one connection
    let args = ["--listen", "127.0.0.1:0", "--slow-request", "0.000001", "--connections", "2", "--workers", "1"];
    let serving = program.serve(&args);
    let query = |count: bool| Wire::Ims.action(count).to_string();
    assert_eq!(serving.post(Wire::Ims.path(), &query(false)).status, 200);
    let held = Held::over(&db, "begin; lock table tagd.resource, tagd.label");
    let get = |sample: &str| Samples::read(&serving.get("/metrics").body).get(sample);
    let ask = |count: bool| begin(&serving.url, "POST", Wire::Ims.path(), &query(count));
    let running = ask(false);
    let busy = |pool: &str| get(&format!(r#"tagd_pool_connections{{pool="{pool}",state="busy"}}"#));
    eventually("the first has the connection", || busy("cheap") == 1.0);
    // the same again is to be batched, and its batch has no connection either
    let waiting = |count: f64| get(r#"tagd_pool_waiting{pool="cheap"}"#) == count;
    let queued = ask(false);
    eventually("the batch of the second waits", || waiting(1.0));
    let without = ask(true);
    eventually("the third waits", || waiting(2.0));
    let (method, path, body) = Wire::Ims.change_tags("create", "r", &json!([{"key": "a", "value": "b"}]));
    let write = begin(&serving.url, method, &path, &body.to_string());
    eventually("the write runs", || busy("writes") == 1.0);
    let given_up = [
        (without, "single_count", "waited_us"),
        (queued, "single_page", "statements_us"),
        (write, "write_tags", "statements_us"),
        (running, "single_page", "statements_us"),
    ];
    for (told, (client, form, time)) in given_up.into_iter().enumerate() {
        drop(client);
        let cut = || slow_lines(&serving).into_iter().filter(|line| line["status"] == 499).collect::<Vec<_>>();
        eventually("it is in the log", || cut().len() > told);
        let line = &cut()[told];
        assert_eq!((&line["forms"], &line["statements"]), (&json!(form), &json!(1)), "{line}");
        assert!(line[time].as_u64().unwrap() > 0, "{line}");
    }
    held.release();
    serving.signal(Signal::SIGTERM);
}

#[test]
fn none_is_told_if_that_is_off() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--slow-request", "0"]);
    assert_eq!(serving.post(Wire::Ims.path(), &Wire::Ims.body(&json!({})).to_string()).status, 200);
    let said = serving.stop();
    assert!(said.err.contains("answered") && !said.err.contains("a slow request"), "{}", said.err);
    for (given, shown) in [("--slow-request=-1", "-1"), ("--slow-request=4000", "4000"), ("--slow-request=NaN", "NaN")]
    {
        let refused = program.run(&["serve", given]);
        assert_eq!(refused.code, Some(1), "{given}: {}", refused.err);
        assert!(
            refused.err.contains("slow_request: must be a number of seconds between 0 and 3600, got "),
            "{given}: {}",
            refused.err
        );
        assert!(refused.err.contains(shown), "{}", refused.err);
    }
}
