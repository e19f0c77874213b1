//! Policies: patterns, compliance against a model, enforcement whatever the way of a write, races, routes and commands.

mod command;
mod compliance;
mod enforcement;
mod patterns;
mod races;
mod routes;

use serde_json::Value;
use tagd::domain::{CheckedPolicy, Policy};

use crate::support::{Answer, World};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// A policy that requires a key.
fn required(name: &str, key: &str) -> Policy {
    Policy { name: name.into(), key: key.into(), is_required: true, ..Policy::default() }
}

fn checked(policy: &Policy) -> CheckedPolicy {
    CheckedPolicy::new(policy.clone()).unwrap()
}

/// Sends JSON.
fn send(world: &World, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.send(method, path, &JSON, body.as_bytes())
}

/// Puts a policy as its body says.
fn put(world: &World, name: &str, body: &Value) -> Answer {
    let answer = send(world, "PUT", &format!("/registry/v1/policies/{name}"), body);
    assert!(answer.status < 300, "{name}: {}", answer.body);
    answer
}
