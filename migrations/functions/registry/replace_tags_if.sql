create or replace function tagd.replace_tags_if(p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[])
returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  perform tagd.check_resource(p_scope_id, p_resource_id, p_match);
  perform tagd.change_tags(p_scope_id, p_resource_id, p_tags, '{}', true);
  return (select tagd.etag_of(r.resource_name, r.detail, r.tags) from tagd.resource r
           where r.scope_id = p_scope_id and r.resource_id = p_resource_id);
end
$$;
comment on function tagd.replace_tags_if(bigint, text, text[], text[]) is 'Makes these the tags of a resource if it is one of p_match (see check_resource). Its new tagd.etag_of.';
revoke execute on function tagd.replace_tags_if(bigint, text, text[], text[]) from public;
grant execute on function tagd.replace_tags_if(bigint, text, text[], text[]) to tagd_service;
