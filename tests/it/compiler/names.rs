//! Names that come, change and go by every way there is: index and truth agree, and every text finds what it must.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{
    domain::{NameMatch, Resource, TagQuery, registry::Condition},
    store::SessionProfile,
};

use crate::support::{Dice, World, block_on, import_all, registration, sparse_limit, tag, unregister, word_limit};

const NAMES: [&str; 12] = [
    "web-1",
    "web-2",
    "web web",
    "gateway-web-01",
    "Gateway",
    "gate.way",
    "ÄRGER-web",
    "x",
    "",
    "node-0a1b",
    "node-0a1c",
    "a_b_c",
];
const TEXTS: [&str; 14] = [
    "web",
    "gate",
    "way-web",
    "eb-",
    "ärg",
    "node",
    "0a1",
    "-0a1b",
    "a_b",
    "b w",
    "gateway-web-01",
    "teway",
    "web-1",
    "e.w",
];

#[test]
fn names_keep_their_words_whichever_way_they_are_written() {
    let world = World::new();
    for (seed, sparse, word) in [(1, 1, 1), (2, 2, 2), (3, 128, 3), (4, 1, 4)] {
        world.clear(0, sparse, word);
        let mut dice = Dice(seed);
        let mut truth: BTreeMap<String, Resource> = BTreeMap::new();
        block_on(async {
            let store = world.db.store(SessionProfile::Bulk, 2).await;
            let first = registration("images", "r0", "web-0", &[]).resource;
            store.register("p", "images", &first, true, &Condition::None).await.unwrap();
            truth.insert("r0".into(), first);
            let scope = store.find_scope("p", "images").await.unwrap().unwrap();
            let mut import = store.import().await.unwrap();
            for step in 0..90 {
                let id = format!("r{}", dice.roll(12));
                let name = NAMES[dice.roll(NAMES.len())];
                let tags = [("env", ["prod", "test"][dice.roll(2)])];
                let resource = registration("images", &id, name, &tags).resource;
                match dice.roll(8) {
                    0 => {
                        store.register("p", "images", &resource, false, &Condition::None).await.unwrap();
                        truth.entry(id).or_insert(Resource { tags: vec![], ..resource }).resource_name = name.into();
                    }
                    1 | 2 => {
                        store.register("p", "images", &resource, true, &Condition::None).await.unwrap();
                        truth.insert(id, resource);
                    }
                    3 => {
                        assert_eq!(unregister(&store, scope, &id).await, truth.remove(&id).is_some());
                    }
                    4 => {
                        let put = [tag("owner", name)];
                        if let Some(known) = truth.get_mut(&id) {
                            store.put_tags(scope, &id, &put).await.unwrap();
                            known.tags.retain(|tag| tag.key != "owner");
                            known.tags.extend(put);
                        }
                    }
                    5 => {
                        store.rebuild_scope(scope).await.unwrap();
                    }
                    _ => {
                        // a batch with new names and other names of known resources
                        let lines: BTreeMap<String, &str> = (0..dice.roll(12))
                            .map(|_| (format!("r{}", dice.roll(12)), NAMES[dice.roll(NAMES.len())]))
                            .collect();
                        let lines: Vec<_> =
                            lines.iter().map(|(id, name)| registration("images", id, name, &tags)).collect();
                        import_all(&mut import, &lines).await.unwrap();
                        truth.extend(lines.into_iter().map(|line| (line.resource.resource_id.clone(), line.resource)));
                    }
                }
                assert_eq!(store.verify_scope(scope).await.unwrap(), [], "seed {seed}, step {step}");
                assert_eq!(store.verify_names(scope).await.unwrap(), [], "seed {seed}, step {step}");
                if step % 6 == 0 {
                    for text in TEXTS {
                        check(&world, &truth, text);
                    }
                }
            }
            drop(import);
            store.close().await;
        });
    }
}

/// Every resource with the text in its name is answered, alone and beside a tag.
fn check(world: &World, truth: &BTreeMap<String, Resource>, text: &str) {
    for tags in [json!([]), json!([{ "key": "env", "values": ["prod"] }])] {
        let name = Some(NameMatch::Contains(text.into()));
        let query = TagQuery { resource_name: name, ..TagQuery::default() };
        let mut expected: Vec<&str> = truth
            .values()
            .filter(|r| query.matches(r) && (tags == json!([]) || r.tags.contains(&tag("env", "prod"))))
            .map(|r| r.resource_id.as_str())
            .collect();
        expected.sort_unstable();
        let mut body =
            json!({ "action": "filter", "limit": "100", "matches": [{ "key": "resource_name", "value": text }] });
        if tags != json!([]) {
            body["tags"] = tags;
        }
        let answer = world.post("/v2/p/images/resource_instances/action", &body.to_string()).json();
        let resources = answer["resources"].as_array().unwrap();
        let mut got: Vec<&str> = resources.iter().map(|r| r["resource_id"].as_str().unwrap()).collect();
        got.sort_unstable();
        assert_eq!((got, &answer["total_count"]), (expected.clone(), &json!(expected.len())), "{body}");
    }
}

#[test]
fn a_piece_of_a_name_is_found_whatever_it_is_made_of() {
    const PIECES: [&str; 16] =
        ["web", "gateway", "00f", "0f1", "a", "bb", "é", "Äb", "日本", "-", "-", "--", "_", ".", "%", "\\"];
    let world = World::new();
    world.clear(0, 2, 4);
    let mut dice = Dice(5);
    let mut truth: BTreeMap<String, Resource> = BTreeMap::new();
    let mut fleet = Vec::new();
    for i in 0..70 {
        let name: String = (0..=dice.roll(7)).map(|_| PIECES[dice.roll(PIECES.len())]).collect();
        let line = registration("images", &format!("r{i}"), &name, &[("env", ["prod", "test"][i % 2])]);
        truth.insert(line.resource.resource_id.clone(), line.resource.clone());
        fleet.push(line);
    }
    world.load(&fleet);
    let names: Vec<Vec<char>> = truth.values().map(|r| r.resource_name.chars().collect()).collect();
    for text in
        ["---", "--", "-.-", "a-a-a", "web-web-web", "-web-", "日本-", "é", "%_%", "ébb", "-00f", "b-00f", "\\-\\"]
    {
        check(&world, &truth, text);
    }
    for round in 0..150 {
        let name = &names[dice.roll(names.len())];
        let from = dice.roll(name.len());
        let mut text: Vec<char> = name[from..name.len().min(from + 3 + dice.roll(8))].to_vec();
        if round % 5 == 0 {
            // what hardly any name has, but with grams of one
            let at = dice.roll(text.len());
            text[at] = ['-', '0', 'w', 'é'][dice.roll(4)];
        }
        check(&world, &truth, &String::from_iter(text));
    }
}

#[test]
fn a_text_is_looked_for_by_its_longest_grams() {
    let wanted: [(&str, &[&str]); 12] = [
        ("gateway", &["gat", "ate", "tew", "ewa", "way"]),
        ("web-00f", &["eb-00", "-00f"]),
        ("gateway-8d", &["ay-8d"]),
        ("gateway-8", &["ay-", "y-8"]),
        ("gateway-", &["ay-"]),
        ("-00f12", &["-00f"]),
        ("b-00f", &["b-0", "-00f"]),
        ("a-b", &["a-b"]),
        ("a-b-c", &["a-b", "-b-c"]),
        ("web-00-db", &["eb-00", "-00-", "00-db"]),
        ("---", &["---"]),
        ("cafés", &["afé", "fés"]),
    ];
    let world = World::new();
    block_on(async {
        let mut owner = world.db.connect().await;
        for (text, grams) in wanted {
            let (asked, expected): (Vec<i64>, Vec<i64>) = sqlx::query_as(
                "select tagd.wanted_grams(7, $1), array(select 7::int8 << 32 | (hashtext(g)::int8 & 4294967295) from unnest($2::text[]) g)",
            )
            .bind(text)
            .bind(grams)
            .fetch_one(&mut owner)
            .await
            .unwrap();
            assert_eq!(asked, expected, "{text}");
        }
        owner.close().await.unwrap();
    });
}

#[test]
fn words_become_labels_where_many_names_have_them_and_by_a_rebuild() {
    let world = World::new();
    let labels = || {
        block_on(async {
            let mut owner = world.db.connect().await;
            let words: Vec<String> = sqlx::query_scalar("select value from tagd.label where kind = 4 order by value")
                .fetch_all(&mut owner)
                .await
                .unwrap();
            owner.close().await.unwrap();
            words
        })
    };
    let tamper = |statements: String| {
        block_on(async {
            let mut owner = world.db.connect().await;
            owner.execute(AssertSqlSafe(statements)).await.unwrap();
            owner.close().await.unwrap();
        });
    };
    tamper(format!("{}{}", sparse_limit(2), word_limit(3)));
    let fleet = |from: usize, to: usize, name: &str| -> Vec<_> {
        (from..to).map(|i| registration("images", &format!("r{i}"), &format!("{name}-{i}-ab"), &[])).collect()
    };
    world.load(&fleet(0, 2, "web"));
    assert!(labels().is_empty(), "two of a word are few");
    world.load(&fleet(2, 5, "web"));
    assert_eq!(labels(), ["web"], "three in one batch are many, and ab is too short");
    // too long for a key of an index, and many: found by its grams
    let long = "y".repeat(200);
    world.load(&fleet(5, 9, &long));
    assert_eq!(labels(), ["web"]);
    tamper(word_limit(6));
    tamper("select tagd.rebuild_scope(scope_id) from tagd.scope".into());
    assert!(labels().is_empty(), "five are few now");
    tamper(word_limit(5));
    tamper("select tagd.rebuild_scope(scope_id) from tagd.scope".into());
    assert_eq!(labels(), ["web"]);
    let count = |text: &str| {
        let body = json!({ "action": "count", "matches": [{ "key": "resource_name", "value": text }] });
        world.post("/v2/p/images/resource_instances/action", &body.to_string()).json()["total_count"].clone()
    };
    assert_eq!((count("web"), count("yyy"), count(&long[..100])), (json!(5), json!(4), json!(4)));
}
