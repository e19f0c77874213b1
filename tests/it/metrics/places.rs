//! Where metrics are, who may read them, and that Prometheus's own tool accepts them.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
};

use tagd::domain::Role;

use super::Samples;
use crate::{
    access::{guarded, token},
    support::{Program, TestDb, Tool, World, agent, block_on, eventually_found, json_lines, send},
};

/// The families that every server has from its start.
const FAMILIES: &[&str] = &[
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_start_time_seconds",
    "tagd_auth_failures_total",
    "tagd_build_info",
    "tagd_database_up",
    "tagd_http_connections",
    "tagd_http_memory_bytes",
    "tagd_http_memory_limit_bytes",
    "tagd_http_request_duration_seconds_bucket",
    "tagd_http_requests_in_flight",
    "tagd_http_requests_shed_total",
    "tagd_http_requests_total",
    "tagd_pool_acquire_seconds_bucket",
    "tagd_pool_connections",
    "tagd_pool_limit",
    "tagd_pool_waiting",
    "tagd_requests_throttled_total",
    "tagd_batch_size_bucket",
    "tagd_statement_duration_seconds_bucket",
    "tagd_statement_errors_total",
    "tagd_statements_cancelled_total",
];

#[test]
fn where_nobody_needs_credentials_anyone_may_read_them_in_both_formats() {
    let world = World::new();
    let plain = world.send("GET", "/metrics", &[], b"");
    assert_eq!((plain.status, &*plain.headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let open = world.send("GET", "/metrics", &[("Accept", "application/openmetrics-text;version=1.0.0")], b"");
    assert_eq!(open.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.body.ends_with("\n# EOF\n") && !plain.body.contains("# EOF"), "{}", open.body);
    assert_eq!(world.send("HEAD", "/metrics", &[], b"").body, "");
    let post = world.send("POST", "/metrics", &[], b"");
    assert_eq!((post.status, &*post.headers["allow"]), (405, "GET, HEAD, OPTIONS"));
}

#[test]
fn where_requests_need_credentials_only_operators_may_read_them() {
    let world = guarded();
    let get = |headers: &[(&str, &str)]| world.send("GET", "/metrics", headers, b"");
    let refused = get(&[]);
    assert_eq!((refused.status, refused.json()["error_code"].as_str()), (401, Some("APIGW.0301")));
    let administrator = token(&world, Role::Administrator, "d", &[]);
    let refused = get(&[("X-Auth-Token", &administrator)]);
    assert_eq!((refused.status, refused.json()["error_code"].as_str()), (403, Some("APIGW.0302")), "{refused:?}");
    let operator = token(&world, Role::Operator, "", &[]);
    // as Prometheus sends it
    assert_eq!(get(&[("Authorization", &format!("Bearer {operator}"))]).status, 200);
}

#[test]
fn an_address_of_their_own_has_metrics_and_health_without_credentials_and_nothing_else() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--auth", "tokens", "--metrics-listen", "127.0.0.1:0"]);
    let address = block_on(eventually_found("the address is in the log", async || {
        let lines = json_lines(&serving.log());
        lines.iter().find(|line| line["message"] == "serving metrics")?["address"].as_str().map(ToOwned::to_owned)
    }));
    let agent = agent();
    let url = format!("http://{address}");
    let get = |path: &str| send(&agent, &url, "GET", path, &[], b"");
    let page = get("/metrics");
    assert_eq!(page.status, 200);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(path).status, 200, "{path}");
    }
    for path in ["/", "/v2.0", "/registry/v1/types", "/v3"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    assert_eq!(send(&agent, &url, "DELETE", "/metrics", &[], b"").status, 405);
    // not for operators any more
    assert_eq!(serving.get("/metrics").status, 401);
    assert_eq!(serving.get("/healthz").status, 200);
    let samples = Samples::read(&get("/metrics").body);
    let names: BTreeSet<_> = samples.names().into_iter().collect();
    for family in FAMILIES {
        assert!(names.contains(family), "{family}: {names:?}");
    }
    assert_eq!(samples.sum("tagd_build_info", &[concat!(r#"version=""#, env!("CARGO_PKG_VERSION"), '"')]), 1.0);
    // requests to this address are none of the API
    assert_eq!(samples.sum("tagd_http_requests_total", &[r#"route="/metrics""#]), 1.0);
    if cfg!(target_os = "linux") {
        for family in
            ["process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_threads"]
        {
            assert!(samples.get(family) >= 1.0, "{family}");
        }
    }
    assert_eq!(serving.stop().code, Some(0));
}

#[test]
fn the_address_of_their_own_may_be_a_socket_and_the_api_then_has_none() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let path = program.dir().join("metrics.sock");
    let serving = program.serve(&["--listen", "127.0.0.1:0", "--metrics-listen", &format!("unix:{}", path.display())]);
    assert_eq!(serving.get("/metrics").status, 404);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: prometheus\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\ntagd_build_info{"), "{answer}");
    assert_eq!(serving.stop().code, Some(0));
    assert!(!path.exists());
}

#[test]
fn promtool_finds_nothing_wrong_with_them() {
    static PROMTOOL: Tool = Tool::of("tools/promtool");
    let Some(promtool) = PROMTOOL.path("promtool_finds_nothing_wrong_with_them") else { return };
    let world = World::new();
    // something of everything that has labels
    assert_eq!(world.send("GET", "/registry/v1/types", &[], b"").status, 200);
    let page = world.send("GET", "/metrics", &[], b"").body;
    let mut check = Command::new(promtool);
    let mut check = check
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    let said = (said.status.code(), String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
    assert_eq!(said, (Some(0), String::new(), String::new()), "{page}");
}
