with few as (
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
hit as materialized (
  select f.slot / 16384 as block, rank, count(*)::int4 as hits, array_agg(f.slot % 16384) as few
    from few f
   group by f.slot / 16384, rank)
select coalesce(sum(hits), 0)::int8 as total
  from hit
