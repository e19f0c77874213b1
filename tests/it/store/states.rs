//! States of the database that are nobody's fault: which fault each is, and what requests and `/readyz` say meanwhile.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tagd::{
    cluster::{Cluster, ClusterSettings},
    compiler::{Compiled, Cost, shapes, statement},
    domain::{Outage, RequestError},
    store::{
        Meaning, Refusal, STATES, SessionProfile, StoreSettings, WANTED, create_database, meaning_of_end,
        meaning_of_state, migrate, outage_of_setup,
    },
};
use tempfile::TempDir;

use crate::support::{Answer, TestDb, World, block_on, eventually, files_of, registration, repository, sources_of};

// ---- the table

#[test]
fn every_state_is_the_fault_that_the_table_says() {
    use Meaning::{Bug, Gone, Outage as Away, Refused, RolledBack, Stale, Value as Bad};
    let cases = [
        ("TG001", Refused(Refusal::UnknownResource)),
        ("TG002", Refused(Refusal::TooManyTags)),
        ("TG003", Refused(Refusal::Role)),
        ("TG004", Refused(Refusal::TooManyPredefined)),
        ("TG005", Refused(Refusal::UnknownPredefined)),
        ("TG006", Refused(Refusal::PredefinedExists)),
        ("TG007", Refused(Refusal::Condition)),
        ("TG008", Refused(Refusal::UnknownType)),
        ("TG009", Refused(Refusal::ProjectInUse)),
        ("TG010", Refused(Refusal::TypeInUse)),
        ("TG011", Refused(Refusal::NameTaken)),
        ("TG013", Refused(Refusal::AgainstPolicy)),
        ("TG015", Refused(Refusal::UnknownProject)),
        ("TG016", Refused(Refusal::PolicyExists)),
        ("TG017", Refused(Refusal::TooManyPolicies)),
        ("TG018", Refused(Refusal::TooManyPatterns)),
        ("TG999", Bug),
        ("08000", Away(Outage::Unreachable)),
        ("08003", Away(Outage::Unreachable)),
        ("08006", Away(Outage::Unreachable)),
        ("08P01", Bug),
        ("0A000", Stale(Outage::Schema)),
        ("0P000", Stale(Outage::Rights)),
        ("22003", Bad),
        ("22023", Bad),
        ("22P02", Bad),
        ("23502", Bug),
        ("23503", Gone),
        ("TG012", Refused(Refusal::ForeignProject)),
        ("TG014", Refused(Refusal::NotKept)),
        ("23505", Bug),
        ("25001", Bug),
        ("25006", Stale(Outage::ReadOnly)),
        ("25P02", Bug),
        ("25P03", Away(Outage::Unreachable)),
        ("25P04", Away(Outage::Busy)),
        ("26000", Stale(Outage::Unreachable)),
        ("28000", Away(Outage::Login)),
        ("28P01", Away(Outage::Login)),
        ("3D000", Away(Outage::Unreachable)),
        ("3F000", Stale(Outage::Schema)),
        ("40001", RolledBack),
        ("40003", Away(Outage::Unreachable)),
        ("40P01", RolledBack),
        ("42501", Stale(Outage::Rights)),
        ("42601", Bug),
        ("42703", Stale(Outage::Schema)),
        ("42704", Stale(Outage::Rights)),
        ("42804", Bug),
        ("42883", Stale(Outage::Schema)),
        ("42P01", Stale(Outage::Schema)),
        ("53100", Away(Outage::Full)),
        ("53200", Away(Outage::Busy)),
        ("53300", Away(Outage::Busy)),
        ("53400", Away(Outage::Busy)),
        ("54000", Bad),
        ("54001", Bad),
        ("55000", Away(Outage::Closed)),
        ("55006", Away(Outage::Busy)),
        ("55P03", Away(Outage::Busy)),
        ("57014", Away(Outage::Busy)),
        ("57P01", Away(Outage::Unreachable)),
        ("57P02", Away(Outage::Unreachable)),
        ("57P03", Away(Outage::Unreachable)),
        ("57P04", Away(Outage::Unreachable)),
        ("57P05", Away(Outage::Unreachable)),
        ("58000", Away(Outage::Failing)),
        ("58030", Away(Outage::Failing)),
        ("F0001", Away(Outage::Failing)),
        ("P0001", Bug),
        ("XX000", Bug),
        ("XX001", Bug),
        ("", Bug),
    ];
    let mut used = BTreeSet::new();
    for (state, meaning) in cases {
        assert_eq!(meaning_of_state(state), meaning, "{state}");
        used.extend(STATES.iter().position(|(beginning, _)| state.starts_with(beginning)));
        // whatever the server ends a session with, the session is gone
        let outage = match meaning {
            Away(outage) | Stale(outage) => outage,
            _ => Outage::Unreachable,
        };
        match meaning_of_end(state) {
            Away(found) | Stale(found) => assert_eq!(found, outage, "{state}"),
            other => panic!("{state}: {other:?}"),
        }
        // and whatever keeps one from being set up, it is no request's fault
        let expected = if meaning == Bad { Outage::Rights } else { outage };
        assert_eq!(outage_of_setup(state), expected, "{state}");
    }
    assert_eq!(
        used.into_iter().collect::<Vec<_>>(),
        (0..STATES.len()).collect::<Vec<_>>(),
        "rows that no state reaches"
    );
}

#[test]
fn every_state_that_a_function_raises_has_a_row() {
    let mut raised = BTreeSet::new();
    for path in files_of("migrations") {
        let text = fs::read_to_string(repository(&path)).unwrap();
        raised.extend(text.split("errcode = '").skip(1).map(|rest| rest[..5].to_owned()));
    }
    let rows: BTreeSet<&str> = STATES.iter().map(|(beginning, _)| *beginning).collect();
    raised.retain(|state| state.starts_with("TG"));
    assert!(raised.len() >= 10, "{raised:?}");
    for state in raised {
        assert!(rows.contains(state.as_str()), "{state} is in no row of the table");
    }
}

#[test]
fn nobody_tells_by_the_name_of_a_constraint() {
    for source in sources_of("src") {
        assert!(!source.code.contains(".constraint()"), "{}", source.path);
    }
}

#[test]
fn readiness_looks_for_all_that_statements_name() {
    let catalogue = fs::read_to_string(repository("sqlx-data.json")).unwrap();
    let mut catalogue: Value = serde_json::from_str(&catalogue).unwrap();
    catalogue.as_object_mut().unwrap().remove("refinery");
    let compiled: Vec<&str> = shapes().into_iter().map(|shape| statement(shape).text.as_str()).collect();
    // a new line in a text is written as an escape
    let catalogue = format!("{} {}", catalogue.to_string().replace("\\n", " "), compiled.join(" "));
    // only the owner of the schema calls these; the last is a setting of a session
    let others = ["prune_months()", "set_retention()", "session"];
    let mut named = BTreeSet::new();
    for (at, _) in catalogue.match_indices("tagd.") {
        let rest = &catalogue[at + "tagd.".len()..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let before = catalogue[..at].chars().next_back().unwrap();
        // a type needs no right
        let is_type = catalogue[..at].ends_with("::");
        if !name.is_empty() && !before.is_alphanumeric() && !is_type {
            let called = if rest[name.len()..].starts_with('(') { "()" } else { "" };
            named.insert(format!("{name}{called}"));
        }
    }
    named.retain(|name| !others.contains(&name.as_str()));
    assert_eq!(named.iter().map(String::as_str).collect::<Vec<_>>(), WANTED);
}

// ---- an answer that has no row

#[test]
fn a_statement_that_answers_no_row_is_a_fault_and_never_an_empty_answer() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Serve, 1).await;
        for text in ["", "select 1::int8, null, null, null, null, null where false"] {
            let compiled = Compiled { text, arguments: Vec::new(), batch_key: None, cost: Cost::Cheap, shape: 0 };
            let (page, count) = (store.list(&compiled, &[]).await, store.count(&compiled).await);
            assert!(matches!(page, Err(RequestError::Internal { .. })), "{page:?}");
            assert!(matches!(count, Err(RequestError::Internal { .. })), "{count:?}");
        }
        store.close().await;
    });
}

// ---- requests of all kinds

/// A request, and whether it only reads.
pub(super) struct Kind(&'static str, &'static str, &'static str, pub(super) bool);

pub(super) const KINDS: [Kind; 14] = [
    Kind("POST", "/v2/p/images/resource_instances/action", r#"{"action":"filter","limit":2}"#, true),
    Kind(
        "POST",
        "/v2/p/images/resource_instances/action",
        r#"{"action":"count","tags":[{"key":"a","values":["1"]}]}"#,
        true,
    ),
    Kind("POST", "/v1.0/resource-instances/filter", r#"{"project_id":"p","resource_types":["images","disk"]}"#, true),
    Kind("GET", "/v2/p/images/r/tags", "", true),
    Kind("GET", "/v1.0/tag-keys", "", true),
    Kind("GET", "/registry/v1/types", "", true),
    Kind("GET", "/registry/v1/projects/p/types/images/resources/r", "", true),
    Kind("GET", "/registry/v1/export", "", true),
    Kind("POST", "/v2/p/images/r/tags", r#"{"tag":{"key":"b","value":"2"}}"#, false),
    Kind("POST", "/v1.0/predefine_tags/action", r#"{"action":"create","tags":[{"key":"b","value":"2"}]}"#, false),
    Kind("PUT", "/registry/v1/projects/p/types/images/resources/r", r#"{"resource_name":"n"}"#, false),
    Kind("PUT", "/registry/v1/types/buckets", r#"{"service":"TMS","regional":false,"tag_quota":20}"#, false),
    Kind(
        "POST",
        "/registry/v1/import",
        r#"{"project_id":"p","resource_type":"images","resource_id":"s","tags":[]}"#,
        false,
    ),
    Kind("DELETE", "/registry/v1/projects/nobody", "", false),
];

impl Kind {
    pub(super) fn send(&self, world: &World) -> Answer {
        let headers: &[(&str, &str)] = if self.2.is_empty() { &[] } else { &[("Content-Type", "application/json")] };
        world.send(self.0, self.1, headers, self.2.as_bytes())
    }

    fn is_answered(&self, answer: &Answer) -> bool {
        answer.status < 300 || self.0 == "DELETE" && answer.status == 404
    }
}

/// All are answered, at the latest once connections that remember the state are gone.
pub(super) fn all_are_answered(world: &World) {
    for kind in &KINDS {
        let what = format!("{} {} is answered", kind.0, kind.1);
        eventually(&what, || kind.is_answered(&kind.send(world)));
    }
}

/// Those of which `holds` is true are 503 for a reason, and soon; the others are answered.
fn are_refused(world: &World, outage: Outage, holds: impl Fn(&Kind) -> bool) {
    for kind in &KINDS {
        let begun = Instant::now();
        let answer = kind.send(world);
        let what = format!("{} {}: {} {}", kind.0, kind.1, answer.status, answer.body);
        if !holds(kind) {
            assert!(kind.is_answered(&answer), "{what}");
            continue;
        }
        assert_eq!(answer.status, 503, "{what}");
        assert!(answer.headers.contains_key("retry-after"), "{what}");
        // a write is not repeated where its connection was dead, as those are that lie unused since before
        let told = answer.body.contains(&format!("{}; try again later", Outage::Unreachable)) && !kind.3;
        assert!(told || answer.body.contains(&format!("{outage}; try again later")), "{what}");
        if told {
            eventually(&format!("{what}, and then {outage}"), || {
                kind.send(world).body.contains(&format!("{outage}; try again later"))
            });
        }
        // the longest that anybody waits is for a connection
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} after {:?}", begun.elapsed());
    }
}

fn ready(world: &World) -> (u16, Value) {
    let answer = world.send("GET", "/readyz", &[], b"");
    assert_eq!(answer.headers.contains_key("retry-after"), answer.status == 503, "{answer:?}");
    (answer.status, answer.json()["status"].clone())
}

/// Waits until `/readyz` says so: an answer holds for a second, and a connection for some.
fn wait_ready(world: &World, outage: Option<Outage>) {
    let expected = match outage {
        None => (200, json!("ready")),
        Some(outage) => (503, json!(outage.to_string())),
    };
    eventually(&format!("/readyz is {expected:?}"), || ready(world) == expected);
}

/// A server over a database with a resource in it, which has answered every kind of request once.
fn fleet() -> World {
    let world = World::with(&[registration("images", "r", "", &[("a", "1")]), registration("disk", "d", "", &[])]);
    all_are_answered(&world);
    wait_ready(&world, None);
    world
}

async fn run(connection: &mut PgConnection, statement: &str) {
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
}

fn run_as_owner(db: &TestDb, statement: &str) {
    block_on(async {
        let mut owner = db.connect().await;
        run(&mut owner, statement).await;
        owner.close().await.unwrap();
    });
}

/// Runs a statement beside the database, on the server, with its name in place of `{db}`.
fn run_beside(db: &TestDb, statement: &str) {
    let url = db.url();
    let (server, name) = url.rsplit_once('/').unwrap();
    block_on(async {
        let mut beside = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
        for statement in statement.replace("{db}", name).split(';') {
            run(&mut beside, statement).await;
        }
        beside.close().await.unwrap();
    });
}

const END_SESSIONS: &str = "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{db}'";

#[test]
fn a_read_only_database_still_answers_reads_and_writes_are_503() {
    let world = fleet();
    run_beside(&world.db, "alter database {db} set default_transaction_read_only = on");
    run_beside(&world.db, END_SESSIONS);
    wait_ready(&world, Some(Outage::ReadOnly));
    are_refused(&world, Outage::ReadOnly, |kind| !kind.3);
    run_beside(&world.db, "alter database {db} reset default_transaction_read_only");
    wait_ready(&world, None);
    all_are_answered(&world);
}

#[test]
fn rights_that_were_taken_away_are_503_until_they_are_back() {
    let world = fleet();
    run_as_owner(&world.db, "revoke usage on schema tagd from tagd_service");
    wait_ready(&world, Some(Outage::Rights));
    are_refused(&world, Outage::Rights, |_| true);
    run_as_owner(&world.db, "grant usage on schema tagd to tagd_service");
    wait_ready(&world, None);
    all_are_answered(&world);

    let function = "function tagd.write_tags(bigint, text[], smallint[], integer[], text[], tagd.caller[])";
    run_as_owner(&world.db, &format!("revoke execute on {function} from tagd_service"));
    wait_ready(&world, Some(Outage::Rights));
    are_refused(&world, Outage::Rights, |kind| kind.1 == "/v2/p/images/r/tags" && kind.0 == "POST");
    run_as_owner(&world.db, &format!("grant execute on {function} to tagd_service"));
    wait_ready(&world, None);
    all_are_answered(&world);

    run_as_owner(&world.db, "revoke select on tagd.resource from tagd_service");
    wait_ready(&world, Some(Outage::Rights));
    let begun = KINDS[0].send(&world);
    assert_eq!(begun.status, 503, "{}", begun.body);
    run_as_owner(&world.db, "grant select on tagd.resource to tagd_service");
    wait_ready(&world, None);
    all_are_answered(&world);
}

#[test]
fn a_schema_or_function_that_was_renamed_is_503_until_it_is_back() {
    let world = fleet();
    run_as_owner(&world.db, "alter schema tagd rename to elsewhere");
    wait_ready(&world, Some(Outage::Schema));
    are_refused(&world, Outage::Schema, |_| true);
    run_as_owner(&world.db, "alter schema elsewhere rename to tagd");
    wait_ready(&world, None);
    all_are_answered(&world);

    run_as_owner(&world.db, "alter function tagd.begin_import() rename to elsewhere");
    wait_ready(&world, Some(Outage::Schema));
    are_refused(&world, Outage::Schema, |kind| kind.1.ends_with("/import"));
    run_as_owner(&world.db, "alter function tagd.elsewhere() rename to begin_import");
    wait_ready(&world, None);

    run_as_owner(&world.db, "alter table tagd.label rename to elsewhere");
    wait_ready(&world, Some(Outage::Schema));
    assert_eq!(KINDS[0].send(&world).status, 503);
    run_as_owner(&world.db, "alter table tagd.elsewhere rename to label");
    wait_ready(&world, None);
    all_are_answered(&world);

    // the schema of an older tagd; of a newer one this tagd is still the replica beside it
    run_as_owner(&world.db, "update tagd.schema_history set version = version + 1000 where version = 21");
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(ready(&world), (200, json!("ready")));
    run_as_owner(&world.db, "update tagd.schema_history set version = 21 where version > 1000");
    run_as_owner(&world.db, "update tagd.schema_history set version = -version");
    wait_ready(&world, Some(Outage::Schema));
    run_as_owner(&world.db, "update tagd.schema_history set version = -version");
    wait_ready(&world, None);

    // the same for the set of functions
    run_as_owner(&world.db, "update tagd.function_file set set_number = set_number + 1");
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(ready(&world), (200, json!("ready")));
    run_as_owner(&world.db, "update tagd.function_file set set_number = 0");
    wait_ready(&world, Some(Outage::Schema));
}

#[test]
fn a_database_that_was_closed_is_503_until_it_is_open() {
    let world = fleet();
    run_beside(&world.db, "alter database {db} allow_connections false");
    run_beside(&world.db, END_SESSIONS);
    wait_ready(&world, Some(Outage::Closed));
    are_refused(&world, Outage::Closed, |_| true);
    run_beside(&world.db, "alter database {db} allow_connections true");
    wait_ready(&world, None);
    all_are_answered(&world);
}

// ---- a server of the test's own

pub(super) struct Own {
    // the server stops with its last holder, so this goes after the world
    world: Option<World>,
    cluster: Option<Cluster>,
    dir: TempDir,
}

impl Own {
    pub(super) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let cluster = Cluster::attach(&ClusterSettings {
            data_dir: dir.path().to_path_buf(),
            programs: std::env::var_os("TAGD_POSTGRES_BIN").map(PathBuf::from),
            path: std::env::var_os("PATH"),
            durable: false,
            max_connections: 30,
        })
        .unwrap();
        let mut store = StoreSettings::of_cluster(&cluster, "tagd");
        store.connections = 2;
        block_on(async {
            create_database(&store, "tagd").await.unwrap();
            migrate(&store).await.unwrap();
        });
        let world = World::over(TestDb::empty(), store);
        let made = world.send(
            "PUT",
            "/registry/v1/projects/p/types/images/resources/r",
            &[("Content-Type", "application/json")],
            br#"{"resource_name":"n","tags":[{"key":"a","value":"1"}]}"#,
        );
        assert_eq!(made.status, 201, "{}", made.body);
        all_are_answered(&world);
        wait_ready(&world, None);
        Self { world: Some(world), cluster: Some(cluster), dir }
    }

    pub(super) fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    pub(super) async fn connect(&self) -> PgConnection {
        let cluster = self.cluster.as_ref().unwrap();
        let socket = cluster.socket_dir().display().to_string().replace('/', "%2F");
        PgConnection::connect(&format!("postgres://{}@{socket}:{}/postgres", cluster.user(), cluster.port()))
            .await
            .unwrap()
    }

    pub(super) fn postmaster(&self) -> i32 {
        let text = fs::read_to_string(self.dir.path().join("postgres/data/postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.world.take();
        self.cluster.take();
        let gone = |path: &Path| !path.exists();
        let pidfile = self.dir.path().join("postgres/data/postmaster.pid");
        let begun = Instant::now();
        while !gone(&pidfile) && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_role_that_is_gone_and_a_setting_of_the_whole_server_are_503_until_they_are_back() {
    let own = Own::new();
    let mut beside = block_on(own.connect());
    block_on(async {
        run(&mut beside, "alter role tagd_service rename to elsewhere").await;
        run(&mut beside, &END_SESSIONS.replace("{db}", "tagd")).await;
    });
    wait_ready(own.world(), Some(Outage::Rights));
    are_refused(own.world(), Outage::Rights, |_| true);
    block_on(run(&mut beside, "alter role elsewhere rename to tagd_service"));
    wait_ready(own.world(), None);
    all_are_answered(own.world());

    // as a managed service does it whose disk is nearly full: sessions that are there are told too
    block_on(async {
        run(&mut beside, "alter system set default_transaction_read_only = on").await;
        run(&mut beside, "select pg_reload_conf()").await;
    });
    wait_ready(own.world(), Some(Outage::ReadOnly));
    are_refused(own.world(), Outage::ReadOnly, |kind| !kind.3);
    block_on(async {
        run(&mut beside, "set default_transaction_read_only = off").await;
        run(&mut beside, "alter system reset default_transaction_read_only").await;
        run(&mut beside, "select pg_reload_conf()").await;
        beside.close().await.unwrap();
    });
    wait_ready(own.world(), None);
    all_are_answered(own.world());
}

/// Processes that stand still until this goes out of scope.
pub(super) struct Frozen(Vec<Pid>);

impl Frozen {
    pub(super) fn new(pids: impl IntoIterator<Item = i32>) -> Self {
        let frozen = Self(pids.into_iter().map(Pid::from_raw).collect());
        for pid in &frozen.0 {
            kill(*pid, Signal::SIGSTOP).unwrap();
        }
        frozen
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _ = kill(*pid, Signal::SIGCONT);
        }
    }
}

#[test]
fn readyz_has_a_deadline_even_where_the_server_is_frozen() {
    let own = Own::new();
    let sessions: Vec<i32> = block_on(async {
        let mut beside = own.connect().await;
        let sessions = sqlx::query_scalar("select pid from pg_stat_activity where datname = 'tagd'")
            .fetch_all(&mut beside)
            .await
            .unwrap();
        beside.close().await.unwrap();
        sessions
    });
    assert!(!sessions.is_empty());
    let frozen = Frozen::new(sessions.into_iter().chain([own.postmaster()]));
    wait_ready(own.world(), Some(Outage::Silent));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let begun = Instant::now();
                    assert_eq!(ready(own.world()), (503, json!(Outage::Silent.to_string())));
                    // a second, and what a busy machine adds; a statement would have thirty, a connection five
                    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
                }
            });
        }
    });
    drop(frozen);
    wait_ready(own.world(), None);
    all_are_answered(own.world());
}

// ---- readiness beside load

#[test]
fn readyz_does_not_follow_saturation_and_many_that_ask_share_one_connection() {
    let db = TestDb::new();
    let mut store = db.settings();
    store.connections = 1;
    let world = World::over(db, store);
    world.load(&[registration("images", "r", "", &[("a", "1")])]);
    wait_ready(&world, None);
    let mut owner = block_on(world.db.connect());
    let mut held = block_on(owner.begin()).unwrap();
    block_on(held.execute("lock table tagd.resource, tagd.label, tagd.chunk in access exclusive mode")).unwrap();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..8).map(|_| scope.spawn(|| KINDS[1].send(&world).status)).collect();
        let mut blocked = || -> i64 {
            block_on(
                sqlx::query_scalar(
                    "select count(*) from pg_locks l join pg_database d on d.oid = l.database
                      where d.datname = current_database() and not l.granted",
                )
                .fetch_one(&mut *held),
            )
            .unwrap()
        };
        let begun = Instant::now();
        while blocked() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(10));
        }
        // the only connection is taken for as long as the lock is held
        let askers: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..20 {
                        assert_eq!(ready(&world), (200, json!("ready")));
                        thread::sleep(Duration::from_millis(100));
                    }
                })
            })
            .collect();
        for asker in askers {
            asker.join().unwrap();
        }
        assert!(blocked() > 0, "the load went away");
        let probes: i64 = block_on(
            sqlx::query_scalar(
                "select count(*) from pg_stat_activity
                  where datname = current_database() and query like 'select pg_is_in_recovery()%'",
            )
            .fetch_one(&mut *held),
        )
        .unwrap();
        assert_eq!(probes, 1);
        block_on(held.rollback()).unwrap();
        for request in waiting {
            assert_eq!(request.join().unwrap(), 200);
        }
    });
    block_on(owner.close()).unwrap();
}

#[test]
fn readyz_does_not_notice_that_its_connection_was_ended() {
    let world = fleet();
    for _ in 0..3 {
        run_beside(&world.db, END_SESSIONS);
        // past what was answered before
        thread::sleep(Duration::from_millis(1100));
        assert_eq!(ready(&world), (200, json!("ready")));
        let head = world.send("HEAD", "/readyz", &[], b"");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
}

#[test]
fn an_import_does_not_notice_that_unused_connections_were_ended() {
    let world = fleet();
    let line = registration_line();
    let json = [("Content-Type", "application/json")];
    let projects = ["gone0", "gone1", "gone2"].map(|project| format!("/registry/v1/projects/{project}"));
    for project in &projects {
        assert_eq!(world.send("PUT", project, &json, b"{}").status, 201);
    }
    for project in &projects {
        // leaves a connection for long work behind
        assert_eq!(world.send("DELETE", project, &[], b"").status, 204);
        run_beside(&world.db, END_SESSIONS);
        let answer = world.send("POST", "/registry/v1/import", &json, line.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

fn registration_line() -> String {
    json!({ "project_id": "p", "resource_type": "images", "resource_id": "again", "tags": [] }).to_string()
}

// ---- types in use

#[test]
fn a_type_that_comes_into_use_while_it_is_deleted_is_kept() {
    let world = World::new();
    assert_eq!(KINDS[11].send(&world).status, 201);
    let mut owner = block_on(world.db.connect());
    let mut registering = block_on(owner.begin()).unwrap();
    block_on(registering.execute("select tagd.put_scope('p', 'buckets')")).unwrap();
    thread::scope(|scope| {
        let deleting = scope.spawn(|| world.send("DELETE", "/registry/v1/types/buckets", &[], b""));
        let begun = Instant::now();
        loop {
            let waits: bool = block_on(
                sqlx::query_scalar(
                    "select exists (select from pg_stat_activity
                                     where datname = current_database() and wait_event_type = 'Lock')",
                )
                .fetch_one(&mut *registering),
            )
            .unwrap();
            if waits {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60));
            block_on(registering.execute("select pg_stat_clear_snapshot()")).unwrap();
            thread::sleep(Duration::from_millis(10));
        }
        block_on(registering.commit()).unwrap();
        let answer = deleting.join().unwrap();
        assert_eq!(
            (answer.status, answer.json()["error_code"].as_str()),
            (409, Some("REGISTRY.0006")),
            "{}",
            answer.body
        );
    });
    block_on(owner.close()).unwrap();
    assert_eq!(world.send("GET", "/registry/v1/types/buckets", &[], b"").status, 200);
}

// ---- connections over the network

#[test]
fn a_database_far_away_whose_url_has_no_sslmode_is_told_apart() {
    for (url, may_be) in [
        ("postgres://u:p@db.example:5432/x", true),
        ("postgres://u:p@192.0.2.7/x", true),
        ("postgres://u:p@[2001:db8::7]/x", true),
        ("postgresql://u:p@db/x?sslmode=prefer", true),
        ("postgres://u:p@db.example/x?sslmode=allow", true),
        ("postgres://u:p@db.example/x?sslmode=disable", false),
        ("postgres://u:p@db.example/x?sslmode=require", false),
        ("postgres://u:p@db.example/x?sslmode=verify-full", false),
        ("postgres://u:p@127.0.0.1/x", false),
        ("postgres://u:p@127.9.9.9/x", false),
        ("postgres://u:p@[::1]:5432/x", false),
        ("postgres://u:p@localhost/x", false),
        ("postgres://u@%2Fvar%2Frun%2Fpostgresql/x", false),
        ("postgres:///x?host=/var/run/postgresql", false),
    ] {
        assert_eq!(StoreSettings::of_url(url).unwrap().may_be_in_plain_text(), may_be, "{url}");
    }
}
