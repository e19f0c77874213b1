with term as materialized (
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = '' and l.kind = 4 and strpos(l.value, $2::text) > 0 offset 0) l),
few as (
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
    from term t
    cross join lateral unnest(t.slots) as e (slot)),
part as (
  select block, sum(hits) as hits, count(hits) as chunks, array_agg(position) filter (where position is not null) as few
    from (select c.block, c.hits, null::int4 as position
            from term t
            cross join lateral (
              select c.block, c.hits from tagd.chunk c
               where c.scope_id = $1 and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select f.slot / 16384, null, f.slot % 16384
            from few f) piece
   group by block),
hit as materialized (
  select r.block, r.few, b.bits,
         (case when b.bits is not null then bit_count(b.bits) when r.few is null then r.hits else cardinality(r.few) end)::int4 as hits
    from part r
    cross join lateral (
      select bit_or(b.bits) as bits
        from (select c.bits
                from term t
                cross join lateral (
                  select c.bits from tagd.chunk c
                   where c.scope_id = $1 and c.label_id = t.label_id and c.block = r.block offset 0) c
               where t.slots is null
              union all
              select tagd.bits_at(r.few)) b
       where r.chunks > 1 or (r.chunks = 1 and r.few is not null)) b),
run as materialized (
  select block, hits, few, bits, sum(hits) over (order by block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
  select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits
    from run r
    cross join lateral (
      select greatest($3::int8 - r.upto + r.hits, 0) as skip, $4::int8 + least($3::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral (
      select n.low, n.high, n.bits
        from (select b.bits, case when least(w.want, r.hits - w.skip) >= 64 then tagd.dense_range(b.bits, w.skip, w.want) end as ends
                from (select r.bits
                       where r.bits is not null
                      union all
                      select c.bits
                        from term t
                        cross join lateral (
                          select c.bits from tagd.chunk c
                           where c.scope_id = $1 and c.label_id = t.label_id and c.block = r.block offset 0) c
                       where t.slots is null and r.bits is null and r.few is null) b offset 0) b
        cross join lateral (
          select b.ends[1] as low, b.ends[2] as high, substring(b.bits from 1) as bits
           where b.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when b.ends is null then tagd.last_set_bits(b.bits, w.skip, w.want) end) as n (position)) n
      union all
      (select n.position as low, n.position as high, null::bit as bits
         from unnest(r.few) as n (position)
        where r.bits is null
        order by n.position desc
       offset w.skip
        limit w.want)
      offset 0) p
   where r.upto > $3::int8 and r.upto - r.hits < $3::int8 + $4::int8)
select (coalesce((select max(upto) from run), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
