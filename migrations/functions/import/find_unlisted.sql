create or replace function tagd.find_unlisted(p_caller tagd.caller)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- the number of resources in a scope is not known to the planner: a hash join is right for few and for many
set enable_nestloop = off
set enable_mergejoin = off
as $$
declare
  v_scope record;
  v_more  bigint;
  v_count bigint := 0;
begin
  for v_scope in
    select s.scope_id, array_agg(l.resource_id) as listed
      from pg_temp.import_listed l
      join tagd.scope s on s.project_id = l.project_id and s.resource_type = l.resource_type
     group by s.scope_id
     order by s.scope_id
  loop
    perform tagd.check_domain(v_scope.scope_id, p_caller);
    insert into pg_temp.import_unlisted (place, scope_id, slot)
    select v_count + row_number() over (order by r.slot), r.scope_id, r.slot
      from tagd.resource r
     where r.scope_id = v_scope.scope_id
       and not exists (select from unnest(v_scope.listed) as l (resource_id) where l.resource_id = r.resource_id);
    get diagnostics v_more = row_count;
    v_count := v_count + v_more;
  end loop;
  return v_count;
end
$$;
comment on function tagd.find_unlisted(tagd.caller) is 'Finds the resources that pg_temp.import_listed does not have, in the scopes of those that it has, and returns their number. After tagd.enter_import(true), in its transaction. TG012: a project belongs to another domain than the caller''s.';
revoke execute on function tagd.find_unlisted(tagd.caller) from public;
grant execute on function tagd.find_unlisted(tagd.caller) to tagd_service;
