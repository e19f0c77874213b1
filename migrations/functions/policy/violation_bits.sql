create or replace function tagd.violation_bits(p_scope_id bigint, p_policy tagd.policy, p_first integer, p_last integer)
returns table (block integer, bits bit)
language plpgsql stable
as $$
declare
  -- the labels of a role: the dense ones, and the slots of the sparse ones in these blocks
  v_dense_roles smallint[];
  v_labels      bigint[];
  v_roles       smallint[];
  v_slots       integer[];
  v_by_allowed  boolean;
  v_base        integer;
  v_correct     integer;
begin
  with part as materialized (
         select l.role, l.label_id, l.slots from tagd.policy_labels(p_scope_id, p_policy) l),
       few as materialized (
         select l.role, e.slot
           from part l
          cross join lateral unnest(l.slots[width_bucket(p_first * 16384 - 1, l.slots) + 1:width_bucket(p_last * 16384 + 16383, l.slots)]) as e (slot))
  select array(select l.role from part l where l.slots is null), array(select l.label_id from part l where l.slots is null),
         array(select f.role from few f), array(select f.slot from few f), exists (select from part l where l.role = 2)
    into v_dense_roles, v_labels, v_roles, v_slots, v_by_allowed;
  -- A resource that must have the key, with one of some values, is right if it has one of these; which resources have the key
  -- does not matter then.
  v_base := case when p_policy.is_required then 0 when v_by_allowed then 1 end;
  v_correct := case when v_by_allowed then 2 when p_policy.is_required then 1 end;
  return query
  with block_bits as (
         select c.block, d.role, c.bits
           from unnest(v_dense_roles, v_labels) as d (role, label_id)
           join tagd.chunk c on c.scope_id = p_scope_id and c.label_id = d.label_id and c.block between p_first and p_last
          where d.role in (v_base, v_correct, 3, 4)
          union all
         select f.slot / 16384, f.role, tagd.bits_at(array_agg(f.slot % 16384))
           from unnest(v_roles, v_slots) as f (role, slot)
          where f.role in (v_base, v_correct, 3, 4)
          group by f.slot / 16384, f.role),
       in_block as (
         select b.block, bit_or(b.bits) filter (where b.role = v_base) as base, bit_or(b.bits) filter (where b.role = v_correct) as correct,
                bit_or(b.bits) filter (where b.role > 2) as wrong
           from block_bits b
          group by b.block)
  select b.block,
         case when b.base is null then b.wrong
              when b.correct is null and b.wrong is null then b.base
              when b.correct is null then b.base | b.wrong
              when b.wrong is null then b.base & ~b.correct
              else b.base & ~b.correct | b.wrong end
    from in_block b
   where b.base is not null or b.wrong is not null;
end
$$;
comment on function tagd.violation_bits(bigint, tagd.policy, integer, integer) is 'The resources of a scope that violate a policy, as bitmaps of the blocks from p_first to p_last, which is at most 131071; those without a bit may be left out.';
revoke execute on function tagd.violation_bits(bigint, tagd.policy, integer, integer) from public;
