//! Databases from before the baseline: schema 20 is taken over in place, an older one is refused.

use sqlx::{Connection, Executor};
use tagd::{
    compiler::compile,
    domain::{QueryOutput, TagQuery},
    store::{MigrateReport, SchemaVersion, SessionProfile, Store, StoreError, migrate},
};

use crate::support::{Program, TestDb, assert_same_schema, block_on, repository, restored, unregister};

#[test]
fn an_adopted_schema_is_the_same_as_a_fresh_one_object_by_object() {
    let (adopted, fresh) = (restored("tests/dumps/schema_20.sql"), TestDb::empty());
    block_on(async {
        migrate(&fresh.settings()).await.unwrap();
        let from = SchemaVersion { migration: 20, functions: 0 };
        let report = migrate(&adopted.settings()).await.unwrap();
        assert_eq!(report, MigrateReport { from, to: SchemaVersion::KNOWN });
        let again = migrate(&adopted.settings()).await.unwrap();
        assert_eq!(again, MigrateReport { from: SchemaVersion::KNOWN, to: SchemaVersion::KNOWN });

        assert_same_schema(&adopted, &fresh, "adopted, fresh").await;
    });
}

#[test]
fn what_was_in_an_adopted_database_is_found_and_can_be_changed() {
    let db = restored("tests/dumps/schema_20.sql");
    let program = Program::new().on(&db);
    let exported = std::fs::read_to_string(repository("tests/dumps/schema_20.ndjson")).unwrap();
    assert_eq!(program.expect(&["export", "--only", "resource"]), exported);
    assert_eq!(program.expect(&["index", "verify"]), "4 scopes, index and tags agree\n");
    block_on(async {
        let store = Store::open_migrated(&db.settings(), SessionProfile::Serve).await.unwrap();
        let scope = store.find_scope("p", "images").await.unwrap().unwrap();
        let compiled = compile(&TagQuery::default(), &[scope], QueryOutput::Count);
        assert_eq!(store.count(&compiled).await.unwrap(), 200);
        assert!(unregister(&store, scope, "r7").await);
        assert_eq!(store.count(&compiled).await.unwrap(), 199);
        store.close().await;
    });
    assert_eq!(program.expect(&["index", "verify"]), "4 scopes, index and tags agree\n");
}

#[test]
fn an_older_schema_is_refused_with_the_version_to_go_through() {
    let db = restored("tests/dumps/schema_16.sql");
    block_on(async {
        for error in [
            migrate(&db.settings()).await.unwrap_err(),
            Store::open_migrated(&db.settings(), SessionProfile::Serve).await.map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::BeforeBaseline { found: 16, adopted: 20 }), "{error}");
            let line = error.to_string();
            assert!(line.contains("version 16") && line.contains("version 20") && line.contains("export"), "{line}");
        }
    });
    let said = Program::new().on(&db).run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("schema version 16"), "{}", said.err);
}

#[test]
fn a_schema_20_that_was_made_by_other_migrations_is_refused() {
    let db = restored("tests/dumps/schema_20.sql");
    block_on(async {
        let mut owner = db.connect().await;
        owner.execute("update tagd.schema_history set checksum = '1' where version = 9").await.unwrap();
        owner.close().await.unwrap();
        let error = migrate(&db.settings()).await.unwrap_err();
        assert!(matches!(error, StoreError::OtherSchema(_)), "{error}");
    });
}
