create or replace function tagd.copy_domains(p_project_ids text[])
returns void
language plpgsql
as $$
declare
  v_scopes  bigint[];
  v_domains text[];
begin
  -- whoever adds a scope has locked the project as well, and either sees the new domain or is seen here
  select array_agg(s.scope_id), array_agg(p.domain_id) into v_scopes, v_domains
    from tagd.scope s
    left join tagd.project p on p.project_id = s.project_id
   where s.project_id = any (p_project_ids) and s.domain_id is distinct from p.domain_id;
  if v_scopes is not null then
    update tagd.scope s set domain_id = n.domain_id
      from unnest(v_scopes, v_domains) as n (scope_id, domain_id)
     where s.scope_id = n.scope_id;
  end if;
end
$$;
comment on function tagd.copy_domains(text[]) is 'Brings the domains of projects that were added, changed or deleted in this transaction to their scopes. The one place that changes the domain of a scope.';
revoke execute on function tagd.copy_domains(text[]) from public;
