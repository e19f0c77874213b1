create or replace function tagd.remove_project(p_project_id text, p_with_resources boolean)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scopes   bigint[];
  v_scope_id bigint;
begin
  perform from tagd.project p where p.project_id = p_project_id for update;
  if not found then
    return false;
  end if;
  -- from here on no resource is registered and no scope is made
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
    -- as a rebuild of the index: labels go, so no writer may be under way
    perform pg_advisory_xact_lock(tagd.scope_lock_class(), (v_scope_id % 2147483647)::integer);
    perform from tagd.scope_counter c where c.scope_id = v_scope_id for no key update;
  end loop;
  foreach v_scope_id in array v_scopes loop
    delete from tagd.tag t where t.scope_id = v_scope_id;
    delete from tagd.name n where n.scope_id = v_scope_id;
    delete from tagd.resource r where r.scope_id = v_scope_id;
    delete from tagd.chunk c where c.scope_id = v_scope_id;
    delete from tagd.label l where l.scope_id = v_scope_id;
  end loop;
  delete from tagd.project p where p.project_id = p_project_id;
  return true;
end
$$;
comment on function tagd.remove_project(text, boolean) is 'Deletes a project; its resources too if that is said. Its scopes stay, empty. False if it is unknown.';
revoke execute on function tagd.remove_project(text, boolean) from public;
grant execute on function tagd.remove_project(text, boolean) to tagd_service;
