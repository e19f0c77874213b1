-- $1 Scopes: int8
-- $2 NameText: text
-- $3 Offset: int8
-- $4 Limit: int8
with query_label as materialized (
  -- The words that have the text. A sparse label has its slots here, a dense one has chunks.
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = '' and l.kind = 4 and strpos(l.value, $2::text) > 0 offset 0) l),
sparse_slots as (
  -- The names that have the text in a word that is not a label, by the gram index; the slots of sparse labels.
  select r.slot
    from lateral (
      select n.slot
        from (select tagd.wanted_grams($1, $2::text) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = $1 and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and strpos(n.folded, $2::text) > 0 offset 0) n offset 0) r
   union
  select e.slot
    from query_label ql
    cross join lateral unnest(ql.slots) as e (slot)),
block_parts as (
  -- What a block has of both: chunks, and positions of slots.
  select block, sum(match_count) as match_count, count(match_count) as chunks,
         array_agg(position) filter (where position is not null) as positions
    from (select c.block, c.hits as match_count, null::int4 as position
            from query_label ql
            cross join lateral (select c.block, c.hits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id offset 0) c
           where ql.slots is null
          union all
          select f.slot / 16384, null, f.slot % 16384
            from sparse_slots f) part
   group by block),
block_match as materialized (
  -- The matches of a block. Bits are made of more than one chunk, or of a chunk and positions.
  select b.block, b.positions, v.bits,
         (case when v.bits is not null then bit_count(v.bits)
               when b.positions is null then b.match_count
               else cardinality(b.positions) end)::int4 as match_count
    from block_parts b
    cross join lateral (
      select bit_or(v.bits) as bits
        from (select c.bits
                from query_label ql
                cross join lateral (select c.bits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id and c.block = b.block offset 0) c
               where ql.slots is null
              union all
              select tagd.bits_at(b.positions)) v
       where b.chunks > 1 or (b.chunks = 1 and b.positions is not null)) v),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, positions, bits, match_count,
         sum(match_count) over (order by block desc rows unbounded preceding) as end_offset
    from block_match
   where match_count > 0),
page as (
  -- A block is answered from the bits made for it, from its only chunk, or from its slots.
  select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits
    from block_offsets b
    cross join lateral (
      select greatest($3::int8 - b.end_offset + b.match_count, 0) as skip,
             $4::int8 + least($3::int8 - b.end_offset + b.match_count, 0) as take offset 0) part
    cross join lateral (
      select n.low, n.high, n.bits
        from (select x.bits, case when least(part.take, b.match_count - part.skip) >= 64
                                  then tagd.dense_range(x.bits, part.skip, part.take) end as ends
                from (select b.bits
                       where b.bits is not null
                      union all
                      select c.bits
                        from query_label ql
                        cross join lateral (select c.bits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id and c.block = b.block offset 0) c
                       where ql.slots is null and b.bits is null and b.positions is null) x offset 0) x
        cross join lateral (
          select x.ends[1] as low, x.ends[2] as high, substring(x.bits from 1) as bits
           where x.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when x.ends is null then tagd.last_set_bits(x.bits, part.skip, part.take) end) as n (position)) n
      union all
      (select n.position as low, n.position as high, null::bit as bits
         from unnest(b.positions) as n (position)
        where b.bits is null
        order by n.position desc
       offset part.skip
        limit part.take)
      offset 0) p
   where b.end_offset > $3::int8 and b.end_offset - b.match_count < $3::int8 + $4::int8)
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
