create or replace function tagd.active_writers(out last_change_id bigint, out writers text[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  last_change_id := tagd.last_change_id();
  -- A writer locks the table before it numbers an entry. So of the entries up to the last number, those that are not committed yet
  -- belong to transactions that hold the lock by now.
  writers := array(
    select l.virtualtransaction from pg_locks l
     where l.locktype = 'relation' and l.relation = 'tagd.history'::regclass and l.granted and l.mode = 'RowExclusiveLock'
       and l.database = (select d.oid from pg_database d where d.datname = current_database()) and l.pid <> pg_backend_pid());
end
$$;
comment on function tagd.active_writers() is 'The last number of an entry of the history, and the transactions that may not have committed entries up to it. When they have ended, all entries up to the number are committed or will never be.';
revoke execute on function tagd.active_writers() from public;
grant execute on function tagd.active_writers() to tagd_service;
