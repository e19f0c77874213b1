//! `sqlx-data.json`, the one catalogue of every statement that tagd can send, against source and database.
//!
//! | section | what | who writes it |
//! |---|---|---|
//! | fixed | statements of query macros | `tools/sqlx-data` |
//! | compiled | statements of tag queries, one a shape | this test, with `TAGD_UPDATE=1` |
//! | session | the rest: settings, transactions, temporary tables, COPY, the surroundings of migrating | by hand |
//! | refinery | what refinery sends around the files in `migrations/` | by hand |

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use refinery_core::{
    AsyncMigrate, Migration, Target,
    traits::r#async::{AsyncQuery, AsyncTransaction},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Column, Connection, Executor, PgConnection, SqlSafeStr, Statement, TypeInfo};
use tagd::compiler::{shapes, text};

use super::compiled::name;
use crate::support::{TestDb, block_on, is_update, repository, sources_of};

fn read() -> Value {
    serde_json::from_str(&std::fs::read_to_string(repository("sqlx-data.json")).unwrap()).unwrap()
}

/// As Python's `json.dump(.., indent=2, sort_keys=True)` writes it, which `tools/sqlx-data` uses.
fn to_text(catalogue: &Value) -> String {
    let mut text = String::new();
    for c in format!("{catalogue:#}\n").chars() {
        if c == '\n' || (' '..='~').contains(&c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(text, "\\u{unit:04x}").unwrap();
            }
        }
    }
    text
}

/// White space is no part of a statement.
fn fold(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn strings<'a>(value: &'a Value, field: &str) -> Vec<&'a str> {
    value[field].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect()
}

/// Types of a compiled statement's parameters.
pub fn parameters_of_compiled(name: &str) -> Vec<String> {
    let catalogue = read();
    let compiled = catalogue["compiled"].as_array().unwrap();
    let entry = compiled.iter().find(|entry| entry["name"] == name);
    let entry = entry.unwrap_or_else(|| panic!("{name} is not in sqlx-data.json; TAGD_UPDATE=1 writes it"));
    strings(entry, "parameters").into_iter().map(ToOwned::to_owned).collect()
}

fn session() -> Vec<String> {
    read()["session"].as_array().unwrap().iter().map(|entry| entry["sql"].as_str().unwrap().to_owned()).collect()
}

/// Makes a session as the store makes those that serve.
pub async fn set_serving_session(connection: &mut PgConnection) {
    let settings = session().into_iter().find(|sql| sql.starts_with("select set_config('role'")).unwrap();
    sqlx::query(AssertSqlSafe(settings)).bind("30000").bind("off").bind("60000").execute(connection).await.unwrap();
}

#[test]
fn the_catalogue_is_written_as_both_of_its_writers_write_it() {
    let text = std::fs::read_to_string(repository("sqlx-data.json")).unwrap();
    assert!(text == to_text(&read()), "sqlx-data.json: sorted keys, an indent of 2, ASCII, a new line at the end");
    assert_eq!(
        to_text(&json!({ "b": "é\u{7f}𝄞", "a": [] })),
        "{\n  \"a\": [],\n  \"b\": \"\\u00e9\\u007f\\ud834\\udd1e\"\n}\n"
    );
}

#[test]
fn every_fixed_statement_is_prepared_with_the_types_that_the_catalogue_says() {
    let catalogue = read();
    let fixed = catalogue["fixed"].as_object().unwrap();
    let db = TestDb::new();
    block_on(async {
        let mut connection = db.connect().await;
        set_serving_session(&mut connection).await;
        for entry in fixed.values() {
            let sql = entry["query"].as_str().unwrap();
            let said = &entry["describe"];
            let found = connection.describe(AssertSqlSafe(sql.to_owned()).into_sql_str()).await.unwrap();
            let found = serde_json::to_value(&found).unwrap();
            assert_eq!(found["parameters"], said["parameters"], "parameters of {sql}");
            let columns = |describe: &Value| -> Vec<(Value, Value)> {
                let columns = describe["columns"].as_array().unwrap();
                columns.iter().map(|column| (column["name"].clone(), column["type_info"].clone())).collect()
            };
            assert_eq!(columns(&found), columns(said), "columns of {sql}");
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn every_compiled_statement_is_in_the_catalogue() {
    let db = TestDb::new();
    let compiled: Vec<Value> = block_on(async {
        let mut connection = db.connect().await;
        set_serving_session(&mut connection).await;
        let mut compiled = Vec::new();
        for shape in shapes() {
            let type_name = |info: &sqlx::postgres::PgTypeInfo| info.name().to_lowercase();
            let statement = connection.prepare(text(shape).unwrap().into_sql_str()).await.unwrap();
            let parameters = statement.parameters().unwrap().left().unwrap();
            compiled.push(json!({
                "name": name(shape),
                "parameters": parameters.iter().map(type_name).collect::<Vec<_>>(),
                "columns": statement
                    .columns()
                    .iter()
                    .map(|column| json!({ "name": column.name(), "type": type_name(column.type_info()) }))
                    .collect::<Vec<_>>(),
                "sql": text(shape).unwrap().lines().collect::<Vec<_>>(),
            }));
        }
        connection.close().await.unwrap();
        compiled
    });
    let mut catalogue = read();
    if is_update() {
        catalogue["compiled"] = compiled.into();
        // other tests read the file meanwhile
        let unfinished = repository("target/sqlx-data.json.new");
        std::fs::write(&unfinished, to_text(&catalogue)).unwrap();
        std::fs::rename(unfinished, repository("sqlx-data.json")).unwrap();
        return;
    }
    let said = catalogue["compiled"].as_array().unwrap();
    let names = |entries: &[Value]| -> Vec<String> { entries.iter().map(|entry| entry["name"].to_string()).collect() };
    assert_eq!(names(said), names(&compiled), "TAGD_UPDATE=1 writes the section anew");
    for (said, compiled) in said.iter().zip(&compiled) {
        assert_eq!(said, compiled, "TAGD_UPDATE=1 writes the section anew");
    }
}

/// First words of statements, by which a string literal is known as one.
const VERBS: [&str; 24] = [
    "alter",
    "analyze",
    "begin",
    "call",
    "commit",
    "comment",
    "copy",
    "create",
    "deallocate",
    "delete",
    "do",
    "drop",
    "explain",
    "grant",
    "insert",
    "listen",
    "lock",
    "rollback",
    "select",
    "set",
    "show",
    "truncate",
    "update",
    "with",
];

#[test]
fn every_statement_in_the_store_is_in_the_catalogue_and_no_other() {
    let catalogue = read();
    let fixed: BTreeSet<&str> =
        catalogue["fixed"].as_object().unwrap().values().map(|entry| entry["query"].as_str().unwrap()).collect();
    let session: BTreeMap<String, &str> = catalogue["session"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (fold(entry["sql"].as_str().unwrap()), entry["why"].as_str().unwrap()))
        .collect();
    let mut unused: BTreeSet<&str> = session.keys().map(String::as_str).collect();
    let mut unused_fixed = fixed.clone();
    for source in sources_of("src/store") {
        for literal in &source.strings {
            let folded = fold(literal);
            let verb = folded.split([' ', '(']).next().unwrap_or_default().to_lowercase();
            if fixed.contains(literal.as_str()) {
                unused_fixed.remove(literal.as_str());
            } else if session.contains_key(&folded) {
                unused.remove(folded.as_str());
            } else {
                assert!(!VERBS.contains(&verb.as_str()), "{}: not in sqlx-data.json: {literal}", source.path);
            }
        }
    }
    assert_eq!(unused_fixed, BTreeSet::new(), "fixed statements that nobody sends; run tools/sqlx-data");
    assert_eq!(unused, BTreeSet::new(), "session statements that nobody sends");
    for (sql, why) in &session {
        assert!(why.ends_with('.') && why.len() > 10, "no reason is given for {sql}");
    }
}

/// A database on which refinery has nothing applied yet, and which only remembers what it was sent.
struct Recorder(Vec<String>);

impl AsyncTransaction for Recorder {
    type Error = std::io::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(&'a mut self, sent: T) -> std::io::Result<usize> {
        self.0.extend(sent.map(fold));
        Ok(0)
    }
}

impl AsyncQuery<Vec<Migration>> for Recorder {
    async fn query<'a>(&'a mut self, sent: &'a str) -> std::io::Result<Vec<Migration>> {
        self.0.push(fold(sent));
        Ok(Vec::new())
    }
}

impl AsyncMigrate for Recorder {}

#[test]
fn what_refinery_sends_is_in_the_catalogue() {
    let mut recorder = Recorder(Vec::new());
    let migrations = [Migration::unapplied("V1__first", "select 'the file'").unwrap()];
    let done = recorder.migrate(&migrations, true, true, false, Target::Latest, "tagd.schema_history");
    block_on(done).unwrap();
    let mut sent = recorder.0;
    sent.retain(|sql| sql != "select 'the file'");
    for sql in &mut sent {
        if let Some(values) = sql.find("VALUES (") {
            sql.replace_range(values.., "VALUES (..)");
        }
    }
    let catalogue = read();
    let said: Vec<&str> =
        catalogue["refinery"].as_array().unwrap().iter().map(|entry| entry["sql"].as_str().unwrap()).collect();
    assert_eq!(said.into_iter().collect::<BTreeSet<_>>(), sent.iter().map(String::as_str).collect());
}

/// Calls that run a statement: with a literal, a constant of the compiler, or a text marked as safe.
#[test]
fn only_the_store_runs_statements_and_texts_made_at_run_time_are_few() {
    let mut made = BTreeMap::new();
    for source in sources_of("src") {
        if !source.path.starts_with("src/store/") {
            assert!(!source.code.contains("sqlx"), "{} is outside the store and names sqlx", source.path);
        }
        let calls = source.code.matches("AssertSqlSafe(").count();
        if calls > 0 {
            made.insert(source.path.clone(), calls);
        }
    }
    // connect.rs: `create database`, its name quoted by the server; functions.rs: the files of the set; migrate.rs: the
    // migration files and refinery's own
    let known = [("connect", 1), ("functions", 1), ("migrate", 2)];
    let known = known.map(|(file, calls)| (format!("src/store/{file}.rs"), calls));
    assert_eq!(made, known.into());
}
