create or replace function tagd.settled_change_id(p_patience interval)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_last    bigint := tagd.last_change_id();
  v_until   timestamptz := clock_timestamp() + p_patience;
  v_writers text[];
begin
  -- A writer locks the table before it numbers an entry, so those that have numbers up to the last one hold the lock by now, or
  -- have ended.
  v_writers := array(
    select l.virtualtransaction from pg_locks l
     where l.locktype = 'relation' and l.relation = 'tagd.history'::regclass and l.granted and l.mode = 'RowExclusiveLock'
       and l.database = (select d.oid from pg_database d where d.datname = current_database()) and l.pid <> pg_backend_pid());
  while v_writers <> '{}' loop
    if clock_timestamp() > v_until then
      return null;
    end if;
    perform pg_sleep(0.002);
    v_writers := array(
      select l.virtualtransaction from pg_locks l where l.locktype = 'virtualxid' and l.virtualxid = any (v_writers));
  end loop;
  return v_last;
end
$$;
comment on function tagd.settled_change_id(interval) is 'A number up to which all entries of the history are committed or will never be: the last one when it is called. It waits for the transactions that are writing to the history then; null if they take longer than that. For a statement that begins afterwards.';
revoke execute on function tagd.settled_change_id(interval) from public;
grant execute on function tagd.settled_change_id(interval) to tagd_service;
