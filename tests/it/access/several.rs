//! Two tagd on one database: what one of them, a command or an administrator of the database changes, the other sees.
//!
//! These servers use what they remember for an hour (`World::remembering`), so they see a change only if they are told of it.
//! `TAGD_CASES` sets how many changes the longest test makes, `TAGD_SEED` the seed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{domain::Role, service::AuthSettings};

use super::{MASTER, settings, token};
use crate::support::{Answer, Dice, Program, Relay, Stopper, TestDb, World, block_on, eventually, waiting_for_locks};

const CASES: usize = 40;
const PROJECTS: [&str; 3] = ["p", "q", "r"];
const DOMAINS: [&str; 2] = ["d", "e"];

// ---- servers and requests

/// Two servers over one database, which has the types of the resources.
pub(super) fn two() -> [World; 2] {
    let db = Arc::new(TestDb::new());
    [(); 2].map(|()| World::remembering(Arc::clone(&db), db.settings(), settings()))
}

pub(super) fn send(world: &World, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let headers = [("X-Auth-Token", token), ("Content-Type", "application/json")];
    world.send(method, path, &headers[..if body.is_empty() { 1 } else { 2 }], body.as_bytes())
}

/// The same to the registry, which must succeed.
pub(super) fn register(world: &World, method: &str, path: &str, token: &str, body: &str) {
    let answer = send(world, method, &format!("/registry/v1/{path}"), token, body);
    assert!(answer.status < 300, "{method} {path} {body}: {} {}", answer.status, answer.body);
    assert!(path != "import" || answer.json()["rejected_count"] == 0, "{}", answer.body);
}

pub(super) fn put_project(world: &World, token: &str, project: &str, domain: &str) {
    register(world, "PUT", &format!("projects/{project}"), token, &json!({ "domain_id": domain }).to_string());
}

pub(super) fn put_resource(world: &World, token: &str, project: &str, id: &str, value: &str) {
    let body = json!({ "tags": [{ "key": "k", "value": value }] }).to_string();
    register(world, "PUT", &format!("projects/{project}/types/images/resources/{id}"), token, &body);
}

pub(super) fn put_type(world: &World, token: &str) {
    register(world, "PUT", "types/images", token, r#"{"service":"IMS","regional":true,"tag_quota":10}"#);
}

/// Resources of a project, each with the value of its tag.
type Resources = BTreeMap<String, String>;

/// What a principal sees of a project: its status if it is refused.
fn seen(world: &World, token: &str, project: &str) -> Result<Resources, u16> {
    let path = format!("/v2/{project}/images/resource_instances/action");
    let answer = send(world, "POST", &path, token, r#"{"action":"filter","limit":100}"#);
    if answer.status != 200 {
        return Err(answer.status);
    }
    let page = answer.json();
    let of = |resource: &serde_json::Value| {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&resource["resource_id"]), text(&resource["tags"][0]["value"]))
    };
    Ok(page["resources"].as_array().unwrap().iter().map(of).collect())
}

/// The identifier of a token.
pub(super) fn id_of(token: &str) -> &str {
    &token[5..17]
}

/// What an administrator of the database does.
fn sql(world: &World, statement: &str) {
    block_on(async {
        let mut owner = world.db.connect().await;
        owner.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        owner.close().await.unwrap();
    });
}

/// Connections that listen for changes.
async fn listening(owner: &mut sqlx::PgConnection) -> Vec<i32> {
    let statement = "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen %' and pid <> pg_backend_pid()";
    sqlx::query_scalar(statement).fetch_all(owner).await.unwrap()
}

/// Waits until so many servers listen.
fn until_listening(world: &World, servers: usize) {
    let mut owner = block_on(world.db.connect());
    eventually("the servers listen", || block_on(listening(&mut owner)).len() == servers);
    block_on(owner.close()).unwrap();
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

// ---- tests

/// What a project is, as all servers should have it.
#[derive(Clone, Debug, Default)]
struct Project {
    domain: &'static str,
    resources: Resources,
}

#[test]
fn the_server_that_makes_a_change_sees_it_at_once_and_the_other_when_it_is_told_and_none_shows_what_was_deleted() {
    let servers = two();
    let operator = token(&servers[0], Role::Operator, "", &[]);
    let reader_of = |domain: &str| token(&servers[0], Role::Reader, domain, &[]);
    let readers = Mutex::new(DOMAINS.map(reader_of));
    put_type(&servers[0], &operator);
    let mut projects: BTreeMap<&str, Project> = BTreeMap::new();
    let mut dice = Dice(number("TAGD_SEED").unwrap_or(7));
    let cases = number("TAGD_CASES").map_or(CASES, |cases| usize::try_from(cases).unwrap());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stopper = Stopper(&stop);
        // others keep all that can be remembered in memory, also while it changes
        for server in &servers {
            let (stop, readers) = (&stop, &readers);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    for (project, reader) in PROJECTS.iter().flat_map(|project| [(project, 0), (project, 1)]) {
                        let token = readers.lock().unwrap()[reader].clone();
                        let _ = seen(server, &token, project);
                    }
                }
            });
        }
        for case in 0..cases {
            let (own, other) = if dice.roll(2) == 0 { (0, 1) } else { (1, 0) };
            let (own, other) = (&servers[own], &servers[other]);
            let project = PROJECTS[dice.roll(PROJECTS.len())];
            let domain = DOMAINS[dice.roll(DOMAINS.len())];
            let value = case.to_string();
            let id = format!("i{}", dice.roll(3));
            let mut ended = None;
            match dice.roll(6) {
                0 => {
                    put_project(own, &operator, project, domain);
                    projects.entry(project).or_default().domain = domain;
                }
                1 => {
                    // deleted and registered again, perhaps by the other domain
                    if projects.remove(project).is_some() {
                        register(own, "DELETE", &format!("projects/{project}?with_resources=true"), &operator, "");
                        assert_eq!(seen(other, &operator, project), Ok(Resources::new()));
                    }
                    if dice.roll(2) == 0 {
                        put_project(own, &operator, project, domain);
                        put_resource(own, &operator, project, &id, &value);
                        projects.insert(project, Project { domain, resources: [(id, value)].into() });
                    }
                }
                2 | 3 => {
                    put_resource(own, &operator, project, &id, &value);
                    projects.entry(project).or_default().resources.insert(id, value);
                }
                4 => {
                    let tags = [json!({ "key": "k", "value": value })];
                    let line = json!({ "project_id": project, "domain_id": domain, "resource_type": "images",
                                       "resource_id": id, "tags": tags });
                    register(own, "POST", "import", &operator, &line.to_string());
                    let imported = projects.entry(project).or_default();
                    imported.domain = domain;
                    imported.resources.insert(id, value);
                }
                _ => {
                    let which = dice.roll(2);
                    let old = readers.lock().unwrap()[which].clone();
                    register(own, "DELETE", &format!("tokens/{}", id_of(&old)), &operator, "");
                    assert_eq!(seen(own, &old, project), Err(401), "case {case}");
                    readers.lock().unwrap()[which] = token(own, Role::Reader, DOMAINS[which], &[]);
                    ended = Some(old);
                }
            }
            let tokens = readers.lock().unwrap().clone();
            let expected = |domain: &str, project: &str| {
                let known = projects.get(project).filter(|known| known.domain == domain);
                known.map(|known| known.resources.clone()).ok_or(403)
            };
            for project in PROJECTS {
                // what is in a project is never remembered
                let now = projects.get(project).map(|known| known.resources.clone()).unwrap_or_default();
                for server in [own, other] {
                    assert_eq!(seen(server, &operator, project), Ok(now.clone()), "case {case}: {project}");
                }
                for (domain, token) in DOMAINS.iter().zip(&tokens) {
                    let wanted = expected(domain, project);
                    assert_eq!(seen(own, token, project), wanted, "case {case}: {project} for {domain}");
                    eventually("the other server knows of the change", || {
                        let found = seen(other, token, project);
                        let is_current = found.as_ref().map_or(true, |found| *found == now);
                        assert!(is_current, "case {case}: {project} for {domain}: {found:?} is not {now:?}");
                        found == wanted
                    });
                }
            }
            if let Some(old) = ended {
                eventually("the token ends", || seen(other, &old, project) == Err(401));
            }
        }
    });
}

#[test]
fn commands_and_administrators_of_the_database_are_followed() {
    let [world, other] = two();
    drop(other);
    let operator = token(&world, Role::Operator, "", &[]);
    let new_reader = || token(&world, Role::Reader, "d", &[]);
    put_type(&world, &operator);
    put_project(&world, &operator, "p", "d");
    put_resource(&world, &operator, "p", "i", "v");
    let program = Program::new().on(&world.db).with("TAGD_MASTER_KEY", MASTER);
    let is_refused = |token: &str, status: u16| seen(&world, token, "p") == Err(status);
    let known = |token: &str| assert_eq!(seen(&world, token, "p").map(|found| found.len()), Ok(1));
    // a command
    let reader = new_reader();
    known(&reader);
    program.expect(&["token", "revoke", id_of(&reader)]);
    eventually("the token is refused", || is_refused(&reader, 401));
    let reader = new_reader();
    known(&reader);
    program.expect(&["token", "rotate", id_of(&reader)]);
    eventually("the rotated token is refused", || is_refused(&reader, 401));
    let line = r#"{"project_id":"p","domain_id":"e","resource_type":"images","resource_id":"i","tags":[{"key":"k","value":"v"}]}"#;
    let reader = new_reader();
    known(&reader);
    let imported = program.import(line);
    assert_eq!(imported.code, Some(0), "{}", imported.err);
    eventually("the project is in another domain", || is_refused(&reader, 403));
    // SQL, and nobody sees it before it is committed
    sql(&world, "select tagd.put_project('p', '', 'd', null)");
    eventually("the project is back", || seen(&world, &reader, "p").is_ok());
    let mut owner = block_on(world.db.connect());
    block_on(owner.execute("begin; select tagd.remove_project('p', true, null)")).unwrap();
    known(&reader);
    block_on(owner.execute("commit")).unwrap();
    block_on(owner.close()).unwrap();
    eventually("the project is gone", || is_refused(&reader, 403));
}

#[test]
fn a_batch_that_moves_many_projects_is_followed() {
    let [world, other] = two();
    let operator = token(&world, Role::Operator, "", &[]);
    let reader = token(&world, Role::Reader, "d", &[]);
    let lines = |domain: &str| {
        let line = |number: usize| {
            json!({ "project_id": format!("p{number}"), "domain_id": domain, "resource_type": "images",
                    "resource_id": "i", "tags": [] })
        };
        (0..150).map(|number| format!("{}\n", line(number))).collect::<String>()
    };
    register(&world, "POST", "import", &operator, &lines("d"));
    for project in ["p0", "p149"] {
        assert!(send(&other, "GET", &format!("/v2/{project}/images/tags"), &reader, "").status == 200);
    }
    register(&world, "POST", "import", &operator, &lines("e"));
    for project in ["p0", "p149"] {
        let status = |world: &World| send(world, "GET", &format!("/v2/{project}/images/tags"), &reader, "").status;
        assert_eq!(status(&world), 403);
        eventually("the other server knows", || status(&other) == 403);
    }
}

/// Two servers with a project of one resource, of which one reaches the database through a relay.
struct Relayed {
    relay: Relay,
    world: World,
    other: World,
    operator: String,
}

fn relayed() -> Relayed {
    let db = Arc::new(TestDb::new());
    let relay = block_on(Relay::to(&db));
    let world = World::remembering(Arc::clone(&db), relay.settings(), settings());
    let other = World::remembering(Arc::clone(&db), db.settings(), settings());
    let operator = token(&other, Role::Operator, "", &[]);
    put_type(&other, &operator);
    put_project(&other, &operator, "p", "d");
    put_resource(&other, &operator, "p", "i", "v");
    Relayed { relay, world, other, operator }
}

#[test]
fn what_was_changed_while_nobody_listened_is_known_once_somebody_does() {
    let Relayed { relay, world, other, operator } = relayed();
    let revoke = |token: &str| register(&other, "DELETE", &format!("tokens/{}", id_of(token)), &operator, "");
    let known = || {
        until_listening(&other, 2);
        let reader = token(&other, Role::Reader, "d", &[]);
        eventually("the project is read", || seen(&world, &reader, "p").is_ok());
        reader
    };
    // the connection ends
    let reader = known();
    sql(
        &other,
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ilike 'listen %'",
    );
    revoke(&reader);
    eventually("the token is refused", || seen(&world, &reader, "p") == Err(401));
    // the connection stays and nothing arrives on it
    let reader = known();
    relay.fall_silent();
    revoke(&reader);
    eventually("the token is refused", || seen(&world, &reader, "p") == Err(401));
}

#[test]
fn what_was_changed_right_after_the_last_notification_of_a_connection_is_known_once_there_is_another_one() {
    let Relayed { relay, world, other, operator } = relayed();
    let [reader, unused] = [(); 2].map(|()| token(&other, Role::Reader, "d", &[]));
    until_listening(&other, 2);
    let is_read = || seen(&world, &reader, "p").is_ok();
    eventually("the project is read", is_read);
    relay.cut_after_notification();
    register(&other, "DELETE", &format!("tokens/{}", id_of(&unused)), &operator, "");
    block_on(relay.was_cut());
    // the credential is forgotten now, the domain of the project may not be
    eventually("the project is read", is_read);
    put_project(&other, &operator, "p", "e");
    relay.let_in();
    eventually("the project is in another domain", || seen(&world, &reader, "p") == Err(403));
}

#[test]
fn numbers_of_scopes_that_an_earlier_state_of_the_database_does_not_have_are_forgotten() {
    let world = {
        let db = Arc::new(TestDb::new());
        World::remembering(Arc::clone(&db), db.settings(), AuthSettings::default())
    };
    put_type(&world, "");
    world.db.back_up();
    let put = |project: &str| {
        eventually("the database is back", || {
            let path = format!("/registry/v1/projects/{project}/types/images/resources/of-{project}");
            send(&world, "PUT", &path, "", "{}").status == 201
        });
    };
    let ids = |project: &str| {
        let page = send(
            &world,
            "POST",
            &format!("/v2/{project}/images/resource_instances/action"),
            "",
            r#"{"action":"filter"}"#,
        );
        let resources = page.json()["resources"].as_array().cloned().unwrap_or_default();
        resources.iter().map(|resource| resource["resource_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    put("p");
    assert_eq!(ids("p"), ["of-p"]);
    until_listening(&world, 1);
    world.db.restore();
    until_listening(&world, 1);
    // it gets the number that the other scope had
    put("q");
    assert_eq!((ids("q"), ids("p")), (vec!["of-q".to_owned()], Vec::new()));
}

#[test]
fn a_project_that_is_moved_while_it_is_read_is_not_shown_to_its_old_domain() {
    let [world, other] = two();
    drop(other);
    let operator = token(&world, Role::Operator, "", &[]);
    let reader = token(&world, Role::Reader, "d", &[]);
    put_type(&world, &operator);
    put_project(&world, &operator, "p", "d");
    put_resource(&world, &operator, "p", "i", "v");
    let (query, tags) = ("/v2/p/images/resource_instances/action", "/v2/p/images/i/tags");
    let registered = "/registry/v1/projects/p/types/images/resources";
    let body = r#"{"action":"filter"}"#;
    let mut owner = block_on(world.db.connect());
    for (method, path, body) in [
        ("POST", query, body),
        ("GET", tags, ""),
        ("GET", "/v2/p/images/tags", ""),
        ("GET", registered, ""),
        ("GET", &format!("{registered}/i"), ""),
        ("GET", "/v1.0/tag-keys", ""),
        ("GET", "/v1.0/tag-values?key=k", ""),
    ] {
        let read = || send(&world, method, path, &reader, body).status;
        put_project(&world, &operator, "p", "d");
        assert_eq!(read(), 200, "{method} {path}");
        // the request is allowed and then waits
        let lock = "begin; lock table tagd.resource, tagd.label in access exclusive mode";
        block_on(owner.execute(lock)).unwrap();
        let status = thread::scope(|scope| {
            let reading = scope.spawn(read);
            eventually("it waits", || !block_on(waiting_for_locks(&mut owner)).is_empty());
            put_project(&world, &operator, "p", "e");
            block_on(owner.execute("rollback")).unwrap();
            reading.join().unwrap()
        });
        assert_eq!(status, 403, "{method} {path}");
    }
    block_on(owner.close()).unwrap();
}

#[test]
fn a_server_listens_on_one_connection_and_no_longer_once_it_has_stopped() {
    let [world, other] = two();
    until_listening(&world, 2);
    drop(other);
    until_listening(&world, 1);
}
