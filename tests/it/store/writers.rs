//! The writing functions: what each means, and that many at once neither fail nor leave the index behind.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sqlx::Connection;
use tagd::{
    compiler::compile,
    domain::{
        NameMatch, QueryOutput, RequestError, Resource, Scope, Tag, TagQuery, Term, ValueMatch, change::Registration,
        registry::Condition,
    },
    store::{ImportBatch, ServerConnections, SessionProfile, Store},
};
use tokio::task::JoinHandle;

use crate::support::{
    Dice, PATIENCE, TestDb, begin, block_on, eventually_found, import_all, registration, replace_tags, tag, unregister,
    waiting_for_locks,
};

fn resource(id: &str, name: &str) -> Resource {
    Resource { resource_id: id.into(), resource_name: name.into(), detail: None, tags: Vec::new() }
}

/// Registers a resource of the scope, or changes name and detail of a known one; its tags stay. True if it is new.
async fn register(store: &Store, resource: &Resource) -> bool {
    store.register("p", "images", resource, false, &Condition::None).await.unwrap().0
}

fn pairs(tags: &[Tag]) -> Vec<(&str, &str)> {
    tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()
}

/// What a scope holds, newest first.
async fn held(store: &Store, scope_id: i64) -> Vec<Resource> {
    let scope = Arc::new(Scope { scope_id, ..Scope::default() });
    let page = store
        .list(&compile(&TagQuery::default(), &[scope_id], QueryOutput::Page { limit: 1_000_000, offset: 0 }), &[scope])
        .await
        .unwrap();
    assert_eq!(page.total, page.items.len() as u64);
    page.items.iter().map(|item| item.resource()).collect()
}

async fn tags_of(store: &Store, scope_id: i64, id: &str) -> Vec<(String, String)> {
    let found = held(store, scope_id).await.into_iter().find(|resource| resource.resource_id == id).unwrap();
    found.tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

/// A store on a scope of images with the resources `a` and `b`.
fn with_store<F: Future<Output = ()>>(run: impl FnOnce(Store, i64) -> F) {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 8).await;
        for id in ["a", "b"] {
            assert!(register(&store, &resource(id, "")).await);
        }
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        run(store.clone(), scope).await;
        assert_eq!(store.verify_scope(scope).await.unwrap(), []);
        store.close().await;
    });
}

fn owned(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn put_tags_adds_tags_and_changes_values() {
    with_store(|store, scope| async move {
        store.put_tags(scope, "a", &[tag("k", "1"), tag("a", "")]).await.unwrap();
        assert_eq!(tags_of(&store, scope, "a").await, owned(&[("a", ""), ("k", "1")]));
        store.put_tags(scope, "a", &[tag("k", "2"), tag("z", "3")]).await.unwrap();
        assert_eq!(tags_of(&store, scope, "a").await, owned(&[("a", ""), ("k", "2"), ("z", "3")]));
        store.put_tags(scope, "a", &[]).await.unwrap();
        store.put_tags(scope, "a", &[tag("k", "2")]).await.unwrap();
        assert_eq!(tags_of(&store, scope, "a").await.len(), 3);
        assert_eq!(tags_of(&store, scope, "b").await, []);
    });
}

#[test]
fn remove_tags_takes_a_key_or_only_a_value() {
    with_store(|store, scope| async move {
        let all = [tag("a", "1"), tag("b", "2"), tag("c", "3"), tag("d", "")];
        store.put_tags(scope, "a", &all).await.unwrap();
        let remove = async |tags: &[(&str, Option<&str>)]| {
            let tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned))).collect();
            store.remove_tags(scope, "a", &tags).await.unwrap();
            tags_of(&store, scope, "a").await
        };
        assert_eq!(remove(&[("a", None)]).await, owned(&[("b", "2"), ("c", "3"), ("d", "")]));
        assert_eq!(remove(&[("b", Some("other")), ("absent", None), ("absent", Some("x"))]).await.len(), 3);
        assert_eq!(remove(&[("b", Some("")), ("d", Some("x"))]).await.len(), 3, "an empty value is a value");
        assert_eq!(remove(&[("b", Some("2")), ("d", Some(""))]).await, owned(&[("c", "3")]));
        assert_eq!(remove(&[]).await.len(), 1);
        assert_eq!(remove(&[("c", None), ("c", Some("9"))]).await, []);
        assert_eq!(remove(&[("c", None)]).await, [], "an absent tag is no error");
    });
}

#[test]
fn replace_tags_leaves_only_what_it_is_given() {
    with_store(|store, scope| async move {
        store.put_tags(scope, "a", &[tag("a", "1"), tag("b", "2"), tag("_sys_x", "1")]).await.unwrap();
        replace_tags(&store, scope, "a", &[tag("b", "3"), tag("c", "")]).await.unwrap();
        assert_eq!(tags_of(&store, scope, "a").await, owned(&[("b", "3"), ("c", "")]));
        replace_tags(&store, scope, "a", &[]).await.unwrap();
        assert_eq!(tags_of(&store, scope, "a").await, []);
    });
}

#[test]
fn a_key_given_twice_is_one_tag() {
    with_store(|store, scope| async move {
        store.put_tags(scope, "a", &[tag("k", "1"), tag("x", ""), tag("k", "2")]).await.unwrap();
        assert_eq!(store.verify_scope(scope).await.unwrap(), []);
        assert_eq!(tags_of(&store, scope, "a").await, owned(&[("k", "2"), ("x", "")]), "the last one counts");
        replace_tags(&store, scope, "b", &[tag("k", "1"), tag("k", "1")]).await.unwrap();
        assert_eq!(tags_of(&store, scope, "b").await, owned(&[("k", "1")]));
    });
}

#[test]
fn the_quota_counts_user_tags_only() {
    with_store(|store, scope| async move {
        let tags = |from: usize, to: usize| -> Vec<Tag> { (from..to).map(|i| tag(&format!("k{i:02}"), "v")).collect() };
        let system: Vec<Tag> = (0..15).map(|i| tag(&format!("_sys_{i:02}"), "v")).collect();
        store.put_tags(scope, "a", &system).await.unwrap();
        store.put_tags(scope, "a", &tags(0, 10)).await.unwrap();
        let too_many = |outcome: Result<(), RequestError>, expected: u64| match outcome {
            Err(RequestError::TooManyTags { count, quota: 10 }) => assert_eq!(count, expected),
            other => panic!("{other:?}"),
        };
        too_many(store.put_tags(scope, "a", &tags(10, 11)).await, 11);
        too_many(store.put_tags(scope, "a", &tags(8, 13)).await, 13);
        too_many(replace_tags(&store, scope, "a", &tags(0, 12)).await, 12);
        too_many(replace_tags(&store, scope, "b", &tags(0, 11)).await, 11);
        assert_eq!(tags_of(&store, scope, "a").await.len(), 25);
        assert_eq!(tags_of(&store, scope, "b").await, []);
        // other values, fewer tags and system tags are always fine
        store.put_tags(scope, "a", &[tag("k00", "w"), tag("_sys_more", "")]).await.unwrap();
        replace_tags(&store, scope, "a", &tags(5, 15)).await.unwrap();
        assert_eq!(tags_of(&store, scope, "a").await.len(), 10);
    });
}

#[test]
fn an_unknown_resource_has_no_tags_to_write() {
    with_store(|store, scope| async move {
        let unknown = |outcome: Result<(), RequestError>| match outcome {
            Err(RequestError::UnknownResource { resource_id }) => assert_eq!(resource_id, "none"),
            other => panic!("{other:?}"),
        };
        unknown(store.put_tags(scope, "none", &[tag("k", "v")]).await);
        unknown(store.remove_tags(scope, "none", &[("k".into(), None)]).await);
        unknown(replace_tags(&store, scope, "none", &[]).await);
        unknown(store.put_tags(scope + 1000, "none", &[tag("k", "v")]).await);
        assert!(!unregister(&store, scope, "none").await);
    });
}

#[test]
fn registering_without_tags_makes_or_renames_a_resource_and_keeps_tags() {
    with_store(|store, scope| async move {
        store.put_tags(scope, "a", &[tag("k", "v")]).await.unwrap();
        let renamed =
            Resource { detail: Some(r#"{"n": 1}"#.into()), tags: vec![tag("ignored", "")], ..resource("a", "Größe") };
        assert!(!register(&store, &renamed).await);
        assert!(register(&store, &resource("c", "new")).await);
        let now = held(&store, scope).await;
        let ids: Vec<&str> = now.iter().map(|r| r.resource_id.as_str()).collect();
        assert_eq!(ids, ["c", "b", "a"], "a known resource keeps its place");
        assert_eq!((now[2].resource_name.as_str(), now[2].detail.as_deref()), ("Größe", Some(r#"{"n": 1}"#)));
        assert_eq!(pairs(&now[2].tags), [("k", "v")]);
        // the new name is found, the old one is not
        let named =
            |text: &str| TagQuery { resource_name: Some(NameMatch::Contains(text.into())), ..TagQuery::default() };
        for (text, total) in [("GRÖ", 1), ("new", 1), ("old", 0)] {
            assert_eq!(
                store.count(&compile(&named(text), &[scope], QueryOutput::Count)).await.unwrap(),
                total,
                "{text}"
            );
        }
    });
}

#[test]
fn a_removed_resource_comes_back_as_a_new_one() {
    with_store(|store, scope| async move {
        store.put_tags(scope, "a", &[tag("k", "v")]).await.unwrap();
        assert!(unregister(&store, scope, "a").await);
        assert!(!unregister(&store, scope, "a").await);
        assert!(register(&store, &resource("a", "")).await);
        let now = held(&store, scope).await;
        assert_eq!(
            now.iter().map(|r| (r.resource_id.as_str(), r.tags.len())).collect::<Vec<_>>(),
            [("a", 0), ("b", 0)]
        );
    });
}

#[test]
fn slots_are_never_used_twice() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 2).await;
        let mut owner = db.connect().await;
        let mut seen = HashSet::new();
        for round in 0..20 {
            if round % 3 == 0 {
                let mut import = store.import().await.unwrap();
                import_all(&mut import, &[registration("images", "r", "", &[("k", "v")])]).await.unwrap();
            } else {
                assert!(register(&store, &resource("r", "")).await);
            }
            let slot: i32 = sqlx::query_scalar("select slot from tagd.resource").fetch_one(&mut owner).await.unwrap();
            assert!(seen.insert(slot), "slot {slot} again");
            let scope = store.find_scope("p", "images").await.unwrap().unwrap();
            assert!(unregister(&store, scope, "r").await);
        }
        owner.close().await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_scope_is_made_once() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 8).await;
        let tasks: Vec<_> = (0..24)
            .map(|i| {
                let store = store.clone();
                tokio::spawn(async move {
                    let project_id = ["p", "q"][i % 2];
                    let one = resource(&format!("r{i}"), "");
                    store.register(project_id, "disk", &one, false, &Condition::None).await.unwrap();
                    store.find_scope(project_id, "disk").await.unwrap().unwrap()
                })
            })
            .collect();
        let mut found = HashSet::new();
        for task in tasks {
            found.insert(task.await.unwrap());
        }
        assert_eq!(found.len(), 2);
        assert_eq!(store.list_scopes().await.unwrap().len(), 2);
        store.close().await;
    });
}

#[test]
fn the_quota_holds_against_fifty_at_once() {
    with_store(|store, scope| async move {
        let tasks: Vec<_> = (0..50)
            .map(|i| {
                let store = store.clone();
                tokio::spawn(async move { store.put_tags(scope, "a", &[tag(&format!("k{i:02}"), "v")]).await })
            })
            .collect();
        let mut refused = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => {}
                Err(RequestError::TooManyTags { count: 11, quota: 10 }) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((tags_of(&store, scope, "a").await.len(), refused), (10, 40));
    });
}

/// How often the server ended a deadlock in this database: the store tries again, so callers would not notice.
async fn deadlocks(db: &TestDb) -> i64 {
    let mut owner = db.connect().await;
    let count = sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    owner.close().await.unwrap();
    count
}

const WRITERS: usize = 12;
const OWNED: usize = 480;
const SHARED: usize = 20;
const KEYS: [&str; 8] = ["env", "team", "tier", "_sys_a", "zone", "app", "cost", "x"];
const VALUES: [&str; 4] = ["", "a", "b", "c"];

fn random_tags(dice: &mut Dice) -> Vec<Tag> {
    let count = 1 + dice.roll(3);
    let tags: BTreeMap<&str, &str> = (0..count).map(|_| (KEYS[dice.roll(8)], VALUES[dice.roll(4)])).collect();
    tags.into_iter().map(|(key, value)| tag(key, value)).collect()
}

/// Resources as a writer left them: name and tags.
type Model = BTreeMap<String, (String, BTreeMap<String, String>)>;

/// Works on resources of its own, of which it keeps account, and on those that everyone writes.
async fn write(store: Store, scope: i64, writer: usize, steps: usize) -> Model {
    let mut dice = Dice(writer as u64 * 7919 + 17);
    let mine: Vec<String> = (0..OWNED).filter(|i| i % WRITERS == writer).map(|i| format!("r{i}")).collect();
    let mut model: Model = mine.iter().map(|id| (id.clone(), Default::default())).collect();
    for step in 0..steps {
        let tags = random_tags(&mut dice);
        if dice.roll(4) == 0 {
            let id = format!("shared{}", dice.roll(SHARED));
            match dice.roll(3) {
                0 => store.put_tags(scope, &id, &tags).await.unwrap(),
                1 => replace_tags(&store, scope, &id, &tags).await.unwrap(),
                _ => {
                    store.remove_tags(scope, &id, &[(tags[0].key.clone(), None)]).await.unwrap();
                }
            }
            continue;
        }
        let id = &mine[dice.roll(mine.len())];
        let Some((name, held)) = model.get_mut(id) else {
            assert!(register(&store, &resource(id, "again")).await);
            model.insert(id.clone(), ("again".into(), BTreeMap::new()));
            continue;
        };
        match dice.roll(10) {
            0..4 => {
                store.put_tags(scope, id, &tags).await.unwrap();
                held.extend(tags.into_iter().map(|tag| (tag.key, tag.value)));
            }
            4..6 => {
                let value = (dice.roll(2) == 0).then(|| tags[0].value.clone());
                store.remove_tags(scope, id, &[(tags[0].key.clone(), value.clone())]).await.unwrap();
                if value.is_none() || held.get(&tags[0].key) == value.as_ref() {
                    held.remove(&tags[0].key);
                }
            }
            6..8 => {
                replace_tags(&store, scope, id, &tags).await.unwrap();
                *held = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
            }
            8 => {
                *name = format!("name {step}");
                assert!(!register(&store, &resource(id, name)).await);
            }
            _ => {
                assert!(unregister(&store, scope, id).await);
                model.remove(id);
            }
        }
    }
    model
}

/// Imports batches that touch the shared resources, new ones of the scope and another scope.
async fn import(store: Store, most: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> usize {
    let mut dice = Dice(99);
    let mut import = store.import().await.unwrap();
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        most.fetch_add(20, Ordering::SeqCst);
        let mut batch: Vec<Registration> = (0..20)
            .map(|_| {
                made += 1;
                registration("images", &format!("imported{made}"), "", &[])
            })
            .collect();
        for shared in 0..SHARED {
            let mut one = registration("images", &format!("shared{shared}"), "by the import", &[]);
            one.resource.tags = random_tags(&mut dice);
            batch.push(one);
            batch.push(registration("disk", &format!("d{shared}"), &format!("{made}"), &[("env", "a")]));
        }
        import_all(&mut import, &batch).await.unwrap();
        // writers must get their turn, too
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    made
}

/// Asks questions of many shapes: each answer must make sense by itself, whatever goes on.
async fn read(
    store: Store,
    scope_id: i64,
    seed: u64,
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
) {
    let mut dice = Dice(seed);
    let scope = Arc::new(Scope { scope_id, ..Scope::default() });
    while !stop.load(Ordering::Relaxed) {
        let mut term = || {
            let values = match dice.roll(3) {
                0 => vec![],
                1 => vec![ValueMatch::Exact(VALUES[dice.roll(4)].into())],
                _ => vec![ValueMatch::Contains(VALUES[1 + dice.roll(3)].into())],
            };
            Term { key: KEYS[dice.roll(8)].into(), values }
        };
        let terms = [term(), term(), term(), term()];
        let [first, second, third, fourth] = terms;
        let query = match dice.roll(6) {
            0 => TagQuery { tags: vec![first], ..TagQuery::default() },
            1 => TagQuery { tags: vec![first], not_tags_any: vec![second, third], ..TagQuery::default() },
            2 => TagQuery { tags_any: vec![first, second], not_tags: vec![third, fourth], ..TagQuery::default() },
            3 => TagQuery { without_any_tag: true, ..TagQuery::default() },
            4 => TagQuery { resource_name: Some(NameMatch::Contains("name".into())), ..TagQuery::default() },
            _ => TagQuery::default(),
        };
        let limit = 1 + dice.roll(200) as u32;
        let offset = dice.roll(3) as u64 * 50;
        let page = store
            .list(&compile(&query, &[scope_id], QueryOutput::Page { limit, offset }), &[Arc::clone(&scope)])
            .await
            .unwrap();
        let ids: HashSet<&str> = page.items.iter().map(|item| item.resource_id()).collect();
        assert_eq!(ids.len(), page.items.len(), "a resource twice on a page");
        let expected = page.total.saturating_sub(offset).min(u64::from(limit));
        assert_eq!(page.items.len() as u64, expected, "total {} at {offset} for {limit}", page.total);
        assert!(page.total <= most.load(Ordering::SeqCst), "more than there ever were");
        for item in &page.items {
            assert!(query.matches(&item.resource()), "{query:?} does not match {item:?}");
        }
        if asked.fetch_add(1, Ordering::Relaxed) % 20 == 19 {
            assert_eq!(store.verify_scope(scope_id).await.unwrap(), [], "index and tags part under way");
        }
    }
}

#[test]
fn twelve_writers_an_import_and_readers_on_one_scope() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 16).await;
        let ids = (0..OWNED).map(|i| format!("r{i}")).chain((0..SHARED).map(|i| format!("shared{i}")));
        for id in ids {
            register(&store, &resource(&id, "")).await;
        }
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        // as many as may be there, told before they are
        let most = Arc::new(AtomicU64::new((OWNED + SHARED) as u64));
        let asked: [Arc<AtomicU64>; 2] = Default::default();
        let readers: Vec<_> = (1..)
            .zip(&asked)
            .map(|(seed, asked)| {
                let store = db.settings();
                let (most, stop, asked) = (Arc::clone(&most), Arc::clone(&stop), Arc::clone(asked));
                tokio::spawn(async move {
                    let store = Store::open(&store, SessionProfile::Serve).await.unwrap();
                    read(store.clone(), scope, seed, most, stop, asked).await;
                    store.close().await;
                })
            })
            .collect();
        let importer = tokio::spawn(import(store.clone(), Arc::clone(&most), Arc::clone(&stop)));
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), scope, writer, 250))).collect();
        let mut model = Model::new();
        for writer in writers {
            model.extend(writer.await.unwrap());
        }
        eventually_found("the readers had their turns", async || {
            let had = asked.iter().all(|asked| asked.load(Ordering::Relaxed) > 10);
            // one that failed says why below
            (had || readers.iter().any(JoinHandle::is_finished)).then_some(())
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        let made = importer.await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
        assert_eq!(store.verify_scope(scope).await.unwrap(), []);

        let now = held(&store, scope).await;
        let owned: Model = now
            .iter()
            .filter(|resource| resource.resource_id.starts_with('r'))
            .map(|r| {
                let tags = r.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
                (r.resource_id.clone(), (r.resource_name.clone(), tags))
            })
            .collect();
        assert_eq!(owned, model);
        assert_eq!(now.len(), model.len() + SHARED + made);
        store.close().await;
        assert_eq!(deadlocks(&db).await, 0);
    });
}

#[test]
fn two_imports_of_the_same_resources_at_once_take_turns() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 8).await;
        let tasks: Vec<_> = (0..4_usize)
            .map(|import| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut running = store.import().await.unwrap();
                    let mut created = 0;
                    for round in 0..15 {
                        // each in an order of its own, with names of projects that change
                        let mut batch: Vec<Registration> = (0..120)
                            .map(|i| {
                                let value = format!("{}", (i + round + import) % 5);
                                let mut one = registration(
                                    ["images", "disk", "eip"][i % 3],
                                    &format!("r{i}"),
                                    "",
                                    &[("k", &value)],
                                );
                                one.project_id = format!("p{}", i % 7);
                                one.project_name = Some(format!("by {import} in {round}"));
                                one
                            })
                            .collect();
                        if import % 2 == 1 {
                            batch.reverse();
                        }
                        created += import_all(&mut running, &batch).await.unwrap().created;
                    }
                    created
                })
            })
            .collect();
        let mut created = 0;
        for task in tasks {
            created += task.await.unwrap();
        }
        assert_eq!(created, 120);
        for scope in store.list_scopes().await.unwrap() {
            assert_eq!(store.verify_scope(scope.scope_id).await.unwrap(), []);
        }
        store.close().await;
        assert_eq!(deadlocks(&db).await, 0);
    });
}

#[test]
fn an_import_of_all_or_nothing_and_writers_do_not_stand_in_each_others_way_for_ever() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 12).await;
        let fleet: Vec<Registration> =
            (0..300).map(|i| registration(["images", "disk"][i % 2], &format!("r{i}"), "", &[("k", "0")])).collect();
        let mut first = store.import().await.unwrap();
        import_all(&mut first, &fleet).await.unwrap();
        drop(first);
        let scopes = [
            store.find_scope("p", "images").await.unwrap().unwrap(),
            store.find_scope("p", "disk").await.unwrap().unwrap(),
        ];
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (store, stop) = (store.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut dice = Dice(writer + 5);
                    while !stop.load(Ordering::Relaxed) {
                        let i = dice.roll(300);
                        let tags = [tag("k", VALUES[dice.roll(4)]), tag("w", VALUES[dice.roll(4)])];
                        store.put_tags(scopes[i % 2], &format!("r{i}"), &tags).await.unwrap();
                    }
                })
            })
            .collect();
        let importers: Vec<_> = (0..2_usize)
            .map(|importer| {
                let (store, fleet) = (store.clone(), fleet.clone());
                tokio::spawn(async move {
                    for round in 0..6 {
                        let mut stage = store.stage_import().await.unwrap();
                        let mut fleet = fleet.clone();
                        if importer == 1 {
                            fleet.reverse();
                        }
                        for batch in fleet.chunks_mut(25) {
                            for one in batch.iter_mut() {
                                one.resource.tags = vec![tag("k", &format!("{importer} {round}"))];
                            }
                            stage.add(&batch.iter().collect()).await.unwrap();
                        }
                        let mut whole = stage.begin().await.unwrap();
                        while whole.import_next().await.unwrap().is_some() {}
                        whole.finish().await.unwrap();
                    }
                })
            })
            .collect();
        for importer in importers {
            importer.await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.await.unwrap();
        }
        for scope in scopes {
            assert_eq!(store.verify_scope(scope).await.unwrap(), []);
        }
        store.close().await;
        assert_eq!(deadlocks(&db).await, 0);
    });
}

#[test]
fn writers_wait_for_an_import_of_all_or_nothing_only_while_it_is_taken_in() {
    with_store(|store, scope| async move {
        let mut stage = store.stage_import().await.unwrap();
        for ids in [["a", "c"], ["d", "c"]] {
            let lines = ids.map(|id| registration("images", id, "imported", &[("k", "imported")]));
            stage.add(&lines.iter().collect()).await.unwrap();
        }
        // nothing of it is to be seen, and everyone goes on: writers, imports by batches, rebuilds, another of its kind
        let others = async {
            assert_eq!(held(&store, scope).await.len(), 2);
            store.put_tags(scope, "a", &[tag("k", "before")]).await.unwrap();
            store.put_tags(scope, "b", &[tag("k", "before")]).await.unwrap();
            assert!(register(&store, &resource("new", "")).await);
            let mut import = store.import().await.unwrap();
            import_all(&mut import, &[registration("images", "d", "by batches", &[])]).await.unwrap();
            store.rebuild_scope(scope).await.unwrap();
            let mut other = store.stage_import().await.unwrap();
            other.add(&[&registration("images", "e", "", &[])].into_iter().collect()).await.unwrap();
            let mut whole = other.begin().await.unwrap();
            assert_eq!(whole.import_next().await.unwrap().unwrap().created, 1);
            whole.finish().await.unwrap();
        };
        tokio::time::timeout(PATIENCE, others).await.expect("someone waits for what is only put aside");

        let mut whole = stage.begin().await.unwrap();
        let first = whole.import_next().await.unwrap().unwrap();
        assert_eq!((first.created, first.changed), (1, 1));
        let late = begin({
            let store = store.clone();
            async move { store.put_tags(scope, "a", &[tag("late", "")]).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!late.is_finished(), "a write in the midst of an import of all or nothing");
        assert_eq!(held(&store, scope).await.len(), 5, "half an import is to be seen");
        let second = whole.import_next().await.unwrap().unwrap();
        assert_eq!((second.changed, second.unchanged), (1, 1));
        assert_eq!(whole.import_next().await.unwrap(), None);
        whole.finish().await.unwrap();
        late.await.unwrap();

        let now = held(&store, scope).await;
        let ids: Vec<&str> = now.iter().map(|r| r.resource_id.as_str()).collect();
        assert_eq!(ids, ["c", "e", "d", "new", "b", "a"], "new ones are in the order of their coming in");
        assert_eq!(tags_of(&store, scope, "a").await, owned(&[("k", "imported"), ("late", "")]));
        assert_eq!(tags_of(&store, scope, "b").await, owned(&[("k", "before")]));
        assert_eq!(tags_of(&store, scope, "d").await, owned(&[("k", "imported")]));
    });
}

#[test]
fn an_import_of_all_or_nothing_that_is_not_finished_leaves_nothing() {
    with_store(|store, scope| async move {
        let batch = |id: &str| [&registration("images", id, "", &[("k", "v")])].into_iter().collect::<ImportBatch>();
        let mut stage = store.stage_import().await.unwrap();
        stage.add(&batch("c")).await.unwrap();
        drop(stage);
        let mut stage = store.stage_import().await.unwrap();
        stage.add(&batch("d")).await.unwrap();
        let mut whole = stage.begin().await.unwrap();
        assert_eq!(whole.import_next().await.unwrap().unwrap().created, 1);
        drop(whole);
        // waits until the server has rolled it back
        store.put_tags(scope, "a", &[tag("k", "v")]).await.unwrap();
        assert_eq!(held(&store, scope).await.len(), 2);
    });
}

#[test]
fn writes_that_wait_together_are_one_transaction_and_each_has_its_own_outcome() {
    let db = TestDb::new();
    block_on(async {
        let mut settings = db.settings();
        settings.connections = 8;
        let connections = ServerConnections::new(&settings, 2);
        let store = connections.serving();
        for i in 0..12 {
            register(&store, &resource(&format!("r{i:02}"), "")).await;
        }
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        store.put_tags(scope, "r05", &(0..10).map(|i| tag(&format!("k{i}"), "")).collect::<Vec<_>>()).await.unwrap();
        let write = |id: &'static str, tags: Vec<Tag>| {
            // one worker's store or another's, the queue is one
            let other = connections.serving();
            begin(async move { other.put_tags(scope, id, &tags).await })
        };
        // as many statements as there may be stand still at resources that someone else has locked
        let mut owner = db.connect().await;
        let mut locked = owner.begin().await.unwrap();
        sqlx::query("select from tagd.resource where resource_id in ('r00', 'r01', 'r08', 'r09') for update")
            .fetch_all(&mut *locked)
            .await
            .unwrap();
        let mut watch = db.connect().await;
        let mut held_up = Vec::new();
        let mut again = Vec::new();
        for id in ["r00", "r01", "r08", "r09"] {
            // while one may still start, nobody has to wait for those
            write("r11", vec![tag("before", id)]).await.unwrap().unwrap();
            held_up.push(write(id, vec![tag("k", id)]));
            eventually_found("it stands still", async || {
                (waiting_for_locks(&mut watch).await.len() == held_up.len()).then_some(())
            })
            .await;
            if id == "r00" {
                // more of the same resource stand in line and hold nobody up
                again = (0..6).map(|_| write("r00", vec![tag("again", "")])).collect();
                tokio::time::sleep(Duration::from_millis(200)).await;
                assert_eq!(waiting_for_locks(&mut watch).await.len(), 1);
            }
        }
        watch.close().await.unwrap();
        let together = [
            write("r02", vec![tag("k", "2")]),
            write("r03", vec![tag("k", "3"), tag("l", "3")]),
            write("none", vec![tag("k", "v")]),
            write("r05", vec![tag("one", "more")]),
            write("r06", vec![]),
            write("r07", vec![tag("k", "7")]),
            // a second one of a resource is not among them
            write("r07", vec![tag("l", "7")]),
        ];
        locked.rollback().await.unwrap();
        for task in held_up.into_iter().chain(again) {
            task.await.unwrap().unwrap();
        }
        let mut outcomes = Vec::new();
        for task in together {
            outcomes.push(match task.await.unwrap() {
                Ok(()) => "done".to_owned(),
                Err(fault) => fault.to_string(),
            });
        }
        let unknown = r#"resource_id: unknown resource "none""#;
        let too_many = "tags: must not exceed the quota of 10 tags on a resource, got 11";
        assert_eq!(outcomes, ["done", "done", unknown, too_many, "done", "done", "done"]);
        let transactions: Vec<i64> = sqlx::query_scalar(
            "select count(distinct t.xmin::text) from tagd.tag t join tagd.resource r using (scope_id, slot)
              where r.resource_id in ('r02', 'r03')
              union all
             select count(distinct t.xmin::text) from tagd.tag t join tagd.resource r using (scope_id, slot)
              where r.resource_id = 'r07'",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        assert_eq!(transactions, [1, 2]);
        owner.close().await.unwrap();
        assert_eq!(tags_of(&store, scope, "r05").await.len(), 10);
        assert_eq!(store.verify_scope(scope).await.unwrap(), []);
        store.close().await;
    });
}

#[test]
fn a_write_that_the_database_does_not_take_costs_no_other() {
    with_store(|store, scope| async move {
        // what no index can hold and does not compress away; no request comes through with it
        let mut dice = Dice(7);
        let huge: String = (0..20_000).map(|_| char::from(b'a' + u8::try_from(dice.roll(26)).unwrap())).collect();
        let writes = [("a", tag("k", "1")), ("b", tag("k", &huge)), ("b", tag("l", "2")), ("a", tag("m", "3"))];
        let tasks: Vec<_> = (0..20)
            .map(|i| {
                let (store, (id, tag)) = (store.clone(), writes[i % 4].clone());
                tokio::spawn(async move { store.put_tags(scope, id, &[tag]).await })
            })
            .collect();
        for (i, task) in tasks.into_iter().enumerate() {
            match (i % 4, task.await.unwrap()) {
                (1, Err(RequestError::Internal { .. })) => {}
                (1, other) => panic!("{other:?}"),
                (_, outcome) => outcome.unwrap(),
            }
        }
        assert_eq!(tags_of(&store, scope, "a").await, owned(&[("k", "1"), ("m", "3")]));
        assert_eq!(tags_of(&store, scope, "b").await, owned(&[("l", "2")]));
    });
}

#[test]
fn where_there_is_no_connection_every_write_in_line_is_told_so_in_time() {
    let db = TestDb::new();
    block_on(async {
        let mut settings = db.settings();
        (settings.connections, settings.acquire_timeout) = (1, Duration::from_secs(3));
        let store = Store::open(&settings, SessionProfile::Serve).await.unwrap();
        for id in ["a", "b"] {
            register(&store, &resource(id, "")).await;
        }
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        let mut owner = db.connect().await;
        let mut locked = owner.begin().await.unwrap();
        sqlx::query("select from tagd.resource where resource_id = 'a' for update")
            .fetch_all(&mut *locked)
            .await
            .unwrap();
        // it has the only connection
        let first = tokio::spawn({
            let store = store.clone();
            async move { store.put_tags(scope, "a", &[tag("k", "v")]).await }
        });
        let mut watch = db.connect().await;
        eventually_found("it has", async || (waiting_for_locks(&mut watch).await.len() == 1).then_some(())).await;
        watch.close().await.unwrap();
        let begun = Instant::now();
        let behind = join_all((0..200).map(|_| async { store.put_tags(scope, "b", &[tag("k", "v")]).await })).await;
        assert!(behind.iter().all(|refused| matches!(refused, Err(RequestError::Unavailable { .. }))), "{behind:?}");
        // one after the other, as writes of one resource go, they would wait for ten minutes
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        locked.rollback().await.unwrap();
        first.await.unwrap().unwrap();
        store.put_tags(scope, "b", &[tag("k", "w")]).await.unwrap();
        assert_eq!(tags_of(&store, scope, "b").await, owned(&[("k", "w")]));
        owner.close().await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_write_whose_caller_goes_away_leaves_the_others_and_the_index_alone() {
    with_store(|store, scope| async move {
        for round in 0..40 {
            let tasks: Vec<_> = (0..8)
                .map(|i| {
                    let store = store.clone();
                    let tags = [tag(&format!("k{i}"), &round.to_string())];
                    tokio::spawn(async move { store.put_tags(scope, ["a", "b"][i % 2], &tags).await })
                })
                .collect();
            if round % 3 > 0 {
                tokio::time::sleep(Duration::from_micros(300 * (round % 7))).await;
            }
            for (i, task) in tasks.into_iter().enumerate() {
                if i < 4 {
                    task.abort();
                } else {
                    task.await.unwrap().unwrap();
                }
            }
        }
        for (id, keys) in [("a", ["k4", "k6"]), ("b", ["k5", "k7"])] {
            let tags = tags_of(&store, scope, id).await;
            for key in keys {
                assert!(tags.contains(&(key.to_owned(), "39".to_owned())), "{key} of {tags:?}");
            }
        }
    });
}

#[test]
fn resources_that_are_not_listed_are_removed_in_parts_of_one_scope_with_a_bounded_number_of_tags() {
    let db = TestDb::new();
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 1).await;
        let tags: Vec<(String, String)> = (0..1000).map(|i| (format!("k{i:03}"), (i % 3).to_string())).collect();
        let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut fleet: Vec<_> = (0..110).map(|i| registration("images", &format!("r{i}"), "", &tags)).collect();
        fleet.extend(["x", "y", "z"].map(|id| registration("disk", id, "", &[])));
        fleet.push(registration("vpcs", "v", "", &[]));
        let mut import = store.import().await.unwrap();
        import_all(&mut import, &fleet).await.unwrap();
        drop(import);

        let mut stage = store.stage_import().await.unwrap();
        stage.note_listed().await.unwrap();
        let listed = [registration("images", "kept", "", &[]), registration("disk", "y", "", &[])];
        stage.add(&listed.iter().collect::<ImportBatch>()).await.unwrap();
        let mut whole = stage.begin().await.unwrap();
        assert_eq!(whole.find_unlisted().await.unwrap(), 112);
        assert_eq!(whole.import_next().await.unwrap().unwrap().created, 1);
        let mut removed = 0;
        // the scope of the disks was made first; of the images as many as have 100,000 tags, then the rest
        for part in [2, 102, 112] {
            removed = whole.remove_unlisted(removed).await.unwrap().unwrap();
            assert_eq!(removed, part);
        }
        assert_eq!(whole.remove_unlisted(removed).await.unwrap(), None);
        whole.finish().await.unwrap();
        for scope in store.list_scopes().await.unwrap() {
            assert_eq!(held(&store, scope.scope_id).await.len(), 1, "{scope:?}");
            assert_eq!(store.verify_scope(scope.scope_id).await.unwrap(), []);
        }
        store.close().await;
    });
}
