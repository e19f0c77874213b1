create or replace function tagd.unregister_resource(p_scope_id bigint, p_resource_id text, p_match text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  perform tagd.check_resource(p_scope_id, p_resource_id, p_match);
  perform tagd.remove_resource(p_scope_id, p_resource_id);
end
$$;
comment on function tagd.unregister_resource(bigint, text, text[]) is 'Forgets a resource with its tags, if it is one of p_match (see check_resource).';
revoke execute on function tagd.unregister_resource(bigint, text, text[]) from public;
grant execute on function tagd.unregister_resource(bigint, text, text[]) to tagd_service;
