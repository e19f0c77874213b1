create or replace function tagd.list_violations(p_scope_id bigint, p_policy tagd.policy)
returns table (slot integer, problem text, found text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- rows are found by scope and label, whatever the planner estimates
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_slots integer[];
begin
  select o.slots into v_slots from tagd.offenders(p_scope_id, array[p_policy], null, null) o;
  return query
  select r.slot, v.problem, v.found
    from unnest(v_slots) as e (slot)
   cross join lateral (
     select r.slot, r.tags from tagd.resource r where r.scope_id = p_scope_id and r.slot = e.slot offset 0) r
   cross join lateral unnest(tagd.violations_of(array[p_policy], r.tags)) as v;
end
$$;
comment on function tagd.list_violations(bigint, tagd.policy) is 'The violations of a policy by the resources of a scope that it concerns: slot, problem, and the value or the key that was found.';
revoke execute on function tagd.list_violations(bigint, tagd.policy) from public;
grant execute on function tagd.list_violations(bigint, tagd.policy) to tagd_reader, tagd_domain_reader;
