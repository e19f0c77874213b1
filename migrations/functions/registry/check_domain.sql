create or replace function tagd.check_domain(p_scope_id bigint, p_caller tagd.caller)
returns void
language plpgsql
as $$
begin
  if tagd.is_foreign(p_scope_id, p_caller) then
    raise exception using errcode = 'TG012', message = 'the project belongs to another domain';
  end if;
end
$$;
comment on function tagd.check_domain(bigint, tagd.caller) is 'Raises TG012 if tagd.is_foreign. With the scope locked: until then, the project may be deleted and registered anew in another domain.';
revoke execute on function tagd.check_domain(bigint, tagd.caller) from public;
