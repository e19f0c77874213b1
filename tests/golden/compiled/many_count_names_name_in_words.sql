with term as materialized (
  select l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = '' and l.kind = 4 and strpos(l.value, $2::text) > 0 offset 0) l),
few as (
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
  select e.slot, t.rank
    from term t
    cross join lateral unnest(t.slots) as e (slot)),
part as (
  select block, rank, sum(hits) as hits, count(hits) as chunks, array_agg(position) filter (where position is not null) as few
    from (select c.block, c.hits, null::int4 as position, t.rank
            from term t
            cross join lateral (
              select c.block, c.hits from tagd.chunk c
               where c.scope_id = t.scope_id and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select f.slot / 16384, null, f.slot % 16384, rank
            from few f) piece
   group by block, rank),
hit as materialized (
  select r.block, r.rank, r.few, b.bits,
         (case when b.bits is not null then bit_count(b.bits) when r.few is null then r.hits else cardinality(r.few) end)::int4 as hits
    from part r
    cross join lateral (
      select bit_or(b.bits) as bits
        from (select c.bits
                from term t
                cross join lateral (
                  select c.bits from tagd.chunk c
                   where c.scope_id = t.scope_id and c.label_id = t.label_id and c.block = r.block offset 0) c
               where t.slots is null and t.rank = r.rank
              union all
              select tagd.bits_at(r.few)) b
       where r.chunks > 1 or (r.chunks = 1 and r.few is not null)) b)
select coalesce(sum(hits), 0)::int8 as total
  from hit
