//! Statements that are dropped in every stage, and imports that have no connection between batches.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    pin::pin,
    task::Poll,
};

use futures_util::future::join_all;
use sqlx::{Executor, PgConnection};
use tagd::{
    compiler::compile,
    domain::{QueryOutput, TagQuery, Term, ValueMatch, registry::Condition},
    store::SessionProfile,
};

use crate::support::{Dice, World, begin, block_on, eventually_found, registration, tag, waiting_for_locks};

/// Polls a future at most so many times, and drops it unless it has ended.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => {
            polled += 1;
            if polled == polls { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// The sessions of everybody else: their processes, whether they are in a transaction, whether they are at work.
async fn sessions(owner: &mut PgConnection) -> Vec<(i32, bool, bool)> {
    sqlx::query_as(
        "select pid, coalesce(state like 'idle in transaction%', false), coalesce(state = 'active', false)
           from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

#[test]
fn hundreds_of_dropped_statements_leave_connections_that_answer_the_next_ones_rightly() {
    const RESOURCES: usize = 400;
    let detail = format!("{{\"text\": \"{}\"}}", "x".repeat(4000));
    let fleet: Vec<_> = (0..RESOURCES)
        .map(|i| {
            let mut made = registration("images", &format!("r{i}"), &format!("name-{i}"), &[("n", &i.to_string())]);
            made.resource.detail = Some(detail.clone());
            made
        })
        .collect();
    let world = World::with(&fleet);
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 3).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        let scopes = [std::sync::Arc::new(tagd::domain::Scope {
            scope_id: scope,
            project_id: "p".into(),
            project_name: String::new(),
            resource_type: "images".into(),
        })];
        let of =
            |values: Vec<ValueMatch>| TagQuery { tags: vec![Term { key: "n".into(), values }], ..TagQuery::default() };
        let page = |query: &TagQuery, limit| compile(query, &[scope], QueryOutput::Page { limit, offset: 0 });
        let everything = page(&TagQuery::default(), 1000);
        let mut owner = world.db.connect().await;
        let mut seen = BTreeSet::new();
        let mut dice = Dice(33);
        let mut dropped = 0;
        for round in 0.. {
            // enough that each connection has been replaced; on a busy machine more statements have ended before they are dropped
            if round >= 1200 && dropped > 300 {
                break;
            }
            assert!(round < 6000, "{dropped}");
            let polls = 1 + dice.roll(2);
            let at = dice.roll(RESOURCES);
            let value = ValueMatch::Exact(at.to_string());
            let is_dropped = match round % 4 {
                // many rows, which arrive in many pieces
                0 => dropped_after(1 + dice.roll(8), store.list(&everything, &scopes)).await.is_none(),
                // texts that the connection has not prepared yet
                1 => dropped_after(polls, store.list(&page(&of(vec![value.clone()]), 7), &scopes)).await.is_none(),
                2 => {
                    let query = of(vec![ValueMatch::Contains(at.to_string())]);
                    dropped_after(polls, store.list(&page(&query, 9), &scopes)).await.is_none()
                }
                // a write, which was done or not
                _ => {
                    let (id, tags) = (format!("r{at}"), [tag("n", &at.to_string())]);
                    let write = store.replace_tags_if(scope, &id, &tags, &Condition::None, "replace");
                    dropped_after(polls, write).await.is_none()
                }
            };
            dropped += usize::from(is_dropped);
            // several at once, so that each connection has its turn
            let right = join_all((0..3).map(|more| {
                let (at, store, scopes) = ((at + more) % RESOURCES, &store, &scopes);
                let query = page(&of(vec![ValueMatch::Exact(at.to_string())]), 5);
                async move {
                    let found = store.list(&query, scopes).await.unwrap();
                    let ids: Vec<_> = found.items.iter().map(|item| item.resource().resource_id.clone()).collect();
                    assert_eq!((found.total, ids), (1, vec![format!("r{at}")]));
                    let tags = store.list_tags(scope, &format!("r{at}")).await.unwrap().unwrap();
                    assert_eq!(tags, [tag("n", &at.to_string())]);
                }
            }));
            right.await;
            if round % 40 == 0 {
                seen.extend(sessions(&mut owner).await.into_iter().map(|(pid, ..)| pid));
            }
        }
        // a connection is replaced after a hundred of them; of the others one cancels and one listens
        assert!(seen.len() <= 3 * (1 + dropped / 100) + 3, "{} after {dropped}", seen.len());
        eventually_found("nothing is left of them", async || {
            let now = sessions(&mut owner).await;
            (now.len() <= 5 && now.iter().all(|(_, in_transaction, active)| !in_transaction && !active)).then_some(())
        })
        .await;
        store.close().await;
    });
}

#[test]
fn a_burst_of_dropped_statements_does_not_keep_the_next_one_waiting() {
    let world = World::with(&[registration("images", "a", "web", &[("k", "v")])]);
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 4).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        let mut owner = world.db.connect().await;
        owner.execute("begin").await.unwrap();
        owner.execute("lock table tagd.resource in access exclusive mode").await.unwrap();
        let mut known = BTreeSet::new();
        for _ in 0..3 {
            let tasks: Vec<_> = (0..200)
                .map(|_| {
                    let store = store.clone();
                    begin(async move { store.list_tags(scope, "a").await })
                })
                .collect();
            let running = eventually_found("every connection has one", async || {
                Some(waiting_for_locks(&mut owner).await).filter(|running| running.len() == 4)
            });
            known.extend(running.await);
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
            // none of them ends by itself
            assert_eq!(store.find_scope("p", "images").await.unwrap(), Some(scope));
            eventually_found("they are gone", async || waiting_for_locks(&mut owner).await.is_empty().then_some(()))
                .await;
        }
        assert_eq!(known.len(), 4, "other connections took the place of the first");
        owner.execute("rollback").await.unwrap();
        assert_eq!(store.list_tags(scope, "a").await.unwrap().unwrap(), [tag("k", "v")]);
        assert!(sessions(&mut owner).await.iter().all(|(_, in_transaction, _)| !in_transaction));
        store.close().await;
    });
}

#[test]
fn imports_whose_clients_send_slowly_leave_the_connections_to_others() {
    let world = World::new();
    let line = |id: &str| {
        format!(
            "{{\"project_id\": \"p\", \"resource_type\": \"images\", \"resource_id\": \"{id}\", \"resource_name\": \"n\", \"tags\": []}}\n"
        )
    };
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    // more than there are connections for imports
    let mut slow: Vec<_> = (0..6)
        .map(|i| {
            let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
            let head = "POST /registry/v1/import HTTP/1.1\r\nHost: tagd\r\nContent-Type: application/x-ndjson\r\n\
                        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
            // the second one about the resource begins a batch, so the first is imported
            let lines = line(&format!("slow{i}")).repeat(2);
            stream.write_all(format!("{head}{}", chunk(&lines)).as_bytes()).unwrap();
            stream
        })
        .collect();
    for i in 0..4 {
        let quick = world.send(
            "POST",
            "/registry/v1/import",
            &[("Content-Type", "application/x-ndjson")],
            line(&format!("quick{i}")).as_bytes(),
        );
        assert_eq!((quick.status, &quick.json()["created"]), (200, &1.into()), "{}", quick.body);
    }
    for (i, stream) in slow.iter_mut().enumerate() {
        let rest = format!("{}0\r\n\r\n", chunk(&line(&format!("late{i}"))));
        stream.write_all(rest.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"created\":2"), "{answer}");
    }
}
