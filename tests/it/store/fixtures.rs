//! Databases as earlier versions left them (`tests/fixtures`, made by `tools/fixture`), migrated to this version.

use std::{cmp::Reverse, fs};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, SqlSafeStr};
use tagd::store::{FUNCTION_SET, MigrateReport, SCHEMA_VERSION, SchemaVersion, migrate};

use super::catalogue::set_serving_session;
use crate::support::{Program, TestDb, assert_same_schema, block_on, repository, restored, unzipped};

/// A fixture.
struct Fixture {
    path: String,
    version: SchemaVersion,
    answers: Value,
}

/// All fixtures, the newest first.
fn fixtures() -> Vec<Fixture> {
    let mut found: Vec<Fixture> = fs::read_dir(repository("tests/fixtures"))
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (migration, functions) = name.split_once('.').expect("a folder named by a version of the schema");
            let version =
                SchemaVersion { migration: migration.parse().unwrap(), functions: functions.parse().unwrap() };
            let path = format!("tests/fixtures/{name}");
            let answers = fs::read_to_string(repository(&format!("{path}/answers.json"))).unwrap();
            Fixture { path, version, answers: serde_json::from_str(&answers).unwrap() }
        })
        .collect();
    found.sort_by_key(|fixture| Reverse((fixture.version.migration, fixture.version.functions)));
    assert!(!found.is_empty());
    found
}

impl Fixture {
    fn restored(&self) -> TestDb {
        restored(&format!("{}/database.sql.gz", self.path))
    }

    /// The program on a database with the credentials of this fixture.
    fn program(&self, db: &TestDb) -> Program {
        Program::new().on(db).with("TAGD_MASTER_KEY", self.answers["master_key"].as_str().unwrap())
    }
}

/// Where the answer lacks something that was recorded. A later version may add fields to objects.
fn lacks(recorded: &Value, found: &Value) -> bool {
    match (recorded, found) {
        (Value::Object(recorded), Value::Object(found)) => {
            recorded.iter().any(|(name, value)| found.get(name).is_none_or(|found| lacks(value, found)))
        }
        (Value::Array(recorded), Value::Array(found)) => {
            recorded.len() != found.len() || recorded.iter().zip(found).any(|(recorded, found)| lacks(recorded, found))
        }
        _ => recorded != found,
    }
}

#[test]
fn a_database_of_each_earlier_version_becomes_what_a_new_one_is() {
    let fresh = TestDb::new();
    for fixture in fixtures() {
        let db = fixture.restored();
        block_on(async {
            let report = migrate(&db.settings()).await.unwrap();
            assert_eq!(report, MigrateReport { from: fixture.version, to: SchemaVersion::KNOWN }, "{}", fixture.path);
            assert_same_schema(&db, &fresh, &fixture.path).await;
        });
    }
}

#[test]
fn a_database_of_each_earlier_version_answers_as_before_and_can_be_changed() {
    for fixture in fixtures() {
        let db = fixture.restored();
        let program = fixture.program(&db);
        let server = program.serve(&["--listen", "127.0.0.1:0"]);
        let questions = fixture.answers["questions"].as_array().unwrap();
        assert!(questions.len() > 20, "{}", fixture.path);
        for question in questions {
            let (method, path) = (question["method"].as_str().unwrap(), question["path"].as_str().unwrap());
            let body = if question["body"].is_null() { String::new() } else { question["body"].to_string() };
            let answer = server.send(method, path, &[("Content-Type", "application/json")], body.as_bytes());
            let context = format!("{}: {method} {path} {body}: {}", fixture.path, answer.body);
            assert_eq!(u64::from(answer.status), question["status"].as_u64().unwrap(), "{context}");
            // the words of an error may change
            if answer.status == 200 {
                let recorded = &question["answer"];
                assert!(!lacks(recorded, &answer.json()), "{context}\nrecorded: {recorded}");
            }
        }
        let count = || {
            let body = r#"{"action": "count", "tags": [{"key": "env", "values": ["prod"]}]}"#;
            server.post("/v2/a/images/resource_instances/action", body).json()["total_count"].as_u64().unwrap()
        };
        let before = count();
        let tagged = server.post("/v2/a/images/image-0/tags", r#"{"tag": {"key": "env", "value": "prod"}}"#);
        assert_eq!(tagged.status, 204, "{}", tagged.body);
        assert_eq!(count(), before + 1);
        assert_eq!(server.stop().code, Some(0));
        let verified = program.expect(&["index", "verify"]);
        assert!(verified.ends_with("scopes, index and tags agree\n"), "{}: {verified}", fixture.path);
    }
}

#[test]
fn the_credentials_of_each_earlier_version_are_still_accepted() {
    for fixture in fixtures() {
        let db = fixture.restored();
        // with keys it does not start unless the master key opens every secret
        let server = fixture.program(&db).serve(&["--listen", "127.0.0.1:0", "--auth", "keys,tokens"]);
        let path = "/registry/v1/projects/empty";
        let ask = |token: &str| server.send("GET", path, &[("X-Auth-Token", token)], b"");
        let answer = ask(fixture.answers["token"].as_str().unwrap());
        assert_eq!((answer.status, answer.json()["project_name"].as_str()), (200, Some("empty")), "{}", answer.body);
        assert_eq!(ask("tagd_wrong").status, 401);
        assert_eq!(server.stop().code, Some(0));
    }
}

/// While replicas are rolled from one version to the next, those of the version before run on the migrated schema.
#[test]
fn every_statement_of_the_version_before_is_accepted_by_the_schema_of_this_one() {
    let fixture = fixtures().remove(0);
    let statements: Vec<String> =
        serde_json::from_str(&unzipped(&format!("{}/statements.json.gz", fixture.path))).unwrap();
    assert!(statements.len() > 150, "{}", statements.len());
    let db = TestDb::new();
    block_on(async {
        let mut connection = db.connect().await;
        set_serving_session(&mut connection).await;
        for statement in statements {
            let prepared = connection.prepare(AssertSqlSafe(statement.clone()).into_sql_str()).await;
            assert!(
                prepared.is_ok(),
                "{:?}: a program of version {} that still runs sends this:\n{statement}\nKeep what it needs for one \
                 release (migrations/README.md). If that version was never released, make its fixture anew: tools/fixture",
                prepared.err(),
                fixture.version
            );
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn each_release_has_a_fixture_and_none_is_newer_than_this_version() {
    let made_by: Vec<String> =
        fixtures().iter().map(|fixture| fixture.answers["made_by"].as_str().unwrap().to_owned()).collect();
    let changes = fs::read_to_string(repository("CHANGELOG.md")).unwrap();
    let releases = changes.lines().filter_map(|line| line.strip_prefix("## [")?.split(']').next());
    for release in releases.filter(|release| *release != "Unreleased") {
        assert!(made_by.iter().any(|version| version == release), "{release} has no fixture: run tools/fixture");
    }
    for Fixture { version, path, .. } in fixtures() {
        assert!(version.migration <= SCHEMA_VERSION && version.functions <= FUNCTION_SET, "{path}");
    }
}
