with term as materialized (
  select t.sign, l.label_id, l.slots
    from unnest($2::int4[], $3::int2[], $4::text[], $5::text[]) as t (sign, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
edge as materialized (
  select t.slots[cardinality(t.slots)] as slot
    from term t
   where cardinality(t.slots) > 0
   order by slot desc
  offset $6::int8 - 1
   limit 1),
few as (
  select e.slot, t.sign
    from term t
    cross join lateral unnest(t.slots[(cardinality(t.slots) - $6::int8 + 1)::int4:]) as e (slot)
   where t.slots[cardinality(t.slots)] >= coalesce((select edge.slot from edge), 0)
     and e.slot >= coalesce((select edge.slot from edge), 0)),
hit as materialized (
  select block, sum(hits)::int4 as hits, sum(hits) filter (where position is null) as counted,
         bool_or(position is null or hits < 0) as dense,
         array_agg(position) filter (where hits > 0 and position is not null) as plus,
         array_agg(position) filter (where hits < 0 and position is not null) as minus
    from (select c.block, t.sign * c.hits as hits, null::int4 as position
            from term t
            cross join lateral (
              select c.block, c.hits from tagd.chunk c
               where c.scope_id = $1 and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select f.slot / 16384, f.sign, f.slot % 16384
            from few f) piece
   group by block),
run as materialized (
  select block, hits, dense, plus, minus, sum(hits) over (order by block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
  select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits
    from run r
    cross join lateral (
      select greatest($7::int8 - r.upto + r.hits, 0) as skip, $8::int8 + least($7::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral (
      select n.low, n.high, n.bits
        from (select b.bits, case when least(w.want, r.hits - w.skip) >= 64 then tagd.dense_range(b.bits, w.skip, w.want) end as ends
                from (select case when s.nor is null then s.yes else s.yes & ~s.nor end as bits
                        from (select bit_or(b.bits) filter (where b.sign > 0) as yes, bit_or(b.bits) filter (where b.sign < 0) as nor
                                from (select t.sign, c.bits
                                        from term t
                                        cross join lateral (
                                          select c.bits from tagd.chunk c
                                           where c.scope_id = $1 and c.label_id = t.label_id and c.block = r.block offset 0) c
                                       where t.slots is null
                                      union all
                                      select 1, tagd.bits_at(r.plus)
                                      union all
                                      select -1, tagd.bits_at(r.minus)) b) s
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
   where r.upto > $7::int8 and r.upto - r.hits < $7::int8 + $8::int8)
select (coalesce((select sum(t.sign * cardinality(t.slots)) from term t), 0)
       + coalesce((select sum(h.counted) from hit h), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
