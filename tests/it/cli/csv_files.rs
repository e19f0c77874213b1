//! `tagd import` of two CSV files that are not as they should be: quotes, rows of tags, encodings.

use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::support::{Program, Said, TestDb, block_on, json_lines, untimed};

const TAGS: &str = "project_id,resource_type,resource_id,key,value\n";
const NAMES: &str = "project_id,resource_type,resource_id,resource_name\n";

fn import(program: &Program, resources: impl AsRef<[u8]>, tags: impl AsRef<[u8]>, more: &[&str]) -> Said {
    program.write("resources.csv", resources);
    program.write("tags.csv", tags);
    untimed(program.run(&[&["import", "--resources", "resources.csv", "--tags", "tags.csv"], more].concat()))
}

/// The same text with another line end.
fn with_ends(text: &str, end: &str) -> String {
    text.replace('\n', end)
}

fn counts(created: u64, changed: u64, unchanged: u64, rejected: u64) -> String {
    format!("{created} new, {changed} changed, {unchanged} unchanged, {rejected} rejected")
}

/// Id, name and tags of what is there.
fn there(program: &Program) -> Vec<(String, String, Value)> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    json_lines(&program.expect(&["export", "--only", "resource"]))
        .iter()
        .map(|line| (text(line, "resource_id"), text(line, "resource_name"), line["tags"].clone()))
        .collect()
}

fn names(program: &Program) -> Vec<(String, String)> {
    there(program).into_iter().map(|(id, name, _)| (id, name)).collect()
}

fn pair(id: &str, name: &str) -> (String, String) {
    (id.into(), name.into())
}

#[test]
fn an_unclosed_quote_is_a_rejected_line_and_the_rest_is_read() {
    let text = format!("{NAMES}u,images,a,\"x\nu,images,b,y\n");
    for end in ["\n", "\r\n"] {
        let db = TestDb::new();
        let program = Program::new().on(&db);
        let said = import(&program, with_ends(&text, end), TAGS, &["--strict"]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
        assert!(said.err.starts_with("line 2: resources file: field 4: unclosed quote\n"), "{}", said.err);
        assert!(said.err.contains("nothing was imported"), "{}", said.err);
        assert_eq!(names(&program), []);

        let said = import(&program, with_ends(&text, end), TAGS, &[]);
        assert_eq!((said.code, said.out), (Some(1), counts(1, 0, 0, 1)));
        assert_eq!(said.err, "line 2: resources file: field 4: unclosed quote\n");
        assert_eq!(names(&program), [pair("b", "y")]);
    }
}

#[test]
fn quotes_in_the_wrong_place_are_rejected_lines() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let resources = format!(
        "{NAMES}\
         u,images,a,\"two\nlines\"\n\
         \n\
         u,images,b,\"5\" pipe\"\n\
         u,images,c,5\" pipe\n\
         u,images,d,\"5\"\" pipe\"\n\
         u,images,e, \"x\"\n\
         u,images,f,\"x\"\n"
    );
    let said = import(&program, &resources, TAGS, &[]);
    let told: Vec<String> =
        said.complaints().iter().map(|line| line.split(": ").take(3).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(told, [5, 6, 8].map(|line| format!("line {line}: resources file: field 4")), "{}", said.err);
    assert!(said.err.contains("unexpected text after the closing quote"), "{}", said.err);
    assert_eq!(said.out, counts(3, 0, 0, 3));
    assert_eq!(names(&program), [pair("a", "two\nlines"), pair("d", "5\" pipe"), pair("f", "x")]);
    let before = names(&program);
    let said = import(&program, resources.replace("two", "2"), TAGS, &["--strict"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.starts_with("line 5: ") && said.err.contains("nothing was imported"), "{}", said.err);
    assert_eq!(names(&program), before);
}

#[test]
fn a_header_with_a_quote_in_the_wrong_place_is_refused() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    for (resources, tags, words) in [
        (NAMES.replace(",resource_name", ",\"resource_name"), TAGS.to_owned(), "line 1: resources file: field 4: "),
        (NAMES.to_owned(), TAGS.replace("key", "\"k\"ey"), "line 1: tags file: field 4: "),
    ] {
        let said = import(&program, resources, tags, &[]);
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
        assert!(said.err.starts_with(&format!("tagd: {words}")), "{}", said.err);
    }
}

/// A resource with two tags, and others beside it.
fn furnished(program: &Program) -> String {
    let resources = format!("{NAMES}k,images,r,\nk,images,other,\n");
    let said = import(program, &resources, format!("{TAGS}k,images,r,env,prod\nk,images,r,team,red\n"), &[]);
    assert_eq!((said.code, said.out), (Some(0), counts(2, 0, 0, 0)), "{}", said.err);
    resources
}

fn tags_of_r() -> Value {
    json!([{ "key": "env", "value": "prod" }, { "key": "team", "value": "red" }])
}

#[test]
fn a_bad_row_of_tags_leaves_its_resource_as_it_is() {
    for bad in [
        "k,images,r,env,Lee, Kim",
        "k,images,r,env,\"5\" pipe\"",
        "k,images,r,env,5\" pipe",
        "k,images,r,env,\"not closed",
        "k,images,r,\"env\"x,y",
        "k,images,r,env",
        "k,images,r,,v",
        "k,images,r,team,blue",
    ] {
        let db = TestDb::new();
        let program = Program::new().on(&db);
        let resources = furnished(&program);
        let tags = format!("{TAGS}k,images,other,a,1\n\nk,images,r,team,red\n{bad}\nk,images,other,b,2\n");
        for end in ["\n", "\r\n"] {
            let before = there(&program);
            let said = import(&program, with_ends(&resources, end), with_ends(&tags, end), &["--strict"]);
            assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{bad}: {}", said.err);
            assert!(said.err.starts_with("line 5: tags file: "), "{bad}: {}", said.err);
            assert!(said.err.contains("nothing was imported"), "{bad}: {}", said.err);
            assert_eq!(there(&program), before, "{bad}");

            let said = import(&program, with_ends(&resources, end), with_ends(&tags, end), &[]);
            let (changed, unchanged) = if end == "\n" { (1, 0) } else { (0, 1) };
            assert_eq!(
                (said.code, said.out.as_str()),
                (Some(1), counts(0, changed, unchanged, 1).as_str()),
                "{bad}: {}",
                said.err
            );
            assert_eq!(said.complaints().len(), 1, "{bad}: {}", said.err);
            assert!(said.err.starts_with("line 5: tags file: "), "{bad}: {}", said.err);
            assert!(said.err.contains("left unchanged"), "{bad}: {}", said.err);
            let other = json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "2" }]);
            let expected = [("r".into(), String::new(), tags_of_r()), ("other".into(), String::new(), other)];
            assert_eq!(there(&program), expected, "{bad}");
        }
        assert_eq!(program.run(&["index", "verify"]).code, Some(0));
    }
}

#[test]
fn a_row_of_tags_that_is_not_utf8_leaves_its_resource_as_it_is() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let resources = furnished(&program);
    let tags = [TAGS.as_bytes(), b"k,images,r,env,\xff\nk,images,r,team,red\n"].concat();
    let said = import(&program, &resources, &tags, &[]);
    assert_eq!(said.err, "line 2: tags file: field 5: must be UTF-8; its resource was left unchanged\n");
    assert_eq!(said.out, counts(0, 0, 1, 1));
    assert_eq!(there(&program)[0].2, tags_of_r());
    // nor can any resource be called by a name that is too long, here longer than an index takes
    let long: String = (0..4000).map(|i| char::from(b'a' + u8::try_from(i * i % 23).unwrap())).collect();
    let said = import(&program, &resources, format!("{TAGS}k,images,{long},env,x\n"), &[]);
    assert!(said.err.starts_with("line 2: tags file: resource_id: "), "{}", said.err);
    assert_eq!((said.code, said.out), (Some(1), counts(0, 1, 1, 1)));
    // a name with a NUL is nobody's, not even that of a resource which has it without
    let said = import(&program, &resources, format!("{TAGS}k,images,r\0,env,x\nk,images,r,team,red\n"), &[]);
    assert!(said.err.starts_with("line 2: tags file: resource_id: "), "{}", said.err);
    assert_eq!((said.out, &there(&program)[0].2), (counts(0, 1, 1, 1), &json!([{ "key": "team", "value": "red" }])));
}

#[test]
fn where_the_resource_of_a_row_cannot_be_told_nothing_is_imported() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let resources = furnished(&program);
    let before = there(&program);
    let turned = "key,value,project_id,resource_type,resource_id\n";
    for (header, bad) in [
        (TAGS, "k,images,r"),
        (TAGS, "k"),
        (TAGS, "k,images,,env,prod"),
        (TAGS, "\"k,images,r,env,prod"),
        (TAGS, "k,images,\"r\"x,env,prod"),
        // behind a comma too many nobody knows which column is which
        (turned, "env,Lee, Kim,k,images,r"),
        (turned, "env,\"5\" pipe\",k,images,r"),
    ] {
        let good = |value: &str| if header == TAGS { format!("k,images,r,env,{value}\n") } else { String::new() };
        let said = import(&program, &resources, format!("{header}{}{bad}\n{}", good("new"), good("newer")), &[]);
        let line = if header == TAGS { 3 } else { 2 };
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{bad}: {}", said.err);
        assert!(said.err.starts_with(&format!("tagd: line {line}: tags file: ")), "{bad}: {}", said.err);
        assert!(
            said.err.ends_with("its resource cannot be identified, so nothing was imported\n"),
            "{bad}: {}",
            said.err
        );
        assert_eq!(there(&program), before, "{bad}");
    }
    // where only the value is bad the columns may stand anywhere
    let said = import(&program, &resources, format!("{turned},v,k,images,r\n"), &[]);
    assert!(said.err.starts_with("line 2: tags file: tags[0].key: "), "{}", said.err);
    assert_eq!(there(&program), before);
}

#[test]
fn a_tag_that_comes_twice_is_told_at_its_own_line() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let resources = furnished(&program);
    let tags = format!("{TAGS}k,images,r,env,a\nk,images,other,x,y\nk,images,r,env,b\nk,images,r,env,b\n");
    let said = import(&program, &resources, &tags, &[]);
    let told =
        |line: u32| format!("line {line}: tags file: duplicate key \"env\" of the resource, which was left unchanged");
    assert_eq!(said.complaints(), [told(4), told(5)]);
    assert_eq!((said.code, said.out), (Some(1), counts(0, 1, 0, 2)));
    assert_eq!(there(&program)[0].2, tags_of_r());
    // the same key of another resource, or of another type, is another tag
    let tags = format!("{TAGS}k,images,r,env,a\nk,images,other,env,a\nk,images,r,Env,a\n");
    assert_eq!(import(&program, &resources, &tags, &["--strict"]).out, counts(0, 2, 0, 0));
}

#[test]
fn a_resource_with_too_many_tags_is_reported_at_its_line_and_left_as_it_is() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let resources = furnished(&program);
    let rows =
        |prefix: &str, count: usize| -> String { (0..count).map(|i| format!("k,images,r,{prefix}{i},v\n")).collect() };
    let (most, most_system) = (rows("key", 1000), rows("_sys_", 256));
    for (tags, is_strict) in [(rows("key", 1001), false), (rows("_sys_", 257), false), (rows("key", 3000), true)] {
        let tags = format!("{TAGS}{tags}k,images,other,a,1\n");
        let said = import(&program, &resources, &tags, if is_strict { &["--strict"] } else { &[] });
        assert!(said.err.starts_with("line 2: resources file: tags: "), "{}", said.err);
        assert_eq!(said.code, Some(1));
        assert_eq!(there(&program)[0].2, tags_of_r());
    }
    // every key has another twice, which is reported at its own line instead
    let said = import(&program, &resources, format!("{TAGS}{}{}", rows("key", 700), rows("key", 700)), &[]);
    assert_eq!(said.complaints().len(), 700);
    assert!(said.err.starts_with("line 702: tags file: duplicate key \"key0\" "), "{}", said.err);
    let said = import(&program, &resources, format!("{TAGS}{most_system}{most}"), &[]);
    assert_eq!((said.code, said.out), (Some(0), counts(0, 1, 1, 0)), "{}", said.err);
    assert_eq!(there(&program)[0].2.as_array().unwrap().len(), 1256);
}

#[test]
fn a_resource_that_only_the_database_refuses_costs_no_other_and_its_tags_are_not_reported() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    // no such value is known, so one is made
    block_on(async {
        let mut owner = db.connect().await;
        let rule = "alter table tagd.resource add check (1 / (case when starts_with(resource_id, 'bad') then 0 else 1 end) = 1)";
        owner.execute(rule).await.unwrap();
        owner.close().await.unwrap();
    });
    let ids: Vec<String> = (0..50).map(|i| if i % 20 == 7 { format!("bad{i}") } else { format!("r{i}") }).collect();
    let resources: String = ids.iter().map(|id| format!("k,images,{id},\n")).collect();
    let tags: String = ids.iter().rev().map(|id| format!("k,images,{id},id,{id}\n")).collect();
    let twice = "k,images,r3,id,again\nk,images,none,a,b\n";
    let said = import(&program, format!("{NAMES}{resources}"), format!("{TAGS}{tags}{twice}"), &[]);
    let mut complaints: Vec<&str> = said.complaints();
    complaints.retain(|line| line.starts_with("line "));
    let refused = "cannot be stored; the cause is in the log";
    assert_eq!(
        complaints,
        [
            "line 52: tags file: duplicate key \"id\" of the resource, which was left unchanged".to_owned(),
            format!("line 9: {refused}"),
            format!("line 29: {refused}"),
            format!("line 49: {refused}"),
            "line 53: tags file: its resource is not in the resources file".to_owned(),
        ],
        "{}",
        said.err
    );
    assert_eq!(said.out, counts(46, 0, 0, 5));
    for (id, _, tags) in there(&program) {
        assert_eq!(tags, json!([{ "key": "id", "value": id }]));
    }
    assert_eq!(program.run(&["index", "verify"]).code, Some(0));
}

#[test]
fn a_record_that_is_too_long_costs_its_line() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let long = "x".repeat(7 * 1024 * 1024);
    let resources = format!("{NAMES}k,images,a,{long}\nk,images,b,\nk,images,c,\"{long}\"\nk,images,d,\n");
    let said = import(&program, &resources, TAGS, &[]);
    let told: Vec<&str> = said.complaints().iter().map(|line| &line[..line.len().min(40)]).collect();
    assert_eq!(told, ["line 2: resources file: field 4: a recor", "line 4: resources file: field 4: unclose"]);
    assert_eq!(said.out, counts(2, 0, 0, 2));
    assert_eq!(names(&program), [pair("b", ""), pair("d", "")]);
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn another_encoding_is_told_by_name_in_both_importers() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let line = "{\"project_id\":\"p\",\"resource_type\":\"images\",\"resource_id\":\"r\",\"tags\":[]}\n";
    let resources = format!("{NAMES}k,images,r,\n");
    for mark in ["", "\u{feff}"] {
        let with = |text: &str| utf16(&format!("{mark}{text}"));
        for strict in [&[][..], &["--strict"]] {
            let said = program.run_with_input(&[&["import", "-"], strict].concat(), &with(line));
            assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
            assert_eq!(said.err, "tagd: the input must be UTF-8, got UTF-16\n");
            for (resources, tags, file) in [
                (with(&resources), TAGS.as_bytes().to_vec(), "resources"),
                (resources.clone().into_bytes(), with(TAGS), "tags"),
            ] {
                let said = import(&program, resources, tags, strict);
                assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
                assert_eq!(said.err, format!("tagd: {file} file: must be UTF-8, got UTF-16\n"));
            }
        }
    }
    assert_eq!(names(&program), []);
    // in front of a quoted header too
    let quoted = format!("\u{feff}\"{}\n", NAMES.trim_end().replace(',', "\",\"") + "\"");
    assert_eq!(import(&program, quoted + "k,images,r,\n", TAGS, &[]).out, counts(1, 0, 0, 0));
}
