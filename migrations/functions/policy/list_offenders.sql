create or replace function tagd.list_offenders(
  p_domain_id text, p_projects text[], p_project_id text, p_resource_type text, p_policy_id bigint,
  p_after_project text, p_after_type text, p_before integer, p_limit integer)
returns table (
  total bigint, project_id text, resource_type text, slot integer, resource_id text, resource_name text, violations tagd.violation[])
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_part  record;
  v_found record;
  v_left  integer := p_limit;
  v_total bigint := 0;
begin
  for v_part in
    select s.scope_id, s.project_id, s.resource_type, array_agg(s.policy order by (s.policy).policy_name) as policies
      from tagd.policy_scope s
     where (p_domain_id is null or s.domain_id = p_domain_id)
       and (p_projects is null or s.project_id = any (p_projects))
       and (p_project_id is null or s.project_id = p_project_id)
       and (p_resource_type is null or s.resource_type = p_resource_type)
       and (p_policy_id is null or (s.policy).policy_id = p_policy_id)
     group by s.scope_id, s.project_id, s.resource_type
     order by s.project_id, s.resource_type
  loop
    select o.total, o.slots into v_found
      from tagd.offenders(
             v_part.scope_id, v_part.policies,
             case when (v_part.project_id, v_part.resource_type) = (p_after_project, p_after_type) then p_before end,
             case when (v_part.project_id, v_part.resource_type) < (p_after_project, p_after_type) then 0 else v_left end) o;
    v_total := v_total + v_found.total;
    v_left := v_left - cardinality(v_found.slots);
    return query
    select null::bigint, v_part.project_id, v_part.resource_type, r.slot, r.resource_id, r.resource_name,
           tagd.violations_of(v_part.policies, r.tags)
      from tagd.resource r
     where r.scope_id = v_part.scope_id and r.slot = any (v_found.slots)
     order by r.slot desc;
  end loop;
  total := v_total;
  project_id := null;
  return next;
end
$$;
comment on function tagd.list_offenders(text, text[], text, text, bigint, text, text, integer, integer) is 'The resources that violate policies, with what is wrong with them: by project and type, in each the newest first, p_limit of them behind a project, a type and a slot; and a last row with the number of all. Only by policies of a domain, of some projects, of one project, of one type and by one policy; null for all.';
revoke execute on function tagd.list_offenders(text, text[], text, text, bigint, text, text, integer, integer) from public;
grant execute on function tagd.list_offenders(text, text[], text, text, bigint, text, text, integer, integer) to tagd_service;
