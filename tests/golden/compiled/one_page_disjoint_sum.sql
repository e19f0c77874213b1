-- $1 Scopes: int8
-- $2 LabelSigns: int4[]
-- $3 LabelKinds: int2[]
-- $4 LabelKeys: text[]
-- $5 LabelValues: text[]
-- $6 PageEnd: int8
-- $7 Offset: int8
-- $8 Limit: int8
with query_label as materialized (
  -- The labels that exist: 1 adds, -1 takes away. A sparse label has its slots here, a dense one has chunks.
  select t.sign, l.label_id, l.slots
    from unnest($2::int4[], $3::int2[], $4::text[], $5::text[]) as t (sign, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
slot_floor as materialized (
  -- As many labels as the page ends at have a slot that is as new as this: older ones are not on the page.
  -- So of thousands of labels only a few are expanded.
  select ql.slots[cardinality(ql.slots)] as slot
    from query_label ql
   where cardinality(ql.slots) > 0
   order by slot desc
  offset $6::int8 - 1
   limit 1),
sparse_slots as (
  -- The slots of sparse labels, as far as the page reaches.
  select e.slot, ql.sign
    from query_label ql
    cross join lateral unnest(ql.slots[(cardinality(ql.slots) - $6::int8 + 1)::int4:]) as e (slot)
   where ql.slots[cardinality(ql.slots)] >= coalesce((select slot_floor.slot from slot_floor), 0)
     and e.slot >= coalesce((select slot_floor.slot from slot_floor), 0)),
block_match as materialized (
  -- The matches of a block: from the counts of its chunks, and from its sparse slots.
  select block, sum(match_count)::int4 as match_count, sum(match_count) filter (where position is null) as chunk_count,
         bool_or(position is null or match_count < 0) as needs_bits,
         array_agg(position) filter (where match_count > 0 and position is not null) as added,
         array_agg(position) filter (where match_count < 0 and position is not null) as removed
    from (select c.block, ql.sign * c.hits as match_count, null::int4 as position
            from query_label ql
            cross join lateral (select c.block, c.hits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id offset 0) c
           where ql.slots is null
          union all
          select f.slot / 16384, f.sign, f.slot % 16384
            from sparse_slots f) part
   group by block),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, needs_bits, added, removed, match_count,
         sum(match_count) over (order by block desc rows unbounded preceding) as end_offset
    from block_match
   where match_count > 0),
page as (
  -- A block with chunks, or one that loses slots, is answered from bits; another from its slots.
  select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits
    from block_offsets b
    cross join lateral (
      select greatest($7::int8 - b.end_offset + b.match_count, 0) as skip,
             $8::int8 + least($7::int8 - b.end_offset + b.match_count, 0) as take offset 0) part
    cross join lateral (
      select n.low, n.high, n.bits
        from (select x.bits, case when least(part.take, b.match_count - part.skip) >= 64
                                  then tagd.dense_range(x.bits, part.skip, part.take) end as ends
                from (select case when u.exclude is null then u.include else u.include & ~u.exclude end as bits
                        from (select bit_or(v.bits) filter (where v.sign > 0) as include,
                                     bit_or(v.bits) filter (where v.sign < 0) as exclude
                                from (select ql.sign, c.bits
                                        from query_label ql
                                        cross join lateral (select c.bits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id and c.block = b.block offset 0) c
                                       where ql.slots is null
                                      union all
                                      select 1, tagd.bits_at(b.added)
                                      union all
                                      select -1, tagd.bits_at(b.removed)) v) u
                       where b.needs_bits) x offset 0) x
        cross join lateral (
          select x.ends[1] as low, x.ends[2] as high, substring(x.bits from 1) as bits
           where x.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when x.ends is null then tagd.last_set_bits(x.bits, part.skip, part.take) end) as n (position)) n
      union all
      (select n.position as low, n.position as high, null::bit as bits
         from unnest(b.added) as n (position)
        where not b.needs_bits
        order by n.position desc
       offset part.skip
        limit part.take)
      offset 0) p
   where b.end_offset > $7::int8 and b.end_offset - b.match_count < $7::int8 + $8::int8)
-- The resources of the page, each beside the total; the total alone if the page is empty.
select (coalesce((select sum(ql.sign * cardinality(ql.slots)) from query_label ql), 0)
       + coalesce((select sum(m.chunk_count) from block_match m), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
