select p.total, q.rank, p.resource_id, p.resource_name, p.detail, p.tags
  from unnest($2::int2[], $3::text[], $4::text[], $5::int8[], $6::int8[]) with ordinality as q (kind, key, value, skipped, wanted, rank)
  cross join lateral (
with term as materialized (
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = q.key::text and l.kind = q.kind::int2 and l.value = q.value::text offset 0) l),
hit as materialized (
  select sum(p.hits) as total, array_agg(p.block) as blocks, array_agg(p.hits) as hits
    from term t
    cross join lateral (
      (select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = t.label_id
       order by c.block desc offset 0)
      union all
      select null, cardinality(t.slots)
       where t.slots is not null
      offset 0) p),
piece as materialized (
  select h.blocks[c.cut[i]] as block, h.hits[c.cut[i]] as hits, c.cut[i + 1] as skip, c.cut[i + 2] as want
    from hit h
    cross join lateral (
      select tagd.page_blocks(h.hits, q.skipped::int8, q.wanted::int8) as cut offset 0) c
    cross join lateral generate_series(1, cardinality(c.cut), 3) as i),
page as (
  select p.low, p.high, p.bits
    from piece r
    join term t on true
    cross join lateral (
      select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits
        from (
      select n.low, n.high, n.bits
        from (select b.bits, case when least(r.want, r.hits - r.skip) >= 64 then tagd.dense_range(b.bits, r.skip, r.want) end as ends
                from (select c.bits from tagd.chunk c
                       where c.scope_id = $1 and c.label_id = t.label_id and c.block = r.block) b offset 0) b
        cross join lateral (
          select b.ends[1] as low, b.ends[2] as high, substring(b.bits from 1) as bits
           where b.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when b.ends is null then tagd.last_set_bits(b.bits, r.skip, r.want) end) as n (position)) n) p
      union all
      select n.slot, n.slot, null
        from unnest(t.slots[(cardinality(t.slots) - r.skip - r.want + 1)::int4 : (cardinality(t.slots) - r.skip)::int4]) as n (slot)
      offset 0) p)
select (coalesce((select h.total from hit h), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags, r.slot
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true) p
 order by q.rank, p.slot desc
