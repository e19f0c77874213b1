create or replace function tagd.apply_retention(
  p_table text, p_caller tagd.caller, out kept_from timestamptz, out months bigint, out entries bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_days integer;
begin
  select case p_table when 'history' then s.keep_days when 'audit' then s.audit_keep_days end into v_days from tagd.history_state s;
  if v_days is not null then
    select p.kept_from, p.months, p.entries into kept_from, months, entries
      from tagd.prune_months(p_table, clock_timestamp() - make_interval(days => v_days), p_caller) p;
  end if;
end
$$;
comment on function tagd.apply_retention(text, tagd.caller) is 'Drops the months of tagd.history or tagd.audit that are older than tagd.history_state says. Returns what prune_months does; null if there is no retention.';
revoke execute on function tagd.apply_retention(text, tagd.caller) from public;
grant execute on function tagd.apply_retention(text, tagd.caller) to tagd_service;
