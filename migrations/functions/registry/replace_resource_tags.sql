create or replace function tagd.replace_resource_tags(
  p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[], p_callers tagd.caller[], p_operation text)
returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot integer;
  v_old  text[];
  v_new  text[];
  v_caller constant tagd.caller := p_callers[1];
begin
  perform tagd.lock_scope_shared(p_scope_id);
  perform tagd.check_domain(p_scope_id, v_caller);
  select r.slot, r.tags into v_slot, v_old from tagd.lock_resource(p_scope_id, p_resource_id, p_match) r;
  v_new := tagd.merge_tags(v_old, 2::smallint, p_tags);
  if v_new <> v_old then
    perform tagd.check_quota(v_old, v_new, t.tag_quota)
       from tagd.scope s join tagd.resource_type t on t.resource_type = s.resource_type
      where s.scope_id = p_scope_id;
    perform tagd.check_policies(p_scope_id, v_old, v_new);
    perform tagd.change_tags(p_scope_id, array[row(
      v_slot, v_old, v_new, null, '{}', '{}', v_caller, p_resource_id, p_operation, null, null, null)::tagd.resource_change]);
  end if;
  return (select tagd.etag_of(r.resource_name, r.detail, r.tags) from tagd.resource r
           where r.scope_id = p_scope_id and r.slot = v_slot);
end
$$;
comment on function tagd.replace_resource_tags(bigint, text, text[], text[], tagd.caller[], text) is 'Replaces all tags of a resource if it has one of the etags in p_match (see lock_resource). The operation is replace or restore, as the history has it. Returns its new etag. The caller is an array of one: Citus does not pass on a single composite value.';
revoke execute on function tagd.replace_resource_tags(bigint, text, text[], text[], tagd.caller[], text) from public;
grant execute on function tagd.replace_resource_tags(bigint, text, text[], text[], tagd.caller[], text) to tagd_service;
