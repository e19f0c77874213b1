create or replace function tagd.lock_resource(
  p_scope_id bigint, p_resource_id text, p_match text[], out slot integer, out tags text[])
language plpgsql
as $$
declare
  v_by_etag boolean not null := p_match is not null and not '*' = any (p_match);
  v_etag    text;
begin
  select r.slot, r.tags, case when v_by_etag then tagd.etag_of(r.resource_name, r.detail, r.tags) end
    into slot, tags, v_etag
    from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if p_match is not null and (slot is null or v_by_etag and not v_etag = any (p_match)) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;
  if slot is null then
    raise exception using errcode = 'TG001', message = 'unknown resource';
  end if;
end
$$;
comment on function tagd.lock_resource(bigint, text, text[]) is 'Locks a resource, which must have one of the etags in p_match (see etag_of); * matches any etag, null means no condition.';
revoke execute on function tagd.lock_resource(bigint, text, text[]) from public;
