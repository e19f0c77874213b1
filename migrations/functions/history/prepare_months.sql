create or replace function tagd.prepare_months(p_table text)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- a new partition waits for whoever writes or reads, and holds up all who come after
set lock_timeout = '5s'
as $$
declare
  -- by the calendar of UTC, whatever the time zone of the session is
  v_month  timestamp := date_trunc('month', clock_timestamp() at time zone 'utc');
  v_from   timestamptz;
  v_to     timestamptz;
  v_name   text;
  v_column text;
begin
  v_column := case p_table when 'history' then 'changed_at' when 'audit' then 'recorded_at' end;
  if v_column is null then
    raise exception 'no such table';
  end if;
  -- one at a time; whoever comes later finds nothing to do
  perform pg_advisory_xact_lock(hashtextextended('tagd.prepare_months', 0));
  for v_ahead in 0 .. 2 loop
    v_from := (v_month + make_interval(months => v_ahead)) at time zone 'utc';
    v_to := (v_month + make_interval(months => v_ahead + 1)) at time zone 'utc';
    v_name := p_table || to_char(v_from at time zone 'utc', '_YYYY_MM');
    continue when to_regclass('tagd.' || quote_ident(v_name)) is not null;
    -- a writer that has chosen the default partition meanwhile would fail. Only one table is locked in a transaction, since
    -- writers lock the two in either order
    execute format('lock table tagd.%I in share row exclusive mode', p_table);
    execute format('create table tagd.%I (like tagd.%I including defaults including constraints)', v_name, p_table);
    execute format('comment on table tagd.%I is %L', v_name, 'Entries of ' || to_char(v_from at time zone 'utc', 'YYYY-MM') || '.');
    execute format('insert into tagd.%I select * from tagd.%I where %I >= %L and %I < %L', v_name, p_table || '_default', v_column, v_from, v_column, v_to);
    execute format('delete from tagd.%I where %I >= %L and %I < %L', p_table || '_default', v_column, v_from, v_column, v_to);
    execute format('alter table tagd.%I attach partition tagd.%I for values from (%L) to (%L)', p_table, v_name, v_from, v_to);
  end loop;
end
$$;
comment on function tagd.prepare_months(text) is 'Makes the partitions of tagd.history or tagd.audit for this month and the next two. One table in a transaction.';
revoke execute on function tagd.prepare_months(text) from public;
grant execute on function tagd.prepare_months(text) to tagd_service;
