create or replace function tagd.etag_of(p_name text, p_detail json, p_tags text[])
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select left(encode(sha256(convert_to(jsonb_build_array(p_name, p_tags)::text || coalesce(p_detail::text, ''), 'UTF8')), 'hex'), 32)
$$;
comment on function tagd.etag_of(text, json, text[]) is 'Short name of what a resource is now: two that differ in name, detail or tags have different ones. Details are the same if their texts are.';
revoke execute on function tagd.etag_of(text, json, text[]) from public;
grant execute on function tagd.etag_of(text, json, text[]) to tagd_service;
