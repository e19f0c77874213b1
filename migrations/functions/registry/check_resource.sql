create or replace function tagd.check_resource(p_scope_id bigint, p_resource_id text, p_match text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_any     boolean not null := p_match is null or '*' = any (p_match);
  v_etag    text;
  v_is_here boolean;
begin
  select case when not v_any then tagd.etag_of(r.resource_name, r.detail, r.tags) end into v_etag from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  v_is_here := found;
  if p_match is not null and not (v_is_here and (v_any or v_etag = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;
  if not v_is_here then
    raise exception using errcode = 'TG001', message = 'unknown resource';
  end if;
end
$$;
comment on function tagd.check_resource(bigint, text, text[]) is 'Locks a resource, which must have one of the etags in p_match (see etag_of); * is any, null is no condition.';
revoke execute on function tagd.check_resource(bigint, text, text[]) from public;
