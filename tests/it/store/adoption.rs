//! Databases from before the baseline: schema 20 is taken over in place, an older one is refused.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tagd::{
    compiler::compile,
    domain::{QueryOutput, TagQuery},
    store::{MigrateReport, SchemaVersion, SessionProfile, Store, StoreError, migrate},
};

use crate::support::{Program, TestDb, block_on, repository, unregister};

/// A database from a dump that `pg_dump` wrote.
fn restored(dump: &str) -> TestDb {
    // the role of the service belongs to the server: a database beside it sees to that
    let migrated = TestDb::new();
    let db = TestDb::empty();
    let text = std::fs::read_to_string(repository(&format!("tests/dumps/{dump}.sql"))).unwrap();
    block_on(async {
        let mut owner = db.connect().await;
        owner.execute(AssertSqlSafe(text)).await.unwrap();
        owner.close().await.unwrap();
    });
    drop(migrated);
    db
}

/// Everything that a schema is made of, a line for each object; rights without the name of the owner.
const OBJECTS: &str = "
with owner as (select n.nspowner as oid from pg_namespace n where n.nspname = 'tagd'),
     acl (what, id, owner, acl) as (
       select 'schema', n.nspname::text, n.nspowner, n.nspacl from pg_namespace n where n.nspname = 'tagd'
       union all
       select 'relation', c.relname, c.relowner, c.relacl from pg_class c where c.relnamespace = 'tagd'::regnamespace
       union all
       select 'function', p.oid::regprocedure::text, p.proowner, p.proacl from pg_proc p where p.pronamespace = 'tagd'::regnamespace
       union all
       select 'default ' || d.defaclobjtype::text, '', d.defaclrole, d.defaclacl
         from pg_default_acl d where d.defaclnamespace = 'tagd'::regnamespace)
select concat_ws(' | ', 'right', a.what, a.id,
                 case when e.grantee = a.owner then 'owner' else e.grantee::regrole::text end, e.privilege_type)
  from acl a, aclexplode(a.acl) e
union all
select concat_ws(' | ', 'relation', c.relname, c.relkind, c.relpersistence, c.relreplident, c.reloptions::text,
                 obj_description(c.oid, 'pg_class'))
  from pg_class c where c.relnamespace = 'tagd'::regnamespace
union all
select concat_ws(' | ', 'column', c.relname, row_number() over (partition by c.oid order by a.attnum), a.attname,
                 format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage, a.attcompression,
                 a.attcollation::regcollation, case when a.attstattarget < 0 then null else a.attstattarget end,
                 pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
  from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
 where c.relnamespace = 'tagd'::regnamespace
union all
select concat_ws(' | ', 'constraint', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
  from pg_constraint c where c.connamespace = 'tagd'::regnamespace
union all
select concat_ws(' | ', 'index', pg_get_indexdef(i.indexrelid), i.indisreplident)
  from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'tagd'::regnamespace
union all
select concat_ws(' | ', 'function', p.oid::regprocedure,
                 case when p.prokind = 'a' then (select md5(concat_ws(' ', a.aggtransfn, a.agginitval)) from pg_aggregate a where a.aggfnoid = p.oid)
                      else pg_get_functiondef(p.oid) end,
                 obj_description(p.oid, 'pg_proc'))
  from pg_proc p where p.pronamespace = 'tagd'::regnamespace
union all
select concat_ws(' | ', 'type', t.typname, t.typtype, obj_description(t.oid, 'pg_type'))
  from pg_type t where t.typnamespace = 'tagd'::regnamespace
union all
select concat_ws(' | ', 'migration', h.version, h.name, h.checksum) from tagd.schema_history h
union all
select concat_ws(' | ', 'file', f.file, f.checksum, f.set_number) from tagd.function_file f
order by 1";

async fn objects(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(OBJECTS).fetch_all(connection).await.unwrap()
}

#[test]
fn an_adopted_schema_is_the_same_as_a_fresh_one_object_by_object() {
    let (adopted, fresh) = (restored("schema_20"), TestDb::empty());
    block_on(async {
        migrate(&fresh.settings()).await.unwrap();
        let from = SchemaVersion { migration: 20, functions: 0 };
        let report = migrate(&adopted.settings()).await.unwrap();
        assert_eq!(report, MigrateReport { from, to: SchemaVersion::KNOWN });
        let again = migrate(&adopted.settings()).await.unwrap();
        assert_eq!(again, MigrateReport { from: SchemaVersion::KNOWN, to: SchemaVersion::KNOWN });

        let (mut left, mut right) = (adopted.connect().await, fresh.connect().await);
        let (left, right) = (objects(&mut left).await, objects(&mut right).await);
        assert!(right.len() > 300, "{}", right.len());
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|line| !those.contains(line)).cloned().collect()
        };
        assert_eq!((only(&left, &right), only(&right, &left)), (vec![], vec![]), "adopted, fresh");
        assert_eq!(left, right);
    });
}

#[test]
fn what_was_in_an_adopted_database_is_found_and_can_be_changed() {
    let db = restored("schema_20");
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
    let db = restored("schema_16");
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
    let db = restored("schema_20");
    block_on(async {
        let mut owner = db.connect().await;
        owner.execute("update tagd.schema_history set checksum = '1' where version = 9").await.unwrap();
        owner.close().await.unwrap();
        let error = migrate(&db.settings()).await.unwrap_err();
        assert!(matches!(error, StoreError::OtherSchema(_)), "{error}");
    });
}
