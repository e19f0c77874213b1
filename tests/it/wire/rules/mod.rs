//! What a query means on the wire, in every dialect that a rule speaks of.
//!
//! Each row of `docs/SEMANTICS.md`, "Queries" and "Answers", and what it says of TMS.

mod answers;
mod documents;
mod lists;
mod matches;
mod pages;
mod refusals;
mod types;
mod values;

use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};

use crate::support::{Wire, World, in_all_dialects};

/// Those that have all four lists.
const FOUR_LISTS: [Wire; 3] = [Wire::Ims, Wire::Dns, Wire::Cts];

/// Two conditions, `env` and `team`, and a resource for each way to meet them. In the order of registration.
fn two_by_two() -> Arc<World> {
    static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
    World::share(&SHARED, || {
        in_all_dialects(&[
            ("neither", "", &[]),
            ("env", "", &[("env", "prod")]),
            ("team", "", &[("team", "red")]),
            ("both", "", &[("env", "prod"), ("team", "red")]),
            ("other", "", &[("env", "dev"), ("team", "blue")]),
        ])
    })
}

fn env_and_team() -> Value {
    json!([{ "key": "env", "values": ["prod", "test"] }, { "key": "team", "values": ["red", "green"] }])
}

/// One resource for each value of the key `k`, named by the value; and one without the key.
fn by_value(values: &[&str]) -> World {
    let one = |value: &str| Wire::ALL.map(|wire| wire.resource(&format!("<{value}>"), "", &[("k", value)]));
    let without = Wire::ALL.map(|wire| wire.resource("without", "", &[("other", "x")]));
    World::with(&values.iter().flat_map(|value| one(value)).chain(without).collect::<Vec<_>>())
}

/// The resources whose `k` has one of the values, sorted.
fn with_values(wire: Wire, world: &World, values: &[&str]) -> Vec<String> {
    let mut found = wire.ids(world, &json!({ "tags": [{ "key": "k", "values": values }] }));
    found.sort();
    found
}

/// One resource for each name, with the name as its id.
fn by_name(names: &[&str]) -> World {
    let one = |name: &str| Wire::ALL.map(|wire| wire.resource(&format!("<{name}>"), name, &[]));
    World::with(&names.iter().flat_map(|name| one(name)).collect::<Vec<_>>())
}

/// The resources whose name a match finds, sorted.
fn with_name(wire: Wire, world: &World, name: &str) -> Vec<String> {
    let mut found = wire.ids(world, &json!({ "matches": [{ "key": "resource_name", "value": name }] }));
    found.sort();
    found
}
