-- $1 Scopes: int8
-- $2 NameText: text
-- $3 Offset: int8
-- $4 Limit: int8
with name_slots as (
  -- The names that have the text, by the gram index.
  select r.slot
    from lateral (
      select n.slot
        from (select tagd.wanted_grams($1, $2::text) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = $1 and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and strpos(n.folded, $2::text) > 0 offset 0) n offset 0) r),
block_match as materialized (
  -- Their positions by block.
  select f.slot / 16384 as block, count(*)::int4 as match_count, array_agg(f.slot % 16384) as positions
    from name_slots f
   group by f.slot / 16384),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, positions, match_count,
         sum(match_count) over (order by block desc rows unbounded preceding) as end_offset
    from block_match
   where match_count > 0),
page as (
  -- The slots of a block.
  select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits
    from block_offsets b
    cross join lateral (
      select greatest($3::int8 - b.end_offset + b.match_count, 0) as skip,
             $4::int8 + least($3::int8 - b.end_offset + b.match_count, 0) as take offset 0) part
    cross join lateral (
      (select n.position as low, n.position as high, null::bit as bits
         from unnest(b.positions) as n (position)
        order by n.position desc
       offset part.skip
        limit part.take)) p
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
