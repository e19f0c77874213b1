with term as materialized (
  select t.grp, t.alone, l.label_id, l.slots
    from unnest($2::int4[], $3::int4[], $4::int2[], $5::text[], $6::text[])
      as t (grp, alone, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
   union all
  select t.grp, 0, l.label_id, l.slots
    from unnest($7::int4[], $8::text[], $9::text[]) as t (grp, key, text)
    cross join lateral (
      select tagd.wanted_value_grams($1, t.key, t.text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from t.key and strpos(l.value, t.text) > 0 offset 0) l
   union all
  select $11::int8::int4, 0, l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = '' and l.kind = 4 and strpos(l.value, $10::text) > 0 offset 0) l),
part as (
  select c.block, c.hits, t.grp, c.bits
    from term t
    cross join lateral (
      select c.block, c.hits, c.bits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = t.label_id offset 0) c
   where t.slots is null and t.alone = 1
   union all
  select block, null, grp, bit_or(bits)
    from (select c.block, t.grp, c.bits
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = $1 and c.label_id = t.label_id offset 0) c
           where t.slots is null and t.alone = 0
          union all
          select e.slot / 16384, t.grp, tagd.bits_at(array_agg(e.slot % 16384))
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.grp
          union all
  select r.slot / 16384, $11::int8::int4, tagd.bits_of(r.slot % 16384, 1)
    from lateral (
      select n.slot
        from (select tagd.wanted_grams($1, $10::text) as grams offset 0) w
        cross join lateral (
          select n.slot from tagd.name n
           where n.scope_id = $1 and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
             and strpos(n.folded, $10::text) > 0 offset 0) n offset 0) r
   group by r.slot / 16384) labelled
   group by block, grp),
hit as materialized (
  select block, yes, no,
         (coalesce(counted, bit_count(yes)) - coalesce(bit_count(case when $11::int8 = 0 then no else yes & no end), 0))::int4 as hits
    from (select block, counted, yes, case when nands = $12::int8 and nands > 0 then coalesce(nor | nand, nand) else nor end as no
            from (select block, sum(hits) filter (where grp > 0 and $11::int8 in (0, 1)) as counted,
                         bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
                         bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
                    from part
                   group by block
                  having count(*) filter (where grp > 0) >= $11::int8
                  offset 0) side
          offset 0) sides),
run as materialized (
  select block, yes, no, hits, sum(hits) over (order by block desc rows unbounded preceding) as upto
    from hit
   where hits > 0),
page as (
  select r.block * 16384 + p.low as low, r.block * 16384 + p.high as high, p.bits
    from run r
    cross join lateral (
      select greatest($13::int8 - r.upto + r.hits, 0) as skip, $14::int8 + least($13::int8 - r.upto + r.hits, 0) as want offset 0) w
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
   where r.upto > $13::int8 and r.upto - r.hits < $13::int8 + $14::int8)
select (coalesce((select max(upto) from run), 0))::int8 as total, 1::int8 as rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from (select 1 offset 0) always
  left join (page
    cross join lateral (
      select r.slot, r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = $1 and r.slot between page.low and page.high
         and (page.bits is null or get_bit(page.bits, r.slot % 16384) = 1)
       order by r.slot desc offset 0) r) on true
 order by r.slot desc
