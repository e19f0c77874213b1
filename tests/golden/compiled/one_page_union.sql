-- $1 Scopes: int8
-- $2 LabelKinds: int2[]
-- $3 LabelKeys: text[]
-- $4 LabelValues: text[]
-- $5 Offset: int8
-- $6 Limit: int8
with query_label as materialized (
  -- The labels that exist. A sparse label has its slots here, a dense one has chunks.
  select t.ordinal, l.label_id, l.slots
    from unnest($2::int2[], $3::text[], $4::text[]) with ordinality as t (kind, key, value, ordinal)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
block_match as materialized (
  -- The bits of all labels in a block, as one.
  select block, bit_or(bits) as bits, bit_count(bit_or(bits))::int4 as match_count
    from (select c.block, c.bits
            from query_label ql
            cross join lateral (select c.block, c.bits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id offset 0) c
           where ql.slots is null
          union all
          select e.slot / 16384, tagd.bits_at(array_agg(e.slot % 16384))
            from query_label ql
            cross join lateral unnest(ql.slots) as e (slot)
           group by e.slot / 16384, ql.ordinal) label_bits
   group by block),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, bits, match_count,
         sum(match_count) over (order by block desc rows unbounded preceding) as end_offset
    from block_match
   where match_count > 0),
page as (
  -- The bits of a block, taken apart.
  select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits
    from block_offsets b
    cross join lateral (
      select greatest($5::int8 - b.end_offset + b.match_count, 0) as skip,
             $6::int8 + least($5::int8 - b.end_offset + b.match_count, 0) as take offset 0) part
    cross join lateral (
      select n.low, n.high, n.bits
        from (select x.bits, case when least(part.take, b.match_count - part.skip) >= 64
                                  then tagd.dense_range(x.bits, part.skip, part.take) end as ends
                from (select b.bits as bits) x offset 0) x
        cross join lateral (
          select x.ends[1] as low, x.ends[2] as high, substring(x.bits from 1) as bits
           where x.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when x.ends is null then tagd.last_set_bits(x.bits, part.skip, part.take) end) as n (position)) n) p
   where b.end_offset > $5::int8 and b.end_offset - b.match_count < $5::int8 + $6::int8)
-- The resources of the page, each beside the total; the total alone if the page is empty.
select (coalesce((select max(end_offset) from block_offsets), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
