create or replace function tagd.apply_retention(p_caller tagd.caller, out kept_from timestamptz, out months bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_days integer;
begin
  select s.keep_days into v_days from tagd.history_state s;
  if v_days is not null then
    select p.kept_from, p.months into kept_from, months
      from tagd.prune_months('history', clock_timestamp() - make_interval(days => v_days), p_caller) p;
  end if;
end
$$;
comment on function tagd.apply_retention(tagd.caller) is 'Drops the months of the history that are older than tagd.history_state says. Returns what prune_months does; null if there is no retention.';
revoke execute on function tagd.apply_retention(tagd.caller) from public;
grant execute on function tagd.apply_retention(tagd.caller) to tagd_service;
