-- $1 Scopes: int8
-- $2 LabelKind: int2
-- $3 LabelKey: text
-- $4 LabelValue: text
-- $5 Offset: int8
-- $6 Limit: int8
with query_label as materialized (
  -- The label. A sparse label has its slots here, a dense one has chunks.
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = $3::text and l.kind = $2::int2 and l.value = $4::text offset 0) l),
block_match as materialized (
  -- The count of each chunk of a dense label, newest first, or the number of slots of a sparse one.
  -- Arrays cost less than rows, and the index has the chunks in this order.
  select sum(p.match_count) as total, array_agg(p.block) as blocks, array_agg(p.match_count) as match_counts
    from query_label ql
    cross join lateral (
      (select c.block, c.hits as match_count from tagd.chunk c
        where c.scope_id = $1 and c.label_id = ql.label_id
        order by c.block desc offset 0)
      union all
      select null, cardinality(ql.slots)
       where ql.slots is not null
      offset 0) p),
page_block as materialized (
  -- The blocks that the page overlaps: for each its place in the arrays, matches to skip, matches to take.
  select m.blocks[o.triples[i]] as block, m.match_counts[o.triples[i]] as match_count,
         o.triples[i + 1] as skip, o.triples[i + 2] as take
    from block_match m
    cross join lateral (
      select tagd.page_blocks(m.match_counts, $5::int8, $6::int8) as triples offset 0) o
    cross join lateral generate_series(1, cardinality(o.triples), 3) as i),
page as (
  -- The slots of a block, from its chunk, or those of a sparse label.
  select p.low, p.high, p.bits
    from page_block b
    join query_label ql on true
    cross join lateral (
      select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits
        from (select n.low, n.high, n.bits
        from (select x.bits, case when least(b.take, b.match_count - b.skip) >= 64
                                  then tagd.dense_range(x.bits, b.skip, b.take) end as ends
                from (select c.bits from tagd.chunk c
                       where c.scope_id = $1 and c.label_id = ql.label_id and c.block = b.block) x offset 0) x
        cross join lateral (
          select x.ends[1] as low, x.ends[2] as high, substring(x.bits from 1) as bits
           where x.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when x.ends is null then tagd.last_set_bits(x.bits, b.skip, b.take) end) as n (position)) n) p
      union all
      select n.slot, n.slot, null
        from unnest(ql.slots[(cardinality(ql.slots) - b.skip - b.take + 1)::int4 : (cardinality(ql.slots) - b.skip)::int4]) as n (slot)
      offset 0) p)
-- The resources of the page, each beside the total; the total alone if the page is empty.
select (coalesce((select m.total from block_match m), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
