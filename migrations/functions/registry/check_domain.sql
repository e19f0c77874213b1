create or replace function tagd.check_domain(p_scope_id bigint, p_caller tagd.caller)
returns void
language plpgsql
as $$
begin
  if p_caller.domain_id is not null and not exists (
       select from tagd.scope s
         join tagd.project p on p.project_id = s.project_id
        where s.scope_id = p_scope_id and p.domain_id = p_caller.domain_id) then
    raise exception using errcode = 'TG012', message = 'the project belongs to another domain';
  end if;
end
$$;
comment on function tagd.check_domain(bigint, tagd.caller) is 'Raises TG012 if the project of a scope belongs to another domain than the caller''s.';
revoke execute on function tagd.check_domain(bigint, tagd.caller) from public;
