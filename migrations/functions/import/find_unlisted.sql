create or replace function tagd.find_unlisted(p_caller tagd.caller)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- the number of resources in a scope is not known to the planner: a hash join is right for few and for many
set enable_nestloop = off
set enable_mergejoin = off
as $$
declare
  v_count bigint;
begin
  analyze pg_temp.import_listed;
  perform tagd.check_domain(s.scope_id, p_caller)
     from (select distinct l.project_id, l.resource_type from pg_temp.import_listed l) n
     join tagd.scope s on s.project_id = n.project_id and s.resource_type = n.resource_type;
  insert into pg_temp.import_unlisted (place, scope_id, slot)
  select row_number() over (order by s.scope_id, r.slot), s.scope_id, r.slot
    from (select distinct l.project_id, l.resource_type from pg_temp.import_listed l) n
    join tagd.scope s on s.project_id = n.project_id and s.resource_type = n.resource_type
   -- of the resources, only these scopes are read
   cross join lateral (
           select o.slot, o.resource_id from tagd.resource o where o.scope_id = s.scope_id offset 0) r
   where not exists (select from pg_temp.import_listed l
                      where l.project_id = s.project_id and l.resource_type = s.resource_type and l.resource_id = r.resource_id);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;
comment on function tagd.find_unlisted(tagd.caller) is 'Finds the resources that pg_temp.import_listed does not have, in the scopes of those that it has, and returns their number. After tagd.enter_import(true), in its transaction. TG012: a project belongs to another domain than the caller''s.';
revoke execute on function tagd.find_unlisted(tagd.caller) from public;
grant execute on function tagd.find_unlisted(tagd.caller) to tagd_service;
