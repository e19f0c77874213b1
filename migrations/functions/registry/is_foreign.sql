create or replace function tagd.is_foreign(p_scope_id bigint, p_caller tagd.caller)
returns boolean
language plpgsql stable
as $$
begin
  return p_caller.domain_id is not null and not exists (
    select from tagd.scope s where s.scope_id = p_scope_id and s.domain_id = p_caller.domain_id);
end
$$;
comment on function tagd.is_foreign(bigint, tagd.caller) is 'Whether the project of a scope belongs to another domain than the caller''s, or does not exist; never for a caller without a domain.';
revoke execute on function tagd.is_foreign(bigint, tagd.caller) from public;
