//! `tagd index`: what verify finds, what rebuild mends, and that both work beside readers and writers.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::{
    domain::{Resource, change::Registration, registry::Condition},
    store::SessionProfile,
};

use crate::support::{
    Dice, Program, Stopper, TestDb, World, block_on, eventually, import_all, registration, sparse_limit, tag,
    unregister, word_limit,
};

fn fleet(count: usize) -> Vec<Registration> {
    (0..count)
        .map(|i| match i % 4 {
            0 => registration("images", &format!("r{i}"), "", &[]),
            1 => registration("images", &format!("r{i}"), "", &[("_sys_x", "1")]),
            _ => registration("images", &format!("r{i}"), "", &[("env", "prod"), ("n", &(i % 10).to_string())]),
        })
        .collect()
}

/// Runs statements as the owner, who may write the tables.
fn tamper(db: &TestDb, statements: &str) {
    block_on(async {
        let mut owner = db.connect().await;
        owner.execute(AssertSqlSafe(statements.to_owned())).await.unwrap();
        owner.close().await.unwrap();
    });
}

fn verified(program: &Program) {
    let said = program.run(&["index", "verify"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
}

/// Makes the labels of the fleet sparse.
const SPARSE: &str = "create or replace function tagd.sparse_limit() returns integer language sql immutable parallel safe as 'select 128';
    select tagd.rebuild_scope(scope_id) from tagd.scope;";

#[test]
fn verify_tells_each_kind_of_drift_in_words_and_rebuild_mends_it() {
    let world = World::new();
    // all labels are dense first; the labels of the last two are not touched by it
    tamper(&world.db, &sparse_limit(1));
    world.load(&fleet(40));
    let program = Program::new().on(&world.db);
    verified(&program);
    let label = |kind: u8, key: &str, value: &str| {
        format!("(select label_id from tagd.label where kind = {kind} and key = '{key}' and value = '{value}')")
    };
    let pair = label(3, "env", "prod");
    for (what, statement, words) in [
        (
            "a bit too many",
            format!("update tagd.chunk set hits = hits + 1, bits = set_bit(bits, 0, 1) where label_id = {pair}"),
            &["label \"env\" = \"prod\", block 0: 0 bits missing, 1 extra"][..],
        ),
        (
            "a bit missing",
            format!("update tagd.chunk set hits = hits - 1, bits = set_bit(bits, 2, 0) where label_id = {pair}"),
            &["label \"env\" = \"prod\", block 0: 1 bits missing, 0 extra"],
        ),
        (
            "a bitmap of a key missing",
            format!("delete from tagd.chunk where label_id = {}", label(2, "env", "")),
            &["label \"env\", block 0: 20 bits missing, 0 extra"],
        ),
        (
            "every resource",
            format!(
                "update tagd.chunk set hits = hits + 1, bits = set_bit(bits, 40, 1) where label_id = {}",
                label(0, "", "")
            ),
            &["label every resource, block 0: 0 bits missing, 1 extra"],
        ),
        (
            "untagged",
            format!(
                "update tagd.chunk set hits = hits - 1, bits = set_bit(bits, 0, 0) where label_id = {}",
                label(1, "", "")
            ),
            &["label untagged, block 0: 1 bits missing, 0 extra"],
        ),
        (
            "a label missing",
            "delete from tagd.label where kind = 3 and key = 'env'".into(),
            &[
                "label \"env\" = \"prod\", block 0: 20 bits missing, 0 extra",
                "label \"\" = \"\", block 0: 20 slots stored in the wrong form",
            ],
        ),
        (
            "a label with another name",
            "update tagd.label set value = 'it''s \"x\"' where kind = 3 and key = 'env'".into(),
            &[
                "label \"env\" = \"prod\", block 0: 20 bits missing, 0 extra",
                "label \"env\" = \"it's \\\"x\\\"\", block 0: 0 bits missing, 20 extra",
            ],
        ),
        (
            "another block",
            format!(
                "insert into tagd.chunk select scope_id, label_id, 3, hits, bits from tagd.chunk where label_id = {pair}"
            ),
            &["label \"env\" = \"prod\", block 3: 0 bits missing, 20 extra"],
        ),
        (
            "a wrong count",
            format!("update tagd.chunk set hits = hits + 5 where label_id = {pair}"),
            &["label \"env\" = \"prod\", block 0: 0 bits not counted, 5 counted in excess"],
        ),
        (
            "slots of a sparse label out of order and one twice",
            format!(
                "{SPARSE} update tagd.label set slots = array[slots[2], slots[1], slots[1]] || slots[3:] where label_id = {pair}"
            ),
            &["label \"env\" = \"prod\", block 0: 21 slots stored in the wrong form"],
        ),
        (
            "a slot of a sparse label missing, and one too many",
            format!("{SPARSE} update tagd.label set slots = 0 || slots[2:] where label_id = {pair}"),
            &["label \"env\" = \"prod\", block 0: 1 bits missing, 1 extra"],
        ),
        (
            "a label in both forms",
            format!(
                "{SPARSE} insert into tagd.chunk select scope_id, label_id, 0, 1, tagd.bits_at('{{1}}') from tagd.label where label_id = {pair}"
            ),
            &["label \"env\" = \"prod\", block 0: 1 slots stored in the wrong form"],
        ),
        (
            "a tag that nobody noted",
            "insert into tagd.tag select scope_id, 0, 'new', 'x' from tagd.scope".into(),
            &[
                "block 0: 1 resources whose copy of their tags is wrong",
                "label \"new\", block 0: 1 bits missing, 0 extra",
                "label \"new\" = \"x\", block 0: 1 bits missing, 0 extra",
                "label untagged, block 0: 0 bits missing, 1 extra",
            ],
        ),
        (
            "a tag gone",
            "delete from tagd.tag where slot = 2 and key = 'env'".into(),
            &[
                "block 0: 1 resources whose copy of their tags is wrong",
                "label \"env\", block 0: 0 bits missing, 1 extra",
                "label \"env\" = \"prod\", block 0: 0 bits missing, 1 extra",
            ],
        ),
        (
            "the copy of the tags",
            "update tagd.resource set tags = '{a,b}' where slot in (3, 4)".into(),
            &["block 0: 2 resources whose copy of their tags is wrong"],
        ),
        (
            "a tag of no resource",
            "insert into tagd.tag select scope_id, 999, 'env', 'prod' from tagd.scope".into(),
            &[
                "block 0: 1 tags of resources that do not exist",
                "label \"env\", block 0: 1 bits missing, 0 extra",
                "label \"env\" = \"prod\", block 0: 1 bits missing, 0 extra",
            ],
        ),
    ] {
        tamper(&world.db, &statement);
        let said = program.run(&["index", "verify"]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{what}: {}", said.err);
        let mut told = said.complaints();
        let last = told.pop().unwrap();
        told.sort_unstable();
        let mut expected: Vec<String> = words.iter().map(|words| format!("project p type images: {words}")).collect();
        expected.sort_unstable();
        assert_eq!(told, expected, "{what}");
        let places = words.len();
        assert_eq!(
            last,
            format!("tagd: index and tags disagree in {places} places; `tagd index rebuild` rebuilds the index")
        );
        let said = program.run(&["index", "rebuild"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{what}: {}", said.out);
        let said = program.run(&["index", "verify"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{what} is not mended");
    }
    // the answers follow the tags: one resource lost env, one got a tag
    let count = |body: &str| world.post("/v2/p/images/resource_instances/action", body).json()["total_count"].clone();
    assert_eq!(count(r#"{"action":"count","tags":[{"key":"env","values":["prod"]}]}"#), 19);
    assert_eq!(count(r#"{"action":"count","tags":[{"key":"new","values":["x"]}]}"#), 1);
    assert_eq!(count(r#"{"action":"count","without_any_tag":true}"#), 19);
}

/// Writes rows of a table anew while the function behind its index gives wrong grams.
fn index_by(function: &str, arguments: &str, grams: &str, table: &str, rows: &str) -> String {
    format!(
        "do $do$
         declare
           v_right text := pg_get_functiondef('{function}'::regproc);
         begin
           execute $wrong$
             create or replace function {function}({arguments}) returns bigint[] language plpgsql immutable as
             'begin return {grams}; end'
           $wrong$;
           with gone as (delete from {table} where {rows} returning *)
           insert into {table} overriding system value select * from gone;
           execute v_right;
         end
         $do$"
    )
}

#[test]
fn verify_tells_what_the_indexes_of_grams_do_not_find_and_rebuild_mends_it() {
    let world = World::new();
    let names = ["gateway-1", "gateway-2", "db", "abc", "xyz"];
    let fleet: Vec<Registration> = names
        .iter()
        .enumerate()
        .map(|(i, name)| registration("images", &format!("r{i}"), name, &[("color", ["red", "green", "blue"][i % 3])]))
        .collect();
    world.load(&fleet);
    let program = Program::new().on(&world.db);
    verified(&program);
    let names = "p_scope_id bigint, p_folded text, p_words text[]";
    let values = "p_scope_id bigint, p_key text, p_value text";
    let gat = "array[p_scope_id << 32 | (hashtext(''gat'')::bigint & 4294967295)]";
    let red = "value \"red\" of key \"color\": 1 entries of the index of values missing, 0 extra";
    for (what, statement, words) in [
        (
            "no name",
            index_by("tagd.grams", names, "array[1]", "tagd.name", "true"),
            // `db` has no gram
            vec!["block 0: 4 entries of the index of names missing, 0 under wrong grams"],
        ),
        (
            "a name under the gram of others",
            index_by("tagd.grams", names, gat, "tagd.name", "slot = 3"),
            vec!["block 0: 1 entries of the index of names missing, 1 under wrong grams"],
        ),
        (
            "a value",
            index_by("tagd.value_grams", values, "array[1]", "tagd.label", "kind = 3 and value = 'red'"),
            // by its key, two runs of two characters and one of three
            vec![red; 4],
        ),
    ] {
        tamper(&world.db, &statement);
        let said = program.run(&["index", "verify"]);
        assert_eq!(said.code, Some(1), "{what}: {}", said.err);
        let mut told = said.complaints();
        told.pop();
        let expected: Vec<String> = words.iter().map(|words| format!("project p type images: {words}")).collect();
        assert_eq!(told, expected, "{what}");
        assert_eq!(program.run(&["index", "rebuild"]).code, Some(0), "{what}");
        verified(&program);
    }
}

#[test]
fn verify_tells_what_is_wrong_with_words_of_names_and_rebuild_mends_it() {
    let world = World::new();
    tamper(&world.db, &format!("{}{}", sparse_limit(5), word_limit(4)));
    let names: Vec<Registration> = (0..12)
        .map(|i| registration("images", &format!("r{i}"), &format!("web-{}-{i}", ["abc", "xyz"][i % 2]), &[]))
        .collect();
    world.load(&names);
    let program = Program::new().on(&world.db);
    verified(&program);
    for (what, statement, words) in [
        (
            "a bit missing",
            "update tagd.chunk c set hits = hits - 1, bits = set_bit(bits, 2, 0)
               from tagd.label l where l.label_id = c.label_id and l.kind = 4 and l.value = 'web'",
            &["word \"web\" of names, block 0: 1 bits missing, 0 extra"][..],
        ),
        (
            "a word with another value",
            "update tagd.label set value = 'abd' where kind = 4 and value = 'abc'",
            &[
                "word \"abc\" of names, block 0: 6 bits missing, 0 extra",
                "word \"abd\" of names, block 0: 0 bits missing, 6 extra",
            ],
        ),
        (
            "words forgotten",
            "update tagd.name set words = '{}' where slot = 3",
            &[
                "word \"web\" of names, block 0: 0 bits missing, 1 extra",
                "word \"xyz\" of names, block 0: 0 bits missing, 1 extra",
            ],
        ),
        (
            "a word that is not in the name, a word twice",
            "update tagd.name set words = words || array[case slot when 0 then 'nothing' else 'web' end] where slot < 2",
            &[
                "block 0: 2 names indexed under words they do not contain",
                "word \"nothing\" of names, block 0: 1 bits missing, 0 extra",
            ],
        ),
        (
            "a name changed by hand",
            "update tagd.name set folded = 'ops-abc-0' where slot = 0",
            &[
                "block 0: 1 names indexed under words they do not contain",
                "1 names to search are wrong, the first in slot 0",
            ],
        ),
        (
            "a name missing",
            "delete from tagd.name where slot = 1",
            &[
                "word \"web\" of names, block 0: 0 bits missing, 1 extra",
                "word \"xyz\" of names, block 0: 0 bits missing, 1 extra",
                "1 names to search are wrong, the first in slot 1",
            ],
        ),
        (
            "a name of no resource",
            "insert into tagd.name select scope_id, 99, 'web-99', '{web}' from tagd.scope",
            &[
                "word \"web\" of names, block 0: 1 bits missing, 0 extra",
                "1 names to search are wrong, the first in slot 99",
            ],
        ),
    ] {
        tamper(&world.db, statement);
        let said = program.run(&["index", "verify"]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{what}: {}", said.err);
        let mut told = said.complaints();
        told.pop();
        told.sort_unstable();
        let mut expected: Vec<String> = words.iter().map(|words| format!("project p type images: {words}")).collect();
        expected.sort_unstable();
        assert_eq!(told, expected, "{what}");
        let said = program.run(&["index", "rebuild"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{what}: {}", said.out);
        let said = program.run(&["index", "verify"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{what} is not mended");
    }
    let count = |text: &str| {
        let body = json!({ "action": "count", "matches": [{ "key": "resource_name", "value": text }] });
        world.post("/v2/p/images/resource_instances/action", &body.to_string()).json()["total_count"].clone()
    };
    assert_eq!(
        (count("web"), count("xyz"), count("eb-a"), count("c-10"), count("z-11")),
        (json!(12), json!(6), json!(6), json!(1), json!(1))
    );
}

#[test]
fn an_empty_database_verifies_and_rebuilds() {
    let db = TestDb::empty();
    let program = Program::new().on(&db);
    assert_eq!(program.expect(&["index", "verify"]), "0 scopes, index and tags agree\n");
    assert_eq!(program.expect(&["index", "rebuild"]), "0 scopes, 0 index rows made\n");
    // a scope without resources
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 1).await;
        let one = Resource { resource_id: "r".into(), ..Resource::default() };
        store.register("p", "images", &one, false, &Condition::None).await.unwrap();
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        assert!(unregister(&store, scope, "r").await);
        store.close().await;
    });
    assert_eq!(program.expect(&["index", "verify"]), "1 scopes, index and tags agree\n");
    assert_eq!(program.expect(&["index", "rebuild"]), "1 scopes, 0 index rows made\n");
}

#[test]
fn a_rebuilt_index_is_the_same_index() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.expect(&["demo"]);
    let rows = || {
        let rows: Vec<(i64, i16, String, String, i32, String)> = block_on(async {
            let mut owner = db.connect().await;
            let rows = sqlx::query_as(
                "select l.scope_id, l.kind, l.key, l.value, c.block, md5(c.bits::text)
                   from tagd.label l
                   join tagd.chunk c using (scope_id, label_id)
                 union all
                 select l.scope_id, l.kind, l.key, l.value, e.slot / 16384, md5(tagd.bits_of(e.slot % 16384, 1)::text)
                   from tagd.label l, unnest(l.slots) as e (slot)
                  group by 1, 2, 3, 4, 5
                  order by 1, 2, 3, 4, 5",
            )
            .fetch_all(&mut owner)
            .await
            .unwrap();
            owner.close().await.unwrap();
            rows
        });
        rows
    };
    let before = rows();
    assert!(before.len() > 100);
    // twelve resources: every label is sparse, a row each
    let said = program.expect(&["index", "rebuild"]);
    assert!(said.ends_with(&format!(", {} index rows made\n", before.len())), "{said}");
    assert_eq!(rows(), before);
    // dense, a row more for the chunk of each label on two resources or more
    tamper(&db, &sparse_limit(1));
    program.expect(&["index", "rebuild"]);
    assert_eq!(rows(), before);
    verified(&program);
}

#[test]
fn removed_resources_leave_no_bit_and_no_tag() {
    let world = World::with(&fleet(40));
    block_on(async {
        let store = world.db.store(SessionProfile::Bulk, 1).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        for i in 0..40 {
            assert!(unregister(&store, scope, &format!("r{i}")).await);
            assert_eq!(store.verify_scope(scope).await.unwrap(), []);
        }
        store.close().await;
        let mut owner = world.db.connect().await;
        for rows in ["chunk", "label where slots <> '{}'", "tag", "resource"] {
            let left: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from tagd.{rows}")))
                .fetch_one(&mut owner)
                .await
                .unwrap();
            assert_eq!(left, 0, "rows are left in {rows}");
        }
        owner.close().await.unwrap();
    });
    let answer = world.post("/v2/p/images/resource_instances/action", r#"{"action":"filter"}"#);
    assert_eq!(answer.json(), json!({ "total_count": 0, "resources": [] }));
}

#[test]
fn a_rebuild_disturbs_no_reader_and_loses_no_write() {
    const SIZE: usize = 3000;
    // one more for the import, which states its tags whole
    let world = World::with(&fleet(SIZE + 1));
    let program = Program::new().on(&world.db);
    let stop = AtomicBool::new(false);
    let (reads, writes, written) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let (world, stop, reads, writes, written) = (&world, &stop, &reads, &writes, &written);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                // what the writers do not touch is the same at every moment
                for (body, total) in [
                    (r#"{"action":"filter","tags":[{"key":"env","values":["prod"]}],"limit":5}"#, SIZE / 2),
                    (r#"{"action":"count","not_tags":[{"key":"env","values":["prod"]}]}"#, SIZE / 2 + 1),
                    (r#"{"action":"count"}"#, SIZE + 1),
                ] {
                    let answer = world.post("/v2/p/images/resource_instances/action", body);
                    assert_eq!((answer.status, answer.json()["total_count"].clone()), (200, json!(total)), "{body}");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        for writer in 0..3 {
            scope.spawn(move || {
                block_on(async {
                    let store = world.db.store(SessionProfile::Bulk, 1).await;
                    let scope = store.find_scope("p", "images").await.unwrap().unwrap();
                    let mut n = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let id = format!("r{}", (n * 3 + writer) % SIZE);
                        store.put_tags(scope, &id, &[tag("written", &format!("{}", n % 7))]).await.unwrap();
                        n += 1;
                        writes.fetch_add(1, Ordering::Relaxed);
                    }
                    // each resource of its third, and then again
                    written.fetch_add(n.min(SIZE / 3) as u64, Ordering::Relaxed);
                    store.close().await;
                });
            });
        }
        scope.spawn(move || {
            block_on(async {
                let store = world.db.store(SessionProfile::Bulk, 1).await;
                let mut import = store.import().await.unwrap();
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    let one = registration("disk", &format!("d{n}"), "", &[("k", "v")]);
                    let other = registration("images", &format!("r{SIZE}"), &format!("name {n}"), &[("imported", "1")]);
                    import_all(&mut import, &[one, other]).await.unwrap();
                    n += 1;
                }
                drop(import);
                store.close().await;
            });
        });
        let stopper = Stopper(stop);
        let mut rebuilds = 0;
        eventually("readers and writers went on beside the rebuilds", || {
            let said = program.run(&["index", "rebuild"]);
            assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
            let said = program.run(&["index", "verify"]);
            assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "beside writers");
            rebuilds += 1;
            rebuilds >= 5 && reads.load(Ordering::Relaxed) > 30 && writes.load(Ordering::Relaxed) > 30
        });
        drop(stopper);
    });
    let body = r#"{"action":"count","tags":[{"key":"written","values":[]}]}"#;
    let answer = world.post("/v2/p/images/resource_instances/action", body).json();
    assert_eq!(answer["total_count"], json!(written.into_inner()), "a write was lost");
    verified(&program);
}

#[test]
fn large_batches_that_add_change_and_remove_tags_keep_the_index_exact() {
    const SIZE: usize = 600;
    let world = World::new();
    let program = Program::new().on(&world.db);
    // over the edge of a block
    world.load(&[registration("images", "first", "", &[])]);
    tamper(&world.db, "update tagd.scope_counter set next_slot = 16384 - 300");
    let mut dice = Dice(42);
    for round in 0..4 {
        let fleet: Vec<Registration> = (0..SIZE)
            .map(|i| {
                // with few values a label is dense, with many it is sparse; each round empties the labels of the one before
                let values = [2, 40, 3, 40][round];
                let tags: Vec<(String, String)> = ["_sys_a", "env", "env-2", "n"]
                    .into_iter()
                    .filter_map(|key| {
                        let value = format!("{}-{}", round % 2, dice.roll(values));
                        if dice.roll(3) > 0 { Some((key.to_owned(), value)) } else { None }
                    })
                    .collect();
                let tags: Vec<_> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                registration("images", &format!("r{i}"), &format!("web {} {}", dice.roll(3), dice.roll(50)), &tags)
            })
            .collect();
        block_on(async {
            let store = world.db.store(SessionProfile::Bulk, 1).await;
            let mut import = store.import().await.unwrap();
            let outcome = import_all(&mut import, &fleet).await.unwrap();
            assert_eq!(outcome.created, if round == 0 { SIZE as u64 } else { 0 });
            drop(import);
            let empty = sqlx::query_scalar::<_, i64>("select count(*) from tagd.chunk where hits = 0");
            let mut owner = world.db.connect().await;
            assert_eq!(empty.fetch_one(&mut owner).await.unwrap(), 0, "round {round}");
            store.close().await;
        });
        verified(&program);
    }
}
