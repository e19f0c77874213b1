create or replace function tagd.remove_project(p_project_id text, p_with_resources boolean, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scopes    bigint[];
  v_scope_id  bigint;
  v_domain_id text;
  v_slot      integer;
  v_removed   bigint := 0;
  v_changes   tagd.resource_change[];
begin
  -- first, as an import does: whatever excludes all writers excludes this too
  lock table tagd.resource in row exclusive mode;
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
    -- not by change_tags: the whole index of the scope goes. In parts, so that the list of changes stays small.
    v_slot := -1;
    loop
      select array_agg(row(
               r.slot, r.tags, null, null, null, null, p_caller, r.resource_id, 'remove_project', r.resource_name, null,
               r.registered_at)::tagd.resource_change), max(r.slot)
        into v_changes, v_slot
        from (select * from tagd.resource e where e.scope_id = v_scope_id and e.slot > v_slot order by e.slot limit 10000) r;
      exit when v_slot is null;
      v_removed := v_removed + cardinality(v_changes);
      perform tagd.record_changes(v_scope_id, v_changes);
    end loop;
    delete from tagd.tag t where t.scope_id = v_scope_id;
    delete from tagd.name n where n.scope_id = v_scope_id;
    delete from tagd.resource r where r.scope_id = v_scope_id;
    delete from tagd.chunk c where c.scope_id = v_scope_id;
    delete from tagd.label l where l.scope_id = v_scope_id;
  end loop;
  delete from tagd.policy p where p.project_id = p_project_id;
  delete from tagd.project p where p.project_id = p_project_id;
  perform tagd.record_act(p_caller, 'project.remove', p_project_id, v_domain_id, jsonb_build_object('resources', v_removed));
  perform tagd.notify_projects(array[p_project_id]);
  return true;
end
$$;
comment on function tagd.remove_project(text, boolean, tagd.caller) is 'Deletes a project with its policies and, with p_with_resources, its resources; otherwise raises TG009 if it has any. Its scopes remain, empty. Returns false if the project is unknown or belongs to another domain than the caller''s.';
revoke execute on function tagd.remove_project(text, boolean, tagd.caller) from public;
grant execute on function tagd.remove_project(text, boolean, tagd.caller) to tagd_service;
