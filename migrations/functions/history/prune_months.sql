create or replace function tagd.prune_months(
  p_table text, p_before timestamptz, p_caller tagd.caller, out kept_from timestamptz, out months bigint, out entries bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- dropping a partition waits for whoever writes or reads, and holds up all who come after
set lock_timeout = '5s'
as $$
declare
  v_name text;
  v_last bigint;
begin
  if p_table not in ('history', 'audit') then
    raise exception 'no such table';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('tagd.prepare_months', 0));
  kept_from := date_trunc('month', least(p_before, clock_timestamp()) at time zone 'utc') at time zone 'utc';
  months := 0;
  for v_name in
    select c.relname
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
     where i.inhparent = ('tagd.' || p_table)::regclass
       and c.relname ~ '_\d{4}_\d{2}$'
       and to_date(right(c.relname, 7), 'YYYY_MM') < (kept_from at time zone 'utc')::date
     order by c.relname
  loop
    if p_table = 'history' then
      execute format('select max(h.change_id) from tagd.%I h', v_name) into v_last;
      update tagd.history_state s set pruned_change_id = v_last where s.pruned_change_id < v_last;
    end if;
    execute format('drop table tagd.%I', v_name);
    months := months + 1;
  end loop;
  -- of months that had no partition
  if p_table = 'audit' then
    delete from tagd.audit_default a where a.recorded_at < kept_from;
    get diagnostics entries = row_count;
  else
    with dropped as (delete from tagd.history_default h where h.changed_at < kept_from returning h.change_id)
    select count(*), max(d.change_id) into entries, v_last from dropped d;
    update tagd.history_state s set pruned_change_id = v_last where s.pruned_change_id < v_last;
    update tagd.history_state s set kept_from = prune_months.kept_from where coalesce(s.kept_from, '-infinity') < prune_months.kept_from;
    -- recording may have begun later
    select greatest(prune_months.kept_from, s.kept_from) into kept_from from tagd.history_state s;
  end if;
  if months > 0 or entries > 0 then
    perform tagd.record_act(
      p_caller, p_table || '.prune', p_table, null,
      jsonb_build_object('kept_from', to_char(kept_from at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'months', months, 'entries', entries));
  end if;
end
$$;
comment on function tagd.prune_months(text, timestamptz, tagd.caller) is 'Drops the months of tagd.history or tagd.audit that end before a time. Returns from when on entries are kept, the number of months that were dropped, and of entries of months without a partition. For the owner of the schema only: whoever serves can add to history and audit log, and take nothing away.';
revoke execute on function tagd.prune_months(text, timestamptz, tagd.caller) from public;
