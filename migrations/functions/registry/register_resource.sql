create or replace function tagd.register_resource(
  p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail json,
  p_tags text[], p_match text[], p_absent boolean, p_caller tagd.caller,
  out created boolean, out detail json, out tags text[], out etag text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_quota    integer;
  v_scope_id bigint;
  -- Citus passes on no composite types
  v_caller   constant text := p_caller;
begin
  -- whatever excludes all writers must not wait for the project that is made here
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), -2);
  select t.tag_quota into v_quota from tagd.resource_type t where t.resource_type = p_resource_type;
  if not found then
    raise exception using errcode = 'TG008', message = 'unknown resource type';
  end if;
  perform tagd.lock_project_shared(p_project_id, p_caller);
  select s.scope_id into v_scope_id from tagd.scope s where s.project_id = p_project_id and s.resource_type = p_resource_type;
  if not found then
    v_scope_id := tagd.put_scope(p_project_id, p_resource_type);
  end if;
  select r.created, r.tags, r.etag into created, tags, etag
    from tagd.register_in_scope(v_scope_id, p_resource_id, p_name, p_name_folded, p_detail, p_tags, p_match, p_absent, v_quota, v_caller) r;
  detail := p_detail;
end
$$;
comment on function tagd.register_resource(text, text, text, text, text, json, text[], text[], boolean, tagd.caller) is 'Registers a resource or replaces an existing one, if it has one of the etags in p_match (see lock_resource) or, with p_absent, if it does not exist. Null tags keep the existing tags. Returns whether it is new, and its current state.';
revoke execute on function tagd.register_resource(text, text, text, text, text, json, text[], text[], boolean, tagd.caller) from public;
grant execute on function tagd.register_resource(text, text, text, text, text, json, text[], text[], boolean, tagd.caller) to tagd_service;
