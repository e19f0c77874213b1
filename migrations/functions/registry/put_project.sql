create or replace function tagd.put_project(p_project_id text, p_project_name text, p_domain_id text, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old     tagd.project;
  v_created boolean;
begin
  select * into v_old from tagd.project p where p.project_id = p_project_id for no key update;
  insert into tagd.project (project_id, project_name, domain_id) values (p_project_id, p_project_name, p_domain_id)
  on conflict (project_id) do update
    set project_name = excluded.project_name, domain_id = excluded.domain_id,
        domain_since = case when project.domain_id = excluded.domain_id then project.domain_since else clock_timestamp() end
   where (p_caller).domain_id is null or project.domain_id = (p_caller).domain_id
  -- xmax is 0 only in a row that this statement has inserted
  returning xmax = 0 into v_created;
  if found and v_old.domain_id is distinct from p_domain_id then
    perform tagd.copy_domains(array[p_project_id]);
  end if;
  if v_created is not null and (v_old.project_name, v_old.domain_id) is distinct from (p_project_name, p_domain_id) then
    perform tagd.record_act(
      p_caller, 'project.put', p_project_id, p_domain_id,
      jsonb_build_object(
        'project_name', p_project_name, 'old_name', nullif(v_old.project_name, p_project_name),
        'old_domain_id', nullif(v_old.domain_id, p_domain_id), 'created', v_created));
    -- nobody remembers names, nor that there is no such project
    if not v_created and v_old.domain_id is distinct from p_domain_id then
      perform tagd.notify_projects(array[p_project_id]);
    end if;
  end if;
  return v_created;
end
$$;
comment on function tagd.put_project(text, text, text, tagd.caller) is 'Registers a project, or changes name and account of an existing one. Returns true if it is new; null, and changes nothing, if the project belongs to another domain than the caller''s.';
revoke execute on function tagd.put_project(text, text, text, tagd.caller) from public;
grant execute on function tagd.put_project(text, text, text, tagd.caller) to tagd_service;
