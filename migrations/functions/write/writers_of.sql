create or replace function tagd.writers_of(p_table regclass)
returns text[]
language sql
as $$
  select array(
    select l.virtualtransaction from pg_catalog.pg_locks l
     where l.locktype = 'relation' and l.relation = p_table and l.granted
       and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
       and l.mode in ('RowShareLock', 'RowExclusiveLock', 'ExclusiveLock') and l.pid <> pg_catalog.pg_backend_pid())
$$;
comment on function tagd.writers_of(regclass) is 'The transactions of others that are writing to a table or have locked rows of it. One has ended when pg_locks has no virtualxid of it any more.';
revoke execute on function tagd.writers_of(regclass) from public;
grant execute on function tagd.writers_of(regclass) to tagd_service;
