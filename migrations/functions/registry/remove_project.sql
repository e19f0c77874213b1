create or replace function tagd.remove_project(p_project_id text, p_with_resources boolean, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scopes    bigint[];
  v_scope_id  bigint;
  v_domain_id text;
  v_emptied   bigint;
  v_removed   bigint := 0;
  -- Citus passes on no composite types
  v_caller    constant text := p_caller;
begin
  -- whatever excludes all writers excludes this too, and never waits for a scope that is locked here
  perform tagd.enter_import(false);
  select p.domain_id into v_domain_id
    from tagd.project p
   where p.project_id = p_project_id and (p_caller.domain_id is null or p.domain_id = p_caller.domain_id)
     for update;
  if not found then
    return false;
  end if;
  -- with this lock, no resource can be registered and no scope created
  select coalesce(array_agg(s.scope_id order by s.scope_id), '{}') into v_scopes
    from tagd.scope s
   where s.project_id = p_project_id;
  if not p_with_resources then
    foreach v_scope_id in array v_scopes loop
      perform from tagd.resource r where r.scope_id = v_scope_id limit 1;
      if found then
        raise exception using errcode = 'TG009', message = 'the project has resources';
      end if;
    end loop;
  end if;
  foreach v_scope_id in array v_scopes loop
    select e.removed into v_emptied from tagd.empty_scope(v_scope_id, v_caller) as e (removed);
    v_removed := v_removed + v_emptied;
  end loop;
  delete from tagd.policy p where p.project_id = p_project_id;
  delete from tagd.project p where p.project_id = p_project_id;
  perform tagd.copy_domains(array[p_project_id]);
  perform tagd.record_act(p_caller, 'project.remove', p_project_id, v_domain_id, jsonb_build_object('resources', v_removed));
  perform tagd.notify_projects(array[p_project_id]);
  return true;
end
$$;
comment on function tagd.remove_project(text, boolean, tagd.caller) is 'Deletes a project with its policies and, with p_with_resources, its resources; otherwise raises TG009 if it has any. Its scopes remain, empty. Returns false if the project is unknown or belongs to another domain than the caller''s.';
revoke execute on function tagd.remove_project(text, boolean, tagd.caller) from public;
grant execute on function tagd.remove_project(text, boolean, tagd.caller) to tagd_service;
