create or replace function tagd.unregister_resource(p_scope_id bigint, p_resource_id text, p_match text[], p_caller tagd.caller)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform from tagd.remove_resource(p_scope_id, p_resource_id, p_match, array[p_caller]);
end
$$;
comment on function tagd.unregister_resource(bigint, text, text[], tagd.caller) is 'Unused since function set 18: see remove_resource.';
revoke execute on function tagd.unregister_resource(bigint, text, text[], tagd.caller) from public;
grant execute on function tagd.unregister_resource(bigint, text, text[], tagd.caller) to tagd_service;
