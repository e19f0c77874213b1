//! Requests to every route, valid ones and changed ones: no 500, no broken connection, no value of a user in the log, no half change.
//!
//! `TAGD_CASES` sets how many requests are sent, to a server without credentials and to one with them together, and
//! `TAGD_SEED` which ones. What a request finds depends on those that others send at the same time.

mod answers;
mod client;
mod log;
mod mutations;
mod request;
mod routes;
mod run;
mod seen;
mod sequences;

use std::sync::Mutex;

use serde_json::{Value, json};
use sqlx::Connection;

use self::{
    run::{Credentials, Run},
    seen::Seen,
};
use crate::support::{Dice, Program, Serving, TestDb, block_on, eventually, every_route, fill, repository};

/// What all that users choose begins with, or has in it.
const MARK: &str = "zq7";

/// The same of what nobody may ever see in the log.
const SECRET_MARK: &str = "zqs";

/// Requests of the test command.
const REQUESTS: usize = 4000;

/// Failures after which a run gives up.
const MOST_FAILURES: usize = 20;

/// A number of the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

fn try_all(auth: &str) {
    let (requests, seed) = (number("TAGD_CASES", REQUESTS) / 2, number("TAGD_SEED", 1) as u64);
    let db = TestDb::new();
    let database_log_before = db.server_log().unwrap_or_default();
    let program = Program::new().on(&db).with("TAGD_MASTER_KEY", &"1".repeat(64));
    let fleet: String = (0..400)
        .map(|i| {
            let kind = ["images", "DNS-public_zone", "cts-tracker", "ecs"][i % 4];
            let line = json!({
                "project_id": format!("{MARK}p{}", i % 3), "domain_id": format!("{MARK}d0"), "resource_type": kind,
                "resource_id": format!("{MARK}r{i}"), "resource_name": format!("{MARK}name{}", i % 4),
                "tags": [{ "key": format!("{MARK}k{}", i % 3), "value": format!("{MARK}v{}", i % 6) }],
            });
            format!("{line}\n")
        })
        .collect();
    assert_eq!(program.import(fleet).code, Some(0));
    let credentials = (auth != "none").then(|| credentials(&program));
    let key = credentials
        .as_ref()
        .map_or_else(|| (MARK.to_owned(), SECRET_MARK.to_owned()), |credentials| credentials.key.clone());
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
        "--auth",
        auth,
        "--trusted-proxy",
        "127.0.0.1",
        "--workers",
        "2",
    ];
    let run = Run {
        seed,
        serving: program.serve(&args),
        routes: every_route().into_iter().filter(|(_, path)| auth != "none" || !is_of_identity(path)).collect(),
        credentials,
        seen: Seen::new(key),
        findings: Mutex::default(),
    };
    run.send(requests);
    let Run { serving, seen, findings, credentials, .. } = run;
    let mut findings = findings.into_inner().unwrap();
    // clients that have hung up do not wait for what they asked for
    eventually("no session is in a transaction", || busy(&db) == 0);
    let operator = credentials.as_ref().map(|credentials| &*credentials.operator);
    findings.failures.extend(not_importable(&serving, operator));
    let said = serving.stop();
    assert_eq!(said.code, Some(0), "{}", said.err.lines().last().unwrap_or_default());
    let mut secrets = seen.secrets.into_inner().unwrap();
    secrets.extend(
        credentials
            .into_iter()
            .flat_map(|known| [vec![known.operator, known.revoked, known.key.1], known.others].concat()),
    );
    let (wrong, others) = log::check(&said.err, &secrets);
    findings.failures.extend(wrong.into_iter().take(MOST_FAILURES));
    // those of other runs have the mark too, so only what is new counts
    let database_log = db.server_log().unwrap_or_default();
    for line in database_log.lines().filter(|line| line.contains(MARK) || line.contains(SECRET_MARK)) {
        if !database_log_before.contains(line) {
            findings.failures.push(format!("the log of Postgres: {line}"));
        }
    }
    let verified = program.run(&["index", "verify"]);
    if verified.code != Some(0) {
        findings.failures.push(format!("index verify: {verified:?}"));
    }
    println!(
        "{auth}: {:?}, {} sequences, {} connections ended between requests",
        findings.statuses, findings.lived, findings.ended_between
    );
    println!("503: {:#?}\nlog: {others:#?}\nslowest: {:?}", findings.refusals, findings.slowest);
    assert!(findings.failures.is_empty(), "{} failures:\n{}", findings.failures.len(), findings.failures.join("\n"));
    let count = |from: u16| findings.statuses.range(from..from + 100).map(|(_, count)| count).sum::<usize>();
    let all = findings.statuses.values().sum::<usize>();
    // neither only refusals nor none
    assert!(count(200) > all / 10 && count(400) > all / 10, "{:?}", findings.statuses);
    assert!(findings.lived > requests / 4000, "{} sequences", findings.lived);
}

/// Sessions of the database that do something, or are in a transaction.
fn busy(db: &TestDb) -> i64 {
    block_on(async {
        let mut owner = db.connect().await;
        let statement = "select count(*) from pg_stat_activity
                         where datname = current_database() and backend_type = 'client backend' and state <> 'idle'
                         and pid <> pg_backend_pid()";
        let count = sqlx::query_scalar(statement).fetch_one(&mut owner).await.unwrap();
        owner.close().await.unwrap();
        count
    })
}

/// What must hold once everything was answered: all that is there can be imported.
fn not_importable(serving: &Serving, operator: Option<&str>) -> Option<String> {
    let mut headers = vec![("Content-Type", "application/x-ndjson")];
    headers.extend(operator.map(|operator| ("X-Auth-Token", operator)));
    let policies = serving.send("GET", "/registry/v1/policies?limit=1000", &headers, b"").json();
    for policy in policies["policies"].as_array().into_iter().flatten() {
        let name = policy["policy_name"].as_str().unwrap();
        let domain = policy["domain_id"]
            .as_str()
            .map(|domain| format!("?domain_id={}", routes::escaped(domain)))
            .unwrap_or_default();
        serving.send("DELETE", &format!("/registry/v1/policies/{name}{domain}"), &[&headers[1..]].concat(), b"");
    }
    let export = serving.send("GET", "/registry/v1/export", &headers, b"");
    let count = export.body.lines().count();
    let again = serving.send("POST", "/registry/v1/import?strict=true&dry_run=true", &headers, export.body.as_bytes());
    let answer = if again.status == 200 { again.json() } else { Value::Null };
    let definitions = answer["definitions"].as_object().into_iter().flat_map(|kinds| kinds.values());
    let unchanged: u64 = definitions.chain([&answer]).filter_map(|counts| counts["unchanged"].as_u64()).sum();
    let is_whole = again.status == 200 && usize::try_from(unchanged) == Ok(count);
    (!is_whole).then(|| format!("an import of the {count} lines of the export: {} {}", again.status, again.body))
}

fn is_of_identity(path: &str) -> bool {
    path == "/v3"
        || path == "/v3/"
        || path.starts_with("/v5/")
        || ["auth", "projects", "domains", "endpoints", "services"]
            .iter()
            .any(|part| path.starts_with(&format!("/v3/{part}")))
}

fn credentials(program: &Program) -> Credentials {
    let create =
        |args: &[&str]| -> Value { serde_json::from_str(&program.expect(&[args, &["--json"]].concat())).unwrap() };
    let token = |args: &[&str]| {
        create(&[&["token", "create", "--name", "zq7name0"], args].concat())["token"].as_str().unwrap().to_owned()
    };
    let domain = "zq7d0";
    let operator = token(&["--role", "operator"]);
    let others = ["reader", "tagger", "administrator"].map(|role| token(&["--role", role, "--domain", domain]));
    let mut others = others.to_vec();
    others.push(token(&["--role", "administrator", "--domain", domain, "--project", "zq7p0"]));
    let revoked = token(&["--role", "operator"]);
    program.expect(&["token", "revoke", &revoked[5..17]]);
    let key = create(&["key", "create", "--name", "zq7name1", "--role", "administrator", "--domain", domain]);
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    Credentials { operator, others, revoked, key: (text("id"), text("secret")) }
}

#[test]
fn no_request_breaks_a_server_without_credentials() {
    try_all("none");
}

#[test]
fn no_request_breaks_a_server_with_credentials() {
    try_all("keys,tokens");
}

#[test]
fn a_valid_request_is_known_to_every_path_of_the_router() {
    let seen = Seen::new((MARK.to_owned(), SECRET_MARK.to_owned()));
    let routes = every_route();
    for (method, path) in &routes {
        let drawn = routes::draw(&mut Dice(7), (method, path), &seen);
        assert!(drawn.is_some(), "tests/it/wire/fuzz/routes.rs has no request to {method} {path}");
    }
    // the paths of the dialects are in their tables; all others are in the sources
    let one = "/projects/{project_id}/types/{resource_type}/resources/{resource_id}";
    let mut found = 0;
    for (folder, prefix) in
        [("src/http/health.rs", ""), ("src/http/identity/mod.rs", ""), ("src/http/registry", "/registry/v1")]
    {
        let files = crate::support::files_of("src")
            .into_iter()
            .filter(|file| file.starts_with(folder) && file.ends_with(".rs"));
        for file in files {
            let text = std::fs::read_to_string(repository(&file)).unwrap();
            let Some((_, from)) = text.split_once("fn configure(") else { continue };
            let configured = from.split("\n}\n").next().unwrap().replace("{one}", one);
            for literal in configured.split('"').skip(1).step_by(2).filter(|literal| literal.starts_with('/')) {
                if literal == "/registry/v1" || literal == one && file.ends_with("history.rs") {
                    continue;
                }
                let mut path = fill(&format!("{prefix}{literal}"), "images");
                // named otherwise in the documentation
                for (collection, name) in
                    [("domains", "d"), ("services", "image"), ("endpoints", "image-public"), ("projects", "p")]
                {
                    if path == format!("/v3/{collection}/r") {
                        path = format!("/v3/{collection}/{name}");
                    }
                }
                assert!(routes.iter().any(|(_, known)| *known == path), "{file}: {path} is in no table");
                found += 1;
            }
        }
    }
    assert!(found >= 35, "{found} paths");
}
