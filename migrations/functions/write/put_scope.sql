create or replace function tagd.put_scope(p_project_id text, p_resource_type text)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scope_id bigint;
begin
  insert into tagd.project (project_id) values (p_project_id) on conflict (project_id) do nothing;
  insert into tagd.scope (project_id, resource_type) values (p_project_id, p_resource_type)
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
