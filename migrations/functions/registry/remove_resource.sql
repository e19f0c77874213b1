create or replace function tagd.remove_resource(p_scope_id bigint, p_resource_id text, p_match text[], p_callers tagd.caller[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot  integer;
  v_tags  text[];
  v_words text[];
  v_name  text;
  v_since timestamptz;
  v_caller constant tagd.caller := p_callers[1];
begin
  perform tagd.lock_scope_shared(p_scope_id);
  perform tagd.check_domain(p_scope_id, v_caller);
  select r.slot, r.tags into v_slot, v_tags from tagd.lock_resource(p_scope_id, p_resource_id, p_match) r;
  delete from tagd.name n where n.scope_id = p_scope_id and n.slot = v_slot
  returning n.words into v_words;
  delete from tagd.resource r where r.scope_id = p_scope_id and r.slot = v_slot
  returning r.resource_name, r.registered_at into v_name, v_since;
  perform tagd.change_tags(p_scope_id, array[row(
    v_slot, v_tags, null, null, coalesce(v_words, '{}'), '{}', v_caller, p_resource_id, 'remove', v_name, null, v_since)::tagd.resource_change]);
end
$$;
comment on function tagd.remove_resource(bigint, text, text[], tagd.caller[]) is 'Deletes a resource and its tags, if it has one of the etags in p_match (see lock_resource). The caller is an array of one: Citus does not pass on a single composite value.';
revoke execute on function tagd.remove_resource(bigint, text, text[], tagd.caller[]) from public;
grant execute on function tagd.remove_resource(bigint, text, text[], tagd.caller[]) to tagd_service;
