with term as materialized (
  select t.grp, t.alone, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int4[], $3::int4[], $4::int2[], $5::text[], $6::text[])
      as t (grp, alone, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
part as (
  select c.block, c.hits, t.grp, c.bits, t.rank
    from term t
    cross join lateral (
      select c.block, c.hits, c.bits from tagd.chunk c
       where c.scope_id = t.scope_id and c.label_id = t.label_id offset 0) c
   where t.slots is null and t.alone = 1
   union all
  select block, null, grp, bit_or(bits), rank
    from (select c.block, t.grp, c.bits, t.rank
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = t.scope_id and c.label_id = t.label_id offset 0) c
           where t.slots is null and t.alone = 0
          union all
          select e.slot / 16384, t.grp, tagd.bits_at(array_agg(e.slot % 16384)), t.rank
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.grp, t.rank) labelled
   group by block, grp, rank
   union all
  select r.slot / 16384, null::int4, $9::int8::int4, tagd.bits_of(r.slot % 16384, 1), s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join lateral (
      select r.slot from tagd.resource r
       where r.scope_id = s.scope_id and r.resource_id = $7
         and (select n.folded from tagd.name n where n.scope_id = s.scope_id and n.slot = r.slot) like $8 offset 0) r
   group by r.slot / 16384, s.rank),
hit as materialized (
  select block, rank, yes, no,
         (coalesce(counted, bit_count(yes)) - coalesce(bit_count(case when $9::int8 = 0 then no else yes & no end), 0))::int4 as hits
    from (select block, rank, counted, yes, case when nands = $10::int8 and nands > 0 then coalesce(nor | nand, nand) else nor end as no
            from (select block, rank, sum(hits) filter (where grp > 0 and $9::int8 in (0, 1)) as counted,
                         bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
                         bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
                    from part
                   group by block, rank
                  having count(*) filter (where grp > 0) >= $9::int8
                  offset 0) side
          offset 0) sides),
run as materialized (
  select block, rank, yes, no, hits, sum(hits) over (order by rank, block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
  select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits, rank
    from run r
    cross join lateral (
      select greatest($11::int8 - r.upto + r.hits, 0) as skip, $12::int8 + least($11::int8 - r.upto + r.hits, 0) as want offset 0) w
    cross join lateral (
      select n.low, n.high, n.bits
        from (select b.bits, case when least(w.want, r.hits - w.skip) >= 64 then tagd.dense_range(b.bits, w.skip, w.want) end as ends
                from (select case when r.no is null then r.yes else r.yes & ~r.no end as bits) b offset 0) b
        cross join lateral (
          select b.ends[1] as low, b.ends[2] as high, substring(b.bits from 1) as bits
           where b.ends is not null
          union all
          select n.position, n.position, null
            from unnest(case when b.ends is null then tagd.last_set_bits(b.bits, w.skip, w.want) end) as n (position)) n) p
   where r.upto > $11::int8 and r.upto - r.hits < $11::int8 + $12::int8)
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
