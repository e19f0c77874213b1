create or replace function tagd.await_writers()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_writers text[];
begin
  -- Every writer locks the table resource before it reads policies, and Postgres takes the lock of a statement before its
  -- snapshot. So a writer that has not read the policies as they are now has the lock already.
  v_writers := array(
    select l.virtualtransaction from pg_locks l
     where l.locktype = 'relation' and l.relation = 'tagd.resource'::regclass and l.granted
       and l.database = (select d.oid from pg_database d where d.datname = current_database())
       and l.mode in ('RowShareLock', 'RowExclusiveLock', 'ExclusiveLock') and l.pid <> pg_backend_pid());
  while v_writers <> '{}' loop
    perform pg_sleep(0.005);
    v_writers := array(
      select l.virtualtransaction from pg_locks l
       where l.locktype = 'virtualxid' and l.virtualxid = any (v_writers));
  end loop;
end
$$;
comment on function tagd.await_writers() is 'Waits until every transaction has ended that was writing to resources when it was called. After put_policy, in another transaction: then no write that began before is still being decided by the policies of before.';
revoke execute on function tagd.await_writers() from public;
grant execute on function tagd.await_writers() to tagd_service;
