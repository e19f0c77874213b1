//! The pool: which connections are used again, and which are replaced.

use std::{collections::BTreeSet, time::Instant};

use futures_util::future::join_all;
use sqlx::{Connection, Executor, PgConnection};
use tagd::{
    compiler::compile,
    domain::{QueryOutput, RequestError, Resource, TagQuery, registry::Condition},
    store::{SessionProfile, Store},
};
use tokio::time::timeout;

use crate::support::{PATIENCE, Relay, TestDb, begin, block_on, eventually_found, tag, waiting_for_locks};

/// Registers the resource `a`; the number of its scope.
async fn register(store: &Store) -> i64 {
    let resource = Resource { resource_id: "a".into(), ..Resource::default() };
    store.register("p", "disk", &resource, false, &Condition::None).await.unwrap();
    store.find_scope("p", "disk").await.unwrap().unwrap()
}

/// Runs a test over a store of so many connections, in which the resource `a` of one scope is registered, and beside
/// it a connection of the owner.
fn with_store<F: Future<Output = ()>>(connections: u32, test: impl FnOnce(Store, i64, PgConnection) -> F) {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Serve, connections).await;
        let scope = register(&store).await;
        test(store.clone(), scope, db.connect().await).await;
        store.close().await;
    });
}

/// The server's processes of everybody else's connections.
async fn backends(owner: &mut PgConnection) -> BTreeSet<i32> {
    // within a transaction the view stays as it was first read
    sqlx::query("select pg_stat_clear_snapshot()").execute(&mut *owner).await.unwrap();
    let found: Vec<i32> = sqlx::query_scalar(
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    )
    .fetch_all(owner)
    .await
    .unwrap();
    found.into_iter().collect()
}

/// The same once they are as they should be: the server takes its time to let go of a connection that was closed.
async fn wait_for(owner: &mut PgConnection, holds: impl Fn(&BTreeSet<i32>) -> bool) -> BTreeSet<i32> {
    eventually_found("the connections are those expected", async || Some(backends(owner).await).filter(&holds)).await
}

/// Ends them, and waits until they are gone.
async fn end_all(owner: &mut PgConnection) {
    for pid in backends(owner).await {
        sqlx::query("select pg_terminate_backend($1, 5000)").bind(pid).execute(&mut *owner).await.unwrap();
    }
    wait_for(owner, BTreeSet::is_empty).await;
}

#[test]
fn one_after_the_other_share_a_connection_and_a_refusal_does_not_cost_it() {
    with_store(4, |store, scope, mut owner| async move {
        let first = wait_for(&mut owner, |now| now.len() == 1).await;
        for _ in 0..3 {
            store.put_tags(scope, "a", &[tag("k", "v")]).await.unwrap();
            assert!(matches!(store.put_tags(scope, "b", &[]).await, Err(RequestError::UnknownResource { .. })));
            assert_eq!(store.list_tags(scope, "a").await.unwrap().unwrap(), [tag("k", "v")]);
        }
        assert_eq!(backends(&mut owner).await, first);
    });
}

#[test]
fn a_statement_that_was_dropped_half_way_is_cancelled_and_its_connection_used_again() {
    with_store(1, |store, scope, mut owner| async move {
        let mut held = owner.begin().await.unwrap();
        held.execute("lock table tagd.resource in access exclusive mode").await.unwrap();
        let mut first = None;
        for _ in 0..3 {
            let reader = store.clone();
            let dropped = begin(async move { reader.list_tags(scope, "a").await });
            let waits = eventually_found("the statement waits at the server", async || {
                waiting_for_locks(&mut held).await.first().copied()
            });
            // the same connection each time: it came back from the statement before
            let pid = waits.await;
            assert_eq!(*first.get_or_insert(pid), pid);
            dropped.abort();
            assert!(dropped.await.is_err_and(|error| error.is_cancelled()), "the table is locked");
            // there is only this one, and the table is still locked
            assert_eq!(store.find_scope("p", "disk").await.unwrap(), Some(scope));
            assert!(waiting_for_locks(&mut held).await.is_empty());
        }
        held.rollback().await.unwrap();
        assert_eq!(store.list_tags(scope, "a").await.unwrap(), Some(Vec::new()));
    });
}

#[test]
fn reads_do_not_notice_that_the_server_ended_every_idle_connection() {
    with_store(4, |store, scope, mut owner| async move {
        for _ in 0..3 {
            // on a busy machine one connection may be back before another is made: then there is nothing to see yet
            eventually_found("there are several connections", async || {
                let (a, b, c, d) = tokio::join!(
                    store.list_tags(scope, "a"),
                    store.find_scope("p", "disk"),
                    store.list_types(),
                    store.list_tags(scope, "b"),
                );
                assert!(a.unwrap().is_some() && b.unwrap().is_some() && !c.unwrap().is_empty() && d.unwrap().is_none());
                (backends(&mut owner).await.len() > 1).then_some(())
            })
            .await;
            end_all(&mut owner).await;
        }
        assert!(store.list_types().await.is_ok());
    });
}

#[test]
fn a_write_on_a_connection_that_the_server_ended_is_told_so_once_and_the_next_is_well() {
    with_store(1, |store, scope, mut owner| async move {
        end_all(&mut owner).await;
        let refused = store.put_tags(scope, "a", &[tag("k", "v")]).await;
        assert!(matches!(refused, Err(RequestError::Unavailable { .. })), "{refused:?}");
        store.put_tags(scope, "a", &[tag("k", "w")]).await.unwrap();
        assert_eq!(store.list_tags(scope, "a").await.unwrap().unwrap(), [tag("k", "w")]);
    });
}

#[test]
fn who_waits_for_a_connection_gets_the_next_one_that_is_released() {
    with_store(2, |store, scope, mut owner| async move {
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.list_tags(scope, "a").await.unwrap().unwrap() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), []);
        }
        wait_for(&mut owner, |now| now.len() <= 2).await;
    });
}

#[test]
fn a_database_that_falls_silent_costs_one_answer() {
    let db = TestDb::new();
    block_on(async {
        let relay = Relay::to(&db).await;
        let store = Store::open(&relay.settings(), SessionProfile::Serve).await.unwrap();
        let scope = register(&store).await;
        let mut owner = db.connect().await;
        for round in 0..4 {
            // several connections lie there
            eventually_found("there are several connections", async || {
                let reads = (0..8).map(|_| store.list_tags(scope, "a"));
                join_all(reads).await.into_iter().for_each(|tags| assert!(tags.unwrap().is_some()));
                (backends(&mut owner).await.len() > 1).then_some(())
            })
            .await;
            // a read is answered on another connection, unless the deadline of the test's settings comes first; a write may have
            // been done. A pool that has given its connections up meanwhile makes a new one, which is answered
            eventually_found("a silent connection is met", async || {
                relay.fall_silent();
                let begun = Instant::now();
                let outcome = match round {
                    0 => store.put_tags(scope, "a", &[tag("k", "v")]).await,
                    1 => store.list_tags(scope, "a").await.map(|_| ()),
                    2 => match timeout(PATIENCE, store.is_prepared_in_time("a")).await {
                        Ok(prepared) => prepared.map(|_| ()),
                        Err(_) => panic!("work of several statements has no deadline"),
                    },
                    _ => {
                        let count = compile(&TagQuery::default(), &[scope], QueryOutput::Count);
                        store.count(&count).await.map(|_| ())
                    }
                };
                assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
                assert!(matches!(outcome, Ok(()) | Err(RequestError::Unavailable { .. })), "{outcome:?}");
                (round > 0 || outcome.is_err()).then_some(())
            })
            .await;
            // neither the resource nor the connections beside it are kept from the next
            let value = round.to_string();
            store.put_tags(scope, "a", &[tag("k", &value)]).await.unwrap();
            assert_eq!(store.list_tags(scope, "a").await.unwrap().unwrap(), [tag("k", &value)]);
        }
        store.close().await;
    });
}

#[test]
fn who_can_have_no_new_connection_takes_one_that_comes_back() {
    let db = TestDb::new();
    block_on(async {
        let relay = Relay::to(&db).await;
        let store = Store::open(&relay.settings(), SessionProfile::Serve).await.unwrap();
        let scope = register(&store).await;
        relay.refuse().await;
        let reads = (0..8).map(|_| store.list_tags(scope, "a"));
        for tags in join_all(reads).await {
            assert_eq!(tags.unwrap(), Some(Vec::new()));
        }
        store.close().await;
    });
}

#[test]
fn a_closed_store_leaves_no_connection_and_lends_none() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Serve, 2).await;
        let mut owner = db.connect().await;
        store.close().await;
        let refused = store.find_scope("p", "disk").await;
        assert!(matches!(refused, Err(RequestError::Unavailable { .. })), "{refused:?}");
        end_all(&mut owner).await;
    });
}
