//! The set of SQL functions: its files, its number, what it makes, and programs with other sets beside this one.

use std::fmt::Write;

use sqlx::{AssertSqlSafe, Connection, Executor};
use tagd::store::{
    FUNCTION_SET, FunctionSet, MigrateReport, SCHEMA_VERSION, SchemaVersion, SessionProfile, Store, StoreError,
    migrate, migrate_with,
};

use crate::support::{TestDb, block_on, check_golden, files_of, repository};

/// A file of the set, and the same with another body.
const FILE: &str = "functions/text/word_limit.sql";

fn changed(body: &str) -> String {
    std::fs::read_to_string(repository(&format!("migrations/{FILE}"))).unwrap().replace("'select 64'", body)
}

async fn word_limit(db: &TestDb) -> i32 {
    let mut owner = db.connect().await;
    let limit = sqlx::query_scalar("select tagd.word_limit()").fetch_one(&mut owner).await.unwrap();
    owner.close().await.unwrap();
    limit
}

const fn version(functions: i32) -> SchemaVersion {
    SchemaVersion { migration: SCHEMA_VERSION, functions }
}

#[test]
fn every_file_is_in_the_set_and_the_dropped_functions_come_first() {
    // views are applied with the functions
    let on_disk: Vec<String> = files_of("migrations")
        .into_iter()
        .map(|path| path.strip_prefix("migrations/").unwrap().to_owned())
        .filter(|path| path.starts_with("functions/") || path.starts_with("views/"))
        .collect();
    let set = FunctionSet::embedded();
    let in_set: Vec<&str> = set.paths().collect();
    assert_eq!(in_set, on_disk);
    assert_eq!(in_set[0], "functions/_dropped.sql");
}

#[test]
fn a_change_to_the_set_needs_a_higher_number() {
    let checksums = FunctionSet::embedded().checksums();
    let mut text = format!("function set {FUNCTION_SET}\n");
    for (file, checksum) in checksums {
        writeln!(text, "{} {file}", &checksum[..16]).unwrap();
    }
    // where this differs from the golden of a release, raise FUNCTION_SET and then renew it
    check_golden("schema/function_set.txt", &text);
}

#[test]
fn a_file_has_one_function_of_its_name_with_comment_and_rights() {
    for path in files_of("migrations/functions") {
        if path.ends_with("/_dropped.sql") {
            continue;
        }
        let text = std::fs::read_to_string(repository(&path)).unwrap();
        let name = path.rsplit('/').next().unwrap().strip_suffix(".sql").unwrap();
        // what readers call themselves is in the schema report
        let schema = if text.contains("function report.") { "report" } else { "tagd" };
        assert!(text.contains(&format!("create or replace function {schema}.{name}(")), "{path}");
        assert_eq!(
            text.matches("create ").count(),
            text.matches("create temporary table").count() + text.matches("'create table").count() + 1,
            "{path}"
        );
        for part in ["comment on function", "revoke execute on function"] {
            assert!(text.contains(&format!("{part} {schema}.{name}(")), "{path} lacks `{part} ...`");
        }
    }
}

#[test]
fn signatures_and_rights_are_those_of_the_golden() {
    let db = TestDb::new();
    let lines: Vec<String> = block_on(async {
        let mut owner = db.connect().await;
        let lines = sqlx::query_scalar(
            "select format(E'%s\\n  %s returns %s\\n  %s',
                      p.oid::regprocedure,
                      (select l.lanname from pg_language l where l.oid = p.prolang),
                      pg_get_function_result(p.oid),
                      concat_ws(', ',
                        case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
                        case when p.prosecdef then 'rights of the owner' end,
                        'executed by ' || coalesce((
                          select string_agg(a.grantee::regrole::text, ', ' order by 1)
                            from aclexplode(p.proacl) a where a.grantee <> p.proowner), 'the owner'),
                        array_to_string(p.proconfig, ', ')))
               from pg_proc p
              where p.pronamespace in ('tagd'::regnamespace, 'report'::regnamespace)
              order by p.pronamespace::regnamespace::text desc, p.proname collate \"C\", 1",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        owner.close().await.unwrap();
        lines
    });
    check_golden("schema/functions.txt", &(lines.join("\n") + "\n"));
}

/// They are applied without a look at their bodies.
#[test]
fn every_body_is_valid() {
    let db = TestDb::new();
    block_on(async {
        let mut owner = db.connect().await;
        for path in files_of("migrations/functions") {
            let text = std::fs::read_to_string(repository(&path)).unwrap();
            let created = owner.execute(AssertSqlSafe(text)).await;
            created.unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        owner.close().await.unwrap();
    });
}

/// An index keeps what they returned when a row was written. For another way to index, add a function of another name and
/// an index of it; do not renew these sums.
#[test]
fn functions_behind_an_index_are_not_in_the_set_and_never_change() {
    let db = TestDb::new();
    let found: Vec<(String, String, bool)> = block_on(async {
        let mut owner = db.connect().await;
        let found = sqlx::query_as(
            "select distinct p.proname::text, md5(p.prosrc), p.prosrc like '%tagd.%'
               from pg_depend d
               join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid and c.relkind = 'i'
               join pg_proc p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
              where p.pronamespace = 'tagd'::regnamespace
              order by 1",
        )
        .fetch_all(&mut owner)
        .await
        .unwrap();
        owner.close().await.unwrap();
        found
    });
    let pinned = [("grams", "b0a5ea316565881bbbb30a1cffb66f3f"), ("value_grams", "c369cbfae8a2488b54bdd37df7f405db")];
    assert_eq!(found, pinned.map(|(name, sum)| (name.to_owned(), sum.to_owned(), false)));
    let set = FunctionSet::embedded();
    for (name, _) in pinned {
        assert!(!set.paths().any(|path| path.ends_with(&format!("/{name}.sql"))), "{name}");
    }
}

#[test]
fn a_higher_set_is_applied_and_a_program_with_the_lower_one_goes_on_but_does_not_start() {
    let db = TestDb::new();
    let newer = FunctionSet::embedded().with(FUNCTION_SET + 1, &[(FILE, &changed("'select 65'"))]);
    block_on(async {
        let running = Store::open_migrated(&db.settings(), SessionProfile::Serve).await.unwrap();
        let report = migrate_with(&db.settings(), &newer).await.unwrap();
        assert_eq!(report, MigrateReport { from: version(FUNCTION_SET), to: version(FUNCTION_SET + 1) });
        assert_eq!(word_limit(&db).await, 65);
        let again = migrate_with(&db.settings(), &newer).await.unwrap();
        assert_eq!(again, MigrateReport { from: version(FUNCTION_SET + 1), to: version(FUNCTION_SET + 1) });

        assert!(running.list_types().await.is_ok());
        running.close().await;
        let starting = Store::open_migrated(&db.settings(), SessionProfile::Serve).await.map(|_| ()).unwrap_err();
        for error in [starting, migrate(&db.settings()).await.unwrap_err()] {
            let StoreError::NewerSchema { found, known } = error else { panic!("{error}") };
            assert_eq!((found, known), (version(FUNCTION_SET + 1), SchemaVersion::KNOWN));
        }
        assert_eq!(word_limit(&db).await, 65);
    });
}

#[test]
fn another_text_under_the_same_number_is_refused_by_the_name_of_its_file() {
    for (path, text, what) in [
        (FILE, changed("'select 65'"), "has another text in the database"),
        ("functions/text/of_tomorrow.sql", String::new(), "is unknown to this tagd"),
    ] {
        let db = TestDb::empty();
        let other = FunctionSet::embedded().with(FUNCTION_SET, &[(path, &text)]);
        block_on(async {
            migrate_with(&db.settings(), &other).await.unwrap();
            let said = format!("migrations/{path} of function set {FUNCTION_SET} {what}");
            for error in [
                migrate(&db.settings()).await.unwrap_err(),
                Store::open_migrated(&db.settings(), SessionProfile::Serve).await.map(|_| ()).unwrap_err(),
            ] {
                assert!(matches!(error, StoreError::OtherSchema(_)) && error.to_string().contains(&said), "{error}");
            }
        });
    }
    let db = TestDb::new();
    let other = FunctionSet::embedded().with(FUNCTION_SET, &[("functions/text/of_tomorrow.sql", "")]);
    let error = block_on(migrate_with(&db.settings(), &other)).unwrap_err();
    assert!(error.to_string().contains("of_tomorrow.sql") && error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_set_that_does_not_run_names_its_file_and_changes_nothing() {
    let db = TestDb::new();
    let files = [(FILE, &*changed("'select 65'")), ("functions/write/z.sql", "create function tagd.z() nonsense")];
    let broken = FunctionSet::embedded().with(FUNCTION_SET + 1, &files);
    block_on(async {
        let error = migrate_with(&db.settings(), &broken).await.unwrap_err();
        assert!(error.to_string().contains("migrations/functions/write/z.sql"), "{error}");
        assert_eq!(word_limit(&db).await, 64);
        Store::open_migrated(&db.settings(), SessionProfile::Serve).await.unwrap().close().await;
    });
}
