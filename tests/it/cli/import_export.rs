//! `tagd import` and `tagd export`, as processes: counts, order, bad input, and that what goes out comes back.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tagd::{domain::change::Registration, store::SessionProfile};

use crate::support::{
    Program, Said, Stopper, TestDb, World, block_on, eventually, import_all, json_lines, registration, tag, unregister,
    untimed,
};

/// A line for a resource of project `p`.
fn line(resource_type: &str, id: &str, name: &str, tags: &[(&str, &str)]) -> String {
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let line = json!({
        "project_id": "p", "resource_type": resource_type, "resource_id": id, "resource_name": name, "tags": tags,
    });
    format!("{line}\n")
}

fn image(id: &str) -> String {
    line("images", id, "", &[])
}

/// Counts as the program words them.
fn counts(created: &str, changed: &str, unchanged: &str, rejected: &str) -> String {
    format!("{created} new, {changed} changed, {unchanged} unchanged, {rejected} rejected")
}

/// An import that said nothing but counts.
fn done(created: &str, changed: &str, unchanged: &str) -> Said {
    Said { code: Some(0), out: counts(created, changed, unchanged, "0"), err: String::new() }
}

/// What is in the database, in the order of registration.
fn exported(program: &Program) -> Vec<Value> {
    json_lines(&program.expect(&["export", "--only", "resource"]))
}

fn ids(program: &Program) -> Vec<String> {
    exported(program).iter().map(|line| line["resource_id"].as_str().unwrap().to_owned()).collect()
}

fn verified(program: &Program) {
    let said = program.run(&["index", "verify"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn new_changed_and_unchanged_resources_are_counted() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let first = [line("images", "a", "A", &[("k", "v")]), line("disk", "b", "B", &[]), image("c")].concat();
    assert_eq!(program.import(&first), done("3", "0", "0"));
    assert_eq!(program.import(&first), done("0", "0", "3"));
    let second = [
        line("images", "a", "A", &[("k", "w")]), // a value
        line("disk", "b", "BB", &[]),            // a name
        image("c"),                              // nothing
        image("d"),                              // new
        line("disk", "a", "A", &[("k", "v")]),   // new: the same id of another type
    ]
    .concat();
    assert_eq!(program.import(second), done("2", "2", "1"));
    verified(&program);
}

#[test]
fn the_detail_and_one_tag_more_or_less_are_changes() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let with = |detail: &str, tags: &str| {
        let detail = if detail.is_empty() { String::new() } else { format!(r#""resource_detail":{detail},"#) };
        format!(r#"{{"project_id":"p","resource_type":"images","resource_id":"r",{detail}"tags":{tags}}}"#)
    };
    assert_eq!(program.import(with(r#"{"a":[1,2]}"#, r#"[{"key":"x","value":"1"}]"#)), done("1", "0", "0"));
    // a detail is compared as it is written, tags without order, an absent value is an empty one
    assert_eq!(program.import(with(r#" {"a":[1,2]} "#, r#"[{"key":"x","value":"1"}]"#)), done("0", "0", "1"));
    assert_eq!(program.import(with(r#"{ "a" : [1, 2] }"#, r#"[{"key":"x","value":"1"}]"#)), done("0", "1", "0"));
    assert_eq!(program.import(with(r#"{"a":[2,1]}"#, r#"[{"key":"x","value":"1"}]"#)), done("0", "1", "0"));
    assert_eq!(program.import(with("", r#"[{"key":"x","value":"1"}]"#)), done("0", "1", "0"));
    assert_eq!(program.import(with("null", r#"[{"key":"x","value":"1"}]"#)), done("0", "0", "1"));
    assert_eq!(program.import(with("", r#"[{"key":"y"},{"key":"x","value":"1"}]"#)), done("0", "1", "0"));
    assert_eq!(program.import(with("", r#"[{"key":"x","value":"1"},{"key":"y","value":""}]"#)), done("0", "0", "1"));
    assert_eq!(program.import(with("", "[]")), done("0", "1", "0"));
    verified(&program);
}

#[test]
fn later_lines_are_newer_and_known_resources_keep_their_place() {
    let world = World::new();
    let program = Program::new().on(&world.db);
    program.import(["m", "a", "z"].map(image).concat());
    program.import([line("images", "a", "new name", &[]), image("b"), image("m")].concat());
    assert_eq!(ids(&program), ["m", "a", "z", "b"]);
    let answer = world.post("/v2/p/images/resource_instances/action", r#"{"action":"filter"}"#).json();
    let newest_first: Vec<&Value> =
        answer["resources"].as_array().unwrap().iter().map(|resource| &resource["resource_id"]).collect();
    assert_eq!(newest_first, ["b", "z", "a", "m"]);
}

#[test]
fn an_update_replaces_name_detail_and_set_of_tags() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let before = r#"{"project_id":"p","project_name":"N","domain_id":"d","resource_type":"images","resource_id":"r","resource_name":"old","resource_detail":{"a":1},"tags":[{"key":"a","value":"1"},{"key":"b","value":"2"}]}"#;
    program.import(before);
    assert_eq!(program.expect(&["export", "--only", "resource"]), format!("{before}\n"));
    let after = r#"{"project_id":"p","resource_type":"images","resource_id":"r","tags":[{"key":"b","value":"3"}]}"#;
    assert_eq!(program.import(after), done("0", "1", "0"));
    // the project's own names stay where a line says nothing about them
    let expected = r#"{"project_id":"p","project_name":"N","domain_id":"d","resource_type":"images","resource_id":"r","tags":[{"key":"b","value":"3"}]}"#;
    assert_eq!(program.expect(&["export", "--only", "resource"]), format!("{expected}\n"));
    verified(&program);
}

#[test]
fn a_resource_that_comes_twice_is_what_its_last_line_says() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let lines = [
        line("images", "a", "first", &[("k", "1")]),
        image("b"),
        line("images", "a", "second", &[("k", "2")]),
        line("images", "a", "second", &[("k", "2")]),
        image("c"),
    ];
    assert_eq!(program.import(lines.concat()), done("3", "1", "1"));
    let now = exported(&program);
    assert_eq!(ids(&program), ["a", "b", "c"]);
    assert_eq!(now[0]["resource_name"], "second");
    assert_eq!(now[0]["tags"], json!([{ "key": "k", "value": "2" }]));
    verified(&program);
}

#[test]
fn the_last_line_that_names_a_project_names_it() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let with = |id: &str, name: &str| {
        format!(r#"{{"project_id":"p",{name}"resource_type":"images","resource_id":"{id}","tags":[]}}"#) + "\n"
    };
    let lines = [with("a", r#""project_name":"one","#), with("b", r#""project_name":"two","#), with("c", "")];
    assert_eq!(program.import(lines.concat()), done("3", "0", "0"));
    assert!(exported(&program).iter().all(|line| line["project_name"] == "two"));
}

#[test]
fn every_kind_of_bad_line_is_reported_and_the_rest_goes_on() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let with = |fields: &str| format!(r#"{{"project_id":"p","resource_type":"images","resource_id":"r"{fields}}}"#);
    let tags = |tags: &str| with(&format!(r#","tags":{tags}"#));
    let long = "x".repeat(256);
    let many: Vec<Value> = (0..1001).map(|i| json!({ "key": format!("k{i}") })).collect();
    let endless: Vec<Value> = (0..1257).map(|i| json!({ "key": format!("k{i}") })).collect();
    let many_system: Vec<Value> = (0..257).map(|i| json!({ "key": format!("_sys_{i}") })).collect();
    // line, and how the report of it begins
    let cases: Vec<(String, &str)> = vec![
        ("not json".into(), "expected "),
        (r#"{"project_id":"p""#.into(), "EOF while parsing an object"),
        ("[]".into(), "invalid type: sequence, expected a JSON object"),
        (r#"["p",null,null,"images","r",null,null,[]]"#.into(), "invalid type: sequence, expected a JSON object"),
        ("5".into(), "invalid type: integer `5`, expected a JSON object"),
        (r#""text""#.into(), "invalid type: string \"text\", expected a JSON object"),
        ("null".into(), "invalid type: null, expected a JSON object"),
        (format!("{} {}", tags("[]"), tags("[]")), "trailing characters"),
        (r#"{"resource_type":"images","resource_id":"r","tags":[]}"#.into(), "missing field `project_id`"),
        (r#"{"project_id":"p","resource_id":"r","tags":[]}"#.into(), "missing field `resource_type`"),
        (r#"{"project_id":"p","resource_type":"images","tags":[]}"#.into(), "missing field `resource_id`"),
        (with(""), "missing field `tags`"),
        (tags("null"), "tags: invalid type: null"),
        (tags("{}"), "tags: invalid type: map"),
        (tags("[1]"), "tags[0]: invalid type: integer `1`, expected a JSON object"),
        (tags(r#"[{"key":"k"},["a","b"]]"#), "tags[1]: invalid type: sequence, expected a JSON object"),
        (tags(r#"[{"value":"v"}]"#), "tags[0]: missing field `key`"),
        (tags(r#"[{"key":1}]"#), "tags[0].key: invalid type: integer `1`, expected a string"),
        (tags(r#"[{"key":null,"value":"v"}]"#), "tags[0].key: invalid type: null, expected a string"),
        (tags(r#"[{"key":"k","valeu":"v"}]"#), "tags[0].valeu: unknown field `valeu`"),
        (tags(r#"[{"key":"k","key":"k"}]"#), "tags[0]: duplicate field `key`"),
        (tags(r#"[{"key":""}]"#), "tags[0].key: must not be empty"),
        (tags(r#"[{"key":"k"},{"key":"a"},{"key":"k","value":"x"}]"#), r#"tags: duplicate key "k""#),
        (tags(&format!(r#"[{{"key":"{long}"}}]"#)), "tags[0].key: "),
        (tags(&format!(r#"[{{"key":"k","value":"{long}"}}]"#)), "tags[0].value: "),
        (tags(r#"[{"key":"k","value":"a\u0000b"}]"#), "tags[0].value: "),
        (tags(&json!(many).to_string()), "tags: must have at most 1000 tags"),
        (tags(&json!(many_system).to_string()), "tags: must have at most 256 system tags"),
        (tags(&json!(endless).to_string().replace("\"k1256\"", "nonsense")), "tags: must have at most 1256 entries"),
        (with(r#","tags":[],"x":1"#), "x: unknown field `x`"),
        (with(r#","tags":[],"project_id":"q""#), "duplicate field `project_id`"),
        (with(r#","tags":[],"resource_name":7"#), "resource_name: invalid type: integer `7`, expected a string"),
        (with(&format!(r#","tags":[],"resource_name":"{long}""#)), "resource_name: "),
        (with(&format!(r#","tags":[],"project_name":"{long}""#)), "project_name: "),
        (with(&format!(r#","tags":[],"domain_id":"{}""#, &long[..129])), "domain_id: "),
        (with(r#","tags":[],"resource_detail":{"a":"\u0000"}"#), "resource_detail: must not contain NUL"),
        (with(r#","tags":[],"resource_detail":"\ud800""#), "resource_detail: must not contain "),
        (with(r#","tags":[],"resource_detail":{"a":}"#), "resource_detail: "),
        (
            r#"{"project_id":"","resource_type":"images","resource_id":"r","tags":[]}"#.into(),
            "project_id: must not be empty",
        ),
        (
            r#"{"project_id":"p","resource_type":"","resource_id":"r","tags":[]}"#.into(),
            "resource_type: must not be empty",
        ),
        (
            r#"{"project_id":"p","resource_type":"images","resource_id":"","tags":[]}"#.into(),
            "resource_id: must not be empty",
        ),
        (
            r#"{"project_id":"p","resource_type":"im ages","resource_id":"r","tags":[]}"#.into(),
            r#"resource_type: must contain only a-z, A-Z, 0-9 and -_., got " ""#,
        ),
        (
            format!(r#"{{"project_id":"p","resource_type":"{}","resource_id":"r","tags":[]}}"#, &long[..65]),
            "resource_type: ",
        ),
        (
            format!(r#"{{"project_id":"{}","resource_type":"images","resource_id":"r","tags":[]}}"#, &long[..129]),
            "project_id: ",
        ),
        (format!(r#"{{"project_id":"p","resource_type":"images","resource_id":"{long}","tags":[]}}"#), "resource_id: "),
    ];
    let mut input = String::new();
    for (i, (bad, _)) in cases.iter().enumerate() {
        input.push_str(&image(&format!("good-{i}")));
        input.push_str(bad);
        input.push('\n');
    }
    let said = program.import(&input);
    assert_eq!(said.code, Some(1));
    let n = cases.len().to_string();
    assert_eq!(said.out, counts(&n, "0", "0", &n));
    let complaints = said.complaints();
    for (i, (bad, reason)) in cases.iter().enumerate() {
        let expected = format!("line {}: {reason}", 2 * i + 2);
        let complaint = complaints.get(i).copied().unwrap_or_default();
        assert!(complaint.starts_with(&expected), "of {bad}\n got {complaint}\nwant {expected}");
        assert!(complaint.len() < 400, "a report that long is not read: {complaint}");
    }
    assert_eq!(complaints.len(), cases.len(), "{complaints:#?}");
    assert_eq!(ids(&program).len(), cases.len());
    verified(&program);
}

#[test]
fn a_line_that_is_not_utf8_is_a_bad_line() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let bad = b"{\"project_id\":\"p\xff\",\"resource_type\":\"images\",\"resource_id\":\"r\",\"tags\":[]}\n";
    let said = program.import([image("a").as_bytes(), bad, image("b").as_bytes()].concat());
    assert_eq!((said.code, said.out), (Some(1), counts("2", "0", "0", "1")));
    assert!(said.err.starts_with("line 2: project_id: "), "{}", said.err);
}

#[test]
fn a_line_that_only_the_database_refuses_costs_no_other() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    // no such value is known, so one is made
    block_on(async {
        let mut owner = db.connect().await;
        let rule = "alter table tagd.resource add check (1 / (case when starts_with(resource_id, 'bad') then 0 else 1 end) = 1)";
        owner.execute(rule).await.unwrap();
        owner.close().await.unwrap();
    });
    let bad = r#"{"project_id":"p","resource_type":"images","resource_id":"bad","tags":[]}"#;
    let names: Vec<String> = (0..100).map(|i| format!("r{i:02}")).collect();
    let mut lines: Vec<String> = names.iter().map(|name| image(name)).collect();
    lines[37] = format!("{bad}\n");
    lines[80] = format!("{bad}\n").replace("bad", "bad2");
    let said = program.import(lines.concat());
    assert_eq!((said.code, said.out.as_str()), (Some(1), counts("98", "0", "0", "2").as_str()), "{}", said.err);
    let complaints: Vec<&str> = said.err.lines().filter(|line| line.starts_with("line ")).collect();
    let reason = "cannot be stored; the cause is in the log";
    assert_eq!(complaints, [format!("line 38: {reason}"), format!("line 81: {reason}")]);
    let expected: Vec<&String> =
        names.iter().enumerate().filter(|(i, _)| *i != 37 && *i != 80).map(|(_, n)| n).collect();
    assert_eq!(ids(&program).iter().collect::<Vec<_>>(), expected, "the order of the lines is lost");
    verified(&program);

    program.write("bad.ndjson", lines.concat().replace("\"r", "\"s"));
    let said = program.run(&["import", "--strict", "bad.ndjson"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("nothing was imported"), "{}", said.err);
    assert_eq!(ids(&program).len(), 98);
}

#[test]
fn strict_stops_at_the_first_bad_line_and_imports_nothing() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.import(line("images", "known", "before", &[("k", "v")]));
    let before = program.expect(&["export"]);
    program.write("few", [line("images", "known", "after", &[]), "{}\n".into(), image("x")].concat());
    let said = program.run(&["import", "--strict", "few"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.starts_with("line 2: "), "{}", said.err);
    assert!(said.err.contains("nothing was imported"), "{}", said.err);
    assert_eq!(program.expect(&["export"]), before);

    // behind more good lines than one batch holds, a new type and a new project among them
    let mut many = line("newtype", "n", "", &[]).replace("\"p\"", "\"q\"");
    many.push_str(&line("images", "known", "after", &[]));
    many.extend((0..12_000).map(|i| line("images", &format!("r{i}"), "", &[("k", "v")])));
    many.push_str("{}\n");
    program.write("many", many);
    let said = program.run(&["import", "--strict", "many"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.starts_with("line 12003: "), "{}", said.err);
    assert_eq!(program.expect(&["export"]), before);
    let mut owner = block_on(db.connect());
    for (what, statement) in [
        ("types", "select count(*) from tagd.resource_type where resource_type = 'newtype'"),
        ("projects", "select count(*) from tagd.project where project_id = 'q'"),
    ] {
        let left: i64 = block_on(sqlx::query_scalar(statement).fetch_one(&mut owner)).unwrap();
        assert_eq!(left, 0, "{what} were left behind");
    }
    block_on(owner.close()).unwrap();
    verified(&program);
}

#[test]
fn strict_imports_all_where_all_is_good() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let lines: String = (0..12_000).map(|i| line("images", &format!("r{i}"), "", &[("k", "v")])).collect();
    program.write("good", lines);
    assert_eq!(untimed(program.run(&["import", "--strict", "good"])), done("12,000", "0", "0"));
    verified(&program);
}

#[test]
fn blank_lines_line_ends_and_byte_order_marks_do_not_matter() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let said = program.import(format!(
        "\u{feff}{}\r\n\n  \t \r\n   {}  \r\n{{}}\r\n{}",
        image("a").trim(),
        image("b").trim(),
        image("c").trim()
    ));
    assert_eq!((said.code, said.out), (Some(1), counts("3", "0", "0", "1")));
    assert!(said.err.starts_with("line 5: "), "{}", said.err);
    assert_eq!(ids(&program), ["a", "b", "c"]);
    for empty in ["", "\n", "\r\n\r\n", "\u{feff}", "\u{feff}\n"] {
        assert_eq!(program.import(empty), done("0", "0", "0"), "{empty:?}");
    }
}

#[test]
fn a_line_may_have_six_mebibytes_and_no_more() {
    const MOST: usize = 6 * 1024 * 1024;
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let of = |id: &str, bytes: usize| {
        // spaces between the fields, since no field is as large
        let line = image(id).trim().to_owned();
        line.replacen(',', &format!(",{}", " ".repeat(bytes - line.len())), 1)
    };
    let lines = [of("a", MOST), of("b", MOST + 1), of("c", 2 * MOST), image("d").trim().into(), of("e", MOST + 1)];
    let said = program.import(lines.join("\n"));
    assert_eq!((said.code, said.out), (Some(1), counts("2", "0", "0", "3")));
    let complaints: Vec<&str> = said.err.lines().collect();
    for (complaint, number) in complaints.iter().zip([2, 3, 5]) {
        assert!(
            complaint.starts_with(&format!("line {number}: ")) && complaint.contains("at most 6291456"),
            "{complaint}"
        );
    }
    assert_eq!(ids(&program), ["a", "d"]);
}

#[test]
fn a_file_is_read_like_standard_input() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.write("lines.ndjson", image("a"));
    assert_eq!(untimed(program.run(&["import", "lines.ndjson"])), done("1", "0", "0"));
    assert_eq!(untimed(program.run_with_input(&["import", "-"], image("b").as_bytes())), done("1", "0", "0"));
    assert_eq!(ids(&program), ["a", "b"]);
}

#[test]
fn input_that_cannot_be_read_is_one_clear_line() {
    // a database that cannot be reached: the files are looked at first
    let program = Program::new().with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    fs::create_dir(program.dir().join("folder")).unwrap();
    program.write("there.csv", "");
    for (args, words) in [
        (&["import", "missing.ndjson"][..], ["missing.ndjson", "No such file"]),
        (&["import", "folder"], ["folder", "directory"]),
        (&["import", "--resources", "missing.csv", "--tags", "there.csv"], ["missing.csv", "No such file"]),
        (&["import", "--resources", "there.csv", "--tags", "missing.csv"], ["missing.csv", "No such file"]),
        (&["import", "--resources", "there.csv", "--tags", "folder"], ["folder", "directory"]),
    ] {
        let said = program.run(args);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{args:?}");
        assert_eq!(said.complaints().len(), 1, "{said:?}");
        assert!(words.iter().all(|word| said.err.contains(word)), "{args:?}: {}", said.err);
    }
    for args in [
        &["import"][..],
        &["import", "a", "--resources", "b"],
        &["import", "--resources", "b"],
        &["import", "--tags", "b"],
    ] {
        assert_eq!(program.run(args).code, Some(2), "{args:?}");
    }
}

#[test]
fn an_unknown_resource_type_is_registered_and_told() {
    let world = World::new();
    let program = Program::new().on(&world.db);
    let lines = [line("zebra", "a", "", &[]), line("images", "b", "", &[]), line("apple", "c", "", &[("k", "v")])];
    let said = program.import(lines.concat());
    assert_eq!((said.code, said.out), (Some(0), counts("3", "0", "0", "0")));
    let told: Vec<&str> = said.err.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(told, ["new resource type apple", "new resource type zebra"]);
    assert_eq!(program.import(lines.concat()), done("0", "0", "3"));
    let answer = world.post(
        "/v1.0/resource-instances/filter",
        r#"{"project_id":"p","resource_types":["apple","zebra"],"tags":[{"key":"k","values":["v"]}]}"#,
    );
    assert_eq!((answer.status, &answer.json()["total_count"]), (200, &json!(1)), "{}", answer.body);
}

fn import_csv(program: &Program, resources: &str, tags: &str, more: &[&str]) -> Said {
    program.write("resources.csv", resources);
    program.write("tags.csv", tags);
    let args = [&["import", "--resources", "resources.csv", "--tags", "tags.csv"], more].concat();
    untimed(program.run(&args))
}

const RESOURCES: &str = "project_id,resource_type,resource_id\n";
const TAGS: &str = "project_id,resource_type,resource_id,key,value\n";

#[test]
fn two_csv_files_make_resources_in_order_with_their_tags() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    // every column, in an order of its own; quotes, commas, line ends and letters inside of fields
    let resources = "resource_name,resource_id,resource_type,project_id,domain_id,project_name,resource_detail\n\
        \"a, \"\"quoted\"\"\nname\",r1,images,p,d,Shop,\"{\"\"size\"\": 5}\"\n\
        ,r2,images,p,,,\n\
        naïve 日本,r3,disk,p,,,null\n";
    // not in the order of the resources, nor of the keys
    let tags = "key,value,resource_id,resource_type,project_id\n\
        z,1,r3,disk,p\n\
        b,\"x,\"\"y\"\"\nz\",r1,images,p\n\
        é,,r3,disk,p\n\
        a,\\,r1,images,p\n";
    assert_eq!(import_csv(&program, resources, tags, &[]), done("3", "0", "0"));
    let project = |mut line: Value| {
        line["project_id"] = json!("p");
        line["project_name"] = json!("Shop");
        line["domain_id"] = json!("d");
        line
    };
    let mut now = exported(&program);
    now.sort_by_key(|line| line["resource_id"].to_string());
    assert_eq!(
        now,
        [
            project(json!({
                "resource_type": "images", "resource_id": "r1", "resource_name": "a, \"quoted\"\nname",
                "resource_detail": { "size": 5 },
                "tags": [{ "key": "a", "value": "\\" }, { "key": "b", "value": "x,\"y\"\nz" }],
            })),
            project(json!({ "resource_type": "images", "resource_id": "r2", "tags": [] })),
            project(json!({
                "resource_type": "disk", "resource_id": "r3", "resource_name": "naïve 日本",
                "tags": [{ "key": "z", "value": "1" }, { "key": "é", "value": "" }],
            })),
        ]
    );
    assert_eq!(import_csv(&program, resources, tags, &[]), done("0", "0", "3"));
    assert_eq!(import_csv(&program, resources, TAGS, &[]), done("0", "2", "1"));
    verified(&program);
}

#[test]
fn csv_headers_are_checked() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    for (resources, tags, words) in [
        ("project_id,resource_id\n", TAGS, ["resources file", "missing column \"resource_type\""]),
        ("", TAGS, ["resources file", "missing column \"project_id\""]),
        ("project_id,resource_type,resource_id,colour\n", TAGS, ["resources file", "unknown column \"colour\""]),
        (
            "project_id,resource_type,resource_id,resource_id\n",
            TAGS,
            ["resources file", "duplicate column \"resource_id\""],
        ),
        (RESOURCES, "project_id,resource_type,resource_id,key\n", ["tags file", "missing column \"value\""]),
        (RESOURCES, "Project_id,resource_type,resource_id,key,value\n", ["tags file", "unknown column \"Project_id\""]),
    ] {
        let said = import_csv(&program, resources, tags, &[]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{resources}{tags}");
        assert!(words.iter().all(|word| said.err.contains(word)), "{words:?}: {}", said.err);
        assert_eq!(said.complaints().len(), 1, "{}", said.err);
    }
    let bom = format!("\u{feff}{RESOURCES}p,images,r\n");
    assert_eq!(import_csv(&program, &bom, &format!("\u{feff}{TAGS}p,images,r,k,v\n"), &[]), done("1", "0", "0"));
}

#[test]
fn bad_csv_lines_are_reported_with_file_and_number_and_the_rest_goes_on() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    for (name, end) in [("unix", "\n"), ("windows", "\r\n")] {
        let lines = |lines: &[&str]| lines.join(end) + end;
        let resources = lines(&[
            RESOURCES.trim(),
            "p,images,r1",   // 2
            "p,images,",     // 3: no id
            "",              // 4: blank
            "p,images",      // 5: too few
            "p,images,\"r",  // 6, a field over two lines
            "2\"",           // 7
            "p,im ages,r",   // 8: a type that cannot be
            "p,images,r3,x", // 9: too many
            "p,images,r4",   // 10: a tag twice
            "p,images,r5",   // 11: bad tags
        ]);
        let tags = lines(&[
            TAGS.trim(),
            "p,images,r1,k,v",    // 2
            "p,images,r5,,v",     // 3: no key
            "p,images,r5,k2",     // 4: too few
            "p,images,r5,k3,a,b", // 5: an unquoted comma
            "p,images,r4,k,1",    // 6
            "",                   // 7
            "p,images,r4,k,2",    // 8
            "p,images,none,k,v",  // 9: of no resource
        ]);
        let said = import_csv(&program, &resources, &tags, &[]);
        let mut complaints: Vec<String> =
            said.complaints().iter().map(|line| line.split(": ").take(3).collect::<Vec<_>>().join(": ")).collect();
        complaints.sort();
        assert_eq!(
            complaints,
            [
                "line 3: resources file: resource_id",
                "line 3: tags file: tags[0].key",
                "line 4: tags file: must have 5 columns like the header, got 4; its resource was left unchanged",
                "line 5: resources file: must have 3 columns like the header, got 2",
                "line 5: tags file: must have 5 columns like the header, got 6; its resource was left unchanged",
                "line 8: resources file: resource_type",
                "line 8: tags file: duplicate key \"k\" of the resource, which was left unchanged",
                "line 9: resources file: must have 3 columns like the header, got 4",
                "line 9: tags file: its resource is not in the resources file",
            ],
            "{name}: {}",
            said.err
        );
        assert_eq!(said.code, Some(1));
        let now = ids(&program);
        assert_eq!(now.len(), if name == "unix" { 2 } else { 3 }, "{now:?}");
    }
    assert_eq!(exported(&program)[0]["tags"], json!([{ "key": "k", "value": "v" }]));
    verified(&program);
}

#[test]
fn strict_csv_imports_nothing() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let resources = format!("{RESOURCES}p,images,r1\np,images,r2\n");
    let good = format!("{TAGS}p,images,r1,k,v\n");
    for (resources, tags, complaint) in [
        (&resources, &format!("{good}p,images,r2,,v\n"), "line 3: tags file: "),
        (&format!("{resources}p,images,\n"), &good, "line 4: resources file: "),
        (&resources, &format!("{good}p,images,none,k,v\n"), "line 3: tags file: "),
    ] {
        let said = import_csv(&program, resources, tags, &["--strict"]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
        assert!(said.err.starts_with(complaint) && said.err.contains("nothing was imported"), "{}", said.err);
        assert_eq!(said.complaints().len(), 2, "{}", said.err);
        assert_eq!(program.expect(&["export", "--only", "resource"]), "");
    }
    assert_eq!(import_csv(&program, &resources, &good, &["--strict"]), done("2", "0", "0"));
}

#[test]
fn csv_tags_without_a_resource_are_all_counted() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let orphans: String = (0..1500).map(|i| format!("p,images,none-{i},k,v\n")).collect();
    let said = import_csv(&program, &format!("{RESOURCES}p,images,r\n"), &format!("{TAGS}{orphans}"), &[]);
    assert_eq!((said.code, said.out), (Some(1), counts("1", "0", "0", "1,500")));
    // one by one up to a thousand, then only how many
    assert_eq!(said.err.lines().count(), 1001);
    assert!(said.err.ends_with("... and 500 more rejected lines\n"), "{}", &said.err[said.err.len() - 200..]);
}

#[test]
fn a_csv_resource_that_comes_twice_has_its_tags_both_times() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    // far enough apart that the tags are fetched for one after the other
    let between: String = (0..2500).map(|i| format!("p,images,x{i}\n")).collect();
    let resources = format!("{RESOURCES}p,images,r\n{between}p,images,r\n");
    let said = import_csv(&program, &resources, &format!("{TAGS}p,images,r,k,v\n"), &[]);
    assert_eq!(said, done("2,501", "0", "1"));
    assert_eq!(exported(&program)[0]["tags"], json!([{ "key": "k", "value": "v" }]));
    verified(&program);
}

/// Texts that some format or another would spoil.
const NASTY: [&str; 16] = [
    "\"",
    "'",
    "\\",
    "\\N",
    "\\.",
    "\n",
    "\r",
    "\t",
    ",",
    "{}",
    "{\"a\",NULL}",
    "null",
    "\u{1}\u{7f}",
    " lead and trail ",
    "日本\u{301}🦀",
    "$1 %s ; -- /*",
];

fn nasty_fleet() -> Vec<Registration> {
    let long = "ü".repeat(255);
    let mut fleet: Vec<Registration> = NASTY
        .iter()
        .enumerate()
        .map(|(i, text)| {
            let mut tags = vec![(*text, *text), ("_sys_enterprise_project_id", "0"), ("plain", *text)];
            tags.sort_unstable();
            let mut one = registration(["images", "disk", "DNS-ptr_record"][i % 3], text, text, &tags);
            one.resource.detail = (i % 2 == 0).then(|| json!({ *text: [*text, i, null, 1.5] }).to_string());
            one
        })
        .collect();
    fleet.push(registration("images", &long, &long, &[(&long, &long)]));
    fleet.push(registration("images", "bare", "", &[]));
    fleet.push(registration("images", "system only", "", &[("_sys_a", "")]));
    fleet.push(Registration { project_id: NASTY.concat(), ..registration("cdn", "c", "c", &[("", "x"); 0]) });
    fleet
}

fn to_lines(fleet: &[Registration]) -> String {
    fleet
        .iter()
        .map(|r| {
            let tags: Vec<Value> = r.resource.tags.iter().map(|t| json!({ "key": t.key, "value": t.value })).collect();
            let mut line = json!({
                "project_id": r.project_id, "project_name": r.project_name, "domain_id": r.domain_id,
                "resource_type": r.resource_type, "resource_id": r.resource.resource_id,
                "resource_name": r.resource.resource_name, "tags": tags,
            });
            if let Some(detail) = &r.resource.detail {
                line["resource_detail"] = serde_json::from_str(detail).unwrap();
            }
            format!("{line}\n")
        })
        .collect()
}

/// What an export of a fleet must say: by project and type, in the order of registration.
fn in_order(fleet: &[Registration]) -> Vec<Value> {
    let mut fleet: Vec<&Registration> = fleet.iter().collect();
    fleet.sort_by_key(|r| (&r.project_id, &r.resource_type));
    fleet
        .into_iter()
        .map(|r| {
            let tags: Vec<Value> = r.resource.tags.iter().map(|t| json!({ "key": t.key, "value": t.value })).collect();
            let mut line = json!({
                "project_id": r.project_id, "resource_type": r.resource_type,
                "resource_id": r.resource.resource_id, "tags": tags,
            });
            let name = Some(&r.resource.resource_name).filter(|name| !name.is_empty());
            for (field, text) in [
                ("project_name", r.project_name.as_ref()),
                ("domain_id", r.domain_id.as_ref()),
                ("resource_name", name),
            ] {
                if let Some(text) = text {
                    line[field] = json!(text);
                }
            }
            if let Some(detail) = &r.resource.detail {
                line["resource_detail"] = serde_json::from_str(detail).unwrap();
            }
            line
        })
        .collect()
}

#[test]
fn texts_that_other_formats_would_spoil_come_back_as_they_were() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let fleet = nasty_fleet();
    assert_eq!(program.import(to_lines(&fleet)), done(&fleet.len().to_string(), "0", "0"));
    assert_eq!(exported(&program), in_order(&fleet));
    // and once more, as updates of what is there
    assert_eq!(program.import(to_lines(&fleet)), done("0", "0", &fleet.len().to_string()));
    let mut turned = fleet.clone();
    for (r, other) in turned.iter_mut().zip(fleet.iter().rev()) {
        r.resource.tags.clone_from(&other.resource.tags);
    }
    assert_eq!(program.import(to_lines(&turned)).code, Some(0));
    assert_eq!(exported(&program), in_order(&turned));
    verified(&program);
}

/// Requests in every dialect about the demo fleet and its like.
fn questions() -> Vec<(String, String)> {
    let mut asked = Vec::new();
    let projects = ["fd73a4a14a4a4dfb9771a8475e5198ea", "other", "p"];
    for project in projects {
        for body in [
            json!({ "tags": [{ "key": "env", "values": ["prod"] }] }),
            json!({ "not_tags_any": [{ "key": "team", "values": ["*a"] }] }),
            json!({ "without_any_tag": true }),
            json!({ "matches": [{ "key": "resource_name", "value": "e" }], "limit": 3, "offset": 1 }),
        ] {
            for resource_type in ["images", "DNS-public_zone", "DNS-ptr_record"] {
                for action in ["filter", "count"] {
                    let mut body = body.clone();
                    body["action"] = json!(action);
                    asked.push((format!("/v2/{project}/{resource_type}/resource_instances/action"), body.to_string()));
                }
            }
            asked.push((format!("/v3/{project}/cts-tracker/resource-instances/filter"), body.to_string()));
        }
        for body in [
            json!({ "project_id": project, "resource_types": ["images", "disk", "ecs", "cdn", "vpcs"] }),
            json!({ "project_id": project, "resource_types": ["ecs", "images"], "tags": [{ "key": "env", "values": ["prod", "stage"] }], "limit": 7, "offset": 2 }),
            json!({ "resource_types": ["cdn"], "without_any_tag": false }),
        ] {
            asked.push(("/v1.0/resource-instances/filter".into(), body.to_string()));
        }
    }
    asked
}

fn answers(world: &World) -> Vec<(u16, Value)> {
    let ask = |(path, body): &(String, String)| {
        let answer = world.post(path, body);
        (answer.status, answer.json())
    };
    questions().iter().map(ask).collect()
}

#[test]
fn an_export_imported_elsewhere_answers_the_same_and_exports_the_same() {
    let first = World::new();
    let program = Program::new().on(&first.db);
    // projects and types whose first resources come in no order, in batches that split them
    for (project, resource_type, id) in
        [("z", "images", "1"), ("a", "vpcs", "2"), ("z", "disk", "3"), ("a", "images", "4")]
    {
        let line = line(resource_type, id, "n", &[("env", "prod")]).replace("\"p\"", &format!("{project:?}"));
        program.import(line);
    }
    program.expect(&["demo"]);
    program.import(to_lines(&nasty_fleet()));
    // removals leave gaps in the order
    block_on(async {
        let store = first.db.store(SessionProfile::Bulk, 1).await;
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        assert!(unregister(&store, scope, "bare").await);
        store.close().await;
    });
    program.expect(&["export", "first.ndjson"]);
    let text = program.read("first.ndjson");
    assert!(text.lines().count() > 140);

    let second = World::new();
    let other = Program::new().on(&second.db);
    let said = other.import(&text);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
    assert_eq!(other.expect(&["export"]), text);
    let (before, after) = (answers(&first), answers(&second));
    assert!(before.iter().all(|(status, _)| *status == 200), "{before:#?}");
    assert!(before.iter().filter(|(_, body)| body["total_count"] != 0).count() > 20);
    for ((question, before), after) in questions().iter().zip(&before).zip(&after) {
        assert_eq!(before, after, "{question:?}");
    }
    verified(&other);
}

#[test]
fn an_export_to_a_file_says_how_much_it_wrote_and_leaves_nothing_else() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.import([image("a"), image("b")].concat());
    let said = program.run(&["export", "out.ndjson"]);
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (Some(0), "", "2 resources (resource types: 16, projects: 1)\n")
    );
    assert_eq!(program.files(), ["out.ndjson"]);
    assert_eq!(program.read("out.ndjson"), program.expect(&["export"]));
    // over a file that is there
    program.import(image("c"));
    program.expect(&["export", "out.ndjson"]);
    assert_eq!(program.read("out.ndjson").lines().count(), 3 + 16 + 1);
}

#[test]
fn an_export_that_fails_leaves_no_file_and_keeps_the_old_one() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.write("old.ndjson", "what was there");
    let broken = |url: &str, file: &str| {
        let mut command = program.command(&["export", file]);
        command.env("DATABASE_URL", url);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        line
    };
    broken("postgres://nobody@127.0.0.1:1/none", "new.ndjson");
    broken("postgres://nobody@127.0.0.1:1/none", "old.ndjson");
    // a database whose tables are not what they were
    block_on(async {
        let mut owner = db.connect().await;
        sqlx::query("drop table tagd.chunk cascade").execute(&mut owner).await.unwrap();
        owner.close().await.unwrap();
    });
    broken(&db.url(), "new.ndjson");
    broken(&db.url(), "old.ndjson");
    assert_eq!(program.files(), ["old.ndjson"]);
    assert_eq!(program.read("old.ndjson"), "what was there");

    program.write("file", "");
    for place in ["missing/out.ndjson", "file/out.ndjson", "/proc/out.ndjson"] {
        let line = broken(&db.url(), place);
        assert!(line.starts_with(&format!("tagd: cannot write {place}: ")), "{line}");
    }
    fs::create_dir(program.dir().join("folder")).unwrap();
    broken(&db.url(), "folder");
    assert_eq!(program.files(), ["file", "folder", "old.ndjson"]);
}

#[test]
fn an_export_makes_a_file_for_its_owner_only_and_follows_no_link_beside_it() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.import(image("a"));
    let mode = |name: &str| fs::metadata(program.dir().join(name)).unwrap().mode() & 0o7777;
    program.write("victim", "not to be touched");
    // somebody's link, and what an export left that was killed
    std::os::unix::fs::symlink("victim", program.dir().join("out.partial")).unwrap();
    program.write("again.partial", "half a line");
    fs::hard_link(program.dir().join("victim"), program.dir().join("third.partial")).unwrap();
    for name in ["out", "again", "third"] {
        program.expect(&["export", name]);
        assert_eq!(program.read(name), program.expect(&["export"]));
        assert_eq!(mode(name), 0o600, "{name}");
        assert_eq!(program.read("victim"), "not to be touched");
    }
    assert_eq!(program.files(), ["again", "out", "third", "victim"]);
    // over one that others could read
    fs::set_permissions(program.dir().join("out"), fs::Permissions::from_mode(0o644)).unwrap();
    program.expect(&["export", "out"]);
    assert_eq!(mode("out"), 0o600);
    // what cannot be cleared away is not written into
    fs::create_dir(program.dir().join("dir.partial")).unwrap();
    let said = program.run(&["export", "dir"]);
    assert!(said.code == Some(1) && said.err.starts_with("tagd: cannot write dir: "), "{said:?}");
}

#[test]
fn an_export_to_standard_output_by_its_path_goes_there() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.import(image("a"));
    assert_eq!(program.expect(&["export", "/dev/stdout"]), program.expect(&["export"]));
}

#[test]
fn files_whose_names_end_in_gz_are_gzip_both_ways() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.import([image("a"), image("b")].concat());
    program.expect(&["export", "--only", "resource", "out.ndjson.gz"]);
    let packed = fs::read(program.dir().join("out.ndjson.gz")).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text, program.expect(&["export", "--only", "resource"]));
    assert_eq!(untimed(program.run(&["import", "--strict", "out.ndjson.gz"])), done("0", "0", "2"));
    program.write("cut.gz", &packed[..packed.len() - 1]);
    let said = program.run(&["import", "--strict", "cut.gz"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.contains("the input was cut off; nothing was imported"), "{}", said.err);
}

/// A database with more to export than a pipe holds.
fn large(program: &Program, count: usize) {
    let lines: String = (0..count).map(|i| line("images", &format!("r{i:06}"), "a name", &[("k", "v")])).collect();
    assert_eq!(program.import(lines).code, Some(0));
}

#[test]
fn an_export_into_a_closed_pipe_ends_quietly() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    large(&program, 12_000);
    let mut child = program
        .command(&["export", "--only", "resource"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(first.contains("r000000"));
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn an_export_into_a_named_pipe_or_device_goes_through_it() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.import(image("a"));
    let pipe = program.dir().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // a reader that waits for no writer, so that a program that writes elsewhere fails the test and hangs nothing
    let mut reader = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&pipe).unwrap();
    let said = program.run(&["export", "pipe"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, program.expect(&["export"]));
    assert_eq!(program.files(), ["pipe"]);
}

#[test]
fn an_export_through_a_link_keeps_the_link() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.import(image("a"));
    program.write("target", "old");
    std::os::unix::fs::symlink("target", program.dir().join("link")).unwrap();
    program.expect(&["export", "link"]);
    assert_eq!(fs::read_link(program.dir().join("link")).unwrap(), Path::new("target"));
    assert_eq!(program.read("target"), program.expect(&["export"]));
}

#[test]
fn an_export_beside_writers_is_one_snapshot() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    // two scopes that are always changed together, by one import
    let pair = |n: usize| {
        let tags = [("n", n.to_string())];
        let tags: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (*k, v.as_str())).collect();
        vec![
            registration("images", "a", "", &tags),
            registration("disk", "b", "", &tags),
            registration("vpcs", &format!("v{n}"), "", &[]),
        ]
    };
    let filler: Vec<Registration> = (0..3000).map(|i| registration("eip", &format!("e{i}"), "", &[])).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (db, stop) = (&db, &stop);
        let writer = scope.spawn(move || {
            block_on(async {
                let store = db.store(SessionProfile::Bulk, 1).await;
                let mut import = store.import().await.unwrap();
                import_all(&mut import, &filler).await.unwrap();
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    import_all(&mut import, &pair(n)).await.unwrap();
                    n += 1;
                }
                drop(import);
                store.close().await;
                n
            })
        });
        let stopper = Stopper(stop);
        let (mut exports, mut seen) = (0, Vec::new());
        eventually("the writer went on beside the exports", || {
            let lines = exported(&program);
            let of = |resource_type: &str| -> Vec<&Value> {
                lines.iter().filter(|line| line["resource_type"] == resource_type).collect()
            };
            assert!(of("images").len() <= 1 && of("images").len() == of("disk").len());
            if let (Some(a), Some(b)) = (of("images").first(), of("disk").first()) {
                assert_eq!(a["tags"], b["tags"], "the export saw one half of a change");
                let n: usize = a["tags"][0]["value"].as_str().unwrap().parse().unwrap();
                assert_eq!(of("vpcs").len(), n + 1);
                seen.push(n);
            }
            exports += 1;
            seen.dedup();
            assert!(!writer.is_finished(), "the writer failed");
            exports >= 12 && seen.len() > 3
        });
        drop(stopper);
        let written = writer.join().unwrap();
        assert!(seen.last().is_some_and(|last| *last < written), "{seen:?} of {written}");
    });
    verified(&program);
}

#[test]
fn a_big_import_counts_right_and_its_index_is_right() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let make = |turn: usize| -> String {
        (0..30_000)
            .map(|i| {
                let team = format!("team-{}", (i * 7 + if i % 3 == 0 { turn } else { 0 }) % 50);
                let tags = [("env", ["prod", "dev", "test"][i % 3]), ("team", &*team), ("_sys_x", "1")];
                line(["images", "disk"][i % 2], &format!("r{i:05}"), "", &tags)
            })
            .collect()
    };
    program.write("big.ndjson", make(0));
    assert_eq!(untimed(program.run(&["import", "big.ndjson"])), done("30,000", "0", "0"));
    verified(&program);
    assert_eq!(program.import(make(1)), done("0", "10,000", "20,000"));
    verified(&program);
    assert_eq!(program.expect(&["export", "--only", "resource"]).lines().count(), 30_000);
}

fn nasty() -> impl Strategy<Value = String> + Clone {
    let piece = prop_oneof![
        3 => prop::sample::select(&NASTY[..]).prop_map(str::to_owned),
        1 => "[a-z]{1,4}",
        1 => any::<char>().prop_filter("no NUL", |c| *c != '\0').prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn some_nasty() -> impl Strategy<Value = String> + Clone {
    nasty().prop_map(|text| if text.is_empty() { "x".to_owned() } else { text })
}

fn random_fleet() -> impl Strategy<Value = Vec<Registration>> {
    let tags = prop::collection::btree_map(some_nasty(), nasty(), 0..6);
    let detail = prop::option::of((nasty(), nasty()).prop_map(|(a, b)| json!({ a: [b, 1, null] }).to_string()));
    let one = (some_nasty(), prop::sample::select(&["images", "disk", "t-1"][..]), some_nasty(), nasty(), detail, tags);
    prop::collection::vec(one, 1..40).prop_map(|rows| {
        let mut known = std::collections::HashSet::new();
        rows.into_iter()
            .map(|(project, resource_type, id, name, detail, tags)| {
                let mut one = registration(resource_type, &id, &name, &[]);
                // few projects, and what is said about one is always the same
                one.project_id = if project.len() % 2 == 0 { "even".into() } else { "odd\"\\\t".into() };
                one.project_name = Some("a \\N name".into());
                one.resource.detail = detail;
                one.resource.tags = tags.iter().map(|(key, value)| tag(key, value)).collect();
                one
            })
            .filter(|r| known.insert((r.project_id.clone(), r.resource_type.clone(), r.resource.resource_id.clone())))
            .collect()
    })
}

#[test]
fn whatever_is_imported_is_exported() {
    let config = Config { cases: 12, max_shrink_iters: 30, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let world = World::new();
    let program = Program::new().on(&world.db);
    runner
        .run(&random_fleet(), |fleet| {
            world.clear(0, 128, 64);
            let said = program.import(to_lines(&fleet));
            prop_assert_eq!(said.code, Some(0), "{}", said.err);
            prop_assert_eq!(exported(&program), in_order(&fleet));
            let again = program.import(to_lines(&fleet));
            prop_assert_eq!(again.out, counts("0", "0", &fleet.len().to_string(), "0"));
            prop_assert_eq!(program.run(&["index", "verify"]).code, Some(0));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
