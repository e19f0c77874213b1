//! Web pages in a real browser: what a page of another origin can read and change, which is nothing.
//!
//! The page is `tests/browser/attack.js`. It is also shown to work: where nothing protects tagd, it reads and changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection};

use super::{MASTER, roles::body_of};
use crate::support::{Behind, Browser, Program, Serving, Site, TestDb, Wire, block_on, every_route, json_lines};

const SCRIPT: &str = include_str!("../../browser/attack.js");

/// The host name of the one who attacks; it leads to this machine.
const ATTACKER: &str = "attacker.example";

/// What only tagd knows.
const SECRET: &str = "known-to-tagd-alone";

/// The id of the requests that no page sends.
const OWN: &str = "own";

/// A tagd of its own process, with a resource of each dialect.
struct Tagd {
    serving: Serving,
    db: TestDb,
    /// A token that allows everything; empty if credentials are off.
    token: String,
    /// Its home.
    _program: Program,
}

impl Tagd {
    fn start(auth: &str, options: &[&str]) -> Self {
        let db = TestDb::new();
        let program = Program::new().on(&db).with("TAGD_MASTER_KEY", MASTER).with("TAGD_LOG_FORMAT", "json");
        let lines = Wire::ALL.map(|wire| {
            let line = json!({
                "project_id": "p", "domain_id": "d", "resource_type": wire.resource_type(), "resource_id": "r",
                "resource_name": SECRET, "tags": [{ "key": "env", "value": SECRET }],
            });
            format!("{line}\n")
        });
        assert_eq!(program.import(lines.concat()).code, Some(0));
        let token = if auth == "none" {
            String::new()
        } else {
            let made = program.expect(&["token", "create", "--name", "operator", "--role", "operator"]);
            made.lines().find_map(|line| line.strip_prefix("token: ")).unwrap().to_owned()
        };
        let serving = program.serve(&[&["--listen", "127.0.0.1:0", "--auth", auth], options].concat());
        Self { serving, db, token, _program: program }
    }

    /// The server as a page knows it.
    fn at(&self, url: &str) -> Value {
        json!({ "url": url, "token": self.token })
    }

    /// Every table, as a hash of its rows.
    fn state(&self) -> BTreeMap<String, String> {
        block_on(async {
            let mut owner = self.db.connect().await;
            let tables: Vec<String> =
                sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'tagd'")
                    .fetch_all(&mut owner)
                    .await
                    .unwrap();
            assert!(tables.len() > 10, "{tables:?}");
            let mut state = BTreeMap::new();
            for table in tables {
                let hash = format!(
                    "select coalesce(md5(string_agg(md5(t::text), '' order by md5(t::text))), '') from tagd.{table} t"
                );
                let hash: String = sqlx::query_scalar(AssertSqlSafe(hash)).fetch_one(&mut owner).await.unwrap();
                state.insert(table, hash);
            }
            owner.close().await.unwrap();
            state
        })
    }

    /// Adds a tag as an ordinary client does; the status.
    fn tag(&self) -> u16 {
        let headers = [("Content-Type", "application/json"), ("X-Request-Id", OWN), ("X-Auth-Token", &*self.token)];
        let headers = &headers[..if self.token.is_empty() { 2 } else { 3 }];
        self.serving.send("POST", "/v2/p/images/r/tags", headers, br#"{"tag":{"key":"k","value":"v"}}"#).status
    }

    /// Ends the server, and asserts that every request was refused as one of a page of another origin, and that every route
    /// was tried. What a browser does not simply send to another origin is preceded by a question.
    fn check_log(self, asks: bool) {
        let lines = json_lines(&self.serving.stop().err);
        let mut seen = BTreeSet::new();
        for line in lines.iter().filter(|line| line["message"] == "answered") {
            // the browser itself asks for an icon of what a window shows
            if line["request_id"] == OWN || line["path"] == "/favicon.ico" {
                continue;
            }
            assert_eq!(line["status"], 403, "{line}");
            seen.insert((line["method"].as_str().unwrap().to_owned(), line["path"].as_str().unwrap().to_owned()));
        }
        for (method, path) in every_route() {
            let sent = if asks && !["GET", "POST"].contains(&method) { "OPTIONS" } else { method };
            assert!(seen.contains(&(sent.to_owned(), path.clone())), "the page never sent {sent} {path}");
        }
    }
}

/// Every route with a body that it takes; what deletes most comes last.
fn routes() -> Value {
    let mut routes = every_route();
    routes.sort_by_key(|(method, path)| (*method == "DELETE", std::cmp::Reverse(path.len())));
    let body = |method: &str, path: &str| match path {
        "/registry/v1/import" => r#"{"project_id":"p","resource_type":"ecs","resource_id":"new","resource_name":"x"}"#,
        _ => body_of(method, path),
    };
    routes.iter().map(|(method, path)| json!([method, path, body(method, path)])).collect()
}

/// The page, whose reports go to the site under a name that never leads to tagd.
fn page(site: &Site, servers: &[Value], frames: &[String], nests: bool) -> String {
    let settings = json!({
        "servers": servers, "routes": routes(), "frames": frames, "nests": nests, "inner": false,
        "script": site.url("localhost", "/page/script.js"), "report": site.url("localhost", "/page/report"),
    });
    format!(
        "<!DOCTYPE html><title>page</title><body><script>const SETTINGS = {settings};</script>\
         <script src=\"{}\"></script>",
        site.url("localhost", "/page/script.js")
    )
}

/// What the reports say was read.
fn found(reports: &[Value]) -> Vec<&Value> {
    reports.iter().flat_map(|report| report["found"].as_array().unwrap()).collect()
}

/// How something of tagd's data was read.
fn ways_to_data(reports: &[Value]) -> BTreeSet<&str> {
    let with_data = found(reports).into_iter().filter(|read| read["text"].as_str().unwrap().contains(SECRET));
    with_data.map(|read| read["how"].as_str().unwrap()).collect()
}

#[test]
fn a_page_of_another_origin_reads_and_changes_nothing() {
    let Some(program) = Browser::program("access::browser") else { return };
    let servers = [Tagd::start("none", &[]), Tagd::start("keys,tokens", &[])];
    let before = servers.each_ref().map(Tagd::state);
    let other = Site::new(SCRIPT, Behind::Nothing);
    let neighbour = Site::new(SCRIPT, Behind::Nothing);
    // a page of another site, and one of another port of the same host; the first with two documents without an origin
    let at = |host: &str| servers.each_ref().map(|tagd| tagd.at(&tagd.serving.url.replace("127.0.0.1", host)));
    other.set_page(page(&other, &at("127.0.0.1"), &[neighbour.url("localhost", "/page/")], true));
    neighbour.set_page(page(&neighbour, &at("localhost"), &[], false));
    let browser = Browser::open(program, &other.url(ATTACKER, "/page/"), &[ATTACKER]);
    let reports = [other.reports(3), neighbour.reports(1)].concat();
    drop(browser);

    assert_eq!(found(&reports), Vec::<&Value>::new());
    let origins: BTreeSet<_> = reports.iter().map(|report| report["origin"].as_str().unwrap()).collect();
    let expected = [other.url(ATTACKER, ""), neighbour.url("localhost", ""), "null".to_owned()];
    assert_eq!(origins, expected.iter().map(String::as_str).collect());
    for (tagd, before) in servers.into_iter().zip(before) {
        assert_eq!(tagd.state(), before);
        assert_eq!(tagd.tag(), 204, "others are not refused");
        assert_ne!(tagd.state(), before, "a change is seen");
        tagd.check_log(true);
    }
}

#[test]
fn a_page_whose_host_name_leads_to_tagd_reads_and_changes_nothing() {
    let Some(program) = Browser::program("access::browser") else { return };
    for auth in ["none", "keys,tokens"] {
        let tagd = Tagd::start(auth, &[]);
        let before = tagd.state();
        let site = Site::new(SCRIPT, Behind::Relay(tagd.serving.address().to_owned()));
        site.set_page(page(&site, &[tagd.at(&site.url(ATTACKER, ""))], &[], false));
        let browser = Browser::open(program, &site.url(ATTACKER, "/page/"), &[ATTACKER]);
        let reports = site.reports(1);
        drop(browser);

        // for the browser it is the same origin, so the page reads that it is refused
        let found = found(&reports);
        assert!(found.len() > 100, "{}", found.len());
        for read in found {
            let text = read["text"].as_str().unwrap();
            assert!(text.contains("APIGW.0306") || text.is_empty() && read["status"] == 403, "{read}");
        }
        assert_eq!(tagd.state(), before);
        assert_eq!(tagd.tag(), 204, "others are not refused");
        tagd.check_log(false);
    }
}

#[test]
fn the_same_page_reads_and_changes_what_nothing_protects() {
    let Some(program) = Browser::program("access::browser") else { return };
    // as if tagd let every page read its answers, and did not look at where requests come from
    let tagd = Tagd::start("keys,tokens", &[]);
    let before = tagd.state();
    let open = Site::new(SCRIPT, Behind::Open(tagd.serving.url.clone()));
    let other = Site::new(SCRIPT, Behind::Nothing);
    other.set_page(page(&other, &[tagd.at(&open.url("127.0.0.1", ""))], &[], false));
    let browser = Browser::open(program, &other.url(ATTACKER, "/page/"), &[ATTACKER]);
    let reports = other.reports(1);
    drop(browser);
    assert_ne!(tagd.state(), before);
    let ways = ways_to_data(&reports);
    assert_eq!(ways, BTreeSet::from(["XMLHttpRequest", "fetch with Bearer", "fetch with X-Auth-Token"]));
    let kinds = open.kinds();
    for kind in [
        "cors empty",
        "no-cors empty",
        "no-cors image",
        "cors image",
        "no-cors script",
        "cors script",
        "no-cors style",
        "no-cors audio",
        "no-cors video",
        "navigate iframe",
        "navigate object",
        "navigate embed",
        "navigate document",
        "websocket ",
    ] {
        let (mode, destination) = kind.split_once(' ').unwrap();
        assert!(kinds.contains(&(mode.to_owned(), destination.to_owned())), "{kind}: {kinds:?}");
    }

    // as if the host name of the page were one of tagd's
    let tagd = Tagd::start("none", &["--allowed-host", ATTACKER]);
    let before = tagd.state();
    let site = Site::new(SCRIPT, Behind::Relay(tagd.serving.address().to_owned()));
    site.set_page(page(&site, &[tagd.at(&site.url(ATTACKER, ""))], &[], false));
    let browser = Browser::open(program, &site.url(ATTACKER, "/page/"), &[ATTACKER]);
    let reports = site.reports(1);
    drop(browser);
    assert_ne!(tagd.state(), before);
    let ways = ways_to_data(&reports);
    for way in ["fetch", "XMLHttpRequest", "iframe", "object", "window", "worker"] {
        assert!(ways.contains(way), "{way}: {ways:?}");
    }
}
