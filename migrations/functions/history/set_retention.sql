create or replace function tagd.set_retention(p_keep_days integer, p_caller tagd.caller)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update tagd.history_state s set keep_days = p_keep_days;
  perform tagd.record_act(p_caller, 'history.retention', 'history', null, jsonb_build_object('keep_days', p_keep_days));
end
$$;
comment on function tagd.set_retention(integer, tagd.caller) is 'Sets for how many days history is kept; null for ever. For the owner of the schema only.';
revoke execute on function tagd.set_retention(integer, tagd.caller) from public;
