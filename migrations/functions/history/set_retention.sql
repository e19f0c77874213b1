create or replace function tagd.set_retention(p_table text, p_keep_days integer, p_caller tagd.caller)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_table = 'history' then
    update tagd.history_state s set keep_days = p_keep_days;
  elsif p_table = 'audit' then
    update tagd.history_state s set audit_keep_days = p_keep_days;
  else
    raise exception 'no such table';
  end if;
  perform tagd.record_act(p_caller, p_table || '.retention', p_table, null, jsonb_build_object('keep_days', p_keep_days));
end
$$;
comment on function tagd.set_retention(text, integer, tagd.caller) is 'Sets for how many days entries of tagd.history or tagd.audit are kept; null for ever. For the owner of the schema only.';
revoke execute on function tagd.set_retention(text, integer, tagd.caller) from public;
