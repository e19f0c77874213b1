//! Large pages, of resources that lie close together and of others: every strategy has those it must, in order.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{
    compiler::{Strategy, compile, shapes, statement},
    domain::{NameMatch, QueryOutput, Scope, TagQuery, Term, ValueMatch, change::Registration},
    store::SessionProfile,
};

use crate::support::{World, block_on, registration, sparse_limit, unregister};

const RESOURCES: usize = 1_400;

/// First slots of parts of the fleet: the second reaches over the end of a block, the next has a block to itself and
/// comes behind an empty one.
const PARTS: [(usize, i32); 3] = [(0, 0), (500, 16_384 - 300), (1_100, 3 * 16_384 + 7_000)];

fn fleet() -> Vec<Registration> {
    let one = |i: usize| {
        let (value, name) = (format!("v-{}", i % 40), format!("web-{i}"));
        let mut tags = vec![("value", value.as_str())];
        for (key, has) in [
            ("half", i.is_multiple_of(2)),
            ("third", i % 3 == 1),
            // with 6 of them a stretch is read as it is, with 7 not
            ("sixth", i % 6 == 5),
            ("seventh", i % 7 == 5),
            ("few", i.is_multiple_of(50)),
            ("runs", (i / 70).is_multiple_of(2)),
            // the newest, and old ones
            ("edges", i == RESOURCES - 1 || i < 150 || (600..700).contains(&i)),
        ] {
            if has {
                tags.push((key, "yes"));
            }
        }
        // but for those of which it matters how far they lie apart
        if i % 5 == 2 && i % 6 != 5 && i % 7 != 5 {
            tags.clear();
        }
        registration("images", &format!("r{i}"), if i.is_multiple_of(3) { "" } else { &name }, &tags)
    };
    (0..RESOURCES).map(one).collect()
}

fn has(key: &str) -> Term {
    Term { key: key.into(), values: vec![ValueMatch::Exact("yes".into())] }
}

fn queries() -> Vec<TagQuery> {
    let keys = ["half", "third", "sixth", "seventh", "few", "runs", "edges", "value", "none"];
    let mut queries: Vec<TagQuery> =
        keys[..7].iter().map(|key| TagQuery { tags: vec![has(key)], ..TagQuery::default() }).collect();
    for key in keys {
        let any_value = vec![Term { key: key.into(), values: Vec::new() }];
        queries.push(TagQuery { tags: any_value.clone(), ..TagQuery::default() });
        queries.push(TagQuery { not_tags: any_value, ..TagQuery::default() });
    }
    let values = |values: &[&str]| {
        vec![Term {
            key: "value".into(),
            values: values.iter().map(|value| ValueMatch::Exact((*value).into())).collect(),
        }]
    };
    let part = |text: &str| vec![Term { key: "value".into(), values: vec![ValueMatch::Contains(text.into())] }];
    let name = |text: &str| Some(NameMatch::Contains(text.into()));
    queries.extend([
        TagQuery::default(),
        TagQuery { without_any_tag: true, ..TagQuery::default() },
        TagQuery { tags: values(&["v-1", "v-2", "v-3"]), ..TagQuery::default() },
        TagQuery { tags: part("v-"), ..TagQuery::default() },
        TagQuery { tags: part("-1"), ..TagQuery::default() },
        TagQuery { not_tags_any: part("-1"), ..TagQuery::default() },
        TagQuery { tags_any: vec![has("half"), has("third"), has("edges")], ..TagQuery::default() },
        TagQuery { tags: vec![has("half"), has("runs")], ..TagQuery::default() },
        TagQuery { not_tags_any: vec![has("half"), has("seventh")], ..TagQuery::default() },
        TagQuery {
            tags: vec![has("runs")],
            tags_any: vec![has("half"), has("third")],
            not_tags: vec![has("sixth"), has("few")],
            not_tags_any: vec![has("edges")],
            ..TagQuery::default()
        },
        TagQuery { resource_name: name("web"), ..TagQuery::default() },
        TagQuery { resource_name: name("web-1"), ..TagQuery::default() },
        TagQuery { resource_name: Some(NameMatch::Empty), ..TagQuery::default() },
        TagQuery { resource_name: name("w"), tags: vec![has("half")], ..TagQuery::default() },
    ]);
    queries
}

#[test]
fn large_pages_have_what_they_must() {
    let world = World::new();
    let fleet = fleet();
    for (part, (begin, slot)) in PARTS.into_iter().enumerate() {
        let end = PARTS.get(part + 1).map_or(RESOURCES, |(next, _)| *next);
        if part > 0 {
            block_on(async {
                let mut owner = world.db.connect().await;
                let moved = format!("update tagd.scope_counter set next_slot = {slot}");
                owner.execute(AssertSqlSafe(moved)).await.unwrap();
                owner.close().await.unwrap();
            });
        }
        world.load(&fleet[begin..end]);
    }
    world.load(&[registration("images", "elsewhere", "", &[("half", "yes")])].map(|mut other| {
        other.project_id = "q".into();
        other
    }));
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 2).await;
        let p = store.find_scope("p", "images").await.unwrap().unwrap();
        let q = store.find_scope("q", "images").await.unwrap().unwrap();
        let scopes = |ids: &[i64]| -> Vec<Arc<Scope>> {
            ids.iter().map(|id| Arc::new(Scope { scope_id: *id, ..Scope::default() })).collect()
        };
        // one that is gone leaves a slot that nobody has
        for id in ["r1399", "r1390", "r1103", "r620"] {
            assert!(unregister(&store, p, id).await);
        }
        let gone = |id: &str| matches!(id, "r1399" | "r1390" | "r1103" | "r620");
        for sparse in [0, 128] {
            let mut owner = world.db.connect().await;
            let remade = format!("{}select tagd.rebuild_scope(scope_id) from tagd.scope", sparse_limit(sparse));
            owner.execute(AssertSqlSafe(remade)).await.unwrap();
            owner.close().await.unwrap();
            for query in queries() {
                let expected: Vec<&str> = fleet
                    .iter()
                    .rev()
                    .map(|registration| &registration.resource)
                    .filter(|resource| !gone(&resource.resource_id) && query.matches(resource))
                    .map(|resource| resource.resource_id.as_str())
                    .collect();
                let elsewhere = registration("images", "elsewhere", "", &[("half", "yes")]).resource;
                for ids in [&[p][..], &[q, p]] {
                    let before = (ids.len() > 1 && query.matches(&elsewhere)).then_some("elsewhere");
                    let expected: Vec<&str> = before.into_iter().chain(expected.iter().copied()).collect();
                    for (offset, limit) in
                        [(0, 63), (0, 64), (0, 100), (0, 1000), (1, 70), (63, 64), (190, 200), (430, 1000), (555, 90)]
                    {
                        let page = compile(&query, ids, QueryOutput::Page { limit, offset });
                        let page = store.list(&page, &scopes(ids)).await.unwrap();
                        let got: Vec<&str> = page.items.iter().map(|item| item.resource_id()).collect();
                        let wanted = expected.iter().copied().skip(usize::try_from(offset).unwrap());
                        let wanted: Vec<&str> = wanted.take(limit as usize).collect();
                        let total = expected.len() as u64;
                        assert_eq!(
                            (got, page.total),
                            (wanted, total),
                            "sparse {sparse}, {ids:?}, {offset}, {limit}: {query:?}"
                        );
                    }
                }
            }
        }
        store.close().await;
    });
}

#[test]
fn the_queries_are_of_every_strategy_that_has_large_pages() {
    let asked: Vec<&str> = queries()
        .iter()
        .flat_map(|query| {
            [&[1][..], &[1, 2]].map(|scopes| compile(query, scopes, QueryOutput::Page { limit: 100, offset: 0 }).text)
        })
        .collect();
    for shape in shapes() {
        let large = shape.page && !matches!(shape.strategy, Strategy::BatchedSingle | Strategy::General { .. });
        assert!(!large || asked.contains(&statement(shape).text.as_str()), "{shape:?}");
    }
}
