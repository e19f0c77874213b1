-- $1 Scopes: int8[]
-- $2 LabelKinds: int2[]
-- $3 LabelKeys: text[]
-- $4 LabelValues: text[]
with query_label as materialized (
  -- The labels that exist. A sparse label has its slots here, a dense one has chunks.
  select t.ordinal, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int2[], $3::text[], $4::text[]) with ordinality as t (kind, key, value, ordinal)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
block_match as materialized (
  -- The bits of all labels in a block, as one.
  select block, rank, bit_count(bit_or(bits))::int4 as match_count
    from (select c.block, c.bits, ql.rank
            from query_label ql
            cross join lateral (select c.block, c.bits from tagd.chunk c where c.scope_id = ql.scope_id and c.label_id = ql.label_id offset 0) c
           where ql.slots is null
          union all
          select e.slot / 16384, tagd.bits_at(array_agg(e.slot % 16384)), ql.rank
            from query_label ql
            cross join lateral unnest(ql.slots) as e (slot)
           group by e.slot / 16384, ql.ordinal, ql.rank) label_bits
   group by block, rank)
-- The total.
select coalesce(sum(match_count), 0)::int8 as total
  from block_match
