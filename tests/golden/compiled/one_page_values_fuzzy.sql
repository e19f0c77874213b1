with tally as materialized (
  select sum(cardinality(l.slots)) as few, array_agg(l.label_id) filter (where l.slots is null) as dense
    from lateral (
      select tagd.wanted_value_grams($1, $2::text, $3::text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from $2::text and strpos(l.value, $3::text) > 0 offset 0) l),
hit as materialized (
  select sum(c.hits) as hits, array_agg(c.block) as blocks, array_agg(c.hits) as counts
    from tally t
    cross join lateral unnest(t.dense) as d (label_id)
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = d.label_id offset 0) c),
total as materialized (
  select coalesce((select t.few from tally t), 0) + coalesce((select h.hits from hit h), 0) as hits,
         least(32 * $4::int8, 1024 + coalesce((select t.few from tally t), 0) / 2) as far),
walk as materialized (
  select g.slot
    from total n
    cross join lateral (
      select r.slot from tagd.resource r
       where r.scope_id = $1
       order by r.slot desc
       limit 1) newest
    cross join lateral (
      select g.slot from tagd.tag g
       where g.scope_id = $1 and g.slot > newest.slot - n.far and g.key = $2::text and strpos(g.value, $3::text) > 0
       order by g.slot desc
       limit $4::int8) g
   where n.hits * n.far > 2 * $4::int8 * newest.slot),
few as (
  select e.slot
    from lateral (
      select tagd.wanted_value_grams($1, $2::text, $3::text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from $2::text and strpos(l.value, $3::text) > 0 and cardinality(l.slots) > 0
       order by l.slots[cardinality(l.slots)] desc
       limit $4::int8 offset 0) l
    cross join lateral unnest(l.slots[(cardinality(l.slots) - $4::int8 + 1)::int4:]) as e (slot)
   where (select count(*) from walk) < $4::int8
   order by e.slot desc
   limit $4::int8),
run as materialized (
  select block, sum(hits)::int4 as hits, sum(sum(hits)::int4) over (order by block desc rows unbounded preceding) as upto,
         bool_or(position is null) as dense, array_agg(position) filter (where position is not null) as plus
    from (select b.block, b.hits, null::int4 as position
            from hit h
            cross join lateral unnest(h.blocks, h.counts) as b (block, hits)
           where (select count(*) from walk) < $4::int8
          union all
          select f.slot / 16384, 1, f.slot % 16384
            from few f) piece
   group by block),
page as (
  (select w.slot as low, w.slot as high, null::bit as bits
     from walk w
    where (select count(*) from walk) = $4::int8
    order by w.slot desc
   offset $5::int8)
  union all
  select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits
    from run r
    cross join lateral (
      select greatest($5::int8 - r.upto + r.hits, 0) as skip, $6::int8 + least($5::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral (
      select n.low, n.high, n.bits
        from (select b.bits, case when least(w.want, r.hits - w.skip) >= 64 then tagd.dense_range(b.bits, w.skip, w.want) end as ends
                from (select bit_or(b.bits) as bits
                        from (select c.bits
                                from tally t
                                cross join lateral unnest(t.dense) as d (label_id)
                                cross join lateral (
                                  select c.bits from tagd.chunk c
                                   where c.scope_id = $1 and c.label_id = d.label_id and c.block = r.block offset 0) c
                              union all
                              select tagd.bits_at(r.plus)) b
                       where r.dense) b offset 0) b
        cross join lateral (
          select b.ends[1] as low, b.ends[2] as high, substring(b.bits from 1) as bits
           where b.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when b.ends is null then tagd.last_set_bits(b.bits, w.skip, w.want) end) as n (position)) n
      union all
      (select n.position, n.position, null
         from unnest(r.plus) as n (position)
        where not r.dense
        order by n.position desc
       offset w.skip
        limit w.want)
      offset 0) p
   where r.upto > $5::int8 and r.upto - r.hits < $5::int8 + $6::int8)
select (coalesce((select n.hits from total n), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
