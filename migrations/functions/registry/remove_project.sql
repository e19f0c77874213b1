create or replace function tagd.remove_project(p_project_id text, p_with_resources boolean, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scopes   bigint[];
  v_scope_id bigint;
begin
  perform from tagd.project p
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
      if exists (select from tagd.resource r where r.scope_id = v_scope_id) then
        raise exception using errcode = 'TG009', message = 'the project has resources';
      end if;
    end loop;
  end if;
  foreach v_scope_id in array v_scopes loop
    -- as in a rebuild of the index: labels are deleted, so no other writer may be active in the scope
    perform tagd.lock_scope(v_scope_id);
  end loop;
  foreach v_scope_id in array v_scopes loop
    -- not by change_tags: the project is deleted too, so nothing can be asked about these resources afterwards
    delete from tagd.tag t where t.scope_id = v_scope_id;
    delete from tagd.name n where n.scope_id = v_scope_id;
    delete from tagd.resource r where r.scope_id = v_scope_id;
    delete from tagd.chunk c where c.scope_id = v_scope_id;
    delete from tagd.label l where l.scope_id = v_scope_id;
  end loop;
  delete from tagd.policy p where p.project_id = p_project_id;
  delete from tagd.project p where p.project_id = p_project_id;
  return true;
end
$$;
comment on function tagd.remove_project(text, boolean, tagd.caller) is 'Deletes a project with its policies and, with p_with_resources, its resources; otherwise raises TG009 if it has any. Its scopes remain, empty. Returns false if the project is unknown or belongs to another domain than the caller''s.';
revoke execute on function tagd.remove_project(text, boolean, tagd.caller) from public;
grant execute on function tagd.remove_project(text, boolean, tagd.caller) to tagd_service;
