//! Valid bodies, damaged at random.

use std::{cell::Cell, sync::Arc};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use super::check_alive;
use crate::support::{Wire, World};

/// Cases of each dialect in the test command; `TAGD_CASES` sets another number.
const CASES: u32 = 300;

/// A body of each kind that a dialect takes, all of them valid.
fn seeds(wire: Wire) -> Vec<String> {
    let term = json!({ "key": "env", "values": ["prod", ""] });
    let lists: serde_json::Map<String, Value> =
        wire.lists().iter().map(|list| ((*list).to_owned(), json!([term, { "key": "ключ", "values": [] }]))).collect();
    let mut full = wire.body(&lists.into());
    full["limit"] = json!(5);
    full["offset"] = json!("10");
    full["without_any_tag"] = json!(false);
    let mut bodies = vec![wire.body(&json!({})), full.clone()];
    if wire == Wire::Tms {
        bodies.push(json!({ "resource_types": ["cdn"], "without_any_tag": true, "tags": [1] }));
    } else {
        full["matches"] = json!([{ "key": "resource_name", "value": "a\"\\\n" }]);
        full["tags"][0]["values"] = json!(["*rod", "日\u{0}\u{1f}"]);
        bodies.push(full);
        bodies.push(json!({ "action": "count", "limit": [1], "offset": { "a": null } }));
    }
    bodies.iter().map(Value::to_string).collect()
}

/// A change to a text.
#[derive(Debug, Clone)]
enum Damage {
    /// Bytes are taken away.
    Delete(usize, usize),
    /// Bytes stand twice.
    Repeat(usize, usize),
    /// Bytes in the place of others.
    Replace(usize, Vec<u8>),
    /// Bytes between others.
    Insert(usize, Vec<u8>),
    /// Everything behind is gone.
    Cut(usize),
    /// A node of the JSON tree is taken away, doubled, or another stands in its place.
    Node(usize, Option<Value>, bool),
}

fn nodes() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!("")),
        Just(json!("*")),
        Just(json!("count")),
        Just(json!("\u{0}")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[]])),
        Just(json!([{ "key": "env", "values": ["a"] }])),
        Just(json!({ "key": "env", "values": ["a"] })),
        Just(json!("x".repeat(300))),
        Just(json!(vec!["a"; 30])),
        ".*".prop_map(Value::from),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = || 0..400usize;
    let pieces = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..4),
        prop::sample::select(
            &["\"", "{", "}", "[", "]", ",", ":", "\\", "\\u0000", "\\ud800", "null", "1e9", "\u{0}", "*"][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        2 => (at(), 1..20usize).prop_map(|(i, n)| Damage::Delete(i, n)),
        2 => (at(), 1..60usize).prop_map(|(i, n)| Damage::Repeat(i, n)),
        2 => (at(), pieces.clone()).prop_map(|(i, bytes)| Damage::Replace(i, bytes)),
        2 => (at(), pieces).prop_map(|(i, bytes)| Damage::Insert(i, bytes)),
        1 => at().prop_map(Damage::Cut),
        9 => (at(), prop::option::weighted(0.7, nodes()), any::<bool>()).prop_map(|(i, v, b)| Damage::Node(i, v, b)),
    ]
}

fn inflict(body: &mut Vec<u8>, damage: &Damage) {
    let place = |i: usize| if body.is_empty() { 0 } else { i % body.len() };
    match damage {
        Damage::Delete(i, n) => {
            let start = place(*i);
            body.drain(start..(start + n).min(body.len()));
        }
        Damage::Repeat(i, n) => {
            let start = place(*i);
            let piece = body[start..(start + n).min(body.len())].to_vec();
            body.splice(start..start, piece);
        }
        Damage::Replace(i, bytes) => {
            let start = place(*i);
            body.splice(start..(start + bytes.len()).min(body.len()), bytes.iter().copied());
        }
        Damage::Insert(i, bytes) => {
            let start = place(*i);
            body.splice(start..start, bytes.iter().copied());
        }
        Damage::Cut(i) => body.truncate(place(*i)),
        Damage::Node(i, node, double) => {
            let Ok(mut tree) = serde_json::from_slice::<Value>(body) else { return };
            let mut left = i % count(&tree);
            change(&mut tree, &mut left, node.as_ref(), *double);
            *body = tree.to_string().into_bytes();
        }
    }
}

fn count(tree: &Value) -> usize {
    1 + match tree {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the node of a number, counted depth first: replaces it, doubles it in its list, or empties it.
fn change(tree: &mut Value, left: &mut usize, node: Option<&Value>, double: bool) -> bool {
    if *left == 0 {
        match (node, &mut *tree) {
            (Some(node), _) => *tree = node.clone(),
            (None, Value::Array(items)) if double => items.extend(items.clone()),
            (None, Value::Array(items)) => drop(items.pop()),
            (None, Value::Object(fields)) if double => {
                let doubled: Vec<(String, Value)> = fields.iter().map(|(k, v)| (format!("{k}_"), v.clone())).collect();
                fields.extend(doubled);
            }
            (None, Value::Object(fields)) => {
                let first = fields.keys().next().cloned();
                first.and_then(|name| fields.remove(&name));
            }
            (None, Value::String(text)) => *text = text.repeat(if double { 100 } else { 0 }),
            (None, other) => *other = Value::Null,
        }
        return true;
    }
    *left -= 1;
    match tree {
        Value::Array(items) => items.iter_mut().any(|item| change(item, left, node, double)),
        Value::Object(fields) => fields.values_mut().any(|field| change(field, left, node, double)),
        _ => false,
    }
}

#[test]
fn a_damaged_body_is_answered_or_refused_in_the_words_of_the_dialect() {
    let cases = std::env::var("TAGD_CASES").ok().map_or(CASES, |cases| cases.parse().expect("TAGD_CASES: a number"));
    let world: Arc<World> = World::empty();
    for wire in Wire::ALL {
        let seeds = seeds(wire);
        for seed in &seeds {
            assert_eq!(world.post(wire.path(), seed).status, 200, "{wire:?}: a valid body to begin with: {seed}");
        }
        let config = Config { cases, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
        let strategy = (prop::sample::select(seeds), prop::collection::vec(damage(), 1..4));
        let (answered, refused) = (Cell::new(0), Cell::new(0));
        runner
            .run(&strategy, |(seed, damages)| {
                let mut body = seed.into_bytes();
                for damage in &damages {
                    inflict(&mut body, damage);
                }
                let answer = world.send("POST", wire.path(), &[("Content-Type", "application/json")], &body);
                let text = String::from_utf8_lossy(&body);
                match answer.status {
                    200 => answered.set(answered.get() + 1),
                    400 => {
                        wire.error(&answer);
                        refused.set(refused.get() + 1);
                    }
                    other => prop_assert!(false, "{wire:?} {other}: {} for {text}", answer.body),
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{error}"));
        // both happen, else the damage is too small or too great to find anything
        let (answered, refused) = (answered.get(), refused.get());
        assert!(answered * 40 > cases && refused * 40 > cases, "{wire:?}: {answered} answered, {refused} refused");
    }
    check_alive(&world);
}
