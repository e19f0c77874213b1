create or replace function tagd.history_origin()
returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_system   text;
  v_timeline text;
begin
  -- it follows another server, and does not know which numbers that one gives out
  if pg_is_in_recovery() then
    raise exception using errcode = '25006', message = 'a standby has no origin of the history of its own';
  end if;
  -- hosted databases may refuse both
  begin
    select s.system_identifier into v_system from pg_control_system() s;
  exception
    when insufficient_privilege or feature_not_supported then null;
  end;
  begin
    -- that of the next entry in the WAL: after a promotion, the control file has the one before until the next checkpoint
    v_timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  exception
    when insufficient_privilege or feature_not_supported then null;
  end;
  -- a dump that is restored into the same database makes the table anew
  return concat_ws(' ', v_system, v_timeline, (select d.oid from pg_database d where d.datname = current_database()),
                        'tagd.history'::regclass::oid);
end
$$;
comment on function tagd.history_origin() is 'Where entries of the history are numbered now: system, timeline, database and table. After a restore or a promotion of a standby it is another one, and the same numbers may be given to other entries. Raises 25006 on a standby.';
revoke execute on function tagd.history_origin() from public;
grant execute on function tagd.history_origin() to tagd_service;
