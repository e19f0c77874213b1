create or replace function tagd.prepare_months()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- a new partition waits for whoever writes or reads, and holds up all who come after
set lock_timeout = '5s'
as $$
declare
  v_table  text;
  v_column text;
  v_from   timestamptz;
  v_to     timestamptz;
  v_name   text;
  v_now    timestamptz := clock_timestamp();
begin
  -- one at a time; whoever comes later finds nothing to do
  perform pg_advisory_xact_lock(hashtextextended('tagd.prepare_months', 0));
  for v_table, v_column, v_from in
    select t.name, t.on_column, date_trunc('month', v_now at time zone 'utc') at time zone 'utc' + m.months
      from (values ('history', 'changed_at'), ('audit', 'recorded_at')) as t (name, on_column)
     cross join (values (interval '0'), (interval '1 month'), (interval '2 months')) as m (months)
  loop
    -- by the calendar of UTC, whatever the time zone of the session is
    v_from := date_trunc('month', v_from at time zone 'utc') at time zone 'utc';
    v_to := (v_from at time zone 'utc' + interval '1 month') at time zone 'utc';
    v_name := v_table || to_char(v_from at time zone 'utc', '_YYYY_MM');
    continue when to_regclass('tagd.' || quote_ident(v_name)) is not null;
    -- a writer that has chosen the default partition meanwhile would fail
    execute format('lock table tagd.%I in share row exclusive mode', v_table);
    execute format('create table tagd.%I (like tagd.%I including defaults including constraints)', v_name, v_table);
    execute format('comment on table tagd.%I is %L', v_name, 'Entries of ' || to_char(v_from at time zone 'utc', 'YYYY-MM') || '.');
    execute format(
      'with moved as (delete from tagd.%I where %I >= %L and %I < %L returning *) insert into tagd.%I select * from moved',
      v_table || '_default', v_column, v_from, v_column, v_to, v_name);
    execute format('alter table tagd.%I attach partition tagd.%I for values from (%L) to (%L)', v_table, v_name, v_from, v_to);
  end loop;

  -- In a database that was restored into another server, transactions are numbered anew. A new span keeps the order of the feed.
  if exists (select from tagd.history_span s join tagd.history h on h.span_id = s.span_id
              where s.ended_at is null and h.transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::int8) then
    update tagd.history_span s set ended_at = v_now where s.ended_at is null;
    insert into tagd.history_span (began_at) values (v_now);
  end if;
end
$$;
comment on function tagd.prepare_months() is 'Makes the partitions of history and audit log for this month and the next two, and begins a span if the database was restored into another server.';
revoke execute on function tagd.prepare_months() from public;
grant execute on function tagd.prepare_months() to tagd_service;
