with term as materialized (
  select t.grp, l.label_id
    from unnest($2::int4[], $3::int2[], $4::text[], $5::text[]) as t (grp, kind, key, value)
    cross join lateral (
      select l.label_id from tagd.label l
       where l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
part as (
  select b.block, t.grp, bit_or(b.bits) as bits
    from term t
    cross join lateral (
      select b.block, b.bits from tagd.bitmap b
       where b.scope_id = $1 and b.label_id = t.label_id offset 0) b
   group by b.block, t.grp
   union all
  select r.slot / 16384, $8::int8::int4, tagd.bits_of(r.slot % 16384, 1)
    from tagd.resource r
   where r.scope_id = $1 and r.resource_id = $6 and r.name_folded like $7
   group by r.slot / 16384),
side as materialized (
  select block, bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
         bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
    from part
   group by block
  having count(*) filter (where grp > 0) = $8::int8),
hit as materialized (
  select block, bits, bit_count(bits & bits) as n
    from (select block, case when nor is null then yes else yes & ~nor end as bits
            from (select block, nor, case when nands = $9::int8 and nands > 0 then yes & ~nand else yes end as yes
                    from side) less_nand) less_nor)
select coalesce(sum(n), 0)::int8 as total
  from hit
