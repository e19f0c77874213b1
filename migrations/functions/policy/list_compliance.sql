create or replace function tagd.list_compliance(
  p_domain_id text, p_projects text[], p_project_id text, p_resource_type text, p_policy_id bigint,
  p_after_project text, p_after_type text, p_after_policy text, p_limit bigint)
returns table (
  project_id text, resource_type text, policy_name text, key text, is_enforced boolean,
  resources bigint, violating bigint, missing bigint, wrong_value bigint, misspelled bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_row record;
begin
  for v_row in
    select s.scope_id, s.project_id, s.resource_type, s.policy
      from tagd.policy_scope s
     where (p_domain_id is null or s.domain_id = p_domain_id)
       and (p_projects is null or s.project_id = any (p_projects))
       and (p_project_id is null or s.project_id = p_project_id)
       and (p_resource_type is null or s.resource_type = p_resource_type)
       and (p_policy_id is null or (s.policy).policy_id = p_policy_id)
       and (p_after_project is null
            or (s.project_id, s.resource_type, (s.policy).policy_name) > (p_after_project, p_after_type, p_after_policy))
     order by s.project_id, s.resource_type, (s.policy).policy_name
     limit p_limit
  loop
    project_id := v_row.project_id;
    resource_type := v_row.resource_type;
    policy_name := (v_row.policy).policy_name;
    key := (v_row.policy).key;
    is_enforced := (v_row.policy).is_enforced;
    select c.resources, c.violating, c.missing, c.wrong_value, c.misspelled
      into resources, violating, missing, wrong_value, misspelled
      from tagd.count_violations(v_row.scope_id, v_row.policy) c;
    return next;
  end loop;
end
$$;
comment on function tagd.list_compliance(text, text[], text, text, bigint, text, text, text, bigint) is 'How resources comply with policies: what count_violations says for each scope and each policy that concerns it, in the order of project, type and policy, after one of them. Only those of a domain, of some projects, of one project, of one type and of one policy; null for all.';
revoke execute on function tagd.list_compliance(text, text[], text, text, bigint, text, text, text, bigint) from public;
grant execute on function tagd.list_compliance(text, text[], text, text, bigint, text, text, text, bigint) to tagd_service;
