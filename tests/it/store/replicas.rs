//! Read replicas and several servers in a URL, with real streaming replicas.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Answer, Program, Replicated, Serving, Stopper, eventually, every_route};

const HEADER: &str = "X-Tagd-Position";
pub(super) const RESOURCE: &str = "/registry/v1/projects/p/types/images/resources/r";
const QUERY: &str = "/v2/p/images/resource_instances/action";

/// A server of the program, with arguments.
pub(super) fn serve(program: &Program, args: &[&str]) -> Serving {
    program.serve(&[&["--listen", "127.0.0.1:0", "--workers", "2"], args].concat())
}

/// The program on a primary and its replicas.
pub(super) fn on(site: &Replicated, replicas: &[usize]) -> Program {
    let urls: Vec<_> = replicas.iter().map(|replica| site.url(&[*replica], "")).collect();
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).with("TAGD_READ_DATABASE_URLS", &urls.join(","))
}

/// Gives the resource a tag.
pub(super) fn put(serving: &Serving, value: u32) -> Answer {
    let body = json!({ "resource_name": "n", "tags": [{ "key": "k", "value": value.to_string() }] }).to_string();
    serving.send("PUT", RESOURCE, &[("Content-Type", "application/json")], body.as_bytes())
}

pub(super) fn written(serving: &Serving, value: u32) -> String {
    let answer = put(serving, value);
    assert!(answer.status < 300, "{answer:?}");
    answer.headers[&HEADER.to_ascii_lowercase()].clone()
}

/// How many resources have the tag, and the tag that the registry shows.
pub(super) fn found(serving: &Serving, value: u32, position: Option<&str>) -> (u64, Value) {
    let headers: Vec<_> = position.iter().map(|position| (HEADER, *position)).collect();
    let with = |more: &[(&'static str, &'static str)]| [&headers[..], more].concat();
    let body = json!({ "action": "count", "tags": [{ "key": "k", "values": [value.to_string()] }] }).to_string();
    let counted = serving.send("POST", QUERY, &with(&[("Content-Type", "application/json")]), body.as_bytes());
    let shown = serving.send("GET", RESOURCE, &with(&[]), b"");
    assert_eq!((counted.status, shown.status), (200, 200), "{counted:?} {shown:?}");
    (counted.json()["total_count"].as_u64().unwrap(), shown.json()["tags"][0]["value"].clone())
}

/// How many replicas are used.
pub(super) fn usable(serving: &Serving) -> u64 {
    serving.get("/readyz").json()["replicas"]["usable"].as_u64().unwrap()
}

pub(super) fn until_used(serving: &Serving, count: u64) {
    eventually(&format!("{count} replicas are used"), || usable(serving) == count);
}

/// A sample of the metrics.
fn sample(serving: &Serving, name: &str) -> f64 {
    let page = serving.get("/metrics").body;
    let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {page}"));
    line.trim().parse().unwrap()
}

pub(super) fn reads_on(serving: &Serving, place: &str) -> f64 {
    sample(serving, &format!("tagd_replica_reads_total{{replica=\"{place}\"}}"))
}

fn reads_on_primary(serving: &Serving, reason: &str) -> f64 {
    sample(serving, &format!("tagd_primary_reads_total{{reason=\"{reason}\"}}"))
}

/// Reads until some come from a replica.
pub(super) fn until_read_from(serving: &Serving, place: &str) {
    let before = reads_on(serving, place);
    eventually("reads come from the replica", || {
        let answer = serving.get(RESOURCE);
        assert!(matches!(answer.status, 200 | 404), "{answer:?}");
        reads_on(serving, place) > before
    });
}

#[test]
fn a_principal_finds_what_it_has_written_although_the_replica_is_behind() {
    let test = "a_principal_finds_what_it_has_written_although_the_replica_is_behind";
    let Some(mut site) = Replicated::new(test) else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("recovery_min_apply_delay = '200ms'");
    let program = on(&site, &[replica]);
    let servers = [serve(&program, &[]), serve(&program, &[])];
    servers.iter().for_each(|server| until_used(server, 1));
    for value in 0..40 {
        let position = written(&servers[0], value);
        assert_eq!(found(&servers[0], value, None), (1, json!(value.to_string())));
        // another server knows of it only by what its client says
        assert_eq!(found(&servers[1], value, Some(&position)), (1, json!(value.to_string())));
    }
    assert!(reads_on_primary(&servers[0], "behind") >= 1.0);
    // an import, and what does not go through the registry
    let line = r#"{"project_id":"p","resource_type":"images","resource_id":"r","tags":[{"key":"k","value":"41"}]}"#;
    let imported =
        servers[0].send("POST", "/registry/v1/import", &[("Content-Type", "application/x-ndjson")], line.as_bytes());
    assert_eq!(imported.status, 200, "{imported:?}");
    assert_eq!(found(&servers[0], 41, None).0, 1);
    assert_eq!(found(&servers[1], 41, Some(&imported.headers["x-tagd-position"])).0, 1);
    let tagged =
        servers[0].post("/v2/p/images/r/tags/action", r#"{"action":"create","tags":[{"key":"k","value":"42"}]}"#);
    assert_eq!(tagged.status, 204, "{tagged:?}");
    assert_eq!(found(&servers[0], 42, None).0, 1);
    assert_eq!(found(&servers[1], 42, Some(&tagged.headers["x-tagd-position"])).0, 1);
    // a condition that did not hold is followed by a read of what is there
    let refused = servers[0].send("DELETE", RESOURCE, &[("If-Match", "\"0\"")], b"");
    assert_eq!(refused.status, 412, "{refused:?}");
    // later, all of it is on the replica
    for server in &servers {
        until_read_from(server, &site.place(replica));
        assert_eq!(found(server, 42, None).0, 1);
        assert!(!server.get(RESOURCE).headers.contains_key("x-tagd-position"));
        assert_eq!(reads_on_primary(server, "failed"), 0.0);
    }
    assert!(sample(&servers[0], &format!("tagd_replica_lag_bytes{{replica=\"{}\"}}", site.place(replica))) >= 0.0);
}

#[test]
fn every_read_that_is_sent_to_a_replica_works_there() {
    let Some(mut site) = Replicated::new("every_read_that_is_sent_to_a_replica_works_there") else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let server = serve(&on(&site, &[replica]), &[]);
    until_used(&server, 1);
    written(&server, 1);
    let policy = json!({ "key": "env", "values": ["prod"], "resource_types": ["images"], "enforced": true });
    let headers = [("Content-Type", "application/json")];
    let put = server.send("PUT", "/registry/v1/policies/pol", &headers, policy.to_string().as_bytes());
    assert_eq!(put.status, 201, "{put:?}");
    until_read_from(&server, &site.place(replica));
    let before = reads_on(&server, &site.place(replica));
    let mut reads: Vec<(&str, String, Value)> = every_route()
        .into_iter()
        .filter(|(method, _)| *method == "GET")
        .map(|(m, path)| (m, path, Value::Null))
        .collect();
    for query in [
        json!({}),
        json!({ "tags": [{ "key": "k", "values": ["1", "*"] }] }),
        json!({ "tags": [{ "key": "k", "values": ["*1"] }], "not_tags": [{ "key": "l", "values": [] }] }),
        json!({ "matches": [{ "key": "resource_name", "value": "n" }], "tags_any": [{ "key": "a" }, { "key": "k" }] }),
    ] {
        for action in ["filter", "count"] {
            let mut body = query.clone();
            body["action"] = json!(action);
            if action == "filter" {
                body["limit"] = json!("10");
            }
            reads.push(("POST", QUERY.to_owned(), body));
        }
    }
    for with_project in [true, false] {
        let mut body = json!({ "resource_types": ["ecs", "cdn"], "tags": [{ "key": "env", "values": ["prod"] }] });
        if with_project {
            body["project_id"] = json!("p");
        } else {
            body["resource_types"] = json!(["cdn"]);
        }
        reads.push(("POST", "/v1.0/resource-instances/filter".to_owned(), body));
    }
    let count = reads.len();
    for (method, path, body) in reads {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers: &[_] = if body.is_empty() { &[] } else { &headers };
        let answer = server.send(method, &path, headers, body.as_bytes());
        assert!(answer.status < 500, "{method} {path} {body}: {answer:?}");
        assert_eq!(reads_on_primary(&server, "failed"), 0.0, "{method} {path} {body}: {}", server.log());
    }
    assert!(count > 40 && reads_on(&server, &site.place(replica)) - before > 30.0);
}

#[test]
fn a_position_that_is_none_is_refused_where_there_are_replicas() {
    let Some(mut site) = Replicated::new("a_position_that_is_none_is_refused_where_there_are_replicas") else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let server = serve(&on(&site, &[replica]), &[]);
    let position = written(&server, 1);
    let mut changed = position.clone();
    changed.replace_range(..1, if position.starts_with('0') { "1" } else { "0" });
    for wrong in ["", "0/16B3748", "ä", &changed, &position.to_uppercase()] {
        for (method, path) in [("GET", RESOURCE), ("POST", QUERY), ("GET", "/v3/projects"), ("GET", "/metrics")] {
            let refused = server.send(method, path, &[(HEADER, wrong)], b"");
            let told = "X-Tagd-Position: must be a value that a response had in this header";
            assert!(refused.status == 400 && refused.body.contains(told), "{wrong}: {refused:?}");
        }
    }
    let twice = server.send("GET", RESOURCE, &[(HEADER, &position), (HEADER, &position)], b"");
    assert!(twice.status == 400 && twice.body.contains("X-Tagd-Position: must be sent only once"), "{twice:?}");
    // one of another run of the primary is not compared with what the replica has
    site.stop(0);
    site.start(0);
    until_used(&server, 1);
    eventually("the primary is used again", || server.get("/readyz").status == 200);
    eventually("it is read from the primary", || {
        assert_eq!(server.send("GET", RESOURCE, &[(HEADER, &position)], b"").status, 200);
        reads_on_primary(&server, "other_run") >= 1.0
    });
    // without replicas it is nobody's
    let alone = serve(&Program::new().with("DATABASE_URL", &site.url(&[0], "")), &[]);
    assert_eq!(alone.send("GET", RESOURCE, &[(HEADER, "x")], b"").status, 200);
    assert!(!put(&alone, 2).headers.contains_key("x-tagd-position"));
    assert_eq!(alone.get("/readyz").json(), json!({ "status": "ready" }));
}

#[test]
fn a_replica_that_is_too_far_behind_or_gone_is_left_out_and_taken_back() {
    let test = "a_replica_that_is_too_far_behind_or_gone_is_left_out_and_taken_back";
    let Some(mut site) = Replicated::new(test) else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replicas = [site.replica(""), site.replica("")];
    let server = serve(&on(&site, &replicas), &["--max-replica-lag", "1"]);
    until_used(&server, 2);
    written(&server, 0);
    for replica in replicas {
        until_read_from(&server, &site.place(replica));
    }
    // one that does not replay any more; the other one goes on
    site.sql(replicas[0], "select pg_wal_replay_pause()");
    let mut value = 1;
    eventually("the one that stands still is left out", || {
        value += 1;
        written(&server, value);
        assert_eq!(found(&server, value, None).0, 1);
        usable(&server) == 1
    });
    let before = reads_on(&server, &site.place(replicas[0]));
    until_read_from(&server, &site.place(replicas[1]));
    assert_eq!(reads_on(&server, &site.place(replicas[0])), before);
    // one that is gone: no read fails, not even the first
    site.stop(replicas[1]);
    for _ in 0..20 {
        assert_eq!(found(&server, value, None).0, 1);
    }
    until_used(&server, 0);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(found(&server, value, None).0, 1);
    assert!(reads_on_primary(&server, "no_replica") >= 1.0);
    site.start(replicas[1]);
    site.sql(replicas[0], "select pg_wal_replay_resume()");
    until_used(&server, 2);
    for replica in replicas {
        until_read_from(&server, &site.place(replica));
    }
}

#[test]
fn reads_go_on_at_a_replica_while_the_primary_is_gone() {
    let Some(mut site) = Replicated::new("reads_go_on_at_a_replica_while_the_primary_is_gone") else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let server = serve(&on(&site, &[replica]), &["--max-replica-lag", "2"]);
    until_used(&server, 1);
    let position = written(&server, 1);
    until_read_from(&server, &site.place(replica));
    site.stop(0);
    eventually("the log says that the primary is gone", || {
        server.log().contains("the primary does not say its position")
    });
    // what the replica is known to have is read there, longer than it may be behind
    let before = reads_on(&server, &site.place(replica));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        eventually("a read is answered", || server.send("GET", RESOURCE, &[(HEADER, &position)], b"").status == 200);
    }
    assert!(reads_on(&server, &site.place(replica)) > before);
    let refused = put(&server, 2);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(server.get("/readyz").status, 503);
    site.start(0);
    eventually("writes are accepted again", || put(&server, 3).status < 300);
    assert_eq!(found(&server, 3, None).0, 1);
    until_read_from(&server, &site.place(replica));
}

#[test]
fn a_primary_or_what_has_no_schema_is_no_replica() {
    let Some(mut site) = Replicated::new("a_primary_or_what_has_no_schema_is_no_replica") else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let other = site.url(&[replica], "").replace("/tags?", "/postgres?");
    let urls =
        [site.url(&[0], ""), other, site.url(&[replica], "&target_session_attrs=primary"), site.url(&[replica], "")];
    let program = Program::new().with("DATABASE_URL", &site.url(&[0], ""));
    let args: Vec<_> = urls.iter().flat_map(|url| ["--read-database-url", url]).collect();
    let server = serve(&program, &args);
    until_used(&server, 1);
    for reason in ["it is not a standby", "its schema is older than that of this tagd", "it does not answer"] {
        eventually(reason, || server.log().contains(reason));
    }
    written(&server, 1);
    assert_eq!(found(&server, 1, None).0, 1);
    assert_eq!(usable(&server), 1);
}

#[test]
fn the_server_that_was_promoted_takes_over_if_the_url_names_both() {
    let Some(mut site) = Replicated::new("the_server_that_was_promoted_takes_over_if_the_url_names_both") else {
        return;
    };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["demo"]);
    let replica = site.replica("");
    let program = Program::new()
        .with("DATABASE_URL", &site.url(&[0, replica], "&target_session_attrs=read-write"))
        .with("TAGD_READ_DATABASE_URLS", &site.url(&[replica], ""));
    let server = serve(&program, &[]);
    until_used(&server, 1);
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    thread::scope(|scope| {
        let _stopper = Stopper(&stop);
        for client in 0..4 {
            let (server, stop, seen) = (&server, &stop, &seen);
            scope.spawn(move || {
                let mut value = 0;
                while !stop.load(Relaxed) {
                    value += 1;
                    let status = if client % 2 == 0 { put(server, value).status } else { server.get(RESOURCE).status };
                    seen.lock().unwrap().insert(status);
                }
            });
        }
        eventually("resources are written", || seen.lock().unwrap().contains(&201));
        site.stop(0);
        site.promote(replica);
        let before = server.log().matches("using another server of the database").count();
        eventually("the promoted server is written to", || put(&server, 0).status < 300);
        assert!(server.log().contains("using another server of the database"), "{before}");
    });
    // the first reads may come before the resource
    let seen = seen.into_inner().unwrap();
    assert!(seen.iter().all(|status| matches!(status, 200 | 201 | 404 | 503)), "{seen:?}");
    written(&server, 7);
    assert_eq!(found(&server, 7, None).0, 1);
    // it is no replica any more
    until_used(&server, 0);
    eventually("that is told", || server.log().contains("it is not a standby"));
    assert_eq!(server.get("/readyz").status, 200);
    // commands find it as well
    let listed = program.expect(&["export"]);
    assert!(listed.contains("\"resource_id\":\"r\""), "{listed}");
}

#[test]
fn a_command_uses_the_server_that_the_url_wants() {
    let Some(mut site) = Replicated::new("a_command_uses_the_server_that_the_url_wants") else { return };
    Program::new().with("DATABASE_URL", &site.url(&[0], "")).expect(&["migrate"]);
    let replica = site.replica("");
    let migrate = |servers: &[usize], parameters: &str| {
        Program::new().with("DATABASE_URL", &site.url(servers, parameters)).run(&["migrate"])
    };
    for wanted in ["read-write", "primary"] {
        let said = migrate(&[replica, 0], &format!("&target_session_attrs={wanted}"));
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let place = site.place(replica);
    for (wanted, is) in [("primary", "is a standby"), ("read-write", "is read-only")] {
        let said = migrate(&[replica], &format!("&target_session_attrs={wanted}"));
        let told = format!(
            "cannot connect to the database at {place}: {place} {is}, and the URL has target_session_attrs={wanted}"
        );
        assert!(said.code == Some(1) && said.err.contains(&told), "{said:?}");
    }
    let said = migrate(&[0], "&target_session_attrs=standby");
    assert!(said.code == Some(1) && said.err.contains("is not a standby"), "{said:?}");
    // the first one is gone
    site.stop(replica);
    assert_eq!(migrate(&[replica, 0], "&target_session_attrs=read-write").code, Some(0));
}

#[test]
fn settings_of_servers_that_cannot_be_used_are_told() {
    let url = "postgres://u:hunter2@127.0.0.1:1/x";
    let program = Program::new();
    program.write("urls", format!("{url}\n"));
    program.write("bad.toml", "read_database_urls = [\"mysql://u:hunter2@h/x\"]\n");
    for (variables, args, expected) in [
        (
            &[("DATABASE_URL", "postgres://u:hunter2@a,b:x/d")][..],
            &["migrate"][..],
            "database_url: invalid port number",
        ),
        (
            &[("DATABASE_URL", "postgres://u:hunter2@a,b/d?target_session_attrs=master")],
            &["migrate"],
            "database_url: target_session_attrs must be any, read-write, read-only, primary, standby or prefer-standby, got \"master\"",
        ),
        (&[], &["serve", "--read-database-url", url], "read_database_urls: requires database_url"),
        (&[("TAGD_READ_DATABASE_URLS_FILE", "urls")], &["serve"], "read_database_urls_file: requires database_url"),
        (
            &[("DATABASE_URL", url), ("TAGD_READ_DATABASE_URLS", url), ("TAGD_READ_DATABASE_URLS_FILE", "urls")],
            &["serve"],
            "read_database_urls, read_database_urls_file: must not both be set",
        ),
        (
            &[("DATABASE_URL", url)],
            &["serve", "--config", "bad.toml"],
            "read_database_urls[0]: must be a PostgreSQL URL such as postgres://USER:PASSWORD@HOST:PORT/NAME",
        ),
        (
            &[("DATABASE_URL", url), ("TAGD_READ_DATABASE_URLS", "postgres://h/x,postgres://a,b/x?port=1,2,3")],
            &["serve"],
            "read_database_urls[1]: must have as many ports as hosts, which are 2, got 3",
        ),
        (
            &[("DATABASE_URL", url), ("TAGD_READ_DATABASE_URLS_FILE", url)],
            &["serve"],
            "read_database_urls_file: must be the name of a file, got the URL itself",
        ),
        (
            &[("DATABASE_URL", url)],
            &["serve", "--max-replica-lag", "0"],
            "max_replica_lag: must be an integer between 1 and 3600, got 0",
        ),
    ] {
        let mut command = program.command(args);
        command.envs(variables.iter().copied());
        let said = crate::support::finish(command, b"");
        let last = said.err.lines().last().unwrap_or_default();
        assert!(said.code == Some(1) && last.contains(expected), "{variables:?} {args:?}: {said:?}");
        assert!(!said.err.contains("hunter2"), "{said:?}");
    }
}
