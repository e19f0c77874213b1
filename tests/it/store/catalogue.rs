//! `sqlx-data.json`, the catalogue of the statements in `src/store`, against source and database.
//!
//! The statements of tag queries are goldens: see `compiled.rs`.
//!
//! | section | what | who writes it |
//! |---|---|---|
//! | fixed | statements of query macros | `tools/sqlx-data` |
//! | session | the rest: settings, transactions, temporary tables, COPY, the surroundings of migrating | by hand |
//! | refinery | what refinery sends around the files in `migrations/` | by hand |

use std::collections::{BTreeMap, BTreeSet};

use refinery_core::{
    AsyncMigrate, Migration, Target,
    traits::r#async::{AsyncQuery, AsyncTransaction},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr};

use crate::support::{TestDb, block_on, repository, sources_of};

fn read() -> Value {
    serde_json::from_str(&std::fs::read_to_string(repository("sqlx-data.json")).unwrap()).unwrap()
}

/// White space is no part of a statement.
fn fold(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn session() -> Vec<String> {
    read()["session"].as_array().unwrap().iter().map(|entry| entry["sql"].as_str().unwrap().to_owned()).collect()
}

/// Makes a session as the store makes those that serve.
pub async fn set_serving_session(connection: &mut PgConnection) {
    let settings = session().into_iter().find(|sql| sql.contains("set_config('role', 'tagd_service'")).unwrap();
    sqlx::query(AssertSqlSafe(settings)).bind("30000").bind("off").bind("60000").execute(connection).await.unwrap();
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
    // connect.rs: `create database`, its name quoted by the server; copies.rs: counts of tables, the same; functions.rs: the files of the set; migrate.rs: the
    // migration files and refinery's own; pooler.rs: a number of this process; reports.rs: a view and its columns
    let known = [("connect", 1), ("copies", 1), ("functions", 1), ("migrate", 2), ("pooler", 1), ("reports", 1)];
    let known = known.map(|(file, calls)| (format!("src/store/{file}.rs"), calls));
    assert_eq!(made, known.into());
}
