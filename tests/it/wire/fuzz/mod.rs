//! Requests to all routes, valid ones and valid ones that were changed: never a 500, a broken connection, an answer that is
//! not what it says it is, a value of a user in the log, or half a change.
//!
//! `TAGD_CASES` sets how many requests are sent, to a server without credentials and to one with them together, and
//! `TAGD_SEED` which ones. What a request finds depends on those that others send at the same time.

mod answers;
mod client;
mod log;
mod mutations;
mod request;
mod routes;
mod sequences;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};
use sqlx::Connection;

use self::{
    client::{Client, Outcome, Reply},
    request::{Framing, Owed, Request, chance},
};
use crate::{
    access::{borrowed, signed},
    support::{Dice, Program, Serving, TestDb, block_on, every_route, fill, repository},
};

/// What all that users choose begins with, or has in it.
const MARK: &str = "zq7";

/// The same of what nobody may ever see in the log.
const SECRET_MARK: &str = "zqs";

/// Requests of the test command.
const REQUESTS: usize = 4000;

/// Clients of a server.
const CLIENTS: usize = 4;

/// Failures after which a run gives up.
const MOST_FAILURES: usize = 20;

/// How requests show who sends them.
struct Credentials {
    operator: String,
    /// Tokens with fewer rights.
    others: Vec<String>,
    revoked: String,
    key: (String, String),
}

/// What was seen in answers, to be sent again.
pub struct Seen {
    markers: Mutex<Vec<String>>,
    etags: Mutex<Vec<String>>,
    /// Tokens of logins.
    subjects: Mutex<Vec<String>>,
    /// Credentials that requests have made: identifiers.
    made: Mutex<Vec<String>>,
    /// Their secrets.
    secrets: Mutex<Vec<String>>,
    key: (String, String),
}

/// How many of the newest are kept of each.
const KEPT: usize = 64;

fn keep(list: &Mutex<Vec<String>>, dice: &mut Dice, text: &str) {
    let mut list = list.lock().unwrap();
    if list.len() < KEPT {
        list.push(text.to_owned());
    } else {
        let at = dice.roll(KEPT);
        list[at] = text.to_owned();
    }
}

fn drawn(list: &Mutex<Vec<String>>, dice: &mut Dice) -> Option<String> {
    let list = list.lock().unwrap();
    (!list.is_empty()).then(|| list[dice.roll(list.len())].clone())
}

impl Seen {
    fn new(key: (String, String)) -> Self {
        Self {
            markers: Mutex::default(),
            etags: Mutex::default(),
            subjects: Mutex::default(),
            made: Mutex::default(),
            secrets: Mutex::default(),
            key,
        }
    }

    fn marker(&self, dice: &mut Dice) -> String {
        drawn(&self.markers, dice).unwrap_or_else(|| MARK.to_owned())
    }

    fn etag(&self, dice: &mut Dice) -> String {
        drawn(&self.etags, dice).unwrap_or_else(|| format!("\"{MARK}\""))
    }

    fn subject(&self, dice: &mut Dice) -> Option<String> {
        drawn(&self.subjects, dice)
    }

    fn credential(&self, dice: &mut Dice) -> Option<String> {
        drawn(&self.made, dice)
    }

    fn key_name(&self) -> String {
        self.key.0.clone()
    }

    fn key_secret(&self) -> String {
        self.key.1.clone()
    }

    /// Learns from an answer.
    fn learn(&self, dice: &mut Dice, reply: &Reply) {
        if let Some(etag) = reply.header("etag") {
            keep(&self.etags, dice, etag);
        }
        if let Some(token) = reply.header("x-subject-token").filter(|_| reply.status == 201) {
            keep(&self.subjects, dice, token);
            self.secrets.lock().unwrap().push(token.to_owned());
        }
        let Ok(json) = serde_json::from_slice::<Value>(&reply.body) else { return };
        for marker in [&json["next_marker"], &json["marker"], &json["page_info"]["next_marker"]] {
            if let Some(marker) = marker.as_str().filter(|marker| !marker.is_empty()) {
                keep(&self.markers, dice, marker);
            }
        }
        for secret in ["secret", "token", "security_token"] {
            if let Some(secret) = json[secret].as_str() {
                self.secrets.lock().unwrap().push(secret.to_owned());
                if let Some(id) = json["id"].as_str() {
                    keep(&self.made, dice, id);
                }
            }
        }
    }
}

/// What was found out.
#[derive(Default)]
struct Findings {
    failures: Vec<String>,
    /// Answers by status.
    statuses: BTreeMap<u16, usize>,
    /// Messages of 503.
    refusals: BTreeMap<String, usize>,
    lived: usize,
    ended_between: usize,
}

/// A server under requests.
pub struct Run {
    seed: u64,
    serving: Serving,
    routes: Vec<(&'static str, String)>,
    credentials: Option<Credentials>,
    seen: Seen,
    findings: Mutex<Findings>,
}

impl Run {
    /// The request as whoever may do everything sends it.
    fn as_operator(&self, request: Request) -> Request {
        match &self.credentials {
            Some(credentials) => request.with("X-Auth-Token", &credentials.operator),
            None => request,
        }
    }

    fn judge(&self, request: &Request, outcome: Outcome) -> Result<Option<Reply>, String> {
        let judged = answers::judge(request, outcome);
        if let Ok(Some(reply)) = &judged {
            let mut findings = self.findings.lock().unwrap();
            *findings.statuses.entry(reply.status).or_default() += 1;
            if reply.status == 503 {
                let target = String::from_utf8_lossy(&request.target);
                let path = target.split('?').next().unwrap_or_default();
                let what = format!("{} {path}: {}", request.method, String::from_utf8_lossy(&reply.body));
                *findings.refusals.entry(what.replace(|c: char| c.is_ascii_digit(), "#")).or_default() += 1;
            }
        }
        judged
    }

    fn fail(&self, case: usize, why: &str, request: &str) {
        let failure = format!("TAGD_SEED={} case {case}: {why}\n  {request}", self.seed);
        self.findings.lock().unwrap().failures.push(failure);
    }

    /// Requests with credentials, right, wrong and none.
    fn authenticate(&self, dice: &mut Dice, request: &mut Request) {
        // each from an address of its own, or the limit of failures would refuse them all
        if request.header("X-Forwarded-For").is_none() && !chance(dice, 50) {
            request.set("X-Forwarded-For", format!("10.{}.{}.{}", dice.roll(256), dice.roll(256), 1 + dice.roll(254)));
        }
        let Some(credentials) = &self.credentials else {
            // nobody looks at them
            if chance(dice, 10) {
                request.set("X-Auth-Token", format!("tagd_{SECRET_MARK}"));
            }
            return;
        };
        // what a mutation has chosen stays
        if request.header("Authorization").is_some() || request.header("X-Auth-Token").is_some() {
            return;
        }
        let other = &credentials.others[dice.roll(credentials.others.len())];
        match dice.roll(20) {
            0 => {}
            1 => request.set("X-Auth-Token", &credentials.revoked),
            2 => {
                let mut wrong = credentials.operator.clone().into_bytes();
                let at = 5 + dice.roll(wrong.len() - 5);
                wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
                request.set("X-Auth-Token", wrong);
            }
            3 => request.set("Authorization", format!("Bearer {}", credentials.operator)),
            4 => {
                request.set("X-Auth-Token", &credentials.operator);
                request.set("Authorization", format!("Bearer {other}"));
            }
            5 | 6 => {
                let target = String::from_utf8_lossy(&request.target).into_owned();
                let (path, query) = target.split_once('?').unwrap_or((&target, ""));
                let (access, secret) = (&*credentials.key.0, &*credentials.key.1);
                let secret = if chance(dice, 4) { "zqs-wrong-secret-wrong" } else { secret };
                let headers = signed((access, secret), &request.method, (path, query), &[], &request.body);
                for (name, value) in borrowed(&headers) {
                    request.set(name, value);
                }
            }
            7 => {
                if let Some(token) = self.seen.subject(dice) {
                    request.set("X-Auth-Token", token);
                }
            }
            8..12 => request.set("X-Auth-Token", other),
            _ => request.set("X-Auth-Token", &credentials.operator),
        }
    }

    /// A request, changed in no way or in a few.
    fn draw(&self, dice: &mut Dice) -> Request {
        let (method, path) = &self.routes[dice.roll(self.routes.len())];
        let mut request = routes::draw(dice, (method, path), &self.seen).unwrap();
        let changes = [0, 0, 1, 1, 1, 2, 2, 3][dice.roll(8)];
        for _ in 0..changes {
            mutations::mutate(dice, &mut request, &self.seen);
        }
        if request.version == "HTTP/1.0" && request.framing != Framing::Length && request.owed == Owed::Answer {
            // which has no chunks
            request.owed = Owed::AnswerOrEnd;
        }
        self.authenticate(dice, &mut request);
        request
    }

    /// One case: how many requests it sent.
    fn one(&self, case: usize, client: &mut Client) -> usize {
        let mut dice = Dice(mixed(self.seed, case));
        if chance(&mut dice, 100) {
            let (sent, outcome) = sequences::live(self, client, &mut dice, case);
            match outcome {
                Ok(()) => self.findings.lock().unwrap().lived += 1,
                Err(why) => self.fail(case, &why, "a sequence"),
            }
            return sent;
        }
        if chance(&mut dice, 50) {
            return self.pipeline(case, client, &mut dice);
        }
        let request = self.draw(&mut dice);
        if let Some(outcome) = client.send(&request, &mut dice) {
            match self.judge(&request, outcome) {
                Ok(Some(reply)) => self.seen.learn(&mut dice, &reply),
                Ok(None) => {}
                Err(why) => self.fail(case, &why, &request.shown()),
            }
        }
        1
    }

    /// Several requests at once. Each has an answer, in their order, up to one that ends the connection.
    fn pipeline(&self, case: usize, client: &Client, dice: &mut Dice) -> usize {
        let mut requests = Vec::new();
        let count = 2 + dice.roll(8);
        while requests.len() < count {
            let mut request = self.draw(dice);
            // actix-http frames an answer as if it were to the last request if one is of these (ARCHITECTURE)
            let is_plain =
                matches!(request.method.as_str(), "GET" | "POST" | "PUT" | "DELETE") && request.version == "HTTP/1.1";
            if request.owed == Owed::Answer
                && is_plain
                && request.header("Upgrade").is_none()
                && request.header("Connection").is_none()
            {
                request.set("X-Request-Id", format!("{MARK}-{}", requests.len()));
                requests.push(request);
            }
        }
        let outcomes = client.pipeline(&requests, dice);
        let answered = outcomes.len();
        for (i, (outcome, request)) in outcomes.into_iter().zip(&requests).enumerate() {
            let judged = self.judge(request, outcome).and_then(|reply| {
                let id = reply.as_ref().and_then(|reply| reply.header("x-request-id")).unwrap_or_default().to_owned();
                if id == format!("{MARK}-{i}") { Ok(()) } else { Err(format!("the answer to {id}")) }
            });
            if let Err(why) = judged {
                self.fail(case, &format!("request {i} of {count} in a pipeline: {why}"), &request.shown());
            }
        }
        answered
    }

    /// Sends requests from several clients.
    fn send(&self, requests: usize) {
        let (sent, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Client::new(self.serving.address());
                    while sent.load(Ordering::Relaxed) < requests
                        && self.findings.lock().unwrap().failures.len() < MOST_FAILURES
                    {
                        let case = next.fetch_add(1, Ordering::Relaxed);
                        sent.fetch_add(self.one(case, &mut client), Ordering::Relaxed);
                    }
                    self.findings.lock().unwrap().ended_between += client.ended_between;
                });
            }
        });
    }
}

/// A state for the dice of a case.
fn mixed(seed: u64, case: usize) -> u64 {
    // SplitMix64
    let mut state = seed.wrapping_add((case as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state ^ (state >> 31)) | 1
}

/// A number of the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

fn run(auth: &str) {
    let (requests, seed) = (number("TAGD_CASES", REQUESTS) / 2, number("TAGD_SEED", 1) as u64);
    let db = TestDb::new();
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
    after(&serving, &db, credentials.as_ref().map(|credentials| &*credentials.operator), &mut findings.failures);
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
    let verified = program.run(&["index", "verify"]);
    if verified.code != Some(0) {
        findings.failures.push(format!("index verify: {verified:?}"));
    }
    println!(
        "{auth}: {:?}, {} sequences, {} connections ended between requests",
        findings.statuses, findings.lived, findings.ended_between
    );
    println!("503: {:#?}\nlog: {others:#?}", findings.refusals);
    assert!(findings.failures.is_empty(), "{} failures:\n{}", findings.failures.len(), findings.failures.join("\n"));
    let count = |from: u16| findings.statuses.range(from..from + 100).map(|(_, count)| count).sum::<usize>();
    let all = findings.statuses.values().sum::<usize>();
    // neither only refusals nor none
    assert!(count(200) > all / 10 && count(400) > all / 10, "{:?}", findings.statuses);
    assert!(findings.lived > requests / 4000, "{} sequences", findings.lived);
}

/// What must hold once everything was answered: no session is left in a transaction, and all that is there can be imported.
fn after(serving: &Serving, db: &TestDb, operator: Option<&str>, failures: &mut Vec<String>) {
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
    if again.status != 200 || again.json()["unchanged"] != count {
        failures.push(format!("an import of the {count} lines of the export: {} {}", again.status, again.body));
    }
    let idle: i64 = block_on(async {
        let mut owner = db.connect().await;
        let statement = "select count(*) from pg_stat_activity where datname = current_database()
                         and state like 'idle in transaction%' and state_change < now() - interval '5 s'";
        let idle = sqlx::query_scalar(statement).fetch_one(&mut owner).await.unwrap();
        owner.close().await.unwrap();
        idle
    });
    if idle > 0 {
        failures.push(format!("{idle} sessions idle in a transaction"));
    }
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
    run("none");
}

#[test]
fn no_request_breaks_a_server_with_credentials() {
    run("keys,tokens");
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
