//! `tagd report`: what it prints, and what it refuses.

use serde_json::Value;

use crate::support::{Program, TestDb, check_golden};

const PROJECT: &str = "fd73a4a14a4a4dfb9771a8475e5198ea";

fn demo() -> (TestDb, Program) {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    program.expect(&["demo"]);
    (db, program)
}

#[test]
fn a_table_has_the_important_columns_and_bars() {
    let (_db, program) = demo();
    let mut text = String::new();
    for args in [
        &["coverage", "--type", "disk", "--type", "cdn"][..],
        &["scopes", "--project", PROJECT],
        &["keys", "--project", PROJECT, "--type", "private_image"],
        &["pairs", "--type", "cdn"],
        &["tags-per-resource", "--type", "ecs"],
        &["tags", "--type", "cdn"],
        &["resources", "--type", "cdn"],
        &["index-health", "--type", "cdn"],
    ] {
        let args: Vec<&str> = ["report"].iter().chain(args).copied().collect();
        text += &format!("$ tagd {}\n{}\n", args.join(" "), program.expect(&args));
    }
    check_golden("report/tables.txt", &text);
}

#[test]
fn csv_and_json_have_all_columns_of_the_view() {
    let (_db, program) = demo();
    let csv = program.expect(&["report", "pairs", "--type", "cdn", "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let heading = "domain_id,project_id,project_name,resource_type,key,value,is_system,resources";
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), heading);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let json: Value =
        serde_json::from_str(&program.expect(&["report", "pairs", "--type", "cdn", "--format", "json"])).unwrap();
    let objects = json.as_array().unwrap();
    assert!(rows.len() > 5 && rows.len() == objects.len());
    for (row, object) in rows.iter().zip(objects) {
        assert_eq!(row.get(4), object["key"].as_str());
        assert_eq!(row.get(7).unwrap(), object["resources"].to_string());
    }
}

#[test]
fn a_time_restricts_what_has_times() {
    let (_db, program) = demo();
    let lines = |args: &[&str]| program.expect(args).lines().count();
    let all = lines(&["report", "untagged"]);
    assert!(all > 5);
    assert_eq!(lines(&["report", "untagged", "--since", "2026-01-01"]), all);
    assert_eq!(lines(&["report", "untagged", "--since", "2999-01-01T00:00:00Z"]), 0);
}

#[test]
fn reports_are_listed_and_wrong_arguments_are_explained() {
    let (_db, program) = demo();
    let list = program.expect(&["report", "--list"]);
    assert!(list.starts_with("audit              Administrative acts"), "{list}");
    for (args, reason) in [
        (
            &["report", "key"][..],
            "there is no report \"key\"; the reports are audit, changes, coverage, index_health, keys,",
        ),
        (
            &["report", "keys", "--since", "2026-01-01"],
            "--since: the report keys has no times; these have: audit, changes, resources, untagged",
        ),
        (&["report", "storage", "--type", "ecs"], "--project and --type: the report storage has no projects and types"),
        (&["report", "keys", "--project", "nowhere"], "project: there is no project \"nowhere\""),
        (&["report", "keys", "--type", "server"], "type: there is no type \"server\""),
        (&["report", "untagged", "--since", "yesterday"], "must be a date such as 2026-11-30"),
        (&["report", "untagged", "--since", "9999-12-31T23:59:59-23:00"], "in the years 1970 to 9999"),
        (&["report", "keys", "--format", "xml"], "possible values: table, csv, json"),
        (&["report"], "<NAME>"),
    ] {
        let said = program.run(args);
        assert!(said.code != Some(0) && said.err.contains(reason), "{args:?}: {}", said.err);
        assert_eq!(said.out, "", "{args:?}");
    }
}

#[test]
fn an_empty_database_has_empty_reports() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    for (format, out) in [("table", ""), ("json", "[]\n")] {
        let said = program.run(&["report", "keys", "--format", format]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), out));
        assert_eq!(said.err.contains("no rows"), format == "table");
    }
    let csv = program.expect(&["report", "untagged", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 1);
}

#[test]
fn a_verification_is_noted_for_each_scope() {
    let (_db, program) = demo();
    let verified = |program: &Program| {
        let json = program.expect(&["report", "index_health", "--format", "json"]);
        let rows: Vec<Value> = serde_json::from_str(&json).unwrap();
        rows.iter().map(|row| row["differences"].clone()).collect::<Vec<_>>()
    };
    assert!(verified(&program).iter().all(Value::is_null));
    program.expect(&["index", "verify"]);
    assert!(verified(&program).iter().all(|differences| *differences == 0));
}
