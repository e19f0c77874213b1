create or replace function tagd.try_policy(p_policy jsonb, p_domain_id text, p_projects text[])
returns table (
  project_id text, resource_type text, resources bigint, violating bigint, missing bigint, wrong_value bigint, misspelled bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_policy constant tagd.policy := jsonb_populate_record(null::tagd.policy, p_policy);
  v_scope  record;
begin
  for v_scope in
    select s.scope_id, s.project_id, s.resource_type
      from tagd.scope s
     where s.domain_id is not null and tagd.concerns(v_policy, s.domain_id, s.project_id, s.resource_type)
       and (p_domain_id is null or s.domain_id = p_domain_id)
       and (p_projects is null or s.project_id = any (p_projects))
     order by s.project_id, s.resource_type
  loop
    project_id := v_scope.project_id;
    resource_type := v_scope.resource_type;
    select c.resources, c.violating, c.missing, c.wrong_value, c.misspelled
      into resources, violating, missing, wrong_value, misspelled
      from tagd.count_violations(v_scope.scope_id, v_policy) c;
    return next;
  end loop;
end
$$;
comment on function tagd.try_policy(jsonb, text, text[]) is 'How resources would comply with a policy that is not stored, given as an object with the columns of tagd.policy: what count_violations says for each scope that it would concern. Only in a domain and in some projects; null for all.';
revoke execute on function tagd.try_policy(jsonb, text, text[]) from public;
grant execute on function tagd.try_policy(jsonb, text, text[]) to tagd_service;
