-- $1 Scopes: int8[]
-- $2 LabelGroups: int4[]
-- $3 LabelSingletons: int4[]
-- $4 LabelKinds: int2[]
-- $5 LabelKeys: text[]
-- $6 LabelValues: text[]
-- $7 SubstringGroups: int4[]
-- $8 SubstringKeys: text[]
-- $9 Substrings: text[]
-- $10 RequiredGroups: int8
-- $11 ExcludedGroups: int8
-- $12 Offset: int8
-- $13 Limit: int8
with query_label as materialized (
  -- The labels that exist, by group. A sparse label has its slots here, a dense one has chunks.
  select t.group_no, t.singleton, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int4[], $3::int4[], $4::int2[], $5::text[], $6::text[])
      as t (group_no, singleton, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
   union all
  -- Values with a text in them.
  select t.group_no, 0, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($7::int4[], $8::text[], $9::text[]) as t (group_no, key, text)
    cross join lateral (
      select tagd.wanted_value_grams(s.scope_id, t.key, t.text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from t.key and strpos(l.value, t.text) > 0 offset 0) l),
group_bits as (
  -- The bits of each group in a block: those of a singleton as they are, those of other labels or-ed.
  select c.block, c.hits as chunk_count, ql.group_no, c.bits, ql.rank
    from query_label ql
    cross join lateral (select c.block, c.hits, c.bits from tagd.chunk c where c.scope_id = ql.scope_id and c.label_id = ql.label_id offset 0) c
   where ql.slots is null and ql.singleton = 1
   union all
  select block, null, group_no, bit_or(bits), rank
    from (select c.block, ql.group_no, c.bits, ql.rank
            from query_label ql
            cross join lateral (select c.block, c.bits from tagd.chunk c where c.scope_id = ql.scope_id and c.label_id = ql.label_id offset 0) c
           where ql.slots is null and ql.singleton = 0
          union all
          select e.slot / 16384, ql.group_no, tagd.bits_at(array_agg(e.slot % 16384)), ql.rank
            from query_label ql
            cross join lateral unnest(ql.slots) as e (slot)
           group by e.slot / 16384, ql.group_no, ql.rank) label_bits
   group by block, group_no, rank
   union all
  -- The resources by id or name.
  select r.slot / 16384, null::int4, $10::int8::int4, tagd.bits_of(r.slot % 16384, 1), s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join lateral (
      select n.slot from tagd.name n
       where n.scope_id = s.scope_id and n.folded = '' offset 0) r
   group by r.slot / 16384, s.rank),
block_match as materialized (
  -- What a block includes, what is excluded from that, and how many are left.
  select block, rank, include, exclude,
         (coalesce(chunk_count, bit_count(include))
          - coalesce(bit_count(case when $10::int8 = 0 then exclude else include & exclude end), 0))::int4 as match_count
    from (select block, rank, chunk_count, include,
                 case when conjuncts = $11::int8 and conjuncts > 0
                      then coalesce(any_excluded | all_excluded, all_excluded) else any_excluded end as exclude
            from (select block, rank, sum(chunk_count) filter (where group_no > 0 and $10::int8 in (0, 1)) as chunk_count,
                         bit_and(bits) filter (where group_no > 0) as include,
                         bit_or(bits) filter (where group_no = 0) as any_excluded,
                         bit_and(bits) filter (where group_no < 0) as all_excluded,
                         count(*) filter (where group_no < 0) as conjuncts
                    from group_bits
                   group by block, rank
                  having count(*) filter (where group_no > 0) >= $10::int8
                  offset 0) combined
          offset 0) sides),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, rank, include, exclude, match_count,
         sum(match_count) over (order by rank, block desc rows unbounded preceding) as end_offset
    from block_match
   where match_count > 0),
page as (
  -- The bits of a block, less what is excluded, taken apart.
  select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits, rank
    from block_offsets b
    cross join lateral (
      select greatest($12::int8 - b.end_offset + b.match_count, 0) as skip,
             $13::int8 + least($12::int8 - b.end_offset + b.match_count, 0) as take offset 0) part
    cross join lateral (
      select n.low, n.high, n.bits
        from (select x.bits, case when least(part.take, b.match_count - part.skip) >= 64
                                  then tagd.dense_range(x.bits, part.skip, part.take) end as ends
                from (select case when b.exclude is null then b.include else b.include & ~b.exclude end as bits) x offset 0) x
        cross join lateral (
          select x.ends[1] as low, x.ends[2] as high, substring(x.bits from 1) as bits
           where x.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when x.ends is null then tagd.last_set_bits(x.bits, part.skip, part.take) end) as n (position)) n) p
   where b.end_offset > $12::int8 and b.end_offset - b.match_count < $12::int8 + $13::int8)
-- The resources of the page, each beside the total; the total alone if the page is empty.
-- The caller knows the scopes, but a project may have been renamed since.
select (coalesce((select max(end_offset) from block_offsets), 0))::int8 as total, page.rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags,
       (select p.project_name from tagd.scope o join tagd.project p on p.project_id = o.project_id
         where o.scope_id = s.scope_id) as project_name
  from (select 1 offset 0) always
  left join (page
    join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = s.scope_id and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by page.rank, r.slot desc
