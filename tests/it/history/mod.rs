//! The history of changes and the audit log.

mod as_of;
mod audit;
mod changes;
mod feed;
mod months;

use serde_json::{Value, json};

use crate::support::{Answer, World, eventually};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

/// A read that must succeed.
fn get(world: &World, path: &str) -> Value {
    let answer = world.send("GET", path, &[], b"");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// A change that must succeed, with a request id.
fn change(world: &World, id: &str, method: &str, path: &str, body: &str) -> Answer {
    let headers = [("Content-Type", "application/json"), ("X-Request-Id", id)];
    let answer = world.send(method, path, &headers, body.as_bytes());
    assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.body);
    answer
}

/// The feed from a marker on, or from its beginning, until it has passed that many changes, with its last marker. A writer that is
/// active holds it up.
fn follow(world: &World, marker: Option<&str>, count: usize) -> (Value, String) {
    let mut marker = marker.map(ToOwned::to_owned);
    let mut changes = Vec::new();
    eventually("the feed has passed the changes", || {
        let after = marker.as_ref().map_or_else(String::new, |marker| format!("?marker={marker}"));
        let page = get(world, &format!("/registry/v1/history{after}"));
        changes.extend(page["changes"].as_array().unwrap().clone());
        marker = Some(page["next_marker"].as_str().unwrap().to_owned());
        changes.len() >= count
    });
    (json!({ "changes": changes }), marker.unwrap())
}

/// Tags as `a=1 b=2`; a hyphen for null.
fn shown(tags: &Value) -> String {
    match tags.as_array() {
        None => "-".to_owned(),
        Some(tags) => {
            let tag = |tag: &Value| format!("{}={}", tag["key"].as_str().unwrap(), tag["value"].as_str().unwrap());
            tags.iter().map(tag).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Entries as `operation request: before -> after`.
fn entries(reply: &Value) -> Vec<String> {
    let entry = |one: &Value| {
        format!(
            "{} {}: {} -> {}",
            one["operation"].as_str().unwrap(),
            one["request_id"].as_str().unwrap_or("-"),
            shown(&one["old_tags"]),
            shown(&one["new_tags"])
        )
    };
    reply["changes"].as_array().unwrap().iter().map(entry).collect()
}
