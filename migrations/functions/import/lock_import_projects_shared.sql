create or replace function tagd.lock_import_projects_shared(p_caller tagd.caller)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_wanted  bigint;
  v_held    bigint;
  v_foreign bigint;
  v_added   text[];
begin
  select count(distinct i.project_id) into v_wanted from pg_temp.import_line i;
  loop
    select count(*), count(*) filter (where held.domain_id <> p_caller.domain_id) into v_held, v_foreign
      from (select p.domain_id from tagd.project p
             where p.project_id in (select i.project_id from pg_temp.import_line i)
             order by p.project_id
               for key share) held;
    exit when v_held = v_wanted;
    with added as (
      insert into tagd.project (project_id, domain_id)
      select distinct i.project_id, coalesce(p_caller.domain_id, '') from pg_temp.import_line i
       where not exists (select from tagd.project p where p.project_id = i.project_id)
       order by i.project_id
      on conflict (project_id) do nothing
      returning project_id)
    select array_agg(a.project_id order by a.project_id) into v_added from added a;
    if v_added is not null then
      perform tagd.copy_domains(v_added);
    end if;
    perform tagd.record_act(
              p_caller, 'project.put', n.name, coalesce(p_caller.domain_id, ''), jsonb_build_object('project_name', '', 'created', true))
       from unnest(v_added) as n (name);
  end loop;
  if v_foreign > 0 then
    raise exception using errcode = 'TG012', message = 'a project belongs to another domain';
  end if;
end
$$;
comment on function tagd.lock_import_projects_shared(tagd.caller) is 'tagd.lock_project_shared for every project in pg_temp.import_line; before tagd.import_batch, in its transaction.';
revoke execute on function tagd.lock_import_projects_shared(tagd.caller) from public;
grant execute on function tagd.lock_import_projects_shared(tagd.caller) to tagd_service;
