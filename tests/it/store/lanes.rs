//! Who gets a connection: shares in turn, expensive statements beside cheap ones, and writes that wait for locks.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use tagd::{
    compiler::{Compiled, Cost, compile},
    domain::{NameMatch, QueryOutput, RequestError, Resource, TagQuery, Term, ValueMatch, registry::Condition},
    store::{ServerConnections, SessionProfile, Share, Store},
};
use tokio::task::JoinHandle;

use crate::support::{TestDb, World, begin, block_on, eventually, eventually_found, registration, waiting_for_locks};

/// Registers the resource `a`; the number of its scope.
async fn register(store: &Store) -> i64 {
    let resource = Resource { resource_id: "a".into(), ..Resource::default() };
    store.register("p", "images", &resource, false, &Condition::None).await.unwrap();
    store.find_scope("p", "images").await.unwrap().unwrap()
}

fn by_name(scope: i64) -> Compiled {
    let query = TagQuery { resource_name: Some(NameMatch::Contains("web".into())), ..TagQuery::default() };
    compile(&query, &[scope], QueryOutput::Count)
}

/// The statements that have ended, in order.
type Ended = Arc<Mutex<Vec<String>>>;

/// Begins a statement of a share, which notes its end.
fn ask(store: &Store, ended: &Ended, share: &str, cost: Cost, scope: i64) -> JoinHandle<Result<(), RequestError>> {
    let (store, ended, name) = (store.sharing(Share::of(share)), Arc::clone(ended), share.to_owned());
    begin(async move {
        let outcome = match cost {
            Cost::Cheap => store.list_tags(scope, "a").await.map(|_| ()),
            Cost::Expensive => store.count(&by_name(scope)).await.map(|_| ()),
        };
        ended.lock().unwrap().push(name);
        outcome
    })
}

/// Whether a statement was refused because too many wait.
fn is_crowded(outcome: &Result<(), RequestError>) -> bool {
    let Err(RequestError::Unavailable { source, .. }) = outcome else { return false };
    let mut source: Option<&dyn std::error::Error> = Some(&**source);
    while let Some(error) = source {
        if error.to_string().contains("as many statements wait") {
            return true;
        }
        source = error.source();
    }
    false
}

/// A store with one connection, which a statement has that waits for a table until the transaction ends.
async fn occupied(db: &TestDb, owner: &mut PgConnection) -> (Store, i64, JoinHandle<Result<(), RequestError>>) {
    let store = db.store(SessionProfile::Serve, 1).await;
    let scope = register(&store).await;
    owner.execute("begin").await.unwrap();
    owner.execute("lock table tagd.resource, tagd.name in access exclusive mode").await.unwrap();
    let holder = ask(&store, &Ended::default(), "holder", Cost::Cheap, scope);
    eventually_found("it has the connection", async || (waiting_for_locks(owner).await.len() == 1).then_some(())).await;
    (store, scope, holder)
}

#[test]
fn a_share_with_one_statement_does_not_wait_for_all_of_another() {
    let db = TestDb::new();
    block_on(async {
        let mut owner = db.connect().await;
        let (store, scope, holder) = occupied(&db, &mut owner).await;
        let ended = Ended::default();
        let mut tasks: Vec<_> = (0..60).map(|_| ask(&store, &ended, "many", Cost::Cheap, scope)).collect();
        tasks.push(ask(&store, &ended, "one", Cost::Cheap, scope));
        owner.execute("rollback").await.unwrap();
        holder.await.unwrap().unwrap();
        for task in join_all(tasks).await {
            task.unwrap().unwrap();
        }
        // the second turn is its; the order in which tasks note their ends is not exactly that of the turns
        let at = ended.lock().unwrap().iter().position(|share| share == "one").unwrap();
        assert!(at < 10, "{at}");
        store.close().await;
    });
}

#[test]
fn a_share_never_has_all_connections_for_cheap_statements() {
    let db = TestDb::new();
    block_on(async {
        let mut settings = db.settings();
        for (connections, workers, cheap) in [(8, 2, 2), (2, 2, 1)] {
            settings.connections = connections;
            let store = ServerConnections::new(&settings, workers).serving();
            let scope = register(&store).await;
            let mut owner = db.connect().await;
            let mut held = owner.begin().await.unwrap();
            held.execute("lock table tagd.resource in access exclusive mode").await.unwrap();
            let ended = Ended::default();
            let many: Vec<_> = (0..5).map(|_| ask(&store, &ended, "many", Cost::Cheap, scope)).collect();
            eventually_found("it has as many as it may", async || {
                (waiting_for_locks(&mut held).await.len() == cheap).then_some(())
            })
            .await;
            let other = store.sharing(Share::of("other"));
            for _ in 0..3 {
                assert_eq!(other.find_scope("p", "images").await.unwrap(), Some(scope));
            }
            assert_eq!(waiting_for_locks(&mut held).await.len(), cheap);
            held.rollback().await.unwrap();
            for task in join_all(many).await {
                task.unwrap().unwrap();
            }
            store.close().await;
        }
    });
}

#[test]
fn beyond_its_length_the_line_refuses_at_once_and_the_largest_share_first() {
    let db = TestDb::new();
    block_on(async {
        let mut owner = db.connect().await;
        let (store, scope, holder) = occupied(&db, &mut owner).await;
        let ended = Ended::default();
        let mut many: Vec<_> = (0..16).map(|_| ask(&store, &ended, "many", Cost::Expensive, scope)).collect();
        assert!(many.iter().all(|task| !task.is_finished()));
        // of the share that has the most, the newest is refused
        assert!(is_crowded(&ask(&store, &ended, "many", Cost::Expensive, scope).await.unwrap()));
        let few: Vec<_> = (0..2).map(|_| ask(&store, &ended, "few", Cost::Expensive, scope)).collect();
        for _ in 0..2 {
            assert!(is_crowded(&many.pop().unwrap().await.unwrap()));
        }
        // who is dropped leaves the line
        let dropped = many.remove(0);
        dropped.abort();
        assert!(dropped.await.is_err_and(|error| error.is_cancelled()));
        many.push(ask(&store, &ended, "many", Cost::Expensive, scope));
        assert!(is_crowded(&ask(&store, &ended, "many", Cost::Expensive, scope).await.unwrap()));
        // cheap ones have a line of their own
        let cheap = ask(&store, &ended, "many", Cost::Cheap, scope);
        owner.execute("rollback").await.unwrap();
        holder.await.unwrap().unwrap();
        for task in join_all(many.into_iter().chain(few).chain([cheap])).await {
            task.unwrap().unwrap();
        }
        store.close().await;
    });
}

#[test]
fn cheap_and_expensive_statements_take_turns_where_there_is_one_connection() {
    let db = TestDb::new();
    block_on(async {
        let mut owner = db.connect().await;
        let mut settings = db.settings();
        settings.connections = 1;
        for (many, one) in [(Cost::Expensive, Cost::Cheap), (Cost::Cheap, Cost::Expensive)] {
            let store = ServerConnections::new(&settings, 2).serving();
            let scope = register(&store).await;
            owner.execute("begin").await.unwrap();
            owner.execute("lock table tagd.resource, tagd.name in access exclusive mode").await.unwrap();
            let holder = ask(&store, &Ended::default(), "holder", many, scope);
            eventually_found("it has the connection", async || {
                (waiting_for_locks(&mut owner).await.len() == 1).then_some(())
            })
            .await;
            let ended = Ended::default();
            // each for another share, all of which would have a turn before
            let mut tasks: Vec<_> = (0..15).map(|i| ask(&store, &ended, &i.to_string(), many, scope)).collect();
            tasks.push(ask(&store, &ended, "one", one, scope));
            owner.execute("rollback").await.unwrap();
            holder.await.unwrap().unwrap();
            for task in join_all(tasks).await {
                task.unwrap().unwrap();
            }
            let at = ended.lock().unwrap().iter().position(|share| share == "one").unwrap();
            assert!(at < 8, "{at}");
            store.close().await;
        }
    });
}

#[test]
fn expensive_statements_use_half_of_the_connections_and_cheap_ones_go_on_beside_them() {
    let db = TestDb::new();
    block_on(async {
        let mut settings = db.settings();
        for (connections, workers, expensive) in [(2, 1, 1), (2, 4, 1), (5, 2, 2), (8, 2, 4)] {
            settings.connections = connections;
            let server = ServerConnections::new(&settings, workers);
            let stores: Vec<_> = (0..workers).map(|_| server.serving()).collect();
            let scope = register(&stores[0]).await;
            let mut owner = db.connect().await;
            let mut held = owner.begin().await.unwrap();
            held.execute("lock table tagd.name in access exclusive mode").await.unwrap();
            let ended = Ended::default();
            let tasks: Vec<_> = (0..12)
                .map(|i| ask(&stores[i % stores.len()], &ended, &i.to_string(), Cost::Expensive, scope))
                .collect();
            eventually_found("as many as may be are running", async || {
                (waiting_for_locks(&mut held).await.len() == expensive).then_some(())
            })
            .await;
            for store in &stores {
                for _ in 0..3 {
                    assert!(store.list_tags(scope, "a").await.unwrap().is_some());
                }
            }
            assert_eq!(waiting_for_locks(&mut held).await.len(), expensive);
            held.rollback().await.unwrap();
            for task in join_all(tasks).await {
                task.unwrap().unwrap();
            }
        }
    });
}

#[test]
fn workers_that_share_connections_have_no_more_together_and_outlive_each_other() {
    let db = TestDb::new();
    let mut settings = db.settings();
    settings.connections = 8;
    let (store, scope, mut owner) = block_on(async {
        let store = ServerConnections::new(&settings, 2).serving();
        let scope = register(&store).await;
        (store, scope, db.connect().await)
    });
    for _ in 0..3 {
        thread::scope(|threads| {
            for _ in 0..6 {
                threads.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        for _ in 0..20 {
                            let counts =
                                join_all((0..3).map(|_| async { store.count(&by_name(scope)).await.unwrap() }));
                            assert_eq!(counts.await, [0; 3]);
                        }
                    });
                });
            }
        });
        // on connections of threads that have ended
        let counts = join_all((0..8).map(|_| async { store.count(&by_name(scope)).await.unwrap() }));
        assert_eq!(block_on(counts), [0; 8]);
        block_on(eventually_found("there are no more than four, and one of each other kind", async || {
            let sessions: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
            )
            .fetch_one(&mut owner)
            .await
            .unwrap();
            (sessions <= 6).then_some(())
        }));
    }
    block_on(owner.close()).unwrap();
}

#[test]
fn what_a_query_costs_is_decided_by_its_form() {
    let term = |key: &str, values: &[&str]| {
        let values = values.iter().map(|value| match value.strip_prefix('*') {
            Some(part) => ValueMatch::Contains(part.into()),
            None => ValueMatch::Exact((*value).into()),
        });
        Term { key: key.into(), values: values.collect() }
    };
    let tags = |tags: Vec<Term>| TagQuery { tags, ..TagQuery::default() };
    let named = |name: NameMatch| TagQuery { resource_name: Some(name), ..TagQuery::default() };
    let many: Vec<Term> = (0..33).map(|i| term(&format!("k{i}"), &["v"])).collect();
    let by_id = TagQuery { resource_id: Some("a".into()), ..tags(vec![term("a", &["1"])]) };
    let excluded = TagQuery { not_tags_any: vec![term("a", &["*1"])], ..TagQuery::default() };
    for (query, scopes, cost) in [
        (TagQuery::default(), 1, Cost::Cheap),
        (tags(vec![term("a", &["1"])]), 1, Cost::Cheap),
        (tags(vec![term("a", &["1", "2"]), term("b", &[])]), 1, Cost::Cheap),
        (by_id, 1, Cost::Cheap),
        (tags(vec![term("a", &["1"])]), 32, Cost::Cheap),
        (tags(vec![term("a", &["1"])]), 33, Cost::Expensive),
        (tags(many), 1, Cost::Expensive),
        (tags(vec![term("a", &["*1"])]), 1, Cost::Expensive),
        (tags(vec![term("a", &["*1"]), term("b", &["1"])]), 1, Cost::Expensive),
        (excluded, 1, Cost::Expensive),
        (named(NameMatch::Contains("web".into())), 1, Cost::Expensive),
        (named(NameMatch::Contains("w".into())), 1, Cost::Expensive),
        (named(NameMatch::Empty), 1, Cost::Expensive),
    ] {
        let scopes: Vec<i64> = (0..scopes).collect();
        for output in [QueryOutput::Count, QueryOutput::Page { limit: 1000, offset: 0 }] {
            let compiled = compile(&query, &scopes, output);
            assert_eq!(compiled.cost, cost, "{query:?}");
            assert!(compiled.batch_key.is_none() || compiled.cost == Cost::Cheap);
        }
    }
}

#[test]
fn over_http_expensive_queries_are_shed_and_all_else_is_answered() {
    let db = TestDb::new();
    let mut settings = db.settings();
    settings.connections = 2;
    let world = World::over(db, settings);
    world.load(&[registration("images", "a", "web", &[("k", "v")])]);
    let path = "/v2/p/images/resource_instances/action";
    let expensive = json!({"action": "count", "matches": [{"key": "resource_name", "value": "web"}]}).to_string();
    let cheap = json!({"action": "count", "tags": [{"key": "k", "values": ["v"]}]}).to_string();
    let mut owner = block_on(world.db.connect());
    block_on(async {
        owner.execute("begin").await.unwrap();
        owner.execute("lock table tagd.name in access exclusive mode").await.unwrap();
    });
    thread::scope(|threads| {
        // one has the connection, and sixteen wait
        let asked: Vec<_> = (0..20).map(|_| threads.spawn(|| world.post(path, &expensive))).collect();
        eventually("the others are refused", || asked.iter().filter(|asked| asked.is_finished()).count() == 3);
        assert_eq!(world.post(path, &cheap).json(), json!({"total_count": 1}));
        assert_eq!(world.send("GET", "/readyz", &[], b"").status, 200);
        let again = world.post(path, &expensive);
        assert_eq!((again.status, again.headers["retry-after"].as_str()), (503, "1"), "{}", again.body);
        block_on(async { owner.execute("rollback").await.unwrap() });
        let mut statuses: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap().status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![200; 17], vec![503; 3]].concat());
    });
    block_on(owner.close()).unwrap();
}

#[test]
fn registrations_that_wait_for_a_scope_stop_neither_reads_nor_writes_of_another_project() {
    let db = TestDb::new();
    let mut settings = db.settings();
    settings.connections = 8;
    let world = World::over(db, settings);
    let put = |project: &str, id: &str| {
        let path = format!("/registry/v1/projects/{project}/types/images/resources/{id}");
        world.send("PUT", &path, &[("Content-Type", "application/json")], br#"{"resource_name": "n"}"#).status
    };
    assert_eq!((put("p", "a"), put("q", "a")), (201, 201));
    let mut owner = block_on(world.db.connect());
    block_on(async {
        owner.execute("begin").await.unwrap();
        owner
            .execute(
                "select from tagd.scope_counter c join tagd.scope s using (scope_id) where s.project_id = 'p' for update of c",
            )
            .await
            .unwrap();
    });
    thread::scope(|threads| {
        let put = &put;
        let waiting: Vec<_> = (0..16).map(|i| threads.spawn(move || put("p", &format!("new{i}")))).collect();
        block_on(eventually_found("half of the connections of writes wait", async || {
            (waiting_for_locks(&mut owner).await.len() == 4).then_some(())
        }));
        for i in 0..3 {
            let path = "/v2/p/images/resource_instances/action";
            assert_eq!(world.post(path, r#"{"action": "count"}"#).json(), json!({"total_count": 1}));
            assert_eq!(put("q", &format!("other{i}")), 201);
            let tags = r#"{"action": "create", "tags": [{"key": "k", "value": "v"}]}"#;
            assert_eq!(world.post("/v2/q/images/a/tags/action", tags).status, 204);
        }
        block_on(async {
            assert_eq!(waiting_for_locks(&mut owner).await.len(), 4);
            owner.execute("rollback").await.unwrap();
        });
        assert!(waiting.into_iter().all(|put| put.join().unwrap() == 201));
    });
    block_on(owner.close()).unwrap();
}
