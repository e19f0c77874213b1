-- $1 Scopes: int8[]
-- $2 NameText: text
with query_label as materialized (
  -- The words that have the text. A sparse label has its slots here, a dense one has chunks.
  select l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = '' and l.kind = 4 and strpos(l.value, $2::text) > 0 offset 0) l),
sparse_slots as (
  -- The names that have the text in a word that is not a label, by the gram index; the slots of sparse labels.
  select r.slot, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join lateral (
      select n.slot
        from (select tagd.wanted_grams(s.scope_id, $2::text) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = s.scope_id and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and strpos(n.folded, $2::text) > 0 offset 0) n offset 0) r
   union
  select e.slot, ql.rank
    from query_label ql
    cross join lateral unnest(ql.slots) as e (slot)),
block_parts as (
  -- What a block has of both: chunks, and positions of slots.
  select block, rank, sum(match_count) as match_count, count(match_count) as chunks,
         array_agg(position) filter (where position is not null) as positions
    from (select c.block, c.hits as match_count, null::int4 as position, ql.rank
            from query_label ql
            cross join lateral (select c.block, c.hits from tagd.chunk c where c.scope_id = ql.scope_id and c.label_id = ql.label_id offset 0) c
           where ql.slots is null
          union all
          select f.slot / 16384, null, f.slot % 16384, rank
            from sparse_slots f) part
   group by block, rank),
block_match as materialized (
  -- The matches of a block. Bits are made of more than one chunk, or of a chunk and positions.
  select b.block, b.rank, b.positions, v.bits,
         (case when v.bits is not null then bit_count(v.bits)
               when b.positions is null then b.match_count
               else cardinality(b.positions) end)::int4 as match_count
    from block_parts b
    cross join lateral (
      select bit_or(v.bits) as bits
        from (select c.bits
                from query_label ql
                cross join lateral (select c.bits from tagd.chunk c where c.scope_id = ql.scope_id and c.label_id = ql.label_id and c.block = b.block offset 0) c
               where ql.slots is null and ql.rank = b.rank
              union all
              select tagd.bits_at(b.positions)) v
       where b.chunks > 1 or (b.chunks = 1 and b.positions is not null)) v)
-- The total.
select coalesce(sum(match_count), 0)::int8 as total
  from block_match
