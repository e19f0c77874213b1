//! Lists that are long: in pieces over the wire, merged from many projects, walked beside writers.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{domain::change::Registration, store::SessionProfile};

use crate::support::{Answer, World, block_on, registration, repository};

fn get(world: &World, path: &str) -> Answer {
    let answer = world.send("GET", path, &[], b"");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

/// Resources with ten tags each, no two of them alike; more than one piece of any list.
fn fleet(resource_type: &str, resources: usize) -> Vec<Registration> {
    let one = |i: usize| {
        let tags: Vec<(String, String)> = (0..10).map(|k| (format!("k{k}"), format!("{i}-{k}"))).collect();
        let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        registration(resource_type, &format!("r{i}"), "", &tags)
    };
    (0..resources).map(one).collect()
}

fn keys_of(fleet: &[Registration]) -> Value {
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for tag in fleet.iter().flat_map(|registration| &registration.resource.tags) {
        keys.entry(&tag.key).or_default().insert(&tag.value);
    }
    keys.iter().map(|(key, values)| json!({ "key": key, "values": values })).collect()
}

fn texts_of(fleet: &[Registration]) -> Vec<String> {
    let tags = fleet.iter().flat_map(|registration| &registration.resource.tags);
    let texts: BTreeSet<String> = tags.map(|tag| format!("{}.{}", tag.key, tag.value)).collect();
    texts.into_iter().collect()
}

/// What comes back on a connection of its own until it is closed.
fn raw(world: &World, request: &str) -> String {
    let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // a connection that is broken off may be reset
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn long_lists_come_whole_and_in_chunks() {
    let types = ["images", "DNS-public_zone", "cts-tracker", "ecs"];
    let fleets = types.map(|resource_type| fleet(resource_type, if resource_type == "images" { 2100 } else { 300 }));
    let world = World::with(&fleets.concat());
    let chunked = |path: &str| {
        let answer = get(&world, path);
        assert_eq!(answer.headers.get("transfer-encoding").map(String::as_str), Some("chunked"), "{path}");
        assert_eq!(answer.headers["content-type"], "application/json", "{path}");
        answer.json()
    };
    let [images, zones, trackers, servers] = &fleets;
    assert_eq!(chunked("/v2/p/images/tags"), json!({ "tags": keys_of(images) }));
    assert_eq!(chunked("/v2/p/DNS-public_zone/tags"), json!({ "tags": keys_of(zones) }));
    let info = json!({ "current_count": 10, "next_marker": "k9" });
    assert_eq!(chunked("/v3/p/cts-tracker/tags"), json!({ "tags": keys_of(trackers), "page_info": info }));
    let info = json!({ "current_count": 8, "next_marker": "k8" });
    let all = keys_of(trackers);
    let part = json!({ "tags": all.as_array().unwrap()[1..9], "page_info": info });
    assert_eq!(chunked("/v3/p/cts-tracker/tags?limit=8&marker=k0"), part);
    let types = "/v1.0/tags?resource_types=ecs,cts-tracker&project_id=p&tag_types=resource";
    assert_eq!(chunked(types), json!({ "tags": keys_of(servers), "errors": [] }));
    let texts = texts_of(images);
    assert_eq!(chunked("/v1/cloudimages/tags"), json!({ "tags": texts }));
    assert_eq!(chunked("/v1/cloudimages/tags?limit=20500&page=1"), json!({ "tags": texts[..20_500] }));

    // what fits in one piece has its length
    for (path, tags) in [
        ("/v1/cloudimages/tags?limit=600&page=35", json!(texts[20_400..])),
        ("/v1/cloudimages/tags?limit=600&page=36", json!([])),
        ("/v1/cloudimages/tags?limit=20000", json!(texts[..20_000])),
    ] {
        let answer = get(&world, path);
        assert_eq!(answer.headers["content-length"], answer.body.len().to_string(), "{path}");
        assert_eq!(answer.json(), json!({ "tags": tags }), "{path}");
    }

    // HTTP/1.0 has no chunks
    let answer = raw(&world, "GET /v2/p/images/tags HTTP/1.0\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert!(head.to_lowercase().contains(&format!("content-length: {}", body.len())), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({ "tags": keys_of(images) }));
}

/// Pieces are what the store hands out: none is longer than it may be, and none is missing.
#[test]
fn no_piece_of_a_list_is_longer_than_it_may_be() {
    let images = fleet("images", 450);
    let world = World::with(&images);
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 1).await;
        let mut behind: Option<(String, String)> = None;
        let mut sizes = Vec::new();
        let mut seen = Vec::new();
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        loop {
            let (key, value) = behind.as_ref().map_or(("", None), |(key, value)| (key, Some(value.as_str())));
            let piece = store.list_tags_by_key(&[scope], key, value, 1000, false).await.unwrap();
            let Some(last) = piece.last() else { break };
            behind = Some((last.key.clone(), last.value.clone()));
            sizes.push(piece.len());
            seen.extend(piece.into_iter().map(|tag| format!("{}.{}", tag.key, tag.value)));
        }
        assert_eq!(sizes, [1000, 1000, 1000, 1000, 500]);
        assert_eq!(seen, texts_of(&images));
        store.close().await;
    });
}

/// Makes every statement fail that comes upon a key.
fn break_at(world: &World, key: &str) {
    let statement = format!(
        "alter table tagd.label rename to label_behind;
         create view tagd.label as
         select scope_id, label_id, kind, key, value,
                case when key = '{key}' and kind = 3 then array[1 / (length(key) - {})] else slots end as slots
           from tagd.label_behind;
         grant select on tagd.label to tagd_service;",
        key.len()
    );
    block_on(async {
        let mut owner = world.db.connect().await;
        owner.execute(AssertSqlSafe(statement)).await.unwrap();
        owner.close().await.unwrap();
    });
}

#[test]
fn a_list_that_fails_on_the_way_is_broken_off() {
    let world = World::with(&fleet("images", 1000));
    break_at(&world, "k7");
    let answer = raw(&world, "GET /v2/p/images/tags HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{}", &answer[..200.min(answer.len())]);
    assert!(answer.contains(r#""key":"k0""#), "not even the first piece came");
    assert!(!answer.contains(r#""key":"k7""#), "nothing failed");
    assert!(!answer.ends_with("0\r\n\r\n"), "the answer ends as a whole one does");
    // over HTTP/1.0 nothing has gone out by then
    let answer = raw(&world, "GET /v2/p/images/tags HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 500"), "{answer}");
    assert!(answer.contains("IMG.0061"), "{answer}");
    assert_eq!(get(&world, "/healthz").status, 200);
}

#[test]
fn a_list_that_fails_at_once_is_an_error() {
    let world = World::with(&fleet("images", 1000));
    break_at(&world, "k0");
    let answer = world.send("GET", "/v2/p/images/tags", &[], b"");
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (500, Some("IMG.0061")), "{}", answer.body);
}

/// Texts are sorted as such, and one that two tags have is there once.
#[test]
fn plain_tags_are_listed_by_text() {
    let world = World::with(&[
        registration("images", "a", "", &[("a", "b"), ("a-b", ""), ("a.b", "c"), ("ab", "")]),
        registration("images", "b", "", &[("a", "b.c"), ("a-b", "x"), ("b", "")]),
    ]);
    let all = json!(["a-b", "a-b.x", "a.b", "a.b.c", "ab", "b"]);
    assert_eq!(get(&world, "/v1/cloudimages/tags").json()["tags"], all);
    for (page, tags) in [(1, &all.as_array().unwrap()[..4]), (2, &all.as_array().unwrap()[4..]), (3, &[])] {
        let path = format!("/v1/cloudimages/tags?limit=4&page={page}");
        assert_eq!(get(&world, &path).json()["tags"], json!(tags), "{page}");
    }
    assert_eq!(get(&world, "/v1/cloudimages/tags?id=a").json()["tags"], json!(["a-b", "a.b", "a.b.c", "ab"]));
    assert_eq!(get(&world, "/v1/cloudimages/tags?id=a&limit=3&page=2").json()["tags"], json!(["ab"]));
}

/// In each of many projects some of many keys and values.
fn projects(count: usize) -> Vec<Registration> {
    let one = |i: usize| {
        // a few keys that all have, and some that few have
        let mut keys: Vec<String> = (0..6).map(|k| format!("k{:03}", (i * 7 + k * k * 31) % 150)).collect();
        keys.push("shared".into());
        keys.sort();
        keys.dedup();
        let tags: Vec<(String, String)> = keys.iter().map(|key| (key.clone(), format!("v{}", i % 90))).collect();
        let tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let mut registration =
            registration(if i.is_multiple_of(2) { "images" } else { "ecs" }, &format!("r{i}"), "", &tags);
        registration.project_id = format!("p{}", i * 13 % count);
        registration
    };
    (0..count).map(one).collect()
}

fn page_through(world: &World, path: &str, list: &str, limit: usize) -> Vec<String> {
    let mut seen = Vec::new();
    let mut marker = String::new();
    loop {
        let page = get(world, &format!("{path}limit={limit}&marker={marker}")).json();
        let names = page[list].as_array().unwrap();
        assert!(names.len() <= limit);
        seen.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        marker = page["page_info"]["next_marker"].as_str().unwrap().to_owned();
        if marker.is_empty() {
            return seen;
        }
    }
}

/// More scopes than one statement merges.
#[test]
fn keys_and_values_of_many_projects_are_merged() {
    let fleet = projects(700);
    let world = World::with(&fleet);
    let tags = || fleet.iter().flat_map(|registration| &registration.resource.tags);
    let keys: BTreeSet<String> = tags().map(|tag| tag.key.clone()).collect();
    let values: BTreeSet<String> = tags().filter(|tag| tag.key == "shared").map(|tag| tag.value.clone()).collect();
    assert!(keys.len() > 140 && values.len() == 90);
    for limit in [1, 7, 50, 200] {
        let seen = page_through(&world, "/v1.0/tag-keys?", "keys", limit);
        assert_eq!(seen, keys.iter().cloned().collect::<Vec<_>>(), "{limit}");
        let seen = page_through(&world, "/v1.0/tag-values?key=shared&", "values", limit);
        assert_eq!(seen, values.iter().cloned().collect::<Vec<_>>(), "{limit}");
    }
    // an id without its project, by the native interface
    let index = 698;
    let path = format!("/v2/images/r{index}/tags/native");
    assert_eq!(world.send("PUT", &path, &[], b"").status, 204);
    assert_eq!(world.send("PUT", "/v2/images/nowhere/tags/native", &[], b"").status, 404);
    let list = get(&world, &format!("/v2/p{}/images/r{index}/tags", index * 13 % 700)).json();
    assert!(list["tags"].as_array().unwrap().contains(&json!({ "key": "native", "value": "" })), "{list}");
}

/// What a statement of the program does in a database, by its text in `sqlx-data.json`: pages it looked at, and its plan.
fn explain(world: &World, part: &str, types: &str, arguments: &str) -> (u64, String) {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(repository("sqlx-data.json")).unwrap()).unwrap();
    let texts = data["fixed"].as_object().unwrap().values().map(|statement| statement["query"].as_str().unwrap());
    let found: Vec<&str> = texts.filter(|text| text.contains(part)).collect();
    let [text] = found.as_slice() else { panic!("{} statements have {part:?}", found.len()) };
    block_on(async {
        let mut connection = world.db.connect().await;
        // as a session that serves: see store/session.rs
        let settings = "set plan_cache_mode = force_generic_plan; set random_page_cost = 1.1; set enable_seqscan = off;
                        set enable_hashjoin = off; set enable_mergejoin = off;";
        connection.execute(settings).await.unwrap();
        connection.execute(AssertSqlSafe(format!("prepare asked ({types}) as {text}"))).await.unwrap();
        let explain = format!("explain (analyze, buffers, format json) execute asked ({arguments})");
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let buffers = &plan[0]["Plan"];
        let count = |name: &str| buffers[name].as_u64().unwrap();
        (count("Shared Hit Blocks") + count("Shared Read Blocks"), plan.to_string())
    })
}

#[test]
fn an_id_without_a_project_is_one_look_up() {
    let world = World::with(&projects(700));
    let (pages, plan) =
        explain(&world, "r.resource_id || '' = $2)", "text, text, text, text[]", "'images', 'r698', null, null");
    assert!(plan.contains("resource_id_idx"), "{plan}");
    assert!(pages < 20, "{pages} pages: {plan}");
}

/// The keys of a scope are read without their values.
#[test]
fn keys_are_listed_without_their_values() {
    let world = World::with(&fleet("images", 2000));
    let scope = block_on(async {
        let store = world.db.store(SessionProfile::Serve, 1).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        store.close().await;
        scope
    });
    let types = "bigint[], text, text, bigint, boolean";
    let (pages, plan) = explain(&world, "l.kind = 2", types, &format!("'{{{scope}}}', '', null, 201, false"));
    assert!(plan.contains("label_key_idx"), "{plan}");
    assert!(pages < 100, "{pages} pages for 10 keys with 20,000 values: {plan}");
}

fn resources_page(world: &World, query: &str) -> (Vec<String>, Value) {
    let page = get(world, &format!("/registry/v1/projects/p/types/images/resources?{query}")).json();
    let ids = page["resources"].as_array().unwrap().iter().map(|one| one["resource_id"].as_str().unwrap().to_owned());
    (ids.collect(), page)
}

fn walk(world: &World, limit: usize, mut between: impl FnMut(usize)) -> Vec<String> {
    let mut seen = Vec::new();
    let mut query = format!("limit={limit}");
    for page in 0.. {
        let (ids, body) = resources_page(world, &query);
        assert!(ids.len() <= limit, "{body}");
        seen.extend(ids);
        match &body["next_marker"] {
            Value::Null => break,
            marker => query = format!("limit={limit}&marker={}", marker.as_str().unwrap()),
        }
        between(page);
    }
    seen
}

#[test]
fn a_walk_by_marker_is_newest_first_and_whole() {
    let names: Vec<String> = (0..25).map(|i| format!("r{i}")).collect();
    let fleet: Vec<Registration> = names.iter().map(|name| registration("images", name, "", &[("k", "v")])).collect();
    let world = World::with(&fleet);
    let newest: Vec<String> = names.iter().rev().cloned().collect();
    for limit in [1, 5, 24, 25, 26, 1000] {
        assert_eq!(walk(&world, limit, |_| {}), newest, "{limit}");
    }
    // the first page is that without a marker, and both ways are the same resource by resource
    let (_, by_marker) = resources_page(&world, "limit=3&marker=");
    let (_, by_offset) = resources_page(&world, "limit=3&offset=0");
    assert_eq!(by_marker["resources"], by_offset["resources"]);
    assert_eq!((&by_marker["total_count"], &by_offset["total_count"]), (&json!(25), &json!(25)));
    assert!(by_marker["next_marker"].is_string(), "{by_marker}");
    assert_eq!(by_offset.get("next_marker"), None, "{by_offset}");
}

#[test]
fn a_marker_is_one_of_its_list() {
    let world = World::with(&[
        registration("images", "a", "", &[]),
        registration("images", "b", "", &[]),
        registration("ecs", "a", "", &[]),
        registration("ecs", "b", "", &[]),
    ]);
    let resources = |resource_type: &str, query: &str| {
        world.send("GET", &format!("/registry/v1/projects/p/types/{resource_type}/resources?{query}"), &[], b"")
    };
    let marker = resources("images", "limit=1").json()["next_marker"].as_str().unwrap().to_owned();
    let refuse = |resource_type: &str, query: &str, message: &str| {
        let answer = resources(resource_type, query);
        assert_eq!((answer.status, answer.json()["error_code"].as_str()), (400, Some("REGISTRY.0002")), "{query}");
        assert!(answer.json()["error_msg"].as_str().unwrap().contains(message), "{query}: {}", answer.body);
    };
    let not_here = "must be a next_marker of this list";
    refuse("ecs", &format!("marker={marker}"), not_here);
    refuse("cts-tracker", &format!("marker={marker}"), not_here);
    for wrong in [
        "a",
        "0",
        "%00",
        "%C3%A9",
        "-1",
        &marker[1..],
        &format!("{marker}0"),
        &format!("{}{}", &marker[..16], "ffffffff"),
    ] {
        refuse("images", &format!("marker={wrong}"), not_here);
    }
    refuse("images", &format!("marker={marker}&offset=0"), "must not be combined with \"offset\"");
    refuse("images", "marker=&offset=0", "must not be combined with \"offset\"");
    assert_eq!(resources("nowhere", &format!("marker={marker}")).status, 404);
    assert_eq!(resources("images", &format!("marker={marker}")).json()["resources"][0]["resource_id"], "a");
}

fn put(world: &World, id: &str) {
    let path = format!("/registry/v1/projects/p/types/images/resources/{id}");
    let answer = world.send("PUT", &path, &[("Content-Type", "application/json")], b"{}");
    assert!([200, 201].contains(&answer.status), "{}", answer.body);
}

fn delete(world: &World, id: &str) {
    let path = format!("/registry/v1/projects/p/types/images/resources/{id}");
    assert_eq!(world.send("DELETE", &path, &[], b"").status, 204);
}

#[test]
fn a_walk_goes_on_where_its_resource_is_gone_and_where_the_project_is_made_anew() {
    let fleet: Vec<Registration> = (0..6).map(|i| registration("images", &format!("r{i}"), "", &[])).collect();
    let world = World::with(&fleet);
    // each page's last resource is removed and comes back: as a new one, which was not there at the start
    let seen = walk(&world, 2, |page| {
        let last = ["r4", "r2", "r0"][page];
        delete(&world, last);
        put(&world, last);
    });
    assert_eq!(seen, ["r5", "r4", "r3", "r2", "r1", "r0"]);

    let (_, page) = resources_page(&world, "limit=1");
    let marker = page["next_marker"].as_str().unwrap().to_owned();
    assert_eq!(world.send("DELETE", "/registry/v1/projects/p?with_resources=true", &[], b"").status, 204);
    let path = format!("/registry/v1/projects/p/types/images/resources?marker={marker}");
    assert_eq!(world.send("GET", &path, &[], b"").status, 404);
    put(&world, "again");
    // what was there at the start is gone, and what came since is not of this walk
    let answer = get(&world, &path).json();
    assert_eq!(answer, json!({ "total_count": 1, "resources": [], "next_marker": null }));
    assert_eq!(walk(&world, 1, |_| {}), ["again"]);
}

#[test]
fn a_walk_beside_writers_misses_nothing_and_repeats_nothing() {
    let fleet: Vec<Registration> = (0..400).map(|i| registration("images", &format!("r{i}"), "", &[])).collect();
    let world = World::with(&fleet);
    let done = AtomicBool::new(false);
    let changes = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // one registers, one removes every third of those that were there
        scope.spawn(|| {
            for i in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                put(&world, &format!("new{i}"));
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            for i in (0..400).step_by(3) {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                delete(&world, &format!("r{i}"));
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut before = 0;
        let seen = walk(&world, 20, |_| {
            // something is written between any two pages
            let begun = std::time::Instant::now();
            while changes.load(Ordering::Relaxed) < before + 3 {
                assert!(begun.elapsed() < Duration::from_secs(60), "the writers stand still");
                std::thread::yield_now();
            }
            before = changes.load(Ordering::Relaxed);
        });
        done.store(true, Ordering::Relaxed);
        let once: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(once.len(), seen.len(), "a resource came twice");
        for i in (0..400).filter(|i: &usize| !i.is_multiple_of(3)) {
            assert!(once.contains(&format!("r{i}")), "r{i} is missing");
        }
    });
}
