create or replace function tagd.violation_bits(p_scope_id bigint, p_policy tagd.policy, p_first integer, p_last integer)
returns table (block integer, bits bit)
language plpgsql stable
as $$
begin
  return query
  with part as materialized (
         select l.role, l.label_id, l.slots from tagd.policy_labels(p_scope_id, p_policy) l),
       -- A resource that must have the key, with one of some values, is right if it has one of these; which resources have the
       -- key does not matter then.
       rule as materialized (
         select case when p_policy.is_required then 0 when r.by_allowed then 1 end as base,
                case when r.by_allowed then 2 when p_policy.is_required then 1 end as correct
           from (select exists (select from part l where l.role = 2) as by_allowed) r),
       block_bits as (
         select b.block, b.role, b.bits
           from rule r
           join part l on l.role in (r.base, r.correct, 3, 4)
          cross join lateral (
            select c.block, l.role, c.bits from tagd.chunk c
             where c.scope_id = p_scope_id and c.label_id = l.label_id and c.block between p_first and p_last offset 0) b
          where l.slots is null
          union all
         select e.slot / 16384, l.role, tagd.bits_at(array_agg(e.slot % 16384))
           from rule r
           join part l on l.role in (r.base, r.correct, 3, 4)
          cross join lateral unnest(l.slots[width_bucket(p_first * 16384 - 1, l.slots) + 1:width_bucket(p_last * 16384 + 16383, l.slots)]) as e (slot)
          group by e.slot / 16384, l.role),
       in_block as (
         select b.block, bit_or(b.bits) filter (where b.role = r.base) as base, bit_or(b.bits) filter (where b.role = r.correct) as correct,
                bit_or(b.bits) filter (where b.role > 2) as wrong
           from rule r, block_bits b
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
