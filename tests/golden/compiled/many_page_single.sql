with term as materialized (
  select l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = $3::text and l.kind = $2::int2 and l.value = $4::text offset 0) l),
hit as materialized (
  select p.block, p.hits, t.rank
    from term t
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = t.scope_id and c.label_id = t.label_id
      union all
      select null, cardinality(t.slots)
       where t.slots is not null
      offset 0) p),
run as materialized (
  select block, rank, hits, sum(hits) over (order by rank, block desc rows unbounded preceding) as upto
    from hit),
page as (
  select p.slot, t.rank
    from run r
    join term t on true and t.rank = r.rank
    cross join lateral (
      select greatest($5::int8 - r.upto + r.hits, 0) as skip, $6::int8 + least($5::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral (
      select r.block * 16384 + n.position as slot
        from (select c.bits from tagd.chunk c
               where c.scope_id = t.scope_id and c.label_id = t.label_id and c.block = r.block offset 0) c
        cross join lateral unnest(tagd.newest(c.bits, w.skip, w.want)) as n (position)
      union all
      select n.slot
        from unnest(t.slots[(cardinality(t.slots) - w.skip - w.want + 1)::int4 : (cardinality(t.slots) - w.skip)::int4]) as n (slot)
      offset 0) p
   where r.upto > $5::int8 and r.upto - r.hits < $5::int8 + $6::int8)
select (coalesce((select max(upto) from run), 0))::int8 as total, page.rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags,
       (select p.project_name from tagd.scope o join tagd.project p on p.project_id = o.project_id
         where o.scope_id = s.scope_id) as project_name
  from (select 1 offset 0) always
  left join (page
          join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank
    cross join lateral (
      select r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = s.scope_id and r.slot = page.slot offset 0) r) on true
 order by page.rank, page.slot desc
