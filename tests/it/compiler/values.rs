//! Parts of values, in one scope and in many, few and many values, new ones and old: every text finds what it must.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{
    compiler::{Strategy, compile, shapes, statement},
    domain::{Page, QueryOutput, Scope, TagQuery, Term, ValueMatch, change::Registration, registry::Condition},
    store::SessionProfile,
};

use super::compiled::has_substring;
use crate::store::catalogue::set_serving_session;
use crate::support::{World, block_on, registration, sparse_limit, tag};

/// Texts of no, one, two and more characters; some in a key beside the one that is searched, some nowhere.
const TEXTS: [&str; 18] = [
    "",
    "1",
    "-",
    "-1",
    "v-",
    "v-1",
    "-12",
    "v-123",
    "0",
    "00",
    "é",
    "é-",
    "%",
    "_",
    "\\",
    "of-another",
    "zz",
    "v-12345678",
];

fn value_of(i: usize) -> String {
    match i % 11 {
        0 => format!("{i}%_\\"),
        1 => format!("é-{i}"),
        2 => String::new(),
        // many have it, but none of the newest
        3 if i < 300 => "v-1".to_owned(),
        4 => "v-12".to_owned(),
        _ => format!("v-{i}"),
    }
}

fn fleet() -> Vec<Registration> {
    let mut fleet = Vec::new();
    for (project, size) in [("p", 700), ("q", 90), ("empty-handed", 3)] {
        for i in 0..size {
            let value = value_of(i);
            let mut tags = vec![("other", "of-another-v-1")];
            // the last ones of a project have no such key
            if i % 7 != 0 && i < 600 && project != "empty-handed" {
                tags.push(("k", &value));
            }
            let mut resource = registration("images", &format!("r{i}"), "", &tags);
            resource.project_id = project.into();
            fleet.push(resource);
        }
    }
    fleet
}

/// Queries of all strategies that know a text in a value.
fn queries(text: &str) -> [TagQuery; 5] {
    let part = |key: &str| vec![Term { key: key.into(), values: vec![ValueMatch::Contains(text.into())] }];
    [
        TagQuery { tags: part("k"), ..TagQuery::default() },
        TagQuery { tags_any: part("other"), ..TagQuery::default() },
        TagQuery { not_tags: part("k"), ..TagQuery::default() },
        TagQuery { not_tags_any: part("k"), ..TagQuery::default() },
        TagQuery { tags: part("k"), tags_any: part("other"), ..TagQuery::default() },
    ]
}

#[test]
fn a_part_of_a_value_finds_what_has_it() {
    let world = World::new();
    world.load(&fleet());
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 2).await;
        // newest first, a new value and one that is gone
        let mut truth: Vec<Registration> = fleet().into_iter().rev().collect();
        let p = store.find_scope("p", "images").await.unwrap().unwrap();
        for (id, value) in [("r1", "v-123-new"), ("r699", "v-1"), ("r5", "v-12")] {
            store.put_tags(p, id, &[tag("k", value)]).await.unwrap();
            let known = truth.iter_mut().find(|r| r.project_id == "p" && r.resource.resource_id == id).unwrap();
            known.resource.tags.retain(|tag| tag.key != "k");
            known.resource.tags.push(tag("k", value));
        }
        let newest = registration("images", "new", "", &[("k", "v-77")]);
        store.register("p", "images", &newest.resource, true, &Condition::None).await.unwrap();
        truth.insert(0, Registration { project_id: "p".into(), ..newest });
        let mut spans = Vec::new();
        for projects in [vec!["p"], vec!["q"], vec!["empty-handed"], vec!["q", "p", "empty-handed"], vec![]] {
            let mut scopes = Vec::new();
            for scope in &projects {
                let scope_id = store.find_scope(scope, "images").await.unwrap().unwrap();
                scopes.push(Arc::new(Scope { scope_id, ..Scope::default() }));
            }
            spans.push((projects, scopes));
        }
        for sparse in [0, 2, 128] {
            let mut owner = world.db.connect().await;
            let remade = format!("{}select tagd.rebuild_scope(scope_id) from tagd.scope", sparse_limit(sparse));
            owner.execute(AssertSqlSafe(remade)).await.unwrap();
            owner.close().await.unwrap();
            for (projects, scopes) in &spans {
                let ids: Vec<i64> = scopes.iter().map(|scope| scope.scope_id).collect();
                for text in TEXTS {
                    for query in queries(text) {
                        let expected: Vec<(&str, &str)> = projects
                            .iter()
                            .flat_map(|project| truth.iter().filter(move |r| r.project_id == *project))
                            .filter(|r| query.matches(&r.resource))
                            .map(|r| (r.project_id.as_str(), r.resource.resource_id.as_str()))
                            .collect();
                        let case = format!("{projects:?}, sparse {sparse}, {query:?}");
                        let count = store.count(&compile(&query, &ids, QueryOutput::Count)).await.unwrap();
                        assert_eq!(count, expected.len() as u64, "{case}");
                        for (offset, limit) in
                            [(0, 10), (3, 1), (40, 25), (0, 1000), (count.saturating_sub(2), 5), (5000, 7)]
                        {
                            let page = compile(&query, &ids, QueryOutput::Page { limit, offset });
                            let page: Page = store.list(&page, scopes).await.unwrap();
                            let got: Vec<&str> = page.items.iter().map(|item| item.resource_id()).collect();
                            let wanted = expected.iter().skip(usize::try_from(offset).unwrap()).take(limit as usize);
                            let wanted: Vec<&str> = wanted.map(|(_, id)| *id).collect();
                            assert_eq!((got, page.total), (wanted, count), "{case} at {offset}");
                        }
                    }
                }
            }
        }
        store.close().await;
    });
}

/// Most scopes small and one large: what the planner learns is the average.
#[test]
fn values_are_found_by_grams_where_most_scopes_are_small() {
    let mut fleet: Vec<Registration> = Vec::new();
    for project in 0..600 {
        for i in 0..if project == 0 { 2000 } else { 2 } {
            let mut resource = registration("images", &format!("r{i}"), "", &[("n", &i.to_string())]);
            resource.project_id = format!("p{project}");
            fleet.push(resource);
        }
    }
    let world = World::with(&fleet);
    block_on(async {
        let mut owner = world.db.connect().await;
        for learn in ["select", "vacuum analyze"] {
            owner.execute(learn).await.unwrap();
            for shape in shapes().into_iter().filter(|shape| has_substring(*shape)) {
                let mut serving = world.db.connect().await;
                set_serving_session(&mut serving).await;
                let statement = statement(shape);
                let nulls = vec!["null"; statement.parameters.len()];
                serving.execute(AssertSqlSafe(format!("prepare compiled as {}", statement.text))).await.unwrap();
                let explain = format!("explain (costs off) execute compiled({})", nulls.join(", "));
                let plan: Vec<String> =
                    sqlx::query_scalar(AssertSqlSafe(explain)).persistent(false).fetch_all(&mut serving).await.unwrap();
                let uses = plan.iter().filter(|line| line.contains("on label_gram_idx")).count();
                let wanted = if shape.strategy == Strategy::Values && shape.page { 2 } else { 1 };
                assert_eq!(uses, wanted, "{learn}: {plan:#?}");
                serving.close().await.unwrap();
            }
        }
        owner.close().await.unwrap();
    });
}
