-- $1 Scopes: int8
-- $2 SubstringKey: text
-- $3 Substring: text
-- $4 PageEnd: int8
-- $5 Offset: int8
-- $6 Limit: int8
with label_match as materialized (
  -- The labels that have the text: the number of slots of sparse ones, and which are dense.
  select sum(cardinality(l.slots)) as sparse_count, array_agg(l.label_id) filter (where l.slots is null) as dense_labels
    from lateral (
      select tagd.wanted_value_grams($1, $2::text, $3::text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from $2::text and strpos(l.value, $3::text) > 0 offset 0) l),
block_match as materialized (
  -- The counts of the chunks of dense labels.
  select sum(c.hits) as match_count, array_agg(c.block) as blocks, array_agg(c.hits) as match_counts
    from label_match lm
    cross join lateral unnest(lm.dense_labels) as d (label_id)
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = d.label_id offset 0) c),
total as materialized (
  -- The total, and how many of the newest resources may be read.
  select coalesce((select lm.sparse_count from label_match lm), 0) + coalesce((select m.match_count from block_match m), 0) as match_count,
         least(32 * $4::int8, 1024 + coalesce((select lm.sparse_count from label_match lm), 0) / 2) as scan_length),
recent_match as materialized (
  -- Matches among the newest resources, from their tags, if there is a page of them to be expected.
  select g.slot
    from total n
    cross join lateral (
      select r.slot from tagd.resource r
       where r.scope_id = $1
       order by r.slot desc
       limit 1) newest
    cross join lateral (
      select g.slot from tagd.tag g
       where g.scope_id = $1 and g.slot > newest.slot - n.scan_length and g.key = $2::text and strpos(g.value, $3::text) > 0
       order by g.slot desc
       limit $4::int8) g
   where n.match_count * n.scan_length > 2 * $4::int8 * newest.slot),
sparse_slots as (
  -- Otherwise the slots of sparse labels, as far as the page reaches.
  select e.slot
    from lateral (
      select tagd.wanted_value_grams($1, $2::text, $3::text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from $2::text and strpos(l.value, $3::text) > 0 and cardinality(l.slots) > 0
       order by l.slots[cardinality(l.slots)] desc
       limit $4::int8 offset 0) l
    cross join lateral unnest(l.slots[(cardinality(l.slots) - $4::int8 + 1)::int4:]) as e (slot)
   where (select count(*) from recent_match) < $4::int8
   order by e.slot desc
   limit $4::int8),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, sum(match_count)::int4 as match_count,
         sum(sum(match_count)::int4) over (order by block desc rows unbounded preceding) as end_offset,
         bool_or(position is null) as needs_bits, array_agg(position) filter (where position is not null) as added
    from (select b.block, b.match_count, null::int4 as position
            from block_match m
            cross join lateral unnest(m.blocks, m.match_counts) as b (block, match_count)
           where (select count(*) from recent_match) < $4::int8
          union all
          select f.slot / 16384, 1, f.slot % 16384
            from sparse_slots f) part
   group by block),
page as (
  -- Recent matches if they reach the end of the page. Otherwise a block with chunks is answered from bits, another from its slots.
  (select rm.slot as low, rm.slot as high, null::bit as bits
     from recent_match rm
    where (select count(*) from recent_match) = $4::int8
    order by rm.slot desc
   offset $5::int8)
  union all
  select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits
    from block_offsets b
    cross join lateral (
      select greatest($5::int8 - b.end_offset + b.match_count, 0) as skip,
             $6::int8 + least($5::int8 - b.end_offset + b.match_count, 0) as take offset 0) part
    cross join lateral (
      select n.low, n.high, n.bits
        from (select x.bits, case when least(part.take, b.match_count - part.skip) >= 64
                                  then tagd.dense_range(x.bits, part.skip, part.take) end as ends
                from (select bit_or(v.bits) as bits
                        from (select c.bits
                                from label_match lm
                                cross join lateral unnest(lm.dense_labels) as d (label_id)
                                cross join lateral (
                                  select c.bits from tagd.chunk c
                                   where c.scope_id = $1 and c.label_id = d.label_id and c.block = b.block offset 0) c
                              union all
                              select tagd.bits_at(b.added)) v
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
   where b.end_offset > $5::int8 and b.end_offset - b.match_count < $5::int8 + $6::int8)
-- The resources of the page, each beside the total; the total alone if the page is empty.
select (coalesce((select n.match_count from total n), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
