//! Queries of one label that are asked at the same time go together, and nobody can tell from the answers.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tagd::{
    compiler::{Compiled, Shape, Strategy, batch, compile, statement},
    domain::{Outage, Page, QueryOutput, RequestError, Scope, TagQuery, Term, ValueMatch, change::Registration},
    memory::{Account, Budget, SMALL},
    store::{SessionProfile, Store},
};

use crate::support::{PATIENCE, World, begin, block_on, eventually_found, registration, sparse_limit};

const RESOURCES: usize = 400;

fn fleet() -> Vec<Registration> {
    let one = |i: usize| {
        let (few, half) = (format!("f{}", i % 90), format!("h{}", i % 2));
        let mut tags = vec![("few", few.as_str()), ("half", half.as_str())];
        if i % 10 == 3 {
            tags.clear();
        }
        registration("images", &format!("r{i}"), "", &tags)
    };
    (0..RESOURCES).map(one).collect()
}

/// What one label answers: tags, keys, everything, nothing that is untagged, what is not there.
fn queries() -> Vec<TagQuery> {
    let tagged = |key: &str, value: Option<&str>| TagQuery {
        tags: vec![Term {
            key: key.into(),
            values: value.iter().map(|value| ValueMatch::Exact((*value).into())).collect(),
        }],
        ..TagQuery::default()
    };
    vec![
        tagged("few", Some("f7")),
        tagged("few", Some("f88")),
        tagged("half", Some("h0")),
        tagged("half", None),
        tagged("few", Some("f1000")),
        tagged("no\0where", None),
        tagged("\"{},\\ é", Some("'")),
        TagQuery::default(),
        TagQuery { without_any_tag: true, ..TagQuery::default() },
    ]
}

/// Every query, counted and at several pages.
fn asked(scope: i64) -> Vec<Compiled> {
    let pages = [(0, 10), (3, 1), (0, 50), (195, 10), (5000, 7), (u64::MAX, 10)];
    let wants = pages.map(|(offset, limit)| QueryOutput::Page { limit, offset });
    let wants: Vec<QueryOutput> = wants.into_iter().chain([QueryOutput::Count]).collect();
    queries().iter().flat_map(|query| wants.iter().map(|want| compile(query, &[scope], *want))).collect()
}

#[derive(Debug, PartialEq)]
struct Answer {
    total: u64,
    ids: Vec<String>,
}

async fn ask(store: &Store, scope: i64, query: &Compiled) -> Answer {
    if query.arguments.len() == 4 {
        return Answer { total: store.count(query).await.unwrap(), ids: Vec::new() };
    }
    let scopes = [Arc::new(Scope { scope_id: scope, ..Scope::default() })];
    let Page { total, items } = store.list(query, &scopes).await.unwrap();
    Answer { total, ids: items.iter().map(|item| item.resource_id().to_owned()).collect() }
}

/// Text that answers several pages.
fn batched() -> &'static str {
    &statement(Shape { strategy: Strategy::BatchedSingle, page: true }).text
}

/// Statements under way with a text, and all of other connections.
async fn under_way(owner: &mut PgConnection) -> (Vec<i32>, usize) {
    // within a transaction the view stays as it was first read
    sqlx::query("select pg_stat_clear_snapshot()").execute(&mut *owner).await.unwrap();
    let active: Vec<(i32, bool)> = sqlx::query_as(
        // it shows the beginning of a text
        "select pid, starts_with($1, query) from pg_stat_activity
          where datname = current_database() and state = 'active' and pid <> pg_backend_pid()",
    )
    .bind(batched())
    .fetch_all(owner)
    .await
    .unwrap();
    let joined = active.iter().filter(|(_, is_joined)| *is_joined).map(|(pid, _)| *pid);
    (joined.collect(), active.len())
}

async fn wait_until_joined(owner: &mut PgConnection) -> (Vec<i32>, usize) {
    eventually_found("queries go together", async || {
        let (joined, active) = under_way(owner).await;
        (!joined.is_empty()).then_some((joined, active))
    })
    .await
}

fn with_store<F: Future<Output = ()>>(connections: u32, test: impl FnOnce(Store, i64, PgConnection) -> F) {
    let world = World::new();
    world.load(&fleet());
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, connections).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        test(store.clone(), scope, world.db.connect().await).await;
        store.close().await;
    });
}

#[test]
fn queries_asked_together_have_the_answers_they_have_by_themselves() {
    with_store(3, |store, scope, mut owner| async move {
        for sparse in [0, 5, 128] {
            let remade = format!("{}select tagd.rebuild_scope(scope_id) from tagd.scope", sparse_limit(sparse));
            owner.execute(AssertSqlSafe(remade)).await.unwrap();
            let asked = asked(scope);
            let mut alone = Vec::new();
            for query in &asked {
                assert!(query.batch_key.is_some(), "{query:?}");
                alone.push(ask(&store, scope, query).await);
            }
            assert!(alone.iter().any(|answer| answer.ids.len() == 50) && alone.iter().any(|answer| answer.total == 0));
            for _ in 0..5 {
                let together = join_all(asked.iter().map(|query| ask(&store, scope, query))).await;
                for ((query, together), alone) in asked.iter().zip(together).zip(&alone) {
                    assert_eq!(together, *alone, "sparse {sparse}: {:?}", query.arguments);
                }
            }
        }
    });
}

#[test]
fn those_that_come_while_one_is_asked_go_with_the_next_statement() {
    with_store(8, |store, scope, mut owner| async move {
        let mut held = owner.begin().await.unwrap();
        held.execute("lock table tagd.label in access exclusive mode").await.unwrap();
        let page = compile(&queries()[0], &[scope], QueryOutput::Page { limit: 10, offset: 0 });
        let asked: Vec<_> = (0..12)
            .map(|_| {
                let (store, page) = (store.clone(), page.clone());
                begin(async move { ask(&store, scope, &page).await })
            })
            .collect();
        // the first by itself; the others are passed on after a while to one more
        let (joined, active) = wait_until_joined(&mut held).await;
        assert!(!joined.is_empty() && active <= 4, "{active} statements for 12 queries");
        held.rollback().await.unwrap();
        for answer in asked {
            assert_eq!(answer.await.unwrap().total, 5);
        }
    });
}

#[test]
fn who_goes_away_or_loses_its_connection_leaves_the_others_their_answers() {
    with_store(4, |store, scope, mut owner| async move {
        let page = compile(&queries()[0], &[scope], QueryOutput::Page { limit: 10, offset: 0 });
        let spawn = || {
            let (store, page) = (store.clone(), page.clone());
            begin(async move { ask(&store, scope, &page).await })
        };
        let mut held = owner.begin().await.unwrap();
        held.execute("lock table tagd.label in access exclusive mode").await.unwrap();
        // the head of the line goes away, and one of those behind it
        let head = spawn();
        let gone = spawn();
        let stay: Vec<_> = (0..6).map(|_| spawn()).collect();
        head.abort();
        gone.abort();
        let (joined, _) = wait_until_joined(&mut held).await;
        // the statement that answers the others ends without an answer
        for pid in joined {
            sqlx::query("select pg_terminate_backend($1, 5000)").bind(pid).execute(&mut *held).await.unwrap();
        }
        held.rollback().await.unwrap();
        for answer in stay {
            assert_eq!(answer.await.unwrap().total, 5);
        }
        // nothing is left in line
        assert_eq!(ask(&store, scope, &page).await.total, 5);
    });
}

/// Does some work for an account.
async fn kept<T>(account: Account, work: impl Future<Output = T>) -> T {
    let (account, mut work) = (Arc::new(account), pin!(work));
    poll_fn(|context| account.during(|| work.as_mut().poll(context))).await
}

#[test]
fn of_those_that_go_together_only_the_one_without_room_is_refused() {
    let world = World::new();
    let fleet = (0..50).map(|i| {
        let mut one = registration("images", &format!("r{i}"), "", &[]);
        one.resource.detail = Some(format!("\"{}\"", "x".repeat(2000)));
        one
    });
    world.load(&fleet.collect::<Vec<_>>());
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 8).await;
        let scope_id = store.find_scope("p", "images").await.unwrap().unwrap();
        let mut owner = world.db.connect().await;
        let mut held = owner.begin().await.unwrap();
        held.execute("lock table tagd.label in access exclusive mode").await.unwrap();
        let budget = Arc::new(Budget::new(1));
        let full = Account::new(&budget);
        full.keep(SMALL + 1).unwrap();
        let ask = |limit, account: Option<Account>| {
            let page = compile(&TagQuery::default(), &[scope_id], QueryOutput::Page { limit, offset: 0 });
            let store = store.clone();
            begin(async move {
                let scopes = [Arc::new(Scope { scope_id, ..Scope::default() })];
                let list = store.list(&page, &scopes);
                let found = match account {
                    Some(account) => kept(account, list).await,
                    None => list.await,
                };
                found.map(|page| page.items.len())
            })
        };
        let asked = [(1, false), (50, false), (50, true), (10, true), (50, false)];
        let asked = asked.map(|(limit, has_account)| ask(limit, has_account.then(|| Account::new(&budget))));
        wait_until_joined(&mut held).await;
        held.rollback().await.unwrap();
        let mut found = Vec::new();
        for answer in asked {
            found.push(answer.await.unwrap());
        }
        let no_room = |found: &Result<usize, RequestError>| {
            matches!(found, Err(RequestError::Unavailable { outage: Outage::Answers, .. }))
        };
        assert!(no_room(&found.remove(2)), "{found:?}");
        assert_eq!(found.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 50, 10, 50]);
        // and alone it is refused as well, until there is room
        assert!(no_room(&ask(50, Some(Account::new(&budget))).await.unwrap()));
        drop(full);
        assert_eq!(ask(50, Some(Account::new(&budget))).await.unwrap().unwrap(), 50);
        assert_eq!(budget.usage(), [0, 1]);
        store.close().await;
    });
}

#[test]
fn where_there_is_no_connection_everybody_in_line_is_told_so_in_time() {
    let world = World::new();
    world.load(&fleet());
    block_on(async {
        let mut settings = world.db.settings();
        (settings.connections, settings.acquire_timeout) = (1, Duration::from_secs(3));
        let store = Store::open(&settings, SessionProfile::Serve).await.unwrap();
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        let count = compile(&queries()[0], &[scope], QueryOutput::Count);
        let mut owner = world.db.connect().await;
        let mut held = owner.begin().await.unwrap();
        held.execute("lock table tagd.label in access exclusive mode").await.unwrap();
        // it has the only connection
        let head = tokio::spawn({
            let (store, count) = (store.clone(), count.clone());
            async move { store.count(&count).await }
        });
        eventually_found("it has", async || (under_way(&mut held).await.1 == 1).then_some(())).await;
        let begun = Instant::now();
        let behind = join_all((0..2000).map(|_| store.count(&count))).await;
        assert!(behind.iter().all(|refused| matches!(refused, Err(RequestError::Unavailable { .. }))));
        // sixteen at a time they would wait for six minutes
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        held.rollback().await.unwrap();
        assert_eq!(head.await.unwrap().unwrap(), 5);
        assert_eq!(store.count(&count).await.unwrap(), 5);
        store.close().await;
    });
}

#[test]
fn a_large_page_many_scopes_and_other_strategies_go_alone() {
    let [few, .., everything, untagged] = &queries()[..] else { unreachable!() };
    let page = |limit| QueryOutput::Page { limit, offset: 0 };
    let both = TagQuery { tags: [&few.tags[..], &queries()[2].tags[..]].concat(), ..TagQuery::default() };
    assert_eq!(compile(few, &[1], page(51)).batch_key, None);
    assert_eq!(compile(few, &[1, 2], QueryOutput::Count).batch_key, None);
    assert_eq!(compile(&both, &[1], QueryOutput::Count).batch_key, None);
    // and only what is asked of one scope in one way goes together
    let ask = |query, scope, want| compile(query, &[scope], want).batch_key.unwrap();
    assert_eq!(ask(few, 1, page(50)), ask(untagged, 1, page(1)));
    assert_ne!(ask(few, 1, page(50)), ask(few, 2, page(50)));
    assert_ne!(ask(few, 1, page(50)), ask(everything, 1, QueryOutput::Count));
    let joined = batch(&[&compile(few, &[7], page(10)), &compile(everything, &[7], page(3))]).unwrap();
    assert_eq!((joined.text, joined.arguments.len()), (batched(), 6));
}
