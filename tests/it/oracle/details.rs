//! Details come back as they were sent, and whatever is taken survives export and import byte for byte.

use std::fmt::Write as _;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use sqlx::Executor;
use tagd::store::SessionProfile;

use crate::support::{Answer, Program, TestDb, Wire, World, block_on, json_lines, tag};

/// Bytes of a detail, at most.
const BYTES: usize = 1024 * 1024;
/// Levels of a detail, at most.
const DEPTH: usize = 100;

const IMAGES: &str = "/registry/v1/projects/p/types/images/resources";
const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
const LINES: &[(&str, &str)] = &[("Content-Type", "application/x-ndjson")];

/// Ways into the registry.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Put,
    Post,
    Ndjson,
    Csv,
}

const WAYS: [Way; 4] = [Way::Put, Way::Post, Way::Ndjson, Way::Csv];

fn many(number: &str, count: usize) -> String {
    format!("[{}]", vec![number; count].join(","))
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn text_of(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

fn line(id: &str, detail: &str) -> String {
    format!(
        r#"{{"project_id":"p","resource_type":"images","resource_id":"{id}","resource_detail":{detail},"tags":[{{"key":"k","value":"v"}}]}}"#
    )
}

/// Sends a resource with a detail. What was said if it was refused.
fn put_in(world: &World, program: &Program, way: Way, id: &str, detail: &str) -> Result<(), String> {
    let answer = |answer: Answer| match answer.status {
        200 | 201 => Ok(answer),
        400 => Err(answer.body),
        _ => panic!("{way:?} {}: {}", answer.status, answer.body),
    };
    match way {
        Way::Put => {
            let body = format!(r#"{{"resource_detail":{detail},"tags":[{{"key":"k","value":"v"}}]}}"#);
            answer(world.send("PUT", &format!("{IMAGES}/{id}"), JSON, body.as_bytes())).map(drop)
        }
        Way::Post => {
            let taken = answer(world.send("POST", "/registry/v1/import", LINES, line(id, detail).as_bytes()))?;
            match taken.json()["rejected_count"].as_u64().unwrap() {
                0 => Ok(()),
                _ => Err(taken.body),
            }
        }
        Way::Ndjson => match program.import(line(id, detail)) {
            said if said.code == Some(0) => Ok(()),
            said => Err(said.err),
        },
        Way::Csv => {
            let quoted = detail.replace('"', "\"\"");
            let header = "project_id,resource_type,resource_id";
            program.write("resources.csv", format!("{header},resource_detail\np,images,{id},\"{quoted}\"\n"));
            program.write("tags.csv", format!("{header},key,value\np,images,{id},k,v\n"));
            let said = program.run(&["import", "--resources", "resources.csv", "--tags", "tags.csv"]);
            if said.code == Some(0) { Ok(()) } else { Err(said.err) }
        }
    }
}

fn export(world: &World) -> String {
    let answer = world.send("GET", "/registry/v1/export?only=resource", &[], b"");
    assert_eq!(answer.status, 200);
    answer.body
}

/// The ETag of a resource.
fn etag(world: &World, path: &str) -> String {
    let answer = world.send("GET", path, &[], b"");
    assert_eq!(answer.status, 200, "{path}");
    answer.headers["etag"].clone()
}

fn verify(db: &TestDb) {
    block_on(async {
        let store = db.store(SessionProfile::Bulk, 1).await;
        for scope in store.list_scopes().await.unwrap() {
            assert_eq!(store.verify_scope(scope.scope_id).await.unwrap(), [], "{scope:?}");
        }
        store.close().await;
    });
}

/// `text` in short, for messages.
fn short(text: &str) -> String {
    format!("{:.80} ({} bytes)", text, text.len())
}

#[test]
fn every_detail_comes_back_as_it_was_sent_whichever_way_it_came_in() {
    let details: Vec<String> = vec![
        many("1", 490_000),
        many("1e-16383", 70_000),
        many("1e131071", 70_000),
        r#"{"n":1e-16384}"#.into(),
        r#"{"n":1e-16383,"m":1e999999999,"o":-1E+400}"#.into(),
        format!("[{}]", "7".repeat(200_000)),
        r#"{"a":1e5,"b":-0,"c":2.50,"a":"again","A":null}"#.into(),
        "{ \"spaces\" :\t[ 1 , 2 ]  }".into(),
        r#""\u00e9\ud83d\ude00\/\u2028 \\u0000""#.into(),
        "\"é\u{1F980}\u{2028}\u{85}\u{7f}\"".into(),
        text_of(BYTES),
        nested(DEPTH),
        "false".into(),
        "\"null\"".into(),
    ];
    let world = World::new();
    let other = World::new();
    let program = Program::new().on(&world.db);
    for way in WAYS {
        for (i, detail) in details.iter().enumerate() {
            let id = format!("r{i}");
            if let Err(said) = put_in(&world, &program, way, &id, detail) {
                panic!("{way:?} refuses {}: {}", short(detail), short(&said));
            }
            let path = format!("{IMAGES}/{id}");
            let body = world.send("GET", &path, &[], b"").body;
            let stored = format!(r#""resource_detail":{detail},"tags":[{{"key":"k","value":"v"}}]"#);
            assert!(body.contains(&stored), "{way:?} {} is {}", short(detail), short(&body));
        }
        // lists and queries write it as it is
        let listed = world.send("GET", &format!("{IMAGES}?limit=1000"), &[], b"").body;
        let found = Wire::Ims.ask(&world, &json!({ "tags": [{ "key": "k", "values": ["v"] }], "limit": 100 }));
        assert_eq!(found.status, 200);
        let exported = export(&world);
        for detail in &details {
            let field = format!(r#""resource_detail":{detail},"#);
            for text in [&listed, &found.body, &exported] {
                assert!(text.contains(&field), "{way:?} {}", short(detail));
            }
        }
        assert_eq!(program.expect(&["export", "--only", "resource"]), exported, "{way:?}");
        // and an empty database takes every line of it
        other.clear(0, 128, 64);
        let taken = other.send("POST", "/registry/v1/import", LINES, exported.as_bytes()).json();
        assert_eq!((&taken["created"], &taken["rejected_count"]), (&json!(details.len()), &json!(0)), "{way:?}");
        assert_eq!(export(&other), exported, "{way:?}");
        for i in 0..details.len() {
            let path = format!("{IMAGES}/r{i}");
            assert_eq!(etag(&other, &path), etag(&world, &path), "{way:?} {path}");
        }
        // what is there does not matter to what takes its place or takes it away
        for i in 0..details.len() {
            let path = format!("{IMAGES}/r{i}");
            let put = world.send("PUT", &path, &[JSON, &[("If-Match", &etag(&world, &path))]].concat(), b"{}");
            assert_eq!(put.status, 200, "{way:?} {path}: {}", short(&put.body));
            assert_eq!(other.send("DELETE", &path, &[], b"").status, 204, "{way:?} {path}");
        }
        assert_eq!(export(&other), "");
        world.clear(0, 128, 64);
    }
    verify(&world.db);
    verify(&other.db);
}

#[test]
fn a_detail_that_readers_could_not_take_is_refused_by_name_whichever_way_it_comes() {
    let world = World::new();
    let program = Program::new().on(&world.db);
    let cases: [(String, &str); 8] = [
        (text_of(BYTES + 1), "must be at most 1048576 bytes, got 1048577"),
        (many("1", 600_000), "must be at most 1048576 bytes, got 1200001"),
        (nested(DEPTH + 1), "must not be nested deeper than 100 levels"),
        (nested(500_000), "must not be nested deeper than 100 levels"),
        (r#"{"a\u0000":1}"#.into(), "must not contain NUL characters"),
        (r#"["\ud800"]"#.into(), "unpaired surrogate"),
        (r#""\udc00\ud800""#.into(), "unpaired surrogate"),
        (r#"{"a":01}"#.into(), ""),
    ];
    for way in WAYS {
        for (detail, reason) in &cases {
            let said = put_in(&world, &program, way, "r", detail).expect_err(&short(detail));
            assert!(said.contains("resource_detail") && said.contains(reason), "{way:?} {}: {said}", short(detail));
            assert!(said.len() < 400, "{way:?}: {}", short(&said));
        }
    }
    assert_eq!(export(&world), "");
}

#[test]
fn a_line_break_in_a_detail_is_a_space_and_white_space_around_it_goes() {
    let world = World::new();
    let program = Program::new().on(&world.db);
    let sent = "\n{\r\n\t\"a\":\n1 }\r\n";
    let lines: Vec<&str> = vec!["{  \t\"a\": 1 }"; 2];
    put_in(&world, &program, Way::Put, "a", sent).unwrap();
    put_in(&world, &program, Way::Csv, "b", sent).unwrap();
    let exported = export(&world);
    let kept: Vec<&str> = exported
        .lines()
        .map(|line| line.split_once("\"resource_detail\":").unwrap().1.split_once(",\"tags\"").unwrap().0)
        .collect();
    assert_eq!(kept, lines);
    // null is no detail
    for (way, id) in [(Way::Put, "a"), (Way::Csv, "b"), (Way::Post, "c"), (Way::Ndjson, "d")] {
        put_in(&world, &program, way, id, " null\r").unwrap();
    }
    assert!(!export(&world).contains("resource_detail"));
}

#[test]
fn what_is_the_same_text_is_unchanged_and_any_other_text_is_a_change() {
    let world = World::new();
    let program = Program::new().on(&world.db);
    let counted = |detail: &str| program.import(line("r", detail)).out;
    assert!(counted(r#"{"a":1,"b":2.50}"#).starts_with("1 new, 0 changed"));
    let path = format!("{IMAGES}/r");
    let mut seen = vec![etag(&world, &path)];
    assert!(counted(r#"{"a":1,"b":2.50}"#).starts_with("0 new, 0 changed, 1 unchanged"));
    assert_eq!(etag(&world, &path), seen[0]);
    for other in [r#"{"a":1,"b":2.5}"#, r#"{"b":2.5,"a":1}"#, r#"{"a": 1,"b":2.5}"#, r#"{"a":1,"a":1}"#, "\"{}\"", "{}"]
    {
        assert!(counted(other).starts_with("0 new, 1 changed"), "{other}");
        let now = etag(&world, &path);
        assert!(!seen.contains(&now), "{other}");
        seen.push(now);
    }
}

#[test]
fn as_many_tags_as_a_quota_allows_survive_export_and_import() {
    let world = World::new();
    let kind = r#"{"service":"IMS","regional":false,"tag_quota":1000}"#;
    assert_eq!(world.send("PUT", "/registry/v1/types/images", JSON, kind.as_bytes()).status, 200);
    let system: Vec<Value> = (0..256).map(|i| json!({ "key": format!("_sys_{i}"), "value": "s" })).collect();
    let path = format!("{IMAGES}/r");
    assert_eq!(world.send("PUT", &path, JSON, json!({ "tags": system }).to_string().as_bytes()).status, 201);
    // as a dialect puts them, a few at a time
    block_on(async {
        let store = world.db.store(SessionProfile::Serve, 1).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        let tags: Vec<_> = (0..1000).map(|i| tag(&format!("k{i:03}"), "v")).collect();
        for some in tags.chunks(100) {
            store.put_tags(scope, "r", some).await.unwrap();
        }
        store.close().await;
    });
    let exported = export(&world);
    assert_eq!(json_lines(&exported)[0]["tags"].as_array().unwrap().len(), 1256);
    let other = World::new();
    let taken = other.send("POST", "/registry/v1/import", LINES, exported.as_bytes()).json();
    assert_eq!((&taken["created"], &taken["rejected_count"]), (&json!(1), &json!(0)), "{taken}");
    assert_eq!(export(&other), exported);
    // and back into its own place, over the registry too
    let body = json!({ "tags": json_lines(&exported)[0]["tags"] }).to_string();
    assert_eq!(world.send("PUT", &path, JSON, body.as_bytes()).status, 200);
    assert_eq!(export(&world), exported);
}

#[test]
fn words_of_the_database_reach_no_client() {
    let world = World::new();
    let program = Program::new().on(&world.db);
    // a value that only the database refuses: none is known, so it is made
    block_on(async {
        let mut owner = world.db.connect().await;
        let rule = "alter table tagd.resource add check (1 / (case when starts_with(resource_id, 'bad') then 0 else 1 end) = 1)";
        owner.execute(rule).await.unwrap();
    });
    let put = world.send("PUT", &format!("{IMAGES}/bad"), JSON, b"{}");
    let wanted = json!({ "error_code": "REGISTRY.0016", "error_msg": "internal error" });
    assert_eq!((put.status, put.json()), (500, wanted.clone()));

    let lines = [line("a", "1"), line("bad", "2"), line("c", "3")].join("\n");
    let strict = world.send("POST", "/registry/v1/import?strict=true", LINES, lines.as_bytes());
    assert_eq!((strict.status, strict.json()), (500, wanted));
    assert_eq!(export(&world), "");
    let taken = world.send("POST", "/registry/v1/import", LINES, lines.as_bytes()).json();
    let reason = "cannot be stored; the cause is in the log";
    assert_eq!(taken["rejected"], json!([{ "line": 2, "reason": reason }]));
    assert_eq!((&taken["created"], &taken["rejected_count"]), (&json!(2), &json!(1)));

    let said = program.import(lines.replace("\"a\"", "\"d\""));
    assert!(said.err.contains(&format!("line 2: {reason}")), "{}", said.err);
    // the log is where it says why
    assert!(said.err.contains("division by zero"), "{}", said.err);
}

// ---- the property

/// A piece of JSON that some store or parser would change.
fn odd() -> impl Strategy<Value = String> + Clone {
    let fixed = [
        "1e5",
        "-0",
        "2.50",
        "0.0",
        "1E+10",
        "-0e-0",
        "1e-16384",
        "1e400",
        "123456789012345678901234567890",
        "null",
        "true",
        "\"\"",
        "{}",
        "[]",
        "[ ]",
        "{ \t}",
        r#"{"a":1,"a":2}"#,
        r#"{"b":1,"a":{"b":1}}"#,
        r#""\u0041\n\"\\\/""#,
        r#""\ud83d\ude00""#,
        "\"\u{2028}\u{1F980}é\"",
        r#""\\u0000""#,
        "[1,\r2]",
        "{\r\"a\"\r:\r1\r}",
    ];
    let text = prop::collection::vec(any::<char>(), 0..8)
        .prop_map(|chars| json!(chars.into_iter().filter(|c| *c != '\0').collect::<String>()).to_string());
    let number = (any::<i64>(), 0..400_i32).prop_map(|(digits, exponent)| format!("{digits}.0e-{exponent}"));
    prop_oneof![4 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned), 2 => text, 1 => number]
}

/// A detail, some of them at a limit of size or depth.
fn detail() -> impl Strategy<Value = String> {
    let list = prop::collection::vec(odd(), 0..12).prop_map(|parts| format!("[{}]", parts.join(", ")));
    let object = prop::collection::vec(("[a-c]{0,2}", odd()), 0..12).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(","))
    });
    let deep = (1..=DEPTH - 1, odd()).prop_map(|(levels, inner)| {
        // what is odd has two levels at most
        let pairs = levels.min(DEPTH - 2) / 2;
        format!("{}{inner}{}", "{\"\":[".repeat(pairs), "]}".repeat(pairs))
    });
    let large = (odd(), 0..3_usize).prop_map(|(one, less)| {
        let mut text = String::from("[");
        while text.len() + 2 * one.len() + 8 < BYTES {
            text.push_str(&one);
            text.push(',');
        }
        text.push_str(&one);
        let spaces = BYTES - less - text.len() - 1;
        text.extend(std::iter::repeat_n(' ', spaces));
        text + "]"
    });
    prop_oneof![3 => odd(), 4 => list, 4 => object, 2 => deep, 1 => large]
}

/// A text of up to 255 characters.
fn text(least: usize) -> impl Strategy<Value = String> + Clone {
    let long =
        prop::sample::select(&["x", "\u{1}", "🦀", "\"", "\\", "ü", "\u{2028}"][..]).prop_map(|one| one.repeat(255));
    prop_oneof![
        4 => prop::collection::vec(any::<char>().prop_filter("no NUL", |c| *c != '\0'), least..6).prop_map(String::from_iter),
        1 => long,
    ]
}

#[derive(Debug, Clone)]
struct Sent {
    way: Way,
    id: String,
    name: String,
    detail: Option<String>,
    tags: std::collections::BTreeMap<String, String>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let many = text(0).prop_map(|value| {
        let user = (0..1000).map(|i| (format!("{i:0>255}"), value.clone()));
        user.chain((0..256).map(|i| (format!("_sys_{i}"), value.clone()))).collect()
    });
    let tags = prop_oneof![8 => prop::collection::btree_map(text(1), text(0), 0..6), 1 => many];
    // a dot as a whole segment of a path is taken out by the client
    let id = text(1).prop_filter("no segment", |id| id != "." && id != "..");
    (prop::sample::select(&[Way::Put, Way::Post, Way::Ndjson][..]), id, text(0), prop::option::of(detail()), tags)
        .prop_map(|(way, id, name, detail, tags)| Sent { way, id, name, detail, tags })
}

fn place(id: &str) -> String {
    id.bytes().fold(format!("{IMAGES}/"), |mut path, byte| {
        write!(path, "%{byte:02X}").unwrap();
        path
    })
}

#[test]
fn whatever_is_taken_survives_export_and_import_into_an_empty_database_byte_for_byte() {
    let config = Config { cases: 6, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[12; 32]));
    let (world, other) = (World::new(), World::new());
    let program = Program::new().on(&world.db);
    let kind = r#"{"service":"IMS","regional":false,"tag_quota":1000}"#;
    assert_eq!(world.send("PUT", "/registry/v1/types/images", JSON, kind.as_bytes()).status, 200);
    let project = json!({ "project_name": "\u{1}".repeat(255), "domain_id": "🦀".repeat(128) }).to_string();
    assert_eq!(world.send("PUT", "/registry/v1/projects/p", JSON, project.as_bytes()).status, 201);
    runner
        .run(&prop::collection::vec(sent(), 1..16), |fleet| {
            world.clear(0, 128, 64);
            other.clear(0, 128, 64);
            for one in &fleet {
                let tags: Vec<Value> =
                    one.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
                let mut fields = format!(r#""resource_name":{},"tags":{}"#, json!(one.name), json!(tags));
                if let Some(detail) = &one.detail {
                    write!(fields, r#","resource_detail":{detail}"#).unwrap();
                }
                let line = format!(
                    r#"{{"project_id":"p","resource_type":"images","resource_id":{},{fields}}}"#,
                    json!(one.id)
                );
                match one.way {
                    Way::Put => {
                        let body = format!("{{{fields}}}");
                        let put = world.send("PUT", &place(&one.id), JSON, body.as_bytes());
                        prop_assert!([200, 201].contains(&put.status), "{}", short(&put.body));
                    }
                    Way::Post => {
                        let post = world.send("POST", "/registry/v1/import", LINES, line.as_bytes());
                        prop_assert_eq!(&post.json()["rejected_count"], &json!(0), "{}", short(&post.body));
                    }
                    _ => {
                        let said = program.import(&line);
                        prop_assert_eq!(said.code, Some(0), "{}", short(&said.err));
                    }
                }
                let body = world.send("GET", &place(&one.id), &[], b"").body;
                let kept = one.detail.as_ref().filter(|detail| *detail != "null");
                let kept = kept.map_or("null".to_owned(), |detail| detail.replace('\r', " "));
                let field = format!(r#""resource_detail":{kept},"tags":{}"#, json!(tags));
                prop_assert!(body.contains(&field), "{} of {}", short(&body), short(&field));
            }
            let exported = export(&world);
            prop_assert_eq!(&program.expect(&["export", "--only", "resource"]), &exported);
            let taken = other.send("POST", "/registry/v1/import", LINES, exported.as_bytes());
            prop_assert_eq!(&taken.json()["rejected_count"], &json!(0), "{}", short(&taken.body));
            prop_assert!(export(&other) == exported, "another export after the import");
            for one in &fleet {
                prop_assert_eq!(etag(&other, &place(&one.id)), etag(&world, &place(&one.id)));
            }
            for one in &fleet {
                let path = place(&one.id);
                let put = other.send("PUT", &path, JSON, b"{}").status;
                // 201 where the id comes twice and is gone already
                prop_assert!([200, 201].contains(&put), "{put}");
                prop_assert_eq!(other.send("DELETE", &path, &[], b"").status, 204);
            }
            prop_assert_eq!(export(&other), "");
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    verify(&world.db);
}
