//! The tags of a resource as of a time, compared with a model; and putting a resource back.

use std::{
    collections::BTreeMap,
    thread::{self, sleep},
    time::Duration,
};

use serde_json::json;
use sqlx::{Connection, Executor};
use tagd::domain::Role;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{JSON, change, entries, get, shown};
use crate::{
    access::{guarded, token},
    support::{Dice, World, block_on, eventually, registration, waiting_for_locks},
};

fn now() -> String {
    // the clock of the database and this one are the same; a change must not fall into the same microsecond
    sleep(Duration::from_millis(2));
    let time = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
    sleep(Duration::from_millis(2));
    time
}

#[test]
fn the_tags_as_of_a_time_are_those_of_a_model() {
    let world = World::new();
    let mut dice = Dice(20_261_130);
    let mut model: [Option<BTreeMap<String, String>>; 4] = Default::default();
    let mut past = Vec::new();
    for step in 0..80 {
        let number = dice.roll(model.len());
        let one = format!("/registry/v1/projects/p/types/images/resources/r{number}");
        let key = format!("k{}", dice.roll(4));
        let value = step.to_string();
        let tags = format!(r#"[{{"key":"{key}","value":"{value}"}}]"#);
        match (&mut model[number], dice.roll(6)) {
            (tagged @ None, way) => {
                if way < 3 {
                    world.load(&[registration("images", &format!("r{number}"), "", &[(&key, &value)])]);
                } else {
                    change(&world, "r", "PUT", &one, &format!(r#"{{"tags":{tags}}}"#));
                }
                *tagged = Some(BTreeMap::from([(key, value)]));
            }
            (tagged, 0) => {
                change(&world, "r", "DELETE", &one, "");
                *tagged = None;
            }
            (Some(tagged), 1) => {
                change(&world, "r", "PUT", &format!("{one}/tags"), &format!(r#"{{"tags":{tags}}}"#));
                *tagged = BTreeMap::from([(key, value)]);
            }
            (Some(tagged), 2) => {
                world.load(&[registration("images", &format!("r{number}"), "", &[(&key, &value)])]);
                *tagged = BTreeMap::from([(key, value)]);
            }
            (Some(tagged), 3) if tagged.contains_key(&key) => {
                change(&world, "r", "DELETE", &format!("/v2/p/images/r{number}/tags/{key}"), "");
                tagged.remove(&key);
            }
            (Some(tagged), _) => {
                let tag = format!(r#"{{"tag":{{"key":"{key}","value":"{value}"}}}}"#);
                change(&world, "r", "POST", &format!("/v2/p/images/r{number}/tags"), &tag);
                tagged.insert(key, value);
            }
        }
        past.push((now(), model.clone()));
    }
    for (at, model) in past {
        for (number, tags) in model.iter().enumerate() {
            let path = format!("/registry/v1/projects/p/types/images/resources/r{number}/tags?at={at}");
            let answer = world.send("GET", &path, &[], b"");
            match tags {
                None => assert_eq!(answer.status, 404, "{path}: {}", answer.body),
                Some(tags) => {
                    let expected: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
                    assert_eq!(shown(&answer.json()["tags"]), expected.join(" "), "{path}");
                }
            }
        }
    }
}

#[test]
fn a_resource_is_put_back_to_a_time_under_a_condition() {
    let world = World::new();
    let one = "/registry/v1/projects/p/types/images/resources/r";
    let first = change(&world, "made", "PUT", one, r#"{"tags":[{"key":"a","value":"1"}]}"#);
    let at = now();
    let second = change(&world, "more", "PUT", &format!("{one}/tags"), r#"{"tags":[{"key":"b","value":"2"}]}"#);
    let body = format!(r#"{{"at":"{at}"}}"#);
    let stale = [JSON[0], ("If-Match", &*first.headers["etag"])];
    let refused = world.send("POST", &format!("{one}/restore"), &stale, body.as_bytes());
    assert_eq!((refused.status, &refused.json()["error_code"]), (412, &"REGISTRY.0008".into()));
    let current = [JSON[0], ("If-Match", &*second.headers["etag"]), ("X-Request-Id", "back")];
    let restored = world.send("POST", &format!("{one}/restore"), &current, body.as_bytes());
    assert_eq!((restored.status, shown(&restored.json()["tags"])), (200, "a=1".into()), "{}", restored.body);
    assert_eq!(restored.headers["etag"], first.headers["etag"]);
    assert_eq!(entries(&get(&world, &format!("{one}/history")))[0], "restore back: b=2 -> a=1");
    for (body, status, reason) in [
        (r#"{"at":"2999-01-01T00:00:00Z"}"#, 400, "at: must not be in the future"),
        (r#"{"at":"soon"}"#, 400, "at: must be a time since 1970 as in 2026-11-30T08:00:00Z"),
        ("{}", 400, "missing field `at`"),
        (r#"{"at":"2001-01-01T00:00:00Z"}"#, 410, "at: history is kept since 20"),
    ] {
        let refused = world.send("POST", &format!("{one}/restore"), &JSON, body.as_bytes());
        assert_eq!(refused.status, status, "{body}: {}", refused.body);
        assert!(refused.body.contains(reason), "{}", refused.body);
    }
}

#[test]
fn a_project_that_is_gone_shows_nothing_of_what_it_held_in_another_domain() {
    let world = guarded();
    let [former, owner, operator] = [(Role::Administrator, "a"), (Role::Administrator, "b"), (Role::Operator, "")]
        .map(|(role, domain)| token(&world, role, domain, &[]));
    let ask = |token: &str, method: &str, path: &str, body: &str| {
        let headers = [("X-Auth-Token", token), JSON[0]];
        world.send(method, &format!("/registry/v1/projects/p{path}"), &headers, body.as_bytes())
    };
    let one = "/types/images/resources/r";
    assert_eq!(ask(&former, "PUT", "", "{}").status, 201);
    assert_eq!(ask(&former, "PUT", one, r#"{"tags":[{"key":"password","value":"hunter2"}]}"#).status, 201);
    let at = now();
    assert_eq!(ask(&former, "DELETE", "?with_resources=true", "").status, 204);
    assert_eq!(ask(&owner, "PUT", "", "{}").status, 201);
    let then = format!("{one}/tags?at={at}");
    assert_eq!(ask(&owner, "GET", &then, "").status, 410);
    // as another server does; this one knows the project until it is told
    block_on(async {
        let mut other = world.db.connect().await;
        other.execute("select tagd.remove_project('p', true, null)").await.unwrap();
        other.close().await.unwrap();
    });
    let answer = ask(&owner, "GET", &then, "");
    assert!([403, 404].contains(&answer.status) && !answer.body.contains("hunter2"), "{}", answer.body);
    let body = json!({ "at": at }).to_string();
    let answer = ask(&owner, "POST", &format!("{one}/restore"), &body);
    assert!([403, 404].contains(&answer.status) && !answer.body.contains("hunter2"), "{}", answer.body);
    for path in [format!("{one}/history"), "/history".into()] {
        let answer = ask(&owner, "GET", &path, "");
        assert!(!answer.body.contains("hunter2"), "{path}: {}", answer.body);
    }
    let feed = world.send("GET", "/registry/v1/history", &[("X-Auth-Token", &owner)], b"");
    assert!(feed.status == 200 && !feed.body.contains("hunter2"), "{}", feed.body);
    // whoever reads all domains still may
    let answer = ask(&operator, "GET", &format!("{one}/history"), "");
    assert!(answer.status == 200 && answer.body.contains("hunter2"), "{}", answer.body);
}

#[test]
fn a_resource_is_there_since_it_was_registered_not_since_its_transaction_began() {
    let world = World::with(&["r", "s"].map(|id| registration("images", id, "", &[("a", "first")])));
    let path = |id: &str| format!("/registry/v1/projects/p/types/images/resources/{id}");
    change(&world, "gone", "DELETE", &path("r"), "");
    let (mut holder, mut looking) = block_on(async { (world.db.connect().await, world.db.connect().await) });
    block_on(holder.execute("begin; select from tagd.scope_counter for update")).unwrap();
    let at = thread::scope(|scope| {
        scope.spawn(|| world.load(&[registration("images", "r", "", &[("a", "imported")])]));
        scope.spawn(|| change(&world, "put", "PUT", &path("t"), "{}"));
        eventually("both wait", || block_on(waiting_for_locks(&mut looking)).len() == 2);
        let at = now();
        block_on(holder.execute("commit")).unwrap();
        at
    });
    for id in ["r", "t"] {
        let answer = world.send("GET", &format!("{}/tags?at={at}", path(id)), &[], b"");
        assert_eq!(answer.status, 404, "{}", answer.body);
    }
    assert_eq!(shown(&get(&world, &format!("{}/tags?at={}", path("r"), now()))["tags"]), "a=imported");
    block_on(async {
        let early: Vec<String> = sqlx::query_scalar(
            "select resource_id from tagd.resource where registered_at < $1::text::timestamptz order by 1",
        )
        .bind(&at)
        .fetch_all(&mut looking)
        .await
        .unwrap();
        assert_eq!(early, ["s"]);
        looking.close().await.unwrap();
        holder.close().await.unwrap();
    });
}
