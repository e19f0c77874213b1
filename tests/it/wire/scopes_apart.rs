//! Queries over several scopes that are distributed, with a statement for each scope.
//!
//! What they answer is compared in `oracle/queries.rs`; here it is what is asked, and what others write meanwhile.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::support::{TestDb, World, block_on, registration};

const TYPES: [&str; 3] = ["images", "ecs", "disk"];
const EACH: usize = 12;

/// Resources with and without the tag `env=prod` by turns, in three scopes.
fn world() -> World {
    let db = TestDb::new();
    block_on(db.list_citus());
    let store = db.settings();
    let world = World::over(db, store);
    let fleet: Vec<_> = TYPES
        .into_iter()
        .flat_map(|resource_type| (0..EACH).map(move |i| (resource_type, i)))
        .map(|(resource_type, i)| {
            let tags: &[_] = if i % 2 == 0 { &[("env", "prod")] } else { &[] };
            registration(resource_type, &format!("{resource_type}-{i}"), "name", tags)
        })
        .collect();
    world.load(&fleet);
    world
}

fn ask(world: &World, offset: usize, limit: usize) -> (usize, Vec<Value>) {
    let body = json!({
        "project_id": "p", "resource_types": TYPES, "tags": [{ "key": "env", "values": ["prod"] }], "offset": offset, "limit": limit,
    });
    let answer = world.post("/v1.0/resource-instances/filter", &body.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = answer.json();
    let total = usize::try_from(answer["total_count"].as_u64().unwrap()).unwrap();
    (total, answer["resources"].as_array().unwrap().clone())
}

/// How many statements of each compiled form ran, by the metrics.
fn forms(world: &World) -> Vec<(String, u64)> {
    let metrics = world.send("GET", "/metrics", &[], b"").body;
    let lines = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix("tagd_statement_duration_seconds_count{form=\"single_")?;
        let (form, count) = rest.split_once("\"} ")?;
        Some((form.to_owned(), count.parse().unwrap()))
    });
    lines.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_count_is_asked_of_each_scope_and_a_page_only_of_those_that_it_overlaps() {
    let world = world();
    // the first of three scopes has 6, of which the page needs the last and four of the next scope
    let (total, found) = ask(&world, 5, 5);
    let ids: Vec<_> = found.iter().map(|resource| resource["resource_id"].as_str().unwrap()).collect();
    assert_eq!((total, ids), (18, vec!["images-0", "ecs-10", "ecs-8", "ecs-6", "ecs-4"]));
    assert_eq!(forms(&world), [("count".to_owned(), 2), ("page".to_owned(), 2)]);
    let name = found[0]["project_name"].as_str().unwrap().to_owned();
    assert_eq!(
        world
            .send(
                "PUT",
                "/registry/v1/projects/p",
                &[("Content-Type", "application/json")],
                br#"{"project_name":"new name"}"#
            )
            .status,
        200
    );
    assert_ne!(name, "new name");
    assert_eq!(ask(&world, 5, 5).1[0]["project_name"], "new name");
}

#[test]
fn a_page_agrees_with_its_total_while_others_write() {
    let world = world();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writes = 0;
            while !is_done.load(Ordering::Relaxed) {
                let (resource_type, i) = (TYPES[writes % 3], writes * 7 / 3 % EACH);
                let action = if writes / 36 % 2 == 0 { "create" } else { "delete" };
                let body = json!({
                    "project_id": "p",
                    "resources": [{ "resource_type": resource_type, "resource_id": format!("{resource_type}-{i}") }],
                    "tags": [{ "key": "env", "value": "prod" }],
                });
                let answer = world.post(&format!("/v1.0/resource-tags/batch-{action}"), &body.to_string());
                assert_eq!(answer.status, 200, "{}", answer.body);
                writes += 1;
            }
        });
        let mut totals = std::collections::BTreeSet::new();
        for turn in 0..400 {
            let (offset, limit) = [(0, 200), (7, 200), (4, 9), (13, 20)][turn % 4];
            let (total, found) = ask(&world, offset, limit);
            assert_eq!(found.len(), total.saturating_sub(offset).min(limit), "{total} from {offset}, at most {limit}");
            let is_tagged = |resource: &Value| resource["tags"] == json!([{ "key": "env", "value": "prod" }]);
            assert!(found.iter().all(is_tagged), "{found:?}");
            totals.insert(total);
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(totals.len() > 3, "nothing was written meanwhile: {totals:?}");
    });
}
