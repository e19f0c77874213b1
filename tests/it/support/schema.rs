//! A schema as lines of text, to compare two, and databases restored from dumps.

use std::io::Read;

use flate2::read::GzDecoder;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{TestDb, block_on, repository};

/// A database from a dump that `pg_dump` wrote, given by its path; a name that ends in `.gz` is decompressed.
pub fn restored(dump: &str) -> TestDb {
    // the roles belong to the server: a database beside it sees to that
    let migrated = TestDb::new();
    let db = TestDb::empty();
    let text = if dump.ends_with(".gz") { unzipped(dump) } else { std::fs::read_to_string(repository(dump)).unwrap() };
    // a server that was built without this compression refuses the statement
    let is_taken = |line: &&str| !(line.starts_with("ALTER TABLE ") && line.ends_with(" SET COMPRESSION lz4;"));
    let text: String = text.split_inclusive('\n').filter(|line| is_taken(&line.trim_end())).collect();
    block_on(async {
        let mut owner = db.connect().await;
        owner.execute(AssertSqlSafe(text)).await.unwrap();
        owner.close().await.unwrap();
    });
    drop(migrated);
    db
}

/// The text of a compressed file of the repository.
pub fn unzipped(path: &str) -> String {
    let file = std::fs::File::open(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// Everything that the schemas are made of, a line for each object; rights without the name of the owner. Months are left
/// out: which ones there are depends on the day. So is the compression of columns, which depends on how Postgres was built.
const OBJECTS: &str = "
with space (oid, name) as (select n.oid, n.nspname::text from pg_namespace n where n.nspname in ('tagd', 'report')),
     acl (what, id, owner, acl) as (
       select 'schema', n.nspname::text, n.nspowner, n.nspacl from pg_namespace n join space s on s.oid = n.oid
       union all
       select 'relation', c.oid::regclass::text, c.relowner, c.relacl
         from pg_class c join space s on s.oid = c.relnamespace where not c.relispartition
       union all
       select 'function', p.oid::regprocedure::text, p.proowner, p.proacl from pg_proc p join space s on s.oid = p.pronamespace
       union all
       select 'default ' || d.defaclobjtype::text, s.name, d.defaclrole, d.defaclacl
         from pg_default_acl d join space s on s.oid = d.defaclnamespace)
select concat_ws(' | ', 'right', a.what, a.id,
                 case when e.grantee = a.owner then 'owner' when e.grantee = 0 then 'public' else e.grantee::regrole::text end,
                 e.privilege_type)
  from acl a, aclexplode(a.acl) e
union all
select concat_ws(' | ', 'relation', c.oid::regclass, c.relkind, c.relpersistence, c.relreplident, c.reloptions::text,
                 obj_description(c.oid, 'pg_class'), case when c.relkind = 'v' then pg_get_viewdef(c.oid) end)
  from pg_class c join space s on s.oid = c.relnamespace where not c.relispartition
union all
select concat_ws(' | ', 'column', c.oid::regclass, row_number() over (partition by c.oid order by a.attnum), a.attname,
                 format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
                 a.attcollation::regcollation, case when a.attstattarget < 0 then null else a.attstattarget end,
                 pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
  from pg_class c
  join space s on s.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
 where not c.relispartition
union all
select concat_ws(' | ', 'constraint', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
  from pg_constraint k
  join space s on s.oid = k.connamespace
  left join pg_class c on c.oid = k.conrelid
 where c.relispartition is not true
union all
select concat_ws(' | ', 'index', pg_get_indexdef(i.indexrelid), i.indisreplident)
  from pg_index i join pg_class c on c.oid = i.indexrelid join space s on s.oid = c.relnamespace where not c.relispartition
union all
select concat_ws(' | ', 'function', p.oid::regprocedure,
                 case when p.prokind = 'a' then (select md5(concat_ws(' ', a.aggtransfn, a.agginitval)) from pg_aggregate a where a.aggfnoid = p.oid)
                      else pg_get_functiondef(p.oid) end,
                 obj_description(p.oid, 'pg_proc'))
  from pg_proc p join space s on s.oid = p.pronamespace
union all
select concat_ws(' | ', 'type', t.oid::regtype, t.typtype, obj_description(t.oid, 'pg_type'))
  from pg_type t
  join space s on s.oid = t.typnamespace
  left join pg_class c on c.oid = t.typrelid
  left join pg_type e on e.oid = t.typelem
  left join pg_class ec on ec.oid = e.typrelid
 where c.relispartition is not true and ec.relispartition is not true
union all
select concat_ws(' | ', 'migration', h.version, h.name, h.checksum) from tagd.schema_history h
union all
select concat_ws(' | ', 'file', f.file, f.checksum, f.set_number) from tagd.function_file f
order by 1";

/// Everything that the schemas of a database are made of.
pub async fn objects(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(OBJECTS).fetch_all(connection).await.unwrap()
}

/// Compares two databases object by object.
pub async fn assert_same_schema(left: &TestDb, right: &TestDb, names: &str) {
    let (mut left, mut right) = (left.connect().await, right.connect().await);
    let (left, right) = (objects(&mut left).await, objects(&mut right).await);
    assert!(right.len() > 300, "{}", right.len());
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    assert_eq!((only(&left, &right), only(&right, &left)), (vec![], vec![]), "{names}");
    assert_eq!(left, right);
}
