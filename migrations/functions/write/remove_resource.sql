create or replace function tagd.remove_resource(p_scope_id bigint, p_resource_id text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot  integer;
  v_tags  text[];
  v_words text[];
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  select r.slot, r.tags into v_slot, v_tags from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if not found then
    return false;
  end if;
  delete from tagd.name n where n.scope_id = p_scope_id and n.slot = v_slot
  returning n.words into v_words;
  perform tagd.apply_tags(p_scope_id, v_slot, v_tags, null, coalesce(v_words, '{}'), '{}');
  delete from tagd.resource r where r.scope_id = p_scope_id and r.slot = v_slot;
  return true;
end
$$;
comment on function tagd.remove_resource(bigint, text) is 'Forgets a resource with its tags. False if it is unknown.';
revoke execute on function tagd.remove_resource(bigint, text) from public;
grant execute on function tagd.remove_resource(bigint, text) to tagd_service;
