with term as materialized (
  select t.grp, l.label_id, l.slots
    from unnest($2::int4[], $3::int2[], $4::text[], $5::text[]) as t (grp, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
   union all
  select t.grp, l.label_id, l.slots
    from unnest($6::int4[], $7::text[], $8::text[]) as t (grp, key, pattern)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind = 3 and l.key = t.key and l.value like t.pattern offset 0) l),
part as (
  select block, grp, bit_or(bits) as bits
    from (select c.block, t.grp, c.bits
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = $1 and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select e.slot / 16384, t.grp, tagd.bits_at(array_agg(e.slot % 16384))
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.grp) labelled
   group by block, grp
   union all
  select r.slot / 16384, $9::int8::int4, tagd.bits_of(r.slot % 16384, 1)
    from lateral (
      select r.slot from tagd.name r
       where r.scope_id = $1 and r.folded = '' offset 0) r
   group by r.slot / 16384),
hit as materialized (
  select block, bits, bit_count(bits)::int4 as hits
    from (select block, case when nor is null then yes else yes & ~nor end as bits
            from (select block, nor, case when nands = $10::int8 and nands > 0 then yes & ~nand else yes end as yes
                    from (select block, bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
                                 bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
                            from part
                           group by block
                          having count(*) filter (where grp > 0) = $9::int8
                          offset 0) side
                  offset 0) less_nand
          offset 0) less_nor)
select coalesce(sum(hits), 0)::int8 as total
  from hit
