//! Requests that build on each other: the life of a resource, beside all the others.
//!
//! After each step its tags are what the answers say.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    MARK,
    client::{Client, Reply},
    mutations::packed,
    request::{Framing, Owed, Request, chance, chunks},
    run::Run,
};
use crate::support::Dice;

type Tags = BTreeMap<String, String>;

/// A client of the sequence.
struct Asker<'a> {
    run: &'a Run,
    client: &'a mut Client,
    dice: &'a mut Dice,
    sent: usize,
}

impl Asker<'_> {
    /// Sends a request; what is wrong with the answer ends the sequence.
    fn ask(&mut self, request: Request) -> Result<Option<Reply>, String> {
        self.sent += 1;
        let request = self.run.as_operator(request);
        let wrong = |why: String| format!("{why}\n  in a sequence: {}", request.shown());
        let Some(outcome) = self.client.send(&request, self.dice) else { return Ok(None) };
        self.run.judge(&request, outcome).map_err(wrong)
    }

    /// Sends a request that is answered, as all are that are HTTP.
    fn answer(&mut self, method: &str, target: &str, body: Option<&Value>) -> Result<Reply, String> {
        let mut request = Request::new(method, target);
        if let Some(body) = body {
            request = request.with_body("application/json", body.to_string());
        }
        self.ask(request)?.ok_or_else(|| format!("no answer to {method} {target}"))
    }
}

/// The tags of an answer.
fn tags_of(reply: &Reply) -> Result<Tags, String> {
    let json: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    let list = json["tags"].as_array().ok_or("no tags")?;
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    Ok(list.iter().map(|tag| (text(tag, "key"), text(tag, "value"))).collect())
}

fn list(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn drawn(dice: &mut Dice) -> Tags {
    (0..1 + dice.roll(3)).map(|_| (format!("{MARK}s{}", dice.roll(4)), format!("{MARK}{}", dice.roll(9)))).collect()
}

/// The life of a resource. How many requests were sent, and whether all steps were tried.
pub fn live(run: &Run, client: &mut Client, dice: &mut Dice, case: usize) -> (usize, Result<(), String>) {
    let mut asker = Asker { run, client, dice, sent: 0 };
    let outcome = asker.live(case);
    (asker.sent, outcome)
}

impl Asker<'_> {
    fn live(&mut self, case: usize) -> Result<(), String> {
        let project = format!("{MARK}seq{case}");
        let one = format!("/registry/v1/projects/{project}/types/images/resources/{MARK}one");
        let ims = format!("/v2/{project}/images/{MARK}one/tags");
        // others may have lowered the quota, or have forbidden everything
        let images = json!({ "service": "IMS", "regional": true, "tag_quota": 10 });
        self.answer("PUT", "/registry/v1/types/images", Some(&images))?;
        let policies = self.answer("GET", "/registry/v1/policies?limit=1000", None)?;
        let policies: Value = serde_json::from_slice(&policies.body).unwrap_or_default();
        for policy in
            policies["policies"].as_array().into_iter().flatten().filter(|policy| policy["project_id"].is_null())
        {
            let name = policy["policy_name"].as_str().unwrap_or_default();
            let domain = policy["domain_id"].as_str().map(|domain| format!("?domain_id={domain}")).unwrap_or_default();
            self.answer("DELETE", &format!("/registry/v1/policies/{name}{domain}"), None)?;
        }
        let mut tags = drawn(self.dice);
        let created =
            self.answer("PUT", &one, Some(&json!({ "resource_name": format!("{MARK}name"), "tags": list(&tags) })))?;
        let said = String::from_utf8_lossy(&created.body);
        if ["REGISTRY.0009", "REGISTRY.0026"].iter().any(|code| said.contains(code)) {
            // another client was faster with a quota or a policy
            return Ok(());
        }
        if created.status != 201 {
            return Err(format!("registered with {}: {said}", created.status));
        }
        let mut etag = created.header("etag").unwrap_or_default().to_owned();
        let mut earlier = (OffsetDateTime::now_utc(), tags.clone());
        for _ in 0..2 + self.dice.roll(6) {
            let before = tags.clone();
            // and what the tags are if the step is done
            let (request, after) = self.step(&project, &one, &ims, &tags, &etag, &earlier);
            let said = self.ask(request.clone())?;
            let read = self.answer("GET", &format!("{one}/tags"), None)?;
            let found = tags_of(&read)
                .map_err(|why| format!("{why}: {} {}", read.status, String::from_utf8_lossy(&read.body)))?;
            let status = said.as_ref().map(|reply| reply.status);
            let right = match status {
                Some(200..300) => found == after,
                Some(_) => found == before,
                // the answer was lost, which says nothing, but half of it must not be there
                None => found == before || found == after,
            };
            if !right {
                let said = said.map(|reply| String::from_utf8_lossy(&reply.body).into_owned());
                return Err(format!(
                    "{status:?} {said:?}: {before:?}, {after:?}, found {found:?}\n  {}",
                    request.shown()
                ));
            }
            if status.is_none() {
                // it may still be done at any time
                return self.abandon(&project, &one, [&before, &after]);
            }
            if found != before && chance(self.dice, 2) {
                earlier = (OffsetDateTime::now_utc(), found.clone());
            }
            tags = found;
            if chance(self.dice, 2) {
                etag = read.header("etag").unwrap_or_default().to_owned();
            }
        }
        self.end(&project, &one, &tags)
    }

    fn step(
        &mut self,
        project: &str,
        one: &str,
        ims: &str,
        tags: &Tags,
        etag: &str,
        earlier: &(OffsetDateTime, Tags),
    ) -> (Request, Tags) {
        let drawn = drawn(self.dice);
        let (key, value) = drawn.first_key_value().map(|(key, value)| (key.clone(), value.clone())).unwrap_or_default();
        let json = |method: &str, target: &str, body: Value| {
            Request::new(method, target).with_body("application/json", body.to_string())
        };
        let mut added = tags.clone();
        added.extend(drawn.clone());
        let mut single = tags.clone();
        single.insert(key.clone(), value.clone());
        let mut removed = tags.clone();
        removed.retain(|key, _| !drawn.contains_key(key));
        let mut without = tags.clone();
        without.remove(&key);
        let resources = json!([{ "resource_id": format!("{MARK}one"), "resource_type": "images" }]);
        let line = json!({ "project_id": project, "resource_type": "images", "resource_id": format!("{MARK}one"), "tags": list(&drawn) });
        let import = |query: &str, body: String| {
            Request::new("POST", &format!("/registry/v1/import{query}")).with_body("application/x-ndjson", body)
        };
        let (mut request, after) = match self.dice.roll(13) {
            0 => (json("POST", ims, json!({ "tag": { "key": key, "value": value } })), single),
            1 => (json("POST", &format!("{ims}/action"), json!({ "action": "create", "tags": list(&drawn) })), added),
            2 => (json("POST", &format!("{ims}/action"), json!({ "action": "delete", "tags": list(&drawn) })), removed),
            3 => (Request::new("DELETE", &format!("{ims}/{key}")), without),
            4 => (json("PUT", &format!("{one}/tags"), json!({ "tags": list(&drawn) })), drawn),
            5 => (json("PUT", &format!("{one}/tags"), json!({ "tags": list(&drawn) })).with("If-Match", etag), drawn),
            6 => {
                let body = json!({ "project_id": project, "resources": resources, "tags": list(&drawn) });
                (json("POST", "/v1.0/resource-tags/batch-create", body), added)
            }
            7 => (json("PUT", one, json!({ "resource_name": format!("{MARK}other"), "tags": list(&drawn) })), drawn),
            8 => {
                let at = earlier.0.format(&Rfc3339).unwrap_or_default();
                (json("POST", &format!("{one}/restore"), json!({ "at": at })), earlier.1.clone())
            }
            9 => (import("", format!("{line}\n")), drawn),
            10 => (import("?strict=true", format!("{line}\n{{\"project_id\":\"{MARK}\"}}\n")), drawn),
            11 => (import("?strict=true&dry_run=true", format!("{line}\n")), tags.clone()),
            _ => {
                let mut request = import("?strict=true", String::new());
                request.body = packed(format!("{line}\n").as_bytes());
                request.set("Content-Encoding", "gzip");
                (request, drawn)
            }
        };
        // cut off within its body, or the client hangs up
        if chance(self.dice, 6) && !request.body.is_empty() {
            if chance(self.dice, 2) {
                let mut body = chunks(self.dice, &request.body);
                // at least the last chunk is missing
                body.truncate(self.dice.roll(body.len() - 5));
                request.body = body;
                request.framing = Framing::Given;
                request.add("Transfer-Encoding", "chunked");
            }
            request.owed = if chance(self.dice, 2) { Owed::AnswerOrEnd } else { Owed::Nothing };
        }
        (request, after)
    }

    /// Looks again after a request whose answer was lost.
    fn abandon(&mut self, project: &str, one: &str, either: [&Tags; 2]) -> Result<(), String> {
        let read = self.answer("GET", &format!("{one}/tags"), None)?;
        let found = tags_of(&read)?;
        if !either.contains(&&found) {
            return Err(format!("neither of {either:?}: {found:?}"));
        }
        self.answer("DELETE", &format!("/registry/v1/projects/{project}?with_resources=true"), None)?;
        Ok(())
    }

    /// Asks for the resource in other ways, and takes it away.
    fn end(&mut self, project: &str, one: &str, tags: &Tags) -> Result<(), String> {
        let query = format!("/v2/{project}/images/resource_instances/action");
        let conditions: Vec<Value> = tags.iter().map(|(key, value)| json!({ "key": key, "values": [value] })).collect();
        let mut body = json!({ "action": "count" });
        if conditions.is_empty() {
            body["without_any_tag"] = json!(true);
        } else {
            body["tags"] = json!(conditions);
        }
        let counted = self.answer("POST", &query, Some(&body))?;
        let count: Value = serde_json::from_slice(&counted.body).unwrap_or_default();
        if count["total_count"] != 1 {
            return Err(format!("the resource with {tags:?} is not found by {body}: {count}"));
        }
        let history = self.answer("GET", &format!("{one}/history"), None)?;
        if history.status != 200 {
            return Err(format!("history: {} {}", history.status, String::from_utf8_lossy(&history.body)));
        }
        let removed = if chance(self.dice, 2) {
            self.answer("DELETE", one, None)?.status
        } else {
            self.answer("DELETE", &format!("/registry/v1/projects/{project}?with_resources=true"), None)?.status
        };
        // more deletions than there may be at once
        if removed == 503 {
            return Ok(());
        }
        let gone = [
            self.answer("GET", one, None)?.status,
            self.answer("GET", &format!("/v2/{project}/images/{MARK}one/tags"), None)?.status,
        ];
        self.answer("DELETE", &format!("/registry/v1/projects/{project}"), None)?;
        if removed == 204 && gone == [404, 404] {
            Ok(())
        } else {
            Err(format!("removed with {removed}, then {gone:?}"))
        }
    }
}
