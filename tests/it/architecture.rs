//! Rules of the architecture: what may import what, what a file and a table must say about themselves, who may write.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Connection, Executor, PgConnection};
use tagd::{
    compiler::shapes,
    store::{SCHEMA_VERSION, migrate},
};

use crate::{
    compiler::compiled,
    support::{Files, Source, TestDb, block_on, files_of, repository, sources_of},
};

fn all_sources() -> Vec<Source> {
    let mut sources = sources_of("src");
    sources.extend(sources_of("tests"));
    sources
}

// ---- files

#[test]
fn every_file_begins_with_one_sentence_on_what_it_is_for() {
    for source in all_sources() {
        let first = source.text.lines().next().unwrap_or_default();
        let sentence = first.strip_prefix("//! ").unwrap_or_else(|| panic!("{} begins with {first:?}", source.path));
        let is_one = sentence.ends_with('.') && !sentence.trim_end_matches('.').contains(". ");
        assert!(is_one, "{}: not one sentence on a line: {sentence}", source.path);
    }
}

#[test]
fn no_file_of_the_program_is_too_long() {
    for source in sources_of("src") {
        let lines = source.text.lines().count();
        assert!(lines <= 450, "{} has {lines} lines; it wants a second room", source.path);
    }
}

#[test]
fn nothing_is_left_for_later() {
    for source in all_sources() {
        for word in ["todo!", "unimplemented!", "dbg!", "#[ignore"] {
            assert!(!source.code.contains(word), "{}: {word}", source.path);
        }
        for word in ["TODO", "FIXME", "XXX"] {
            assert!(!source.comments.contains(word), "{}: a comment says {word}", source.path);
        }
    }
}

#[test]
fn there_is_one_integration_binary_and_it_has_every_test_file() {
    let manifest = std::fs::read_to_string(repository("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[test]]").count(), 1);
    assert!(manifest.contains("autotests = false"));
    let files: BTreeSet<String> = sources_of("tests").into_iter().map(|source| source.path).collect();
    let mut found = BTreeSet::from(["tests/it/main.rs".to_owned()]);
    for source in sources_of("tests/it") {
        let folder = match source.path.strip_suffix("/mod.rs").or(source.path.strip_suffix("/main.rs")) {
            Some(folder) => folder.to_owned(),
            None => source.path.trim_end_matches(".rs").to_owned(),
        };
        let modules = source.code.lines().filter_map(|line| {
            line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.trim_end().strip_suffix(';')
        });
        let declared: Vec<&str> = modules.collect();
        assert!(declared.is_sorted(), "{}: modules in the order of the alphabet: {declared:?}", source.path);
        for module in declared {
            let paths = [format!("{folder}/{module}.rs"), format!("{folder}/{module}/mod.rs")];
            found.extend(paths.into_iter().filter(|path| files.contains(path)));
        }
    }
    assert_eq!(files.difference(&found).collect::<Vec<_>>(), Vec::<&String>::new(), "in no module of the one binary");
}

// ---- what is named

/// The folders whose files are named by their whole path.
const FOLDERS: [&str; 9] =
    ["benches", "deploy", "docs", "examples", "migrations", "reference", "src", "tests", "tools"];

/// The paths that a text names, from the folder on.
fn paths_in(text: &str) -> Vec<&str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let words = text.split(|c: char| !is_path(c)).map(|word| word.strip_prefix("./").unwrap_or(word));
    words
        .filter(|word| word.split_once('/').is_some_and(|(folder, _)| FOLDERS.contains(&folder)))
        .map(|word| word.trim_end_matches(['.', '/']))
        .collect()
}

/// The files beside the path that a link of Markdown leads to, without those that lead out of the repository.
fn links_in(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    targets.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn paths_and_links_are_found_in_a_text() {
    let text = "See `docs/A.md`, ./tools/b and (src/c/d.rs). Not /docs/e, docs alone, and/or, x/docs/f; tests/golden/.";
    assert_eq!(paths_in(text), ["docs/A.md", "tools/b", "src/c/d.rs", "tests/golden"]);
    assert_eq!(links_in("[a](B.md), [c](D.md#e), [f](#g) [h](https://i/j)"), ["B.md", "D.md"]);
}

#[test]
fn every_path_that_is_named_is_there() {
    let top = ["CHANGELOG.md", "CONTRIBUTING.md", "Cargo.toml", "Dockerfile", "Makefile", "README.md", "build.rs"];
    let mut texts: Vec<(String, String)> =
        all_sources().into_iter().map(|source| (source.path, source.comments)).collect();
    let others = ["benches", "deploy", "docs", "examples", "migrations", "tools"].into_iter().flat_map(files_of);
    for path in others.chain(top.map(ToOwned::to_owned)) {
        // what is no text names nothing
        if let Ok(text) = std::fs::read_to_string(repository(&path)) {
            texts.push((path, text));
        }
    }
    let mut named = 0;
    for (path, text) in &texts {
        for word in paths_in(text) {
            named += 1;
            // a decision is named by its number; NAME is what its reader fills in
            let is_decision = word.starts_with("docs/adr/")
                && files_of("docs/adr").iter().any(|file| file.starts_with(&format!("{word}-")));
            let is_there = repository(word).exists() || is_decision || word.contains("NAME");
            assert!(is_there, "{path} names {word}, which does not exist");
        }
        if path.ends_with(".md") {
            for target in links_in(text) {
                let from = repository(path);
                assert!(from.parent().unwrap().join(target).exists(), "{path} leads to {target}, which does not exist");
            }
        }
    }
    assert!(named > 100, "only {named} paths are named");
}

// ---- rooms

/// The table in the documentation of `src/lib.rs`: each room with those that it may use; `None`: all.
fn rooms() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let lib = std::fs::read_to_string(repository("src/lib.rs")).unwrap();
    let row = |line: &str| -> Option<(String, Option<BTreeSet<String>>)> {
        let cells: Vec<&str> = line.strip_prefix("//! | [`")?.split('|').map(str::trim).collect();
        let uses = match cells[2] {
            "all" => None,
            uses => {
                let names = uses.split(", ").map(|room| room.trim_matches('`'));
                Some(names.filter(|room| !room.is_empty()).map(ToOwned::to_owned).collect())
            }
        };
        Some((cells[0].trim_end_matches("`]").to_owned(), uses))
    };
    lib.lines().filter_map(row).collect()
}

/// The rooms that a file's paths begin with: `crate::store::..`, `crate::{store, domain::..}`.
fn used_rooms(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(group) = rest.strip_prefix('{') else {
            used.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && c.is_alphanumeric() => {
                    used.insert(word(&group[i..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    used
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let code = "use crate::{a::{b, c}, d,\n e::f};\nfn g() { crate::h::i() } use super::crate_j;";
    assert_eq!(used_rooms(code).into_iter().collect::<Vec<_>>(), ["a", "d", "e", "h"]);
}

#[test]
fn the_rooms_of_the_table_are_the_rooms_of_the_crate() {
    let lib = std::fs::read_to_string(repository("src/lib.rs")).unwrap();
    let declared: BTreeSet<String> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(ToOwned::to_owned)
        .collect();
    let rooms = rooms();
    assert_eq!(rooms.keys().cloned().collect::<BTreeSet<_>>(), declared);
    for (room, uses) in rooms {
        for used in uses.iter().flatten() {
            assert!(declared.contains(used), "{room} uses {used}, which is no room");
            assert_ne!(&room, used, "a room may use itself without saying so");
        }
    }
}

#[test]
fn no_room_uses_another_that_its_row_in_the_table_does_not_name() {
    let rooms = rooms();
    for source in sources_of("src") {
        let room = source.path["src/".len()..].split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        // what is in lib.rs and main.rs belongs to no room: the map, and the call of cli
        if ["lib", "main"].contains(&room.as_str()) {
            continue;
        }
        let Some(allowed) = &rooms[&room] else { continue };
        for used in used_rooms(&source.code) {
            assert!(
                used == room || allowed.contains(&used),
                "{} uses {used}; src/lib.rs lets {room} use {allowed:?}",
                source.path
            );
        }
    }
}

#[test]
fn no_files_of_a_module_use_each_other_in_a_circle() {
    let circles = Files::read(&sources_of("src")).circles();
    let shown: String = circles
        .iter()
        .flat_map(|(module, circles)| circles.iter().map(move |files| format!("\n{module}: {}", files.join(" → "))))
        .collect();
    assert!(circles.is_empty(), "circles:{shown}");
}

#[test]
fn only_config_reads_the_environment() {
    for source in sources_of("src").into_iter().filter(|source| source.path != "src/config/environment.rs") {
        for path in ["std::env", "env::"] {
            assert!(!source.code.contains(path), "{} names {path}", source.path);
        }
        // `use std::{env, fs}`
        assert!(!source.code.contains("{env,") && !source.code.contains(" env,"), "{} imports env", source.path);
    }
}

// ---- goldens

#[test]
fn every_golden_is_read_by_a_test() {
    let compiled: BTreeSet<String> =
        shapes().into_iter().map(|shape| format!("compiled/{}.sql", compiled::name(shape))).collect();
    let literals: BTreeSet<String> = sources_of("tests/it").into_iter().flat_map(|source| source.strings).collect();
    for path in files_of("tests/golden") {
        let path = path.strip_prefix("tests/golden/").unwrap();
        let name = path.rsplit('/').next().unwrap();
        let stem = name.split('.').next().unwrap();
        // one for each dialect: `ims_action.txt` is named "action" or "errors/{}_action.txt"
        let rest = stem.split_once('_').map_or(stem, |(_, rest)| rest);
        let patterns = [format!("{{}}_{rest}.txt"), format!("{{}}_{rest}")];
        let known = compiled.contains(path)
            // one for each view
            || (path.starts_with("report/") && repository(&format!("migrations/views/{stem}.sql")).exists())
            || [path, name, name.trim_end_matches(".txt"), stem, rest].into_iter().any(|part| literals.contains(part))
            || literals.iter().any(|literal| patterns.iter().any(|pattern| literal.ends_with(pattern)));
        assert!(known, "no test names the golden {path}");
    }
}

// ---- the database

#[test]
fn migrations_are_numbered_without_gaps() {
    let mut numbers: Vec<i32> = files_of("migrations")
        .iter()
        // the others are functions, and what takes over a database from before the baseline
        .filter(|path| *path != "migrations/README.md" && path.matches('/').count() == 1)
        .map(|path| {
            let name = path.strip_prefix("migrations/V").and_then(|name| name.split_once("__"));
            let name = name.filter(|(_, purpose)| purpose.strip_suffix(".sql").is_some());
            let (number, _) = name.unwrap_or_else(|| panic!("{path} is not named V0000__purpose.sql"));
            assert_eq!(number.len(), 4, "{path} is not named V0000__purpose.sql");
            number.parse().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (21..=SCHEMA_VERSION).collect::<Vec<_>>());
}

/// Rows of one text column.
async fn names(connection: &mut PgConnection, statement: &'static str) -> Vec<String> {
    sqlx::query_scalar(statement).fetch_all(connection).await.unwrap()
}

#[test]
fn every_table_column_and_function_has_a_comment() {
    // not from the template, which may be older than what the program itself comments on
    let db = TestDb::empty();
    block_on(async {
        migrate(&db.settings()).await.unwrap();
        let mut connection = db.connect().await;
        let tables = names(
            &mut connection,
            "select c.relname::text from pg_class c
              where c.relnamespace in ('tagd'::regnamespace, 'report'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')",
        );
        assert!(tables.await.len() >= 8);
        let silent = names(
            &mut connection,
            "select c.relname::text from pg_class c
              where c.relnamespace in ('tagd'::regnamespace, 'report'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
                and obj_description(c.oid, 'pg_class') is null
             union all
             select c.relname || '.' || a.attname from pg_class c
               join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
              where c.relnamespace in ('tagd'::regnamespace, 'report'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
                -- a partition has the columns of its table
                and not c.relispartition and col_description(c.oid, a.attnum) is null
             union all
             select p.oid::regprocedure::text from pg_proc p
              where p.pronamespace in ('tagd'::regnamespace, 'report'::regnamespace) and obj_description(p.oid, 'pg_proc') is null
              order by 1",
        );
        assert_eq!(silent.await, Vec::<String>::new(), "without a comment");
        connection.close().await.unwrap();
    });
}

#[test]
fn no_function_is_executed_by_everyone() {
    let db = TestDb::new();
    block_on(async {
        let mut connection = db.connect().await;
        let open = names(
            &mut connection,
            "select p.oid::regprocedure::text
               from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
              where p.pronamespace in ('tagd'::regnamespace, 'report'::regnamespace) and a.grantee = 0
              order by 1",
        );
        assert_eq!(open.await, Vec::<String>::new());
        connection.close().await.unwrap();
    });
}

#[test]
fn functions_with_the_rights_of_the_owner_have_a_search_path_of_their_own() {
    let db = TestDb::new();
    block_on(async {
        let mut connection = db.connect().await;
        let open = names(
            &mut connection,
            "select p.oid::regprocedure::text from pg_proc p
              where p.pronamespace in ('tagd'::regnamespace, 'report'::regnamespace) and p.prosecdef
                and not coalesce(p.proconfig, '{}') @> array['search_path=pg_catalog, pg_temp']
              order by 1",
        );
        assert_eq!(open.await, Vec::<String>::new());
        connection.close().await.unwrap();
    });
}

#[test]
fn the_service_reads_every_table_and_writes_none() {
    let db = TestDb::new();
    block_on(async {
        let mut connection = db.connect().await;
        // a table that a later migration makes is as the others are
        connection.execute("create table tagd.of_tomorrow (a int)").await.unwrap();
        let wrong = names(
            &mut connection,
            "select c.relname || ' ' || p.privilege from pg_class c,
                    (values ('select', true), ('insert', false), ('update', false), ('delete', false),
                            ('truncate', false), ('references', false), ('trigger', false)) p (privilege, granted)
              where c.relnamespace in ('tagd'::regnamespace, 'report'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
                and has_table_privilege('tagd_service', c.oid, p.privilege) <> p.granted
             union all
             select c.relname || '.' || a.attname || ' ' || p.privilege from pg_class c
               join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
                    (values ('insert'), ('update'), ('references')) p (privilege)
              where c.relnamespace in ('tagd'::regnamespace, 'report'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm')
                and has_column_privilege('tagd_service', c.oid, a.attnum, p.privilege)
             union all
             select 'schema ' || p.privilege from (values ('create')) p (privilege)
              where has_schema_privilege('tagd_service', 'tagd', p.privilege)
              order by 1",
        );
        assert_eq!(wrong.await, Vec::<String>::new());
        connection.close().await.unwrap();
    });
}
