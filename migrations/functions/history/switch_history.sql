create or replace function tagd.switch_history(p_is_on boolean, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now  timestamptz;
  v_last bigint;
begin
  if p_is_on = exists (select from tagd.history_span s where s.ended_at is null) then
    return false;
  end if;
  -- no writer is active, so every change is either recorded or in the gap
  perform tagd.enter_import(true);
  if p_is_on = exists (select from tagd.history_span s where s.ended_at is null) then
    return false;
  end if;
  v_now := clock_timestamp();
  if p_is_on then
    perform tagd.begin_span(v_now);
  else
    v_last := tagd.last_change_id();
    update tagd.history_span s set ended_at = v_now, last_change_id = v_last where s.ended_at is null;
  end if;
  update tagd.history_state s set has_begun = true;
  perform tagd.record_act(p_caller, case when p_is_on then 'history.on' else 'history.off' end, 'history', null, '{}');
  return true;
end
$$;
comment on function tagd.switch_history(boolean, tagd.caller) is 'Turns the history on or off for all programs of the database. True if it was the other way.';
revoke execute on function tagd.switch_history(boolean, tagd.caller) from public;
grant execute on function tagd.switch_history(boolean, tagd.caller) to tagd_service;
