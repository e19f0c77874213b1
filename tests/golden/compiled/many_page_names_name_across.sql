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
   group by f.slot / 16384, rank),
run as materialized (
  select block, rank, hits, few, sum(hits) over (order by rank, block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
  select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits, rank
    from run r
    cross join lateral (
      select greatest($3::int8 - r.upto + r.hits, 0) as skip, $4::int8 + least($3::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral (
      (select n.position as low, n.position as high, null::bit as bits
         from unnest(r.few) as n (position)
        order by n.position desc
       offset w.skip
        limit w.want)) p
   where r.upto > $3::int8 and r.upto - r.hits < $3::int8 + $4::int8)
select (coalesce((select max(upto) from run), 0))::int8 as total, page.rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags,
       (select p.project_name from tagd.scope o join tagd.project p on p.project_id = o.project_id
         where o.scope_id = s.scope_id) as project_name
  from (select 1 offset 0) always
  left join (page
          join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = s.scope_id and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by page.rank, r.slot desc
