//! The log of a run: nothing of what users send is in it, except where the documentation says so.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::{MARK, SECRET_MARK};

/// The fields that have what a client chose: `docs/OPERATIONS.md`, "Logs".
const SHOWN: [&str; 6] = ["request_id", "principal", "domain", "credential", "method", "path"];

/// What is wrong with a log, and what it says beside the lines of requests.
pub fn check(log: &str, secrets: &[String]) -> (Vec<String>, BTreeMap<String, usize>) {
    let (mut wrong, mut others) = (Vec::new(), BTreeMap::new());
    // thousands of them, in hundreds of thousands of lines: whole words are looked up
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let secrets: HashSet<&str> =
        secrets.iter().flat_map(|secret| secret.split(|c| !is_part(c))).filter(|part| part.len() > 8).collect();
    for line in log.lines() {
        let Ok(Value::Object(mut fields)) = serde_json::from_str::<Value>(line) else {
            wrong.push(format!("no line of the log: {line}"));
            continue;
        };
        if line.contains(SECRET_MARK) || line.split(|c| !is_part(c)).any(|word| secrets.contains(word)) {
            wrong.push(format!("a secret in the log: {line}"));
        }
        // the span of a line has the request id too
        if let Some(span) = fields.get_mut("span").and_then(Value::as_object_mut) {
            span.remove("request_id");
        }
        let is_answer = fields.get("message").is_some_and(|message| message == "answered");
        for (name, value) in &fields {
            let is_shown = is_answer && SHOWN.contains(&name.as_str()) || name == "request_id";
            if !is_shown && value.to_string().to_lowercase().contains(MARK) {
                wrong.push(format!("{name} has a value of a user: {line}"));
            }
        }
        let level = fields.get("level").and_then(Value::as_str).unwrap_or_default();
        if level == "ERROR" || line.contains("panicked") {
            wrong.push(format!("an error in the log: {line}"));
        }
        if !is_answer {
            let text = |name: &str| {
                fields.get(name).map_or_else(String::new, |value| value.as_str().unwrap_or_default().to_owned())
            };
            *others.entry(format!("{level}: {} {} {}", text("message"), text("error"), text("reason"))).or_default() +=
                1;
        }
    }
    (wrong, others)
}
