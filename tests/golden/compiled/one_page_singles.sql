select p.total, q.rank, p.resource_id, p.resource_name, p.detail, p.tags
  from unnest($2::int2[], $3::text[], $4::text[], $5::int8[], $6::int8[]) with ordinality as q (kind, key, value, skipped, wanted, rank)
  cross join lateral (
with term as materialized (
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = q.key::text and l.kind = q.kind::int2 and l.value = q.value::text offset 0) l),
hit as materialized (
  select p.block, p.hits
    from term t
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = t.label_id
      union all
      select null, cardinality(t.slots)
       where t.slots is not null
      offset 0) p),
run as materialized (
  select block, hits, sum(hits) over (order by block desc rows unbounded preceding) as upto
    from hit),
page as (
  select p.slot
    from run r
    join term t on true
    cross join lateral (
      select greatest(q.skipped::int8 - r.upto + r.hits, 0) as skip, q.wanted::int8 + least(q.skipped::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral (
      select r.block * 16384 + n.position as slot
        from (select c.bits from tagd.chunk c
               where c.scope_id = $1 and c.label_id = t.label_id and c.block = r.block offset 0) c
        cross join lateral unnest(tagd.newest(c.bits, w.skip, w.want)) as n (position)
      union all
      select n.slot
        from unnest(t.slots[(cardinality(t.slots) - w.skip - w.want + 1)::int4 : (cardinality(t.slots) - w.skip)::int4]) as n (slot)
      offset 0) p
   where r.upto > q.skipped::int8 and r.upto - r.hits < q.skipped::int8 + q.wanted::int8)
select (coalesce((select max(upto) from run), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags, page.slot
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot = page.slot offset 0) r) on true) p
 order by q.rank, p.slot desc
