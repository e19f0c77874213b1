//! What writes mean on the wire: "Writes" of `docs/SEMANTICS.md` row by row, in IMS, DNS and CTS.

use serde_json::{Value, json};
use tagd::store::SessionProfile;

use crate::support::{Answer, Broken, Wire, World, WriteLimits, block_on, in_all_dialects, registration};

fn send(world: &World, method: &str, path: &str, body: &Value) -> Answer {
    let json = [("Content-Type", "application/json")];
    if body.is_null() {
        world.send(method, path, &[], b"")
    } else {
        world.send(method, path, &json, body.to_string().as_bytes())
    }
}

/// Adds one tag.
fn add(world: &World, wire: Wire, tag: &Value) -> Answer {
    send(world, "POST", &wire.tags_path("r"), &json!({ "tag": tag }))
}

/// Adds several tags.
fn create(world: &World, wire: Wire, tags: &Value) -> Answer {
    let (method, path, body) = wire.change_tags("create", "r", tags);
    send(world, method, &path, &body)
}

/// Removes several tags.
fn delete(world: &World, wire: Wire, tags: &Value) -> Answer {
    let (method, path, body) = wire.change_tags("delete", "r", tags);
    send(world, method, &path, &body)
}

/// Removes the tag with a key, which is given as it stands in the path.
fn delete_one(world: &World, wire: Wire, key: &str) -> Answer {
    send(world, "DELETE", &format!("{}/{key}", wire.tags_path("r")), &Value::Null)
}

fn done(answer: &Answer, request: &str) {
    assert!(matches!(answer.status, 200 | 204), "{request}: {} {}", answer.status, answer.body);
    assert_eq!(answer.body, "", "{request}: a change answers nothing");
    assert!(answer.headers.contains_key("x-request-id"), "{request}: an answer without an id");
    assert!(!answer.headers.contains_key("content-type"), "{request}: nothing has no type");
}

/// The tags of a resource as key=value.
fn tags_of(world: &World, wire: Wire, id: &str) -> Vec<String> {
    let answer = send(world, "GET", &wire.tags_path(id), &Value::Null);
    assert_eq!(answer.status, 200, "{wire:?} {id}: {}", answer.body);
    let json = answer.json();
    let tags = json["tags"].as_array().unwrap();
    tags.iter().map(|tag| format!("{}={}", tag["key"].as_str().unwrap(), tag["value"].as_str().unwrap())).collect()
}

fn tags(world: &World, wire: Wire) -> Vec<String> {
    tags_of(world, wire, "r")
}

/// One untouched resource in each dialect.
fn world() -> World {
    in_all_dialects(&[("r", "", &[])])
}

/// Index and truth agree, bit by bit.
fn verify(world: &World) {
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        for scope in store.list_scopes().await.unwrap() {
            assert_eq!(store.verify_scope(scope.scope_id).await.unwrap(), [], "{scope:?}");
        }
        store.close().await;
    });
}

fn wide(count: usize) -> String {
    "日".repeat(count)
}

// ---- limits

/// Hindi, Thai, Bengali, Persian with a non-joiner, Sinhala with a joiner, Vietnamese with its accents apart.
const WORDS: [&str; 7] =
    ["केन्द्र", "परियोजना", "ช้างเก่า", "প্রকল্প", "می\u{200c}خواهم", "ශ\u{dca}\u{200d}රී", "Vie\u{302}\u{323}t"];

/// Texts with a mark or a joiner in a wrong place, and how the message shows it.
const MISPLACED: [(&str, &str); 8] = [
    ("\u{94d}क", r#""\u{94d}""#),
    // a vowel sign, which Unicode also calls alphabetic
    ("1\u{93f}", "\"\u{93f}\""),
    ("a-\u{301}", r#""\u{301}""#),
    ("a1\u{20e3}", r#""\u{20e3}""#),
    ("\u{200c}a", r#""\u{200c}""#),
    ("1\u{200d}a", r#""\u{200d}""#),
    ("a_\u{200c}a", r#""\u{200c}""#),
    ("a\u{200d}\u{200d}a", r#""\u{200d}""#),
];

#[test]
fn keys_and_values_have_the_characters_of_the_dialect_and_no_others() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        let WriteLimits { key_extra, value_extra, .. } = wire.write_limits();
        // in the middle, since some may not stand at an end
        for c in (0..128_u8).map(char::from).chain(['日', 'é', 'ß', '٣', '\u{3000}', '€', '😀']) {
            let is_plain = c.is_alphanumeric();
            let text = format!("a{c}b");
            let answer = add(&world, wire, &json!({ "key": text, "value": "" }));
            if is_plain || key_extra.contains(c) {
                done(&answer, &format!("{wire:?} key {text:?}"));
                done(&delete(&world, wire, &json!([{ "key": text }])), "delete");
            } else {
                wire.check_refusal(&answer, Broken::Key, &["tag.key: "], &text);
            }
            let answer = add(&world, wire, &json!({ "key": "k", "value": text }));
            if is_plain || value_extra.contains(c) {
                done(&answer, &format!("{wire:?} value {text:?}"));
                assert_eq!(tags(&world, wire), [format!("k={text}")]);
            } else {
                wire.check_refusal(&answer, Broken::Value, &["tag.value: "], &text);
            }
        }
        done(&delete(&world, wire, &json!([{ "key": "k" }])), "delete");
    }
    verify(&world);
}

#[test]
fn words_of_every_language_are_written_found_and_listed() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        for word in WORDS {
            done(&add(&world, wire, &json!({ "key": word, "value": word })), word);
            assert_eq!(tags(&world, wire), [format!("{word}={word}")], "{wire:?}");
            let found = wire.ids(&world, &json!({ "tags": [{ "key": word, "values": [word] }] }));
            assert_eq!(found, ["r"], "{wire:?} {word}");
            done(&delete(&world, wire, &json!([{ "key": word }])), word);
        }
        for (text, wrong) in MISPLACED {
            let answer = add(&world, wire, &json!({ "key": text, "value": "" }));
            let wrong = format!("must not contain {wrong} except after a letter or a mark");
            wire.check_refusal(&answer, Broken::Key, &["tag.key: ", &wrong], text);
            let answer = create(&world, wire, &json!([{ "key": "k", "value": text }]));
            wire.check_refusal(&answer, Broken::Value, &["tags[0].value: ", &wrong], text);
        }
        assert_eq!(tags(&world, wire), [""; 0], "{wire:?}");
    }
    verify(&world);
}

#[test]
fn no_space_stands_at_either_end_of_a_key_and_in_cts_of_a_value() {
    let world = world();
    for wire in [Wire::Dns, Wire::Cts] {
        for text in [" a", "a ", " "] {
            let answer = add(&world, wire, &json!({ "key": text, "value": "v" }));
            wire.check_refusal(&answer, Broken::Key, &["tag.key: ", "space"], text);
            let answer = add(&world, wire, &json!({ "key": "k", "value": text }));
            if wire == Wire::Cts {
                wire.check_refusal(&answer, Broken::Value, &["tag.value: ", "space"], text);
            } else {
                done(&answer, text);
                assert_eq!(tags(&world, wire), [format!("k={text}")]);
            }
        }
    }
}

#[test]
fn keys_and_values_are_as_long_as_the_dialect_allows_to_write() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        let WriteLimits { key_length, value_length, .. } = wire.write_limits();
        done(&add(&world, wire, &json!({ "key": wide(key_length), "value": wide(value_length) })), "longest");
        assert_eq!(tags(&world, wire), [format!("{}={}", wide(key_length), wide(value_length))]);
        let answer = add(&world, wire, &json!({ "key": wide(key_length + 1), "value": "" }));
        let most = format!("at most {key_length}");
        wire.check_refusal(&answer, Broken::Key, &["tag.key: ", &most], "key");
        let answer = create(&world, wire, &json!([{ "key": "a" }, { "key": "b", "value": wide(value_length + 1) }]));
        let most = format!("at most {value_length}");
        wire.check_refusal(&answer, Broken::Value, &["tags[1].value: ", &most], "value");
        // nothing of the request before was written
        assert_eq!(tags(&world, wire).len(), 1, "{wire:?}");
    }
}

#[test]
fn a_key_is_neither_missing_nor_empty_and_an_absent_value_is_the_empty_one() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        for (tag, broken, part) in [
            (json!({ "value": "v" }), Broken::Key, "tag.key: is required"),
            (json!({ "key": null, "value": "v" }), Broken::Key, "tag.key: is required"),
            (json!({ "key": "", "value": "v" }), Broken::Key, "tag.key: must not be empty"),
            (json!({}), Broken::Element, "tag: "),
            (json!(null), Broken::Tags, "tag: is required"),
            (json!({ "key": "a", "value": 1 }), Broken::General, "tag.value: "),
            (json!({ "key": "a", "value": "", "more": 1 }), Broken::General, "more"),
            (json!("a=b"), Broken::General, "tag: "),
        ] {
            wire.check_refusal(&add(&world, wire, &tag), broken, &[part], &tag.to_string());
        }
        for tag in [json!({ "key": "a" }), json!({ "key": "b", "value": null }), json!({ "key": "c", "value": "" })] {
            done(&add(&world, wire, &tag), &tag.to_string());
        }
        assert_eq!(tags(&world, wire), ["a=", "b=", "c="], "{wire:?}");
    }
}

#[test]
fn a_value_of_null_is_the_empty_value_on_a_write_and_any_value_on_a_removal() {
    let of_null = |key: &str| json!({ "key": key, "value": null });
    let world = world();
    for wire in Wire::ONE_SERVICE {
        done(&add(&world, wire, &of_null("a")), "add");
        done(&create(&world, wire, &json!([of_null("b"), { "key": "c", "value": "1" }])), "create");
        assert_eq!(tags(&world, wire), ["a=", "b=", "c=1"], "{wire:?}");
        done(&create(&world, wire, &json!([of_null("c"), { "key": "a", "value": "2" }])), "overwrite");
        assert_eq!(tags(&world, wire), ["a=2", "b=", "c="], "{wire:?}");
        done(&delete(&world, wire, &json!([of_null("a"), of_null("c")])), "delete");
        assert_eq!(tags(&world, wire), ["b="], "{wire:?}");
    }
    // several resources at once, by TMS
    let many = |operation: &str, tags: &Value| {
        let resources = json!([{ "resource_id": "r", "resource_type": "ecs" }]);
        let body = json!({ "project_id": "p", "resources": resources, "tags": tags });
        let answer = send(&world, "POST", &format!("/v1.0/resource-tags/{operation}"), &body);
        assert_eq!((answer.status, answer.json()), (200, json!({ "failed_resources": [] })), "{body}");
        send(&world, "GET", "/v2.0/resources/r/tags?project_id=p&resource_type=ecs", &Value::Null).json()["tags"]
            .clone()
    };
    let written = many("batch-create", &json!([of_null("a"), { "key": "b", "value": "1" }]));
    assert_eq!(written, json!([{ "key": "a", "value": "" }, { "key": "b", "value": "1" }]));
    assert_eq!(many("batch-delete", &json!([of_null("a"), of_null("b")])), json!([]));
    // a predefined tag is a pair: without a value it is the one with the empty value, to remove as well
    let predefine = |action: &str, tags: &Value| {
        let body = json!({ "action": action, "tags": tags });
        assert_eq!(send(&world, "POST", "/v1.0/predefine_tags/action", &body).status, 204, "{body}");
        let list = send(&world, "GET", "/v1.0/predefine_tags?order_field=value&order_method=asc", &Value::Null).json();
        let tags = list["tags"].as_array().unwrap().iter();
        tags.map(|tag| format!("{}={}", tag["key"].as_str().unwrap(), tag["value"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(predefine("create", &json!([of_null("a"), { "key": "a", "value": "1" }])), ["a=", "a=1"]);
    assert_eq!(predefine("delete", &json!([of_null("a")])), ["a=1"]);
    // an import, by line
    let line = json!({ "project_id": "p", "resource_type": "images", "resource_id": "i", "tags": [of_null("a"), of_null("b")] });
    let reply = world.post("/registry/v1/import?strict=true", &line.to_string());
    assert_eq!((reply.status, &reply.json()["created"]), (200, &json!(1)), "{}", reply.body);
    assert_eq!(tags_of(&world, Wire::Ims, "i"), ["a=", "b="]);
    let nameless =
        json!({ "project_id": "p", "resource_type": "images", "resource_id": "i", "tags": [{ "key": null }] });
    let reply = world.post("/registry/v1/import?strict=true", &nameless.to_string());
    assert_eq!(reply.status, 400, "{}", reply.body);
    verify(&world);
}

#[test]
fn a_key_stands_once_in_a_request_or_nothing_is_written() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        for tags in [
            json!([{ "key": "a", "value": "1" }, { "key": "b" }, { "key": "a", "value": "2" }]),
            json!([{ "key": "a", "value": "1" }, { "key": "b" }, { "key": "a", "value": "1" }]),
        ] {
            let answer = create(&world, wire, &tags);
            wire.check_refusal(&answer, Broken::Key, &["tags[2].key: duplicate key \"a\""], &tags.to_string());
            let answer = delete(&world, wire, &tags);
            wire.check_refusal(&answer, Broken::Key, &["tags[2].key: duplicate key \"a\""], &tags.to_string());
        }
        assert_eq!(tags(&world, wire), [""; 0], "{wire:?}");
        // keys compare with case
        done(&create(&world, wire, &json!([{ "key": "a" }, { "key": "A" }])), "case");
        assert_eq!(tags(&world, wire), ["A=", "a="]);
    }
}

#[test]
fn a_request_has_at_least_one_tag_and_only_so_many() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        let most = if wire == Wire::Cts { 20 } else { 100 };
        let many = |count: usize| (0..count).map(|i| json!({ "key": format!("k{i}") })).collect::<Value>();
        let none = json!([]);
        wire.check_refusal(&create(&world, wire, &none), Broken::Tags, &["tags: must have between 1 and "], "[]");
        wire.check_refusal(&delete(&world, wire, &none), Broken::Tags, &["tags: must have between 1 and "], "[]");
        wire.check_refusal(&create(&world, wire, &Value::Null), Broken::Tags, &["tags: is required"], "null");
        // what stands behind the limit is not even read
        let mut rubbish = many(most + 1);
        rubbish.as_array_mut().unwrap().push(json!("no tag"));
        for tags in [many(most + 1), rubbish] {
            let reason = format!("tags: must have at most {most} tags");
            wire.check_refusal(&create(&world, wire, &tags), Broken::General, &[&reason], "too many");
            wire.check_refusal(&delete(&world, wire, &tags), Broken::General, &[&reason], "too many");
        }
        done(&delete(&world, wire, &many(most)), "as many as may be");
    }
}

// ---- the quota

fn check_too_many(wire: Wire, answer: &Answer, count: usize, quota: usize) {
    assert_eq!(answer.status, 400, "{wire:?}: {}", answer.body);
    let message = format!("tags: must not exceed the quota of {quota} tags on a resource, got {count}");
    assert_eq!(wire.error(answer), (wire.code(Broken::Quota).to_owned(), message));
}

#[test]
fn a_resource_carries_as_many_tags_as_its_type_allows_and_a_batch_is_all_or_nothing() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        let WriteLimits { quota, .. } = wire.write_limits();
        let some = |keys: std::ops::Range<usize>, value: &str| {
            keys.map(|i| json!({ "key": format!("k{i:02}"), "value": value })).collect::<Value>()
        };
        if wire != Wire::Cts {
            // CTS does not take so many in one request
            check_too_many(wire, &create(&world, wire, &some(0..quota + 1, "")), quota + 1, quota);
            assert_eq!(tags(&world, wire), [""; 0]);
        }
        done(&create(&world, wire, &some(0..quota, "1")), "the last");
        let full = tags(&world, wire);
        assert_eq!(full.len(), quota);
        check_too_many(wire, &add(&world, wire, &json!({ "key": "more" })), quota + 1, quota);
        // one that is there is overwritten, a new one is too many: neither is written
        let answer = create(&world, wire, &json!([{ "key": "k00", "value": "2" }, { "key": "more" }]));
        check_too_many(wire, &answer, quota + 1, quota);
        assert_eq!(tags(&world, wire), full);
        done(&create(&world, wire, &some(0..quota, "2")), "overwriting a full one");
        done(&delete_one(&world, wire, "k00"), "delete");
        done(&add(&world, wire, &json!({ "key": "more" })), "again full");
        assert_eq!(tags(&world, wire).len(), quota);
    }
    verify(&world);
}

#[test]
fn system_tags_do_not_count_against_the_quota() {
    let system: Vec<(String, String)> = (0..5).map(|i| (format!("_sys_{i}"), String::new())).collect();
    let system: Vec<(&str, &str)> = system.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let world = in_all_dialects(&[("r", "", &system)]);
    for wire in Wire::ONE_SERVICE {
        let quota = wire.write_limits().quota;
        for i in 0..quota {
            done(&add(&world, wire, &json!({ "key": format!("k{i}") })), "within the quota");
        }
        check_too_many(wire, &add(&world, wire, &json!({ "key": "more" })), quota + 1, quota);
    }
}

#[test]
fn fifty_clients_that_add_different_tags_to_one_image_end_with_exactly_ten() {
    let world = world();
    let answers: Vec<Answer> = std::thread::scope(|threads| {
        let clients: Vec<_> = (0..50)
            .map(|i| {
                let world = &world;
                threads.spawn(move || add(world, Wire::Ims, &json!({ "key": format!("k{i:02}"), "value": "v" })))
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let mut written: Vec<String> = Vec::new();
    for (i, answer) in answers.iter().enumerate() {
        if answer.status == 204 {
            written.push(format!("k{i:02}=v"));
        } else {
            check_too_many(Wire::Ims, answer, 11, 10);
        }
    }
    written.sort();
    assert_eq!(written.len(), 10);
    assert_eq!(tags(&world, Wire::Ims), written);
    verify(&world);
}

#[test]
fn of_many_that_remove_one_tag_by_its_key_one_is_told_that_it_was_there() {
    let world = world();
    for round in 0..5 {
        for wire in Wire::ONE_SERVICE {
            done(&add(&world, wire, &json!({ "key": "k", "value": "v" })), "add");
            let statuses: Vec<u16> = std::thread::scope(|threads| {
                let clients: Vec<_> = (0..8).map(|_| threads.spawn(|| delete_one(&world, wire, "k").status)).collect();
                clients.into_iter().map(|client| client.join().unwrap()).collect()
            });
            let count = |status| statuses.iter().filter(|found| **found == status).count();
            assert_eq!((count(204), count(404)), (1, 7), "{wire:?} {round}: {statuses:?}");
        }
    }
    verify(&world);
}

#[test]
fn clients_that_write_the_same_tags_of_one_resource_in_any_order_leave_index_and_truth_alike() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        std::thread::scope(|threads| {
            for client in 0..16_usize {
                let world = &world;
                threads.spawn(move || {
                    for step in 0..12_usize {
                        let key = |n: usize| format!("k{}", (client * 7 + step * 3 + n) % 5);
                        let value = format!("c{client}");
                        let answer = match (client + step) % 4 {
                            0 => add(world, wire, &json!({ "key": key(0), "value": value })),
                            1 => {
                                let tags =
                                    json!([{ "key": key(0), "value": value }, { "key": key(1), "value": value }]);
                                create(world, wire, &tags)
                            }
                            2 => delete(world, wire, &json!([{ "key": key(0) }, { "key": key(2) }])),
                            _ => delete_one(world, wire, &key(0)),
                        };
                        assert!(matches!(answer.status, 200 | 204 | 404), "{wire:?}: {}", answer.body);
                    }
                });
            }
        });
        // every reader says the same: the resource, the project, the query
        let mut project: Vec<String> = Vec::new();
        let list = send(&world, "GET", &wire.tags_path("r").replace("/r/", "/"), &Value::Null).json();
        for entry in list["tags"].as_array().unwrap() {
            let values = entry["values"].as_array().unwrap();
            project.extend(values.iter().map(|value| {
                let (key, value) = (entry["key"].as_str().unwrap(), value.as_str().unwrap());
                let found = wire.ids(&world, &json!({ "tags": [{ "key": key, "values": [value] }] }));
                assert_eq!(found, ["r"], "{wire:?} {key}={value}");
                format!("{key}={value}")
            }));
        }
        assert_eq!(tags(&world, wire), project, "{wire:?}");
    }
    verify(&world);
}

// ---- adding and removing

#[test]
fn the_same_write_twice_is_the_same_state_and_an_existing_key_gets_the_new_value() {
    let world = world();
    for wire in Wire::ONE_SERVICE {
        for _ in 0..2 {
            done(&add(&world, wire, &json!({ "key": "a", "value": "1" })), "add");
            done(&create(&world, wire, &json!([{ "key": "b", "value": "2" }, { "key": "c" }])), "create");
            assert_eq!(tags(&world, wire), ["a=1", "b=2", "c="]);
        }
        done(&create(&world, wire, &json!([{ "key": "a", "value": "9" }, { "key": "d" }])), "overwrite");
        assert_eq!(tags(&world, wire), ["a=9", "b=2", "c=", "d="]);
        for _ in 0..2 {
            done(&delete(&world, wire, &json!([{ "key": "d" }, { "key": "b" }, { "key": "never" }])), "delete");
            assert_eq!(tags(&world, wire), ["a=9", "c="]);
        }
        // the query sees what the list sees
        let query = |value: &str| wire.ids(&world, &json!({ "tags": [{ "key": "a", "values": [value] }] }));
        assert_eq!((query("9"), query("1")), (vec!["r".to_owned()], vec![]), "{wire:?}");
        done(&delete(&world, wire, &json!([{ "key": "a" }, { "key": "c" }])), "delete");
        assert_eq!(tags(&world, wire), [""; 0], "the last tag gone is an empty list");
        assert_eq!(wire.ids(&world, &json!({ "without_any_tag": true })), ["r"]);
    }
    verify(&world);
}

#[test]
fn a_batch_removes_by_key_and_in_cts_by_value_where_one_is_given() {
    let world = in_all_dialects(&[("r", "", &[("a", "1"), ("b", "1"), ("c", "")])]);
    for wire in Wire::ONE_SERVICE {
        done(&delete(&world, wire, &json!([{ "key": "a", "value": "2" }, { "key": "b", "value": "1" }])), "delete");
        let left: &[&str] = if wire == Wire::Cts { &["a=1", "c="] } else { &["c="] };
        assert_eq!(tags(&world, wire), left, "{wire:?}");
        done(&delete(&world, wire, &json!([{ "key": "a" }, { "key": "c", "value": "" }])), "delete");
        assert_eq!(tags(&world, wire), [""; 0], "{wire:?}");
    }
}

#[test]
fn what_is_removed_may_have_any_characters_up_to_the_length_of_a_query() {
    let odd = "<a*b?>\u{1}";
    let world = in_all_dialects(&[("r", "", &[(odd, "1"), ("b", "1")])]);
    for wire in Wire::ONE_SERVICE {
        let WriteLimits { remove_key_length, .. } = wire.write_limits();
        done(&delete(&world, wire, &json!([{ "key": odd }, { "key": "nul\0" }])), "odd");
        done(&delete(&world, wire, &json!([{ "key": wide(remove_key_length), "value": wide(255) }])), "long");
        assert_eq!(tags(&world, wire), ["b=1"], "{wire:?}");
        let answer = delete(&world, wire, &json!([{ "key": "b" }, { "key": wide(remove_key_length + 1) }]));
        wire.check_refusal(&answer, Broken::Key, &["tags[1].key: "], "too long");
        let answer = delete(&world, wire, &json!([{ "key": "b", "value": wide(256) }]));
        wire.check_refusal(&answer, Broken::Value, &["tags[0].value: "], "too long");
        wire.check_refusal(&delete(&world, wire, &json!([{ "key": "" }])), Broken::Key, &["tags[0].key: "], "empty");
        assert_eq!(tags(&world, wire), ["b=1"], "{wire:?}");
    }
}

#[test]
fn an_unknown_resource_project_or_key_is_not_found() {
    let world = world();
    let codes = [(Wire::Ims, "IMG.0144"), (Wire::Dns, "DNS.0302"), (Wire::Cts, "CTS.0214")];
    for (wire, code) in codes {
        let check = |answer: &Answer| {
            assert_eq!((answer.status, wire.error(answer).0.as_str()), (404, code), "{wire:?}: {}", answer.body);
        };
        for id in ["nowhere", "R", "r%00", "%00"] {
            check(&send(&world, "GET", &wire.tags_path(id), &Value::Null));
            check(&send(&world, "POST", &wire.tags_path(id), &json!({ "tag": { "key": "a" } })));
            check(&send(&world, "DELETE", &format!("{}/a", wire.tags_path(id)), &Value::Null));
        }
        for project in ["q", "%00"] {
            let place = wire.tags_path("r").replace("/p/", &format!("/{project}/"));
            check(&send(&world, "GET", &place, &Value::Null));
            check(&send(&world, "POST", &place, &json!({ "tag": { "key": "a" } })));
        }
        let answer = delete_one(&world, wire, "absent");
        check(&answer);
        assert!(wire.error(&answer).1.contains("\"absent\""), "{}", answer.body);
        check(&delete_one(&world, wire, "nul%00"));
        check(&delete_one(&world, wire, &"k".repeat(1000)));
    }
}

#[test]
fn dns_says_by_the_type_what_does_not_exist_and_refuses_other_types() {
    let world = World::empty();
    for (resource_type, code) in [
        ("DNS-public_zone", "DNS.0302"),
        ("DNS-private_zone", "DNS.0302"),
        ("DNS-public_recordset", "DNS.0313"),
        ("DNS-private_recordset", "DNS.0313"),
        ("DNS-ptr_record", "DNS.0507"),
    ] {
        for (method, path) in [("GET", "/tags"), ("DELETE", "/tags/a")] {
            let answer = send(&world, method, &format!("/v2/p/{resource_type}/nowhere{path}"), &Value::Null);
            assert_eq!((answer.status, Wire::Dns.error(&answer).0.as_str()), (404, code), "{resource_type}");
        }
    }
    for path in ["/v2/p/dns-public_zone", "/v2/p/cts-tracker", "/v2/p/tags"] {
        for (method, path) in
            [("GET", format!("{path}/tags")), ("GET", format!("{path}/r/tags")), ("DELETE", format!("{path}/r/tags/a"))]
        {
            let answer = send(&world, method, &path, &Value::Null);
            Wire::Dns.check_refusal(&answer, Broken::Type, &["resource_type: "], &path);
        }
    }
    let answer = send(&world, "GET", "/v3/p/images/r/tags", &Value::Null);
    Wire::Cts.check_refusal(&answer, Broken::Type, &["resource_type: unknown resource type \"images\""], "CTS");
}

#[test]
fn system_tags_are_neither_written_nor_removed() {
    let fleet: &[(&str, &str)] = &[("_sys_a", "1"), ("b", "1")];
    let world = in_all_dialects(&[("r", "", fleet)]);
    for wire in Wire::ONE_SERVICE {
        for key in ["_sys_a", "_sys_", "_sys_new"] {
            let parts = ["key: ", "must not start with \"_sys_\""];
            wire.check_refusal(&add(&world, wire, &json!({ "key": key, "value": "2" })), Broken::Key, &parts, "add");
            let tags = json!([{ "key": "b" }, { "key": key }]);
            wire.check_refusal(&create(&world, wire, &tags), Broken::Key, &parts, "create");
            wire.check_refusal(&delete(&world, wire, &tags), Broken::Key, &parts, "delete");
            wire.check_refusal(&delete_one(&world, wire, key), Broken::Key, &parts, "delete one");
        }
        let shown: &[&str] = if wire == Wire::Cts { &["_sys_a=1", "b=1"] } else { &["b=1"] };
        assert_eq!(tags(&world, wire), shown, "{wire:?}");
    }
    for (method, path) in [("PUT", "/v2/images/r/tags/_sys_a"), ("DELETE", "/v2/images/r/tags/_sys_a")] {
        let answer = send(&world, method, path, &Value::Null);
        Wire::Ims.check_refusal(&answer, Broken::Key, &["must not start with \"_sys_\""], path);
    }
    for body in [
        json!({ "image_id": "r", "tag": "_sys_a.2" }),
        json!({ "image_id": "r", "image_tag": { "key": "_sys_a", "value": "2" } }),
    ] {
        let answer = send(&world, "PUT", "/v1/cloudimages/tags", &body);
        Wire::Ims.check_refusal(&answer, Broken::Key, &["must not start with \"_sys_\""], &body.to_string());
    }
}

// ---- keys in paths

#[test]
fn keys_and_ids_in_paths_are_percent_decoded_once() {
    let keys = ["%41", "+", "/", "A", "a b", "a%2Fb", "a+b", "a/b", "a:b", "x=y@z", "é", "日本"];
    let fleet: Vec<(&str, &str)> = keys.iter().map(|key| (*key, "v")).collect();
    let ids = ["r", "urn:img/1 é%", "a+b"];
    let world = in_all_dialects(&ids.map(|id| (id, "", &fleet[..])));
    let encode = |text: &str| -> String {
        let byte = |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
        text.bytes().map(byte).collect()
    };
    for wire in Wire::ONE_SERVICE {
        for id in ids {
            let place = wire.tags_path(&encode(id));
            let mut left: Vec<String> = keys.iter().map(|key| format!("{key}=v")).collect();
            for key in keys {
                let list = send(&world, "GET", &place, &Value::Null).json();
                let list: Vec<&str> =
                    list["tags"].as_array().unwrap().iter().map(|tag| tag["key"].as_str().unwrap()).collect();
                assert_eq!(list.len(), left.len(), "{wire:?} {id}: {list:?}");
                done(&send(&world, "DELETE", &format!("{place}/{}", encode(key)), &Value::Null), key);
                left.retain(|tag| *tag != format!("{key}=v"));
                let list = send(&world, "GET", &place, &Value::Null).json();
                assert!(list["tags"].as_array().unwrap().iter().all(|tag| tag["key"] != key), "{wire:?} {id} {key}");
            }
        }
    }
    // as a client writes it that encodes only what it must
    done(&send(&world, "PUT", "/v2/images/r/tags/%E6%97%A5%E6%9C%AC", &Value::Null), "native");
    done(&send(&world, "PUT", "/v2/images/a+b/tags/a-b", &Value::Null), "native");
    assert_eq!(tags(&world, Wire::Ims), ["日本="]);
    assert_eq!(tags_of(&world, Wire::Ims, "a%2Bb"), ["a-b="]);
    // a path that is not UTF-8 once decoded names nothing
    assert_eq!(send(&world, "DELETE", &format!("{}/%FF", Wire::Ims.tags_path("r")), &Value::Null).status, 404);
}

#[test]
fn words_of_the_paths_are_keys_ids_and_projects_too() {
    let words = ["action", "create", "images", "r", "tags"];
    let fleet: Vec<(&str, &str)> = words.iter().map(|key| (*key, "v")).collect();
    let world = World::with(
        &words
            .iter()
            .flat_map(|id| {
                let mut all: Vec<_> = Wire::ONE_SERVICE.map(|wire| wire.resource(id, "", &fleet)).into();
                all.extend(all.clone().into_iter().map(|mut resource| {
                    resource.project_id = "images".into();
                    resource
                }));
                all
            })
            .collect::<Vec<_>>(),
    );
    for wire in Wire::ONE_SERVICE {
        for project in ["p", "images"] {
            for id in words {
                let place = wire.tags_path(id).replace("/p/", &format!("/{project}/"));
                for (i, key) in words.iter().enumerate() {
                    let path = format!("{place}/{key}");
                    done(&send(&world, "DELETE", &path, &Value::Null), &path);
                    let list = send(&world, "GET", &place, &Value::Null).json();
                    assert_eq!(list["tags"].as_array().unwrap().len(), words.len() - 1 - i, "{path}: {list}");
                }
                done(&send(&world, "POST", &place, &json!({ "tag": { "key": "k" } })), &place);
            }
        }
    }
    // both IMS's native operation and DNS's list of a record in the project "images"
    assert_eq!(send(&world, "PUT", "/v2/images/DNS-public_zone/tags/tags", &Value::Null).status, 404, "no such image");
    assert_eq!(send(&world, "GET", "/v2/images/DNS-public_zone/tags/tags", &Value::Null).status, 200);
    let project = [("X-Project-Id", "images")];
    done(&world.send("PUT", "/v2/images/images/tags/tags", &project, b""), "native, a tag named tags");
    let list = send(&world, "GET", "/v2/images/images/images/tags", &Value::Null).json();
    assert_eq!(list["tags"], json!([{ "key": "k", "value": "" }, { "key": "tags", "value": "" }]));
    // the list of the image "tags" in the project "images"
    let list = send(&world, "GET", "/v2/images/images/tags/tags", &Value::Null).json();
    assert_eq!(list["tags"], json!([{ "key": "k", "value": "" }]));
}

#[test]
fn a_wrong_method_is_told_every_method_of_the_path() {
    let world = World::empty();
    for (wire, path, allowed) in [
        (Wire::Ims, "/v2/p/images/i/tags", "GET, HEAD, OPTIONS, POST"),
        (Wire::Ims, "/v2/p/images/i/tags/k", "DELETE, OPTIONS"),
        (Wire::Ims, "/v2/p/images/i/tags/action", "DELETE, OPTIONS, POST"),
        (Wire::Ims, "/v2/p/images/tags", "GET, HEAD, OPTIONS"),
        (Wire::Ims, "/v2/images/i/tags/t", "DELETE, OPTIONS, PUT"),
        (Wire::Ims, "/v2/images/i/tags/tags", "DELETE, GET, HEAD, OPTIONS, POST, PUT"),
        (Wire::Ims, "/v2/p/images/resource_instances/action", "OPTIONS, POST"),
        (Wire::Ims, "/v1/cloudimages/tags", "GET, HEAD, OPTIONS, PUT"),
        (Wire::Ims, "/v1/p/cloudimages/i/tags/delete", "DELETE, OPTIONS"),
        (Wire::Dns, "/v2/p/DNS-ptr_record/i/tags", "GET, HEAD, OPTIONS, POST"),
        (Wire::Dns, "/v2/p/DNS-ptr_record/i/tags/a%2Fb", "DELETE, OPTIONS"),
        (Wire::Dns, "/v2/p/DNS-ptr_record/tags", "GET, HEAD, OPTIONS"),
        (Wire::Cts, "/v3/p/cts-tracker/i/tags", "GET, HEAD, OPTIONS, POST"),
        (Wire::Cts, "/v3/p/cts-tracker/i/tags/create", "DELETE, OPTIONS, POST"),
        (Wire::Cts, "/v3/p/cts-tracker/i/tags/delete", "DELETE, OPTIONS"),
        (Wire::Cts, "/v3/p/cts-tracker/i/tags/k", "DELETE, OPTIONS"),
        (Wire::Cts, "/v3/p/cts-tracker/tags", "GET, HEAD, OPTIONS"),
    ] {
        let answer = send(&world, "PATCH", path, &Value::Null);
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, allowed), "{path}");
        assert!(wire.error(&answer).1.contains(allowed), "{path}: {}", answer.body);
    }
    for path in ["/v2/p/images/i/tags/", "/v2/p/images//tags", "/v2/p/images/i/tags/k/", "/v1/p/cloudimages/tags"] {
        let answer = send(&world, "DELETE", path, &Value::Null);
        assert_eq!((answer.status, &answer.json()["error_code"]), (404, &json!("APIGW.0101")), "{path}");
    }
}

// ---- lists

#[test]
fn the_list_of_a_project_has_every_key_in_use_with_its_values_both_sorted() {
    let world = in_all_dialects(&[
        ("r", "", &[("B", "2"), ("_sys_x", "s"), ("a", "")]),
        ("s", "", &[("B", "1"), ("_sys_y", "t"), ("a", "z")]),
        ("t", "", &[("B", "2"), ("é", "1")]),
    ]);
    for wire in Wire::ONE_SERVICE {
        let list = || {
            let path = wire.tags_path("r").replace("/r/", "/");
            let answer = send(&world, "GET", &path, &Value::Null);
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            answer.json()["tags"].clone()
        };
        let entry = |key: &str, values: &[&str]| json!({ "key": key, "values": values });
        let mut all = vec![entry("B", &["1", "2"]), entry("a", &["", "z"]), entry("é", &["1"])];
        if wire == Wire::Cts {
            all.splice(1..1, [entry("_sys_x", &["s"]), entry("_sys_y", &["t"])]);
        }
        assert_eq!(list(), json!(all), "{wire:?}");
        // what nobody bears any more is gone
        done(&delete(&world, wire, &json!([{ "key": "a" }])), "delete");
        let zone = wire.tags_path("t");
        done(&send(&world, "DELETE", &format!("{zone}/%C3%A9"), &Value::Null), "delete");
        all.retain(|entry| entry["key"] != "é");
        all.last_mut().unwrap()["values"] = json!(["z"]);
        assert_eq!(list(), json!(all), "{wire:?}");
    }
}

#[test]
fn cts_lists_a_project_in_parts() {
    let world = in_all_dialects(&[("r", "", &[("_sys_a", ""), ("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")])]);
    let list = |query: &str| send(&world, "GET", &format!("/v3/p/cts-tracker/tags{query}"), &Value::Null);
    let keys = |answer: &Answer| -> (Vec<String>, Value) {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let json = answer.json();
        let tags = json["tags"].as_array().unwrap();
        (tags.iter().map(|tag| tag["key"].as_str().unwrap().to_owned()).collect(), json["page_info"].clone())
    };
    let info = |count: u32, next: &str| json!({ "current_count": count, "next_marker": next });
    let all = ["_sys_a", "a", "b", "c", "d"];
    for query in ["", "?limit=200", "?limit=5", "?marker=", "?limit=5&marker="] {
        assert_eq!(keys(&list(query)), (all.map(ToOwned::to_owned).to_vec(), info(5, "d")), "{query}");
    }
    let mut query = "?limit=2".to_owned();
    let mut parts = Vec::new();
    loop {
        let (found, page_info) = keys(&list(&query));
        parts.push(found);
        match page_info["next_marker"].as_str().unwrap() {
            "" => break,
            next => query = format!("?limit=2&marker={next}"),
        }
    }
    assert_eq!(parts, [vec!["_sys_a", "a"], vec!["b", "c"], vec!["d"], vec![]]);
    assert_eq!(keys(&list("?marker=bb")), (vec!["c".to_owned(), "d".to_owned()], info(2, "d")));
    assert_eq!(keys(&list("?marker=c%00x")), (vec!["d".to_owned()], info(1, "d")));
    assert_eq!(keys(&list("?marker=zzz")), (vec![], info(0, "")));
    for wrong in ["0", "201", "-1", "x", ""] {
        Wire::Cts.check_refusal(&list(&format!("?limit={wrong}")), Broken::Limit, &["limit: "], wrong);
    }
    Wire::Cts.check_refusal(&list("?offset=1"), Broken::General, &["\"offset\""], "offset");
    Wire::Cts.check_refusal(&list("?limit=1&limit=2"), Broken::General, &["limit: duplicate query parameter"], "twice");
}

// ---- the operations of IMS that name no project

#[test]
fn a_plain_tag_of_ims_is_a_key_with_or_without_a_value() {
    let world = world();
    let put = |body: &Value| send(&world, "PUT", "/v1/cloudimages/tags", body);
    for (body, all) in [
        (json!({ "image_id": "r", "tag": "a.1" }), &["a=1"][..]),
        (json!({ "image_id": "r", "tag": "a=2" }), &["a=2"]),
        (json!({ "image_id": "r", "tag": "b.1.2.3" }), &["a=2", "b=1.2.3"]),
        (json!({ "image_id": "r", "tag": "c" }), &["a=2", "b=1.2.3", "c="]),
        (json!({ "image_id": "r", "tag": "c." }), &["a=2", "b=1.2.3", "c="]),
        (json!({ "image_id": "r", "image_tag": { "key": "a", "value": "3" } }), &["a=3", "b=1.2.3", "c="]),
        (json!({ "image_id": "r", "image_tag": { "key": "b" }, "tag": null }), &["a=3", "b=", "c="]),
        // a form of both, of which one was not filled in
        (json!({ "image_id": "r", "tag": "a.4", "image_tag": { "key": "", "value": "" } }), &["a=4", "b=", "c="]),
        (json!({ "image_id": "r", "tag": "a.5", "image_tag": { "key": null, "value": null } }), &["a=5", "b=", "c="]),
        (json!({ "image_id": "r", "tag": "a.6", "image_tag": {} }), &["a=6", "b=", "c="]),
        (json!({ "image_id": "r", "tag": "", "image_tag": { "key": "a", "value": "3" } }), &["a=3", "b=", "c="]),
        (json!({ "image_id": "r", "image_tag": { "key": "c", "value": null } }), &["a=3", "b=", "c="]),
    ] {
        let answer = put(&body);
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{body}");
        assert_eq!(tags(&world, Wire::Ims), all, "{body}");
    }
    for (body, broken, part) in [
        (json!({ "image_id": "r" }), Broken::Tags, "tag: either tag or image_tag is required"),
        (json!({ "image_id": "r", "tag": "a.1", "image_tag": { "key": "a" } }), Broken::Tags, "tag: "),
        (json!({ "tag": "a.1" }), Broken::General, "image_id: is required"),
        (json!({ "image_id": 1, "tag": "a.1" }), Broken::General, "image_id: "),
        (json!({ "image_id": "r", "tag": "" }), Broken::Key, "tag.key: "),
        (json!({ "image_id": "r", "tag": "", "image_tag": { "key": "" } }), Broken::Key, "tag.key: "),
        (json!({ "image_id": "r", "image_tag": { "key": "", "value": "1" } }), Broken::Key, "image_tag.key: "),
        (json!({ "image_id": "r", "tag": ".1" }), Broken::Key, "tag.key: "),
        (json!({ "image_id": "r", "tag": "a b" }), Broken::Key, "tag.key: "),
        (json!({ "image_id": "r", "tag": "a.b=c" }), Broken::Value, "tag.value: "),
        (json!({ "image_id": "r", "tag": format!("{}.1", wide(37)) }), Broken::Key, "tag.key: "),
        (
            json!({ "image_id": "r", "image_tag": { "key": "a", "value": wide(44) } }),
            Broken::Value,
            "image_tag.value: ",
        ),
        (json!({ "image_id": "r", "tags": ["a.1"] }), Broken::General, "\"tags\""),
    ] {
        Wire::Ims.check_refusal(&put(&body), broken, &[part], &body.to_string());
    }
    assert_eq!(tags(&world, Wire::Ims), ["a=3", "b=", "c="]);
}

#[test]
fn the_plain_list_of_ims_is_sorted_without_repetition_and_paged() {
    let world = World::with(&[
        registration("images", "i", "", &[("_sys_x", "1"), ("env", "prod"), ("jjjj", "11111"), ("test", "")]),
        registration("images", "j", "", &[("env", "prod"), ("team", "red")]),
        registration("images", "k", "", &[("a", "b.c"), ("a.b", "c")]),
        registration("DNS-public_zone", "z", "", &[("zone", "")]),
    ]);
    let ask = |query: &str, headers: &[(&str, &str)]| {
        world.send("GET", &format!("/v1/cloudimages/tags{query}"), headers, b"")
    };
    let project = [("X-Project-Id", "p")];
    let all = json!(["a.b.c", "env.prod", "jjjj.11111", "team.red", "test"]);
    assert_eq!(ask("", &project).json(), json!({ "tags": all }));
    for (query, expected) in [
        ("?limit=2", json!(["a.b.c", "env.prod"])),
        ("?limit=2&page=2", json!(["jjjj.11111", "team.red"])),
        ("?limit=2&page=3", json!(["test"])),
        ("?limit=2&page=4", json!([])),
        ("?limit=4294967295&page=4294967295", json!([])),
        ("?page=1", all.clone()),
        ("?page=2", json!([])),
        ("?id=i", json!(["env.prod", "jjjj.11111", "test"])),
        ("?id=i&limit=1&page=2", json!(["jjjj.11111"])),
        ("?id=nowhere", json!([])),
        ("?id=z", json!([])),
        ("?id=%00", json!([])),
        // what tagd has are images of a project, which are private
        ("?__imagetype=private", all.clone()),
        ("?__imagetype=private&id=i&limit=1&page=2", json!(["jjjj.11111"])),
        ("?__imagetype=gold", json!([])),
        ("?__imagetype=shared&id=i", json!([])),
        ("?__imagetype=market&limit=2", json!([])),
    ] {
        for headers in [&project[..], &[]] {
            assert_eq!(ask(query, headers).json(), json!({ "tags": expected }), "{query} {headers:?}");
        }
    }
    assert_eq!(ask("", &[("X-Project-Id", "q")]).json(), json!({ "tags": [] }));
    for (query, broken, part) in [
        ("?limit=0", Broken::Limit, "limit: "),
        ("?limit=x", Broken::Limit, "limit: "),
        ("?__imagetype=gold&limit=x", Broken::Limit, "limit: "),
        (
            "?__imagetype=Private",
            Broken::General,
            "__imagetype: must be \"gold\", \"private\", \"shared\" or \"market\", got \"Private\"",
        ),
        ("?__imagetype=", Broken::General, "__imagetype: "),
        ("?page=0", Broken::Offset, "page: "),
        ("?page=-1", Broken::Offset, "page: "),
        ("?status=active", Broken::General, "status: "),
        ("?name=i", Broken::General, "name: "),
        ("?__os_type=Linux", Broken::General, "__os_type: "),
        ("?created_at=gt:2020-01-01T00:00:00Z", Broken::General, "created_at: "),
        ("?color=blue", Broken::General, "\"color\": unknown query parameter"),
    ] {
        Wire::Ims.check_refusal(&ask(query, &project), broken, &[part], query);
    }
}

#[test]
fn an_image_is_looked_for_in_the_clients_project_or_everywhere() {
    let mut other = registration("images", "both", "", &[]);
    other.project_id = "q".into();
    let mut alone = registration("images", "alone", "", &[]);
    alone.project_id = "q".into();
    let world = World::with(&[registration("images", "both", "", &[]), other, alone]);
    let put = |id: &str, project: Option<&str>| {
        let header = project.map(|project| ("X-Project-Id", project));
        let headers: Vec<_> = header.into_iter().collect();
        let native = world.send("PUT", &format!("/v2/images/{id}/tags/t"), &headers, b"");
        let mut json = headers.clone();
        json.push(("Content-Type", "application/json"));
        let body = json!({ "image_id": id, "tag": "t" }).to_string();
        let plain = world.send("PUT", "/v1/cloudimages/tags", &json, body.as_bytes());
        assert_eq!((native.status, &native.body), (plain.status, &plain.body), "{id} {project:?}");
        native
    };
    assert_eq!(put("alone", None).status, 204);
    assert_eq!(put("alone", Some("")).status, 204, "an empty header says nothing");
    assert_eq!(put("alone", Some("q")).status, 204);
    assert_eq!(put("alone", Some("p")).status, 404);
    assert_eq!(put("both", Some("p")).status, 204);
    assert_eq!(put("nowhere", None).status, 404);
    Wire::Ims.check_refusal(&put("both", None), Broken::General, &["several projects"], "both");
    let answer = send(&world, "GET", "/v2/q/images/both/tags", &Value::Null);
    assert_eq!(answer.json()["tags"], json!([]), "the other project's image is as it was");
    // native tags have no value, and are removed by their name
    let native = |method: &str, tag: &str| {
        world.send(method, &format!("/v2/images/alone/tags/{tag}"), &[("X-Project-Id", "q")], b"")
    };
    assert_eq!(native("DELETE", "t").status, 204);
    assert_eq!(Wire::Ims.error(&native("DELETE", "t")).0, "IMG.0144");
    for wrong in ["a.b", "a%3Db", "a%20b", "%00"] {
        Wire::Ims.check_refusal(&native("PUT", wrong), Broken::Key, &["tag.key: "], wrong);
    }
}

// ---- the database

#[test]
fn a_fault_of_the_server_is_another_code_for_reads_and_writes_of_cts() {
    let world = world();
    world.db.drop_now();
    let read = send(&world, "GET", &Wire::Cts.tags_path("r"), &Value::Null);
    let write = add(&world, Wire::Cts, &json!({ "key": "a" }));
    for (answer, code) in [(read, "CTS.0005"), (write, "CTS.0004")] {
        assert!(answer.status >= 500, "{}", answer.body);
        assert_eq!(Wire::Cts.error(&answer).0, code);
    }
}
