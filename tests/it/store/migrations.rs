//! Migrating: many at once, twice, by a newer or changed program, and by a login that may only serve.

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tagd::{
    compiler::compile,
    domain::{Caller, QueryOutput, RequestError, Resource, TagQuery, registry::Condition},
    store::{
        ImportBatch, MigrateReport, MonthlyTable, SCHEMA_VERSION, SchemaVersion, SessionProfile, Store, StoreError,
        StoreSettings, migrate, prune_months, set_retention,
    },
};

use crate::support::{Program, TestDb, block_on, registration, tag};

/// A database without a schema.
const NONE: SchemaVersion = SchemaVersion { migration: 0, functions: 0 };

type History = Vec<(i32, String, String, String)>;

async fn history(db: &TestDb) -> History {
    let mut owner = db.connect().await;
    let statement = "select version, name, applied_on, checksum from tagd.schema_history order by version";
    sqlx::query_as(statement).fetch_all(&mut owner).await.unwrap()
}

async fn as_owner(db: &TestDb, statement: &str) {
    let mut owner = db.connect().await;
    owner.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    owner.close().await.unwrap();
}

/// What opening answered where it should have failed.
fn refused(opened: Result<Store, StoreError>) -> StoreError {
    opened.map(|_| ()).expect_err("a refusal")
}

#[test]
fn eight_stores_open_at_once_on_an_empty_database_and_each_version_is_applied_once() {
    let db = TestDb::empty();
    block_on(async {
        let mut settings = db.settings();
        settings.connections = 1;
        let stores = join_all((0..8).map(|_| Store::open_migrated(&settings, SessionProfile::Serve))).await;
        for store in stores {
            let store = store.unwrap();
            assert!(store.list_types().await.is_ok());
            store.close().await;
        }
        let versions: Vec<i32> = history(&db).await.into_iter().map(|(version, ..)| version).collect();
        assert_eq!(versions, (21..=SCHEMA_VERSION).collect::<Vec<_>>());
    });
}

#[test]
fn a_second_run_changes_nothing() {
    let db = TestDb::empty();
    block_on(async {
        assert_eq!(migrate(&db.settings()).await.unwrap(), MigrateReport { from: NONE, to: SchemaVersion::KNOWN });
        let before = history(&db).await;
        assert_eq!(
            migrate(&db.settings()).await.unwrap(),
            MigrateReport { from: SchemaVersion::KNOWN, to: SchemaVersion::KNOWN }
        );
        Store::open_migrated(&db.settings(), SessionProfile::Bulk).await.unwrap().close().await;
        assert_eq!(history(&db).await, before);
    });
}

#[test]
fn a_database_of_a_newer_tagd_is_refused() {
    let db = TestDb::new();
    block_on(async {
        let newer = SCHEMA_VERSION + 94;
        let statement = format!(
            "insert into tagd.schema_history (version, name, applied_on, checksum)
             values ({newer}, 'of_tomorrow', '2040-01-01T00:00:00Z', '1')"
        );
        as_owner(&db, &statement).await;
        let is_refusal = |error: &StoreError| matches!(error, StoreError::NewerSchema { found, known } if found.migration == newer && *known == SchemaVersion::KNOWN);
        for profile in [SessionProfile::Serve, SessionProfile::Bulk] {
            let error = refused(Store::open_migrated(&db.settings(), profile).await);
            assert!(is_refusal(&error), "{error}");
            let line = error.to_string();
            assert!(
                line.contains(&newer.to_string()) && line.contains(&format!(" {}:", SchemaVersion::KNOWN)),
                "{line}"
            );
        }
        let error = migrate(&db.settings()).await.unwrap_err();
        assert!(is_refusal(&error), "{error}");
        assert_eq!(history(&db).await.last().unwrap().0, newer);
    });
}

#[test]
fn a_migration_that_was_changed_after_it_was_applied_is_refused() {
    let db = TestDb::new();
    block_on(async {
        as_owner(&db, "update tagd.schema_history set checksum = '1' where version = 22").await;
        let expected = "the schema of the database is not that of this tagd: \
                        migration V22__tables was changed after it was applied; nothing was done";
        assert_eq!(migrate(&db.settings()).await.unwrap_err().to_string(), expected);
        for profile in [SessionProfile::Serve, SessionProfile::Bulk] {
            assert_eq!(refused(Store::open_migrated(&db.settings(), profile).await).to_string(), expected);
        }

        // and nothing that is missing is applied behind it
        as_owner(&db, &format!("delete from tagd.schema_history where version = {SCHEMA_VERSION}")).await;
        assert_eq!(refused(Store::open_migrated(&db.settings(), SessionProfile::Serve).await).to_string(), expected);
        assert_eq!(history(&db).await.last().unwrap().0, SCHEMA_VERSION - 1);
    });
}

#[test]
fn a_history_with_a_gap_or_with_another_migration_is_refused() {
    for (statement, expected) in [
        ("delete from tagd.schema_history where version = 23", "migration V23__index was passed over"),
        (
            "update tagd.schema_history set name = 'other' where version = 23",
            "migration V23__other was changed after it was applied",
        ),
        ("update tagd.schema_history set version = 0 where version = 21", "migration V0__roles is none of this tagd's"),
    ] {
        let db = TestDb::new();
        block_on(async {
            as_owner(&db, statement).await;
            let before = history(&db).await;
            let error = migrate(&db.settings()).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(refused(Store::open_migrated(&db.settings(), SessionProfile::Serve).await).to_string(), error);
            assert_eq!(history(&db).await, before);
        });
    }
}

#[test]
fn every_command_says_that_a_migration_was_changed() {
    let db = TestDb::new();
    block_on(as_owner(&db, "update tagd.schema_history set checksum = '1' where version = 22"));
    let program = Program::new().on(&db);
    for args in [
        &["migrate"][..],
        &["serve", "--listen", "127.0.0.1:0"],
        &["import", "-"],
        &["export"],
        &["index", "verify"],
        &["index", "rebuild"],
        &["demo"],
    ] {
        let said = program.run(args);
        assert_eq!(said.code, Some(1), "{args:?}");
        assert_eq!(said.out, "", "{args:?}");
        let line = said.err.trim_end();
        assert!(line.starts_with("tagd: the schema of the database is not that of this tagd: "), "{args:?}: {line}");
        assert!(line.contains("V22__tables") && !line.contains('\n'), "{args:?}: {line}");
    }
}

/// A login that is a member of `tagd_service` and nothing else. It goes with the server it is on.
struct ServiceLogin<'a> {
    db: &'a TestDb,
    name: String,
}

impl<'a> ServiceLogin<'a> {
    fn new(db: &'a TestDb, purpose: &str) -> Self {
        let name = format!("test_{purpose}_{}", std::process::id());
        block_on(as_owner(db, &format!("create role {name} login password 'secret' in role tagd_service")));
        Self { db, name }
    }

    fn url(&self) -> String {
        let url = self.db.url();
        let (_, place) = url.split_once('@').expect("a URL with a user");
        format!("postgres://{}:secret@{place}", self.name)
    }

    fn settings(&self) -> StoreSettings {
        let mut settings = StoreSettings::of_url(&self.url()).unwrap();
        settings.connections = 1;
        settings
    }
}

impl Drop for ServiceLogin<'_> {
    fn drop(&mut self) {
        block_on(as_owner(self.db, &format!("drop role {}", self.name)));
    }
}

#[test]
fn a_login_that_is_only_a_member_of_the_service_can_serve() {
    let db = TestDb::new();
    let login = ServiceLogin::new(&db, "serves");
    block_on(async {
        let store = Store::open_migrated(&login.settings(), SessionProfile::Serve).await.unwrap();
        let image = Resource { resource_id: "r".into(), resource_name: "web".into(), ..Resource::default() };
        let (is_new, _) = store.register("p", "images", &image, false, &Condition::None).await.unwrap();
        assert!(is_new);
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        store.put_tags(scope, "r", &[tag("a", "1"), tag("b", "2")]).await.unwrap();
        store.remove_tags(scope, "r", &[("b".into(), None)]).await.unwrap();
        let compiled = compile(&TagQuery::default(), &[scope], QueryOutput::Count);
        assert_eq!(store.count(&compiled).await.unwrap(), 1);
        assert_eq!(store.verify_scope(scope).await.unwrap(), []);
        // what is recorded is its owner's
        let (settings, caller) = (login.settings(), Caller::command("test"));
        for table in [MonthlyTable::History, MonthlyTable::Audit] {
            let refused = prune_months(&settings, table, 0, &caller).await;
            assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
            let refused = set_retention(&settings, table, Some(1), &caller).await;
            assert!(matches!(refused, Err(StoreError::NotOwner)), "{refused:?}");
        }
        assert!(matches!(
            store.put_tags(scope, "none", &[tag("a", "1")]).await,
            Err(RequestError::UnknownResource { .. })
        ));
        store.close().await;

        let store = Store::open_migrated(&login.settings(), SessionProfile::Bulk).await.unwrap();
        let mut stage = store.stage_import().await.unwrap();
        let another = registration("images", "s", "", &[]);
        stage.add(&[&another].into_iter().collect::<ImportBatch>()).await.unwrap();
        let mut whole = stage.begin().await.unwrap();
        assert_eq!(whole.import_next().await.unwrap().unwrap().created, 1);
        whole.finish().await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_login_that_is_only_a_member_of_the_service_writes_no_table_and_no_schema() {
    let db = TestDb::new();
    let login = ServiceLogin::new(&db, "writes_nothing");
    block_on(async {
        let mut connection = PgConnection::connect(&login.url()).await.unwrap();
        for statement in [
            "insert into tagd.project (project_id) values ('p')",
            "update tagd.scope_counter set next_slot = 0",
            "delete from tagd.tag",
            "truncate tagd.chunk",
            "delete from tagd.schema_history",
            "create table tagd.another (a int)",
            "drop table tagd.label",
            "select tagd.change_tags(1, '{}')",
            "select tagd.flip_labels(1, '{}')",
        ] {
            for role in ["reset role", "set role tagd_service"] {
                connection.execute(role).await.unwrap();
                let error = connection.execute(statement).await.expect_err(statement);
                let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                assert_eq!(code.as_deref(), Some("42501"), "{statement}, {role}: {error}");
            }
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn a_login_that_is_only_a_member_of_the_service_cannot_migrate_and_is_told_so() {
    let db = TestDb::new();
    let login = ServiceLogin::new(&db, "migrates_nothing");
    block_on(async {
        let before = history(&db).await;
        as_owner(&db, &format!("delete from tagd.schema_history where version = {SCHEMA_VERSION}")).await;
        let error = refused(Store::open_migrated(&login.settings(), SessionProfile::Serve).await);
        let found = SchemaVersion { migration: SCHEMA_VERSION - 1, ..SchemaVersion::KNOWN };
        assert!(
            matches!(error, StoreError::OlderSchema { found: f, known } if f == found && known == SchemaVersion::KNOWN),
            "{error}"
        );
        let line = error.to_string();
        assert!(line.contains(&found.to_string()) && line.contains("tagd migrate"), "{line}");
        assert_eq!(history(&db).await, before[..before.len() - 1]);
    });
}

#[test]
fn a_login_that_is_only_a_member_of_the_service_is_told_who_applies_functions() {
    let db = TestDb::new();
    let login = ServiceLogin::new(&db, "applies_nothing");
    block_on(async {
        as_owner(&db, "update tagd.function_file set set_number = 0").await;
        let error = refused(Store::open_migrated(&login.settings(), SessionProfile::Serve).await);
        let found = SchemaVersion { functions: 0, ..SchemaVersion::KNOWN };
        assert!(matches!(error, StoreError::OlderSchema { found: f, .. } if f == found), "{error}");
        assert!(error.to_string().contains("tagd migrate"), "{error}");
    });
}

#[test]
fn a_login_that_is_only_a_member_of_the_service_is_told_of_a_changed_migration_too() {
    let db = TestDb::new();
    let login = ServiceLogin::new(&db, "sees_changes");
    block_on(async {
        assert_eq!(
            migrate(&login.settings()).await.unwrap(),
            MigrateReport { from: SchemaVersion::KNOWN, to: SchemaVersion::KNOWN }
        );
        as_owner(&db, "update tagd.schema_history set checksum = '1' where version = 22").await;
        for error in [
            refused(Store::open_migrated(&login.settings(), SessionProfile::Serve).await),
            migrate(&login.settings()).await.unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::OtherSchema(_)), "{error}");
        }
    });
}

#[test]
fn a_login_that_is_only_a_member_of_the_service_is_told_where_there_is_no_schema_at_all() {
    // the role is the server's: a migrated database beside the empty one makes sure that it is there
    let migrated = TestDb::new();
    let db = TestDb::empty();
    let login = ServiceLogin::new(&db, "finds_nothing");
    block_on(async {
        let error = refused(Store::open_migrated(&login.settings(), SessionProfile::Serve).await);
        assert!(matches!(error, StoreError::OlderSchema { found: NONE, known: SchemaVersion::KNOWN }), "{error}");
    });
    drop(login);
    drop(migrated);
}
