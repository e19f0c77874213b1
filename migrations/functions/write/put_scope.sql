create or replace function tagd.put_scope(p_project_id text, p_resource_type text)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scope_id  bigint;
  v_domain_id text;
begin
  -- the usual case
  select s.scope_id into v_scope_id from tagd.scope s
   where s.project_id = p_project_id and s.resource_type = p_resource_type and s.domain_id is not null;
  if found then
    return v_scope_id;
  end if;
  insert into tagd.project (project_id) values (p_project_id) on conflict (project_id) do nothing;
  if found then
    perform tagd.copy_domains(array[p_project_id]);
  end if;
  -- the domain must not change before the scope can be seen: see copy_domains
  select p.domain_id into v_domain_id from tagd.project p where p.project_id = p_project_id for share;
  insert into tagd.scope (project_id, resource_type, domain_id) values (p_project_id, p_resource_type, v_domain_id)
  on conflict (resource_type, project_id) do nothing;
  select s.scope_id into v_scope_id from tagd.scope s
   where s.project_id = p_project_id and s.resource_type = p_resource_type;
  insert into tagd.scope_counter (scope_id) values (v_scope_id) on conflict (scope_id) do nothing;
  return v_scope_id;
end
$$;
comment on function tagd.put_scope(text, text) is 'Returns the scope of a project and a resource type; creates scope and project if they do not exist.';
revoke execute on function tagd.put_scope(text, text) from public;
grant execute on function tagd.put_scope(text, text) to tagd_service;
