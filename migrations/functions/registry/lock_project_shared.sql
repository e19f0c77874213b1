create or replace function tagd.lock_project_shared(p_project_id text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  loop
    perform from tagd.project p where p.project_id = p_project_id for key share;
    exit when found;
    insert into tagd.project (project_id) values (p_project_id) on conflict (project_id) do nothing;
  end loop;
end
$$;
comment on function tagd.lock_project_shared(text) is 'Keeps a project from being deleted until the transaction ends; creates the project if it does not exist.';
revoke execute on function tagd.lock_project_shared(text) from public;
