create or replace function tagd.lock_import_projects_shared()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_wanted bigint;
  v_held   bigint;
begin
  select count(distinct i.project_id) into v_wanted from pg_temp.import_line i;
  loop
    select count(*) into v_held
      from (select from tagd.project p
             where p.project_id in (select i.project_id from pg_temp.import_line i)
             order by p.project_id
               for key share) held;
    exit when v_held = v_wanted;
    insert into tagd.project (project_id)
    select distinct i.project_id from pg_temp.import_line i
     where not exists (select from tagd.project p where p.project_id = i.project_id)
     order by i.project_id
    on conflict (project_id) do nothing;
  end loop;
end
$$;
comment on function tagd.lock_import_projects_shared() is 'Does the same as tagd.lock_project_shared for every project in pg_temp.import_line. Call it before tagd.import_batch, in the same transaction.';
revoke execute on function tagd.lock_import_projects_shared() from public;
grant execute on function tagd.lock_import_projects_shared() to tagd_service;
