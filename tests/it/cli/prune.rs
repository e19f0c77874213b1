//! `tagd import --strict --prune`: what is not in the file goes, from the scopes that are in it and from no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::Stdio,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::support::{Dice, Program, Said, TestDb, block_on, eventually, json_lines, untimed, waiting_for_locks};

/// A line for a resource.
fn line(project: &str, resource_type: &str, id: &str, value: &str) -> String {
    let line = json!({
        "project_id": project, "resource_type": resource_type, "resource_id": id, "resource_name": format!("name of {id}"),
        "tags": [{ "key": "k", "value": value }],
    });
    format!("{line}\n")
}

/// Imports all or nothing, from standard input.
fn prune(program: &Program, lines: impl AsRef<[u8]>, more: &[&str]) -> Said {
    let args = [&["import", "-", "--strict", "--prune"], more].concat();
    untimed(program.run_with_input(&args, lines.as_ref()))
}

fn done(created: u64, changed: u64, unchanged: u64, removed: u64) -> Said {
    let out = format!("{created} new, {changed} changed, {unchanged} unchanged, 0 rejected, {removed} removed");
    Said { code: Some(0), out, err: String::new() }
}

/// Project, type, id and value of what is there, in the order of registration.
fn there(program: &Program) -> Vec<String> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    json_lines(&program.expect(&["export", "--only", "resource"]))
        .iter()
        .map(|line| {
            let ids = ["project_id", "resource_type", "resource_id"].map(|field| text(line, field));
            format!("{} {}", ids.join(" "), text(&line["tags"][0], "value"))
        })
        .collect()
}

fn verified(program: &Program) {
    let said = program.run(&["index", "verify"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// Four scopes.
fn furnished(db: &TestDb) -> Program {
    let program = Program::new().on(db);
    let lines = [
        line("p", "images", "a", "1"),
        line("p", "images", "b", "1"),
        line("p", "images", "c", "1"),
        line("p", "disk", "d", "1"),
        line("p", "vpcs", "v", "1"),
        line("p", "vpcs", "w", "1"),
        line("q", "images", "a", "1"),
        line("q", "images", "e", "1"),
    ];
    assert_eq!(program.import(lines.concat()).code, Some(0));
    program
}

#[test]
fn what_is_not_in_the_file_is_removed_from_the_scopes_that_are_in_it() {
    let db = TestDb::new();
    let program = furnished(&db);
    // of p the images, of q the images; disks and networks are in no line
    let file = [
        line("p", "images", "b", "2"),
        line("q", "images", "a", "1"),
        line("p", "images", "f", "1"),
        line("p", "images", "b", "2"),
    ];
    assert_eq!(prune(&program, file.concat(), &[]), done(1, 1, 2, 3));
    let expected =
        ["p disk d 1", "p images b 2", "p images f 1", "p vpcs v 1", "p vpcs w 1", "q images a 1"].map(str::to_owned);
    assert_eq!(there(&program), expected);
    verified(&program);
    assert_eq!(prune(&program, file.concat(), &[]), done(0, 0, 4, 0));

    // what was removed can come back, as a new resource
    assert_eq!(program.import(line("p", "images", "a", "3")).out, "1 new, 0 changed, 0 unchanged, 0 rejected");
    let images: Vec<String> = there(&program).into_iter().filter(|line| line.starts_with("p images")).collect();
    assert_eq!(images, ["p images b 2", "p images f 1", "p images a 3"]);
    // and goes as easily when it is the only one that stays
    assert_eq!(prune(&program, line("p", "images", "a", "3"), &[]), done(0, 0, 1, 2));
    verified(&program);
    // without --prune nothing is removed
    let said = untimed(program.run_with_input(&["import", "-", "--strict"], line("p", "vpcs", "v", "1").as_bytes()));
    assert_eq!((said.code, said.out.as_str()), (Some(0), "0 new, 0 changed, 1 unchanged, 0 rejected"));
    assert_eq!(there(&program), ["p disk d 1", "p images a 3", "p vpcs v 1", "p vpcs w 1", "q images a 1"]);
}

#[test]
fn a_file_without_resources_removes_nothing() {
    let db = TestDb::new();
    let program = furnished(&db);
    let before = program.expect(&["export"]);
    for empty in ["", "\n", "\u{feff}\r\n"] {
        assert_eq!(prune(&program, empty, &[]), done(0, 0, 0, 0), "{empty:?}");
    }
    program.write("r.csv", "project_id,resource_type,resource_id\n");
    program.write("t.csv", "project_id,resource_type,resource_id,key,value\n");
    let args = ["import", "--strict", "--prune", "--resources", "r.csv", "--tags", "t.csv"];
    assert_eq!(untimed(program.run(&args)), done(0, 0, 0, 0));
    assert_eq!(program.expect(&["export"]), before);
}

#[test]
fn a_scope_is_the_same_by_an_alias_of_its_type() {
    let db = TestDb::new();
    let program = furnished(&db);
    assert_eq!(prune(&program, line("p", "vpc", "w", "1"), &[]), done(0, 0, 1, 1));
    assert!(there(&program).contains(&"p vpcs w 1".to_owned()));
    assert_eq!(there(&program).len(), 7);
    verified(&program);
}

#[test]
fn csv_and_gzip_prune_as_well() {
    let db = TestDb::new();
    let program = furnished(&db);
    program.write("r.csv", "project_id,resource_type,resource_id,resource_name\np,images,c,name of c\np,vpc,x,\n");
    program.write("t.csv", "project_id,resource_type,resource_id,key,value\np,vpcs,x,k,9\np,images,c,k,1\n");
    let args = ["import", "--strict", "--prune", "--resources", "r.csv", "--tags", "t.csv"];
    assert_eq!(untimed(program.run(&args)), done(1, 0, 1, 4));
    assert_eq!(there(&program), ["p disk d 1", "p images c 1", "p vpcs x 9", "q images a 1", "q images e 1"]);
    verified(&program);

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(line("q", "images", "e", "2").as_bytes()).unwrap();
    program.write("f.ndjson.gz", packed.finish().unwrap());
    let said = untimed(program.run(&["import", "--strict", "--prune", "f.ndjson.gz"]));
    assert_eq!(said, done(0, 1, 0, 1));
    assert_eq!(there(&program), ["p disk d 1", "p images c 1", "p vpcs x 9", "q images e 2"]);
    verified(&program);
}

#[test]
fn beyond_the_limit_nothing_is_imported() {
    let db = TestDb::new();
    let program = furnished(&db);
    let before = program.expect(&["export"]);
    let file = line("p", "images", "b", "2") + &line("q", "images", "new", "1");
    for more in [&["--prune-limit", "3"][..], &["--prune-limit", "0"], &["--prune-limit=3", "--dry-run"]] {
        let said = prune(&program, &file, more);
        let limit = if more.contains(&"0") { 0 } else { 3 };
        let expected = format!(
            "tagd: --prune-limit: must be at least 4, the number of resources that would be removed, got {limit}; nothing was imported\n"
        );
        assert_eq!((said.code, said.out, said.err), (Some(1), String::new(), expected));
        assert_eq!(program.expect(&["export"]), before);
    }
    verified(&program);
    assert_eq!(prune(&program, &file, &["--prune-limit", "4"]), done(1, 1, 0, 4));
    assert_eq!(prune(&program, &file, &["--prune-limit", "0"]), done(0, 0, 2, 0));

    // without a number it is 1,000
    let many: String = (0..1001).map(|i| line("m", "images", &format!("r{i}"), "1")).collect();
    program.import(many + &line("m", "images", "kept", "1"));
    let kept = line("m", "images", "kept", "1");
    let said = prune(&program, &kept, &[]);
    assert!(said.err.contains("must be at least 1001, ") && said.err.contains(", got 1000; "), "{}", said.err);
    program.import(line("m", "images", "kept", "1"));
    assert_eq!(prune(&program, kept + &line("m", "images", "r7", "1"), &[]).code, Some(0));
    verified(&program);
}

#[test]
fn a_dry_run_counts_what_an_import_would_do_and_does_nothing() {
    let db = TestDb::new();
    let program = furnished(&db);
    let before = program.expect(&["export"]);
    let file = [
        line("p", "images", "b", "2"),
        line("p", "images", "c", "1"),
        line("p", "zebra", "z", "1"),
        line("new", "images", "n", "1"),
    ];
    let said = prune(&program, file.concat(), &["--dry-run"]);
    assert_eq!(said.code, Some(0));
    assert_eq!(said.out, "dry run, nothing was changed: 2 new, 1 changed, 1 unchanged, 0 rejected, 1 removed");
    assert_eq!(
        said.err,
        "new resource type zebra: would be registered as a regional type with a quota of 20 tags per resource\n"
    );
    assert_eq!(program.expect(&["export"]), before);
    let mut owner = block_on(db.connect());
    let left: i64 = block_on(
        sqlx::query_scalar(
            "select (select count(*) from tagd.resource_type where resource_type = 'zebra')
                  + (select count(*) from tagd.project where project_id = 'new')
                  + (select count(*) from tagd.scope where project_id = 'new')",
        )
        .fetch_one(&mut owner),
    )
    .unwrap();
    assert_eq!(left, 0);
    block_on(owner.close()).unwrap();
    verified(&program);

    // also without --prune
    let args = ["import", "-", "--strict", "--dry-run"];
    let said = untimed(program.run_with_input(&args, file.concat().as_bytes()));
    assert_eq!(said.out, "dry run, nothing was changed: 2 new, 1 changed, 1 unchanged, 0 rejected");
    assert_eq!(program.expect(&["export"]), before);
    let mut expected = done(2, 1, 1, 1);
    expected.err =
        "new resource type zebra: registered as a regional type with a quota of 20 tags per resource\n".into();
    assert_eq!(prune(&program, file.concat(), &[]), expected);
}

#[test]
fn a_bad_line_or_a_missing_flag_removes_nothing() {
    let db = TestDb::new();
    let program = furnished(&db);
    let before = program.expect(&["export"]);
    let said = prune(&program, line("p", "images", "b", "1") + "{}\n", &[]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.err.starts_with("line 2: ") && said.err.contains("nothing was imported"), "{}", said.err);

    program.write("r.csv", "project_id,resource_type,resource_id\np,images,b\n");
    program.write("t.csv", "project_id,resource_type,resource_id,key,value\np,images,b,k,1\np,images,c,k,1\n");
    let said = program.run(&["import", "--strict", "--prune", "--resources", "r.csv", "--tags", "t.csv"]);
    assert!(said.code == Some(1) && said.err.starts_with("line 3: tags file: "), "{said:?}");

    program.write("f", line("p", "images", "b", "1"));
    for (args, missing) in [
        (&["import", "f", "--prune"][..], "--strict"),
        (&["import", "f", "--dry-run"], "--strict"),
        (&["import", "f", "--strict", "--prune-limit", "5"], "--prune"),
        (&["import", "f", "--strict", "--prune", "--prune-limit", "few"], "'few' for '--prune-limit <N>'"),
        (&["import", "f", "--strict", "--prune", "--prune-limit=-1"], "'-1' for '--prune-limit <N>'"),
    ] {
        let said = program.run(args);
        assert!(said.code == Some(2) && said.err.contains(missing), "{args:?}: {said:?}");
    }
    assert_eq!(program.expect(&["export"]), before);
    verified(&program);
}

#[test]
fn many_resources_are_removed_in_parts_and_counted_together() {
    let db = TestDb::new();
    let program = Program::new().on(&db);
    let make = |range: std::ops::Range<usize>| -> String {
        range.map(|i| line(["p", "q"][i % 2], ["images", "disk"][i / 2 % 2], &format!("r{i:05}"), "v")).collect()
    };
    assert_eq!(program.import(make(0..48_000)).code, Some(0));
    // every scope keeps some of its newest; the largest parts are of 10,000
    let said = prune(&program, make(47_000..50_000), &["--prune-limit", "47000"]);
    assert_eq!(said.out, "2,000 new, 0 changed, 1,000 unchanged, 0 rejected, 47,000 removed", "{}", said.err);
    verified(&program);
    let ids: BTreeSet<String> = there(&program).into_iter().collect();
    assert_eq!(ids.len(), 3000);
    assert!(ids.iter().all(|line| line.split(' ').nth(2).unwrap() >= "r47000"));
}

#[test]
fn an_import_that_is_killed_while_it_removes_leaves_everything_as_it_was() {
    let db = TestDb::new();
    let program = furnished(&db);
    let before = program.expect(&["export"]);
    let (mut owner, mut looking) = block_on(async { (db.connect().await, db.connect().await) });
    // the lines change nothing in scopes of p, so only the removal needs this label
    let label = "begin; select from tagd.label l join tagd.scope s using (scope_id)
                  where s.project_id = 'q' and l.kind = 0 for update of l";
    block_on(owner.execute(label)).unwrap();
    let mut child = program
        .command(&["import", "-", "--strict", "--prune"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let file = line("p", "images", "c", "2") + &line("p", "images", "n", "1") + &line("q", "images", "e", "1");
    let mut input = child.stdin.take().unwrap();
    input.write_all(file.as_bytes()).unwrap();
    drop(input);
    eventually("it waits for the label", || !block_on(waiting_for_locks(&mut looking)).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    block_on(async {
        owner.execute("rollback").await.unwrap();
        owner.close().await.unwrap();
        looking.close().await.unwrap();
    });
    // waits until the server has rolled it back
    assert_eq!(prune(&program, line("p", "disk", "d", "1"), &[]), done(0, 0, 1, 0));
    assert_eq!(program.expect(&["export"]), before);
    verified(&program);
    assert_eq!(prune(&program, file, &[]), done(1, 1, 1, 3));
    verified(&program);
}

/// Runs of the model, each of several files.
const FLEETS: u64 = 6;
const FILES: usize = 8;

#[test]
fn after_any_files_every_scope_is_as_the_last_file_with_it() {
    for seed in 1..=FLEETS {
        let db = TestDb::new();
        let program = Program::new().on(&db);
        block_on(async {
            let mut owner = db.connect().await;
            // few resources have dense labels and words of names as labels
            let limits = [crate::support::sparse_limit(3), crate::support::word_limit(4)].concat();
            owner.execute(sqlx::AssertSqlSafe(limits)).await.unwrap();
            owner.close().await.unwrap();
        });
        let mut dice = Dice(seed);
        // by scope, the values by id
        let mut model: BTreeMap<(&str, &str), BTreeMap<String, String>> = BTreeMap::new();
        for _ in 0..FILES {
            let mut lines = String::new();
            let mut file: BTreeMap<(&str, &str), BTreeMap<String, String>> = BTreeMap::new();
            for scope in [("p", "images"), ("p", "vpcs"), ("q", "images"), ("q", "disk")] {
                if dice.roll(3) == 0 {
                    continue;
                }
                let share = 1 + dice.roll(4);
                for i in 0..60 {
                    if dice.roll(4) >= share {
                        continue;
                    }
                    let (id, value) = (format!("r{i}"), dice.roll(3).to_string());
                    let name = if scope.1 == "vpcs" && dice.roll(2) == 0 { "vpc" } else { scope.1 };
                    lines.push_str(&line(scope.0, name, &id, &value));
                    file.entry(scope).or_default().insert(id, value);
                }
            }
            let removed: usize = file
                .iter()
                .map(|(scope, listed)| {
                    model.get(scope).map_or(0, |known| known.keys().filter(|id| !listed.contains_key(*id)).count())
                })
                .sum();
            let new: usize = file
                .iter()
                .map(|(scope, listed)| {
                    listed.keys().filter(|id| !model.get(scope).is_some_and(|known| known.contains_key(*id))).count()
                })
                .sum();
            let total: usize = file.values().map(BTreeMap::len).sum();
            let tried = prune(&program, &lines, &["--dry-run"]);
            let said = prune(&program, &lines, &[]);
            assert_eq!(tried.out, format!("dry run, nothing was changed: {}", said.out), "seed {seed}");
            let numbers: Vec<usize> =
                said.out.split(", ").map(|part| part.split(' ').next().unwrap().parse().unwrap()).collect();
            let [created, changed, unchanged, 0, gone] = numbers[..] else { panic!("{said:?}") };
            assert_eq!((created, changed + unchanged, gone), (new, total - new, removed), "seed {seed}");
            model.extend(file);
            let mut expected: Vec<String> = model
                .iter()
                .flat_map(|((project, kind), known)| {
                    known.iter().map(move |(id, value)| format!("{project} {kind} {id} {value}"))
                })
                .collect();
            let mut found = there(&program);
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "seed {seed}");
        }
        verified(&program);
    }
}
