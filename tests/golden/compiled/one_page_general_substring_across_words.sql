-- $1 Scopes: int8
-- $2 LabelGroups: int4[]
-- $3 LabelSingletons: int4[]
-- $4 LabelKinds: int2[]
-- $5 LabelKeys: text[]
-- $6 LabelValues: text[]
-- $7 SubstringGroups: int4[]
-- $8 SubstringKeys: text[]
-- $9 Substrings: text[]
-- $10 NameText: text
-- $11 RequiredGroups: int8
-- $12 ExcludedGroups: int8
-- $13 Offset: int8
-- $14 Limit: int8
with query_label as materialized (
  -- The labels that exist, by group. A sparse label has its slots here, a dense one has chunks.
  select t.group_no, t.singleton, l.label_id, l.slots
    from unnest($2::int4[], $3::int4[], $4::int2[], $5::text[], $6::text[])
      as t (group_no, singleton, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
   union all
  -- Values with a text in them.
  select t.group_no, 0, l.label_id, l.slots
    from unnest($7::int4[], $8::text[], $9::text[]) as t (group_no, key, text)
    cross join lateral (
      select tagd.wanted_value_grams($1, t.key, t.text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from t.key and strpos(l.value, t.text) > 0 offset 0) l),
group_bits as (
  -- The bits of each group in a block: those of a singleton as they are, those of other labels or-ed.
  select c.block, c.hits as chunk_count, ql.group_no, c.bits
    from query_label ql
    cross join lateral (select c.block, c.hits, c.bits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id offset 0) c
   where ql.slots is null and ql.singleton = 1
   union all
  select block, null, group_no, bit_or(bits)
    from (select c.block, ql.group_no, c.bits
            from query_label ql
            cross join lateral (select c.block, c.bits from tagd.chunk c where c.scope_id = $1 and c.label_id = ql.label_id offset 0) c
           where ql.slots is null and ql.singleton = 0
          union all
          select e.slot / 16384, ql.group_no, tagd.bits_at(array_agg(e.slot % 16384))
            from query_label ql
            cross join lateral unnest(ql.slots) as e (slot)
           group by e.slot / 16384, ql.group_no) label_bits
   group by block, group_no
   union all
  -- The resources by id or name.
  select r.slot / 16384, null::int4, $11::int8::int4, tagd.bits_of(r.slot % 16384, 1)
    from lateral (
      select n.slot
        from (select tagd.wanted_grams($1, $10::text) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = $1 and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and strpos(n.folded, $10::text) > 0 offset 0) n offset 0) r
   group by r.slot / 16384),
block_match as materialized (
  -- What a block includes, what is excluded from that, and how many are left.
  select block, include, exclude,
         (coalesce(chunk_count, bit_count(include))
          - coalesce(bit_count(case when $11::int8 = 0 then exclude else include & exclude end), 0))::int4 as match_count
    from (select block, chunk_count, include,
                 case when conjuncts = $12::int8 and conjuncts > 0
                      then coalesce(any_excluded | all_excluded, all_excluded) else any_excluded end as exclude
            from (select block, sum(chunk_count) filter (where group_no > 0 and $11::int8 in (0, 1)) as chunk_count,
                         bit_and(bits) filter (where group_no > 0) as include,
                         bit_or(bits) filter (where group_no = 0) as any_excluded,
                         bit_and(bits) filter (where group_no < 0) as all_excluded,
                         count(*) filter (where group_no < 0) as conjuncts
                    from group_bits
                   group by block
                  having count(*) filter (where group_no > 0) >= $11::int8
                  offset 0) combined
          offset 0) sides),
block_offsets as materialized (
  -- The blocks from the newest on. A running total of matches tells which of them the page overlaps.
  select block, include, exclude, match_count,
         sum(match_count) over (order by block desc rows unbounded preceding) as end_offset
    from block_match
   where match_count > 0),
page as (
  -- The bits of a block, less what is excluded, taken apart.
  select b.block * 16384 + p.low as low, b.block * 16384 + p.high as high, p.bits
    from block_offsets b
    cross join lateral (
      select greatest($13::int8 - b.end_offset + b.match_count, 0) as skip,
             $14::int8 + least($13::int8 - b.end_offset + b.match_count, 0) as take offset 0) part
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
   where b.end_offset > $13::int8 and b.end_offset - b.match_count < $13::int8 + $14::int8)
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
