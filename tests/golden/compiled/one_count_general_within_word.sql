-- $1 Scopes: int8
-- $2 LabelGroups: int4[]
-- $3 LabelSingletons: int4[]
-- $4 LabelKinds: int2[]
-- $5 LabelKeys: text[]
-- $6 LabelValues: text[]
-- $7 NameText: text
-- $8 RequiredGroups: int8
-- $9 ExcludedGroups: int8
with query_label as materialized (
  -- The labels that exist, by group. A sparse label has its slots here, a dense one has chunks.
  select t.group_no, t.singleton, l.label_id, l.slots
    from unnest($2::int4[], $3::int4[], $4::int2[], $5::text[], $6::text[])
      as t (group_no, singleton, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
   union all
  -- Words with the text of the name in them.
  select $8::int8::int4, 0, l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = '' and l.kind = 4 and strpos(l.value, $7::text) > 0 offset 0) l),
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
           group by e.slot / 16384, ql.group_no
          union all
          -- Names with the text in a word that is not a label.
          select r.slot / 16384, $8::int8::int4, tagd.bits_of(r.slot % 16384, 1)
            from lateral (
      select n.slot
        from (select tagd.wanted_grams($1, $7::text) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = $1 and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and strpos(n.folded, $7::text) > 0 offset 0) n offset 0) r
           group by r.slot / 16384) label_bits
   group by block, group_no),
block_match as materialized (
  -- What a block includes, what is excluded from that, and how many are left.
  select block,
         (coalesce(chunk_count, bit_count(include))
          - coalesce(bit_count(case when $8::int8 = 0 then exclude else include & exclude end), 0))::int4 as match_count
    from (select block, chunk_count, include,
                 case when conjuncts = $9::int8 and conjuncts > 0
                      then coalesce(any_excluded | all_excluded, all_excluded) else any_excluded end as exclude
            from (select block, sum(chunk_count) filter (where group_no > 0 and $8::int8 in (0, 1)) as chunk_count,
                         bit_and(bits) filter (where group_no > 0) as include,
                         bit_or(bits) filter (where group_no = 0) as any_excluded,
                         bit_and(bits) filter (where group_no < 0) as all_excluded,
                         count(*) filter (where group_no < 0) as conjuncts
                    from group_bits
                   group by block
                  having count(*) filter (where group_no > 0) >= $8::int8
                  offset 0) combined
          offset 0) sides)
-- The total.
select coalesce(sum(match_count), 0)::int8 as total
  from block_match
