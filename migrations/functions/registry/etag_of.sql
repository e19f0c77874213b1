create or replace function tagd.etag_of(p_name text, p_detail json, p_tags text[])
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select left(encode(sha256(convert_to(jsonb_build_array(p_name, p_tags)::text || coalesce(p_detail::text, ''), 'UTF8')), 'hex'), 32)
$$;
comment on function tagd.etag_of(text, json, text[]) is 'A hash of the state of a resource, which differs if name, detail or tags differ. Details are compared as text.';
revoke execute on function tagd.etag_of(text, json, text[]) from public;
grant execute on function tagd.etag_of(text, json, text[]) to tagd_service;
