-- $1 Scopes: int8[]
-- $2 NameText: text
with name_slots as (
  -- The names that have the text, by the gram index.
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
             and strpos(n.folded, $2::text) > 0 offset 0) n offset 0) r),
block_match as materialized (
  -- Their positions by block.
  select f.slot / 16384 as block, rank, count(*)::int4 as match_count, array_agg(f.slot % 16384) as positions
    from name_slots f
   group by f.slot / 16384, rank)
-- The total.
select coalesce(sum(match_count), 0)::int8 as total
  from block_match
