create or replace function tagd.offenders(
  p_scope_id bigint, p_policies tagd.policy[], p_before integer, p_limit integer, out total bigint, out slots integer[])
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- rows are found by scope and label, whatever the planner estimates
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_block record;
  v_left  integer := p_limit;
  v_some  integer[];
  -- the blocks that are still to be read
  v_first integer := 0;
  v_last  integer := 131071;
begin
  total := 0;
  slots := '{}';
  if cardinality(p_policies) = 1 and p_limit is not null then
    -- labels give the total, and the newest blocks usually have a page
    select c.violating into total from tagd.count_violations(p_scope_id, p_policies[1]) c;
    if total = 0 then
      return;
    end if;
    select coalesce(least(p_before / 16384, c.next_slot / 16384), 0) into v_last
      from tagd.scope_counter c where c.scope_id = p_scope_id;
    v_first := greatest(v_last - 3, 0);
  end if;
  loop
    for v_block in
      select b.block, bit_or(b.bits) as bits
        from unnest(p_policies) p
       cross join lateral tagd.violation_bits(p_scope_id, p, v_first, v_last) b
       group by b.block
       order by b.block desc
    loop
      if v_last = 131071 then
        total := total + bit_count(v_block.bits);
      end if;
      continue when v_left = 0 or v_block.block > p_before / 16384;
      if v_block.block = p_before / 16384 then
        -- only the bits of the slots below
        v_block.bits := v_block.bits & ~((~B'0'::bit(16384)) >> p_before % 16384);
      end if;
      v_some := tagd.last_set_bits(v_block.bits, 0, coalesce(v_left, 16384));
      v_left := v_left - cardinality(v_some);
      slots := slots || array(select v_block.block * 16384 + e.position from unnest(v_some) with ordinality as e (position, n) order by e.n);
    end loop;
    exit when v_first = 0 or v_left = 0;
    v_last := v_first - 1;
    v_first := 0;
  end loop;
end
$$;
comment on function tagd.offenders(bigint, tagd.policy[], integer, integer) is 'The resources of a scope that violate at least one of some policies that concern it: how many there are, and the slots of the newest p_limit of them below slot p_before. Null is no limit.';
revoke execute on function tagd.offenders(bigint, tagd.policy[], integer, integer) from public;
grant execute on function tagd.offenders(bigint, tagd.policy[], integer, integer) to tagd_service;
