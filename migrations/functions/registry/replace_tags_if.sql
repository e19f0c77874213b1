create or replace function tagd.replace_tags_if(
  p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[], p_caller tagd.caller, p_operation text)
returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_etag text;
begin
  select r.etag into v_etag
    from tagd.replace_resource_tags(p_scope_id, p_resource_id, p_tags, p_match, array[p_caller], p_operation) as r (etag);
  return v_etag;
end
$$;
comment on function tagd.replace_tags_if(bigint, text, text[], text[], tagd.caller, text) is 'Unused since function set 18: see replace_resource_tags.';
revoke execute on function tagd.replace_tags_if(bigint, text, text[], text[], tagd.caller, text) from public;
grant execute on function tagd.replace_tags_if(bigint, text, text[], text[], tagd.caller, text) to tagd_service;
