with term as materialized (
  select t.grp, l.label_id, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int4[], $3::int2[], $4::text[], $5::text[]) as t (grp, kind, key, value)
    cross join lateral (
      select l.label_id from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
part as (
  select b.block, t.grp, bit_or(b.bits) as bits, t.rank
    from term t
    cross join lateral (
      select b.block, b.bits from tagd.bitmap b
       where b.scope_id = t.scope_id and b.label_id = t.label_id offset 0) b
   group by b.block, t.grp, t.rank
   union all
  select r.slot / 16384, $7::int8::int4, tagd.bits_of(r.slot % 16384, 1), s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join lateral (
      select r.slot from tagd.resource r
       where r.scope_id = s.scope_id and r.name_folded || '' like $6 offset 0) r
   group by r.slot / 16384, s.rank),
side as materialized (
  select block, rank, bit_and(bits) filter (where grp > 0) as yes, bit_or(bits) filter (where grp = 0) as nor,
         bit_and(bits) filter (where grp < 0) as nand, count(*) filter (where grp < 0) as nands
    from part
   group by block, rank
  having count(*) filter (where grp > 0) = $7::int8),
hit as materialized (
  select block, rank, bits, bit_count(bits & bits) as n
    from (select block, rank, case when nor is null then yes else yes & ~nor end as bits
            from (select block, rank, nor, case when nands = $8::int8 and nands > 0 then yes & ~nand else yes end as yes
                    from side) less_nand) less_nor),
run as materialized (
  select block, rank, bits, n, (sum(n) over (order by rank, block desc))::int8 as upto
    from hit
   where n > 0),
total as (
  select coalesce(sum(n), 0)::int8 as total
    from hit),
chosen as materialized (
  select block, rank, bits, upto - n as before
    from run
   where upto > $9::int8 and upto - n < $9::int8 + $10::int8),
strip as materialized (
  select base, rank, bits, n, (select min(before) from chosen) + (sum(n) over (order by rank, base desc))::int8 as upto
    from (select c.block * 16384 + i * 1024 as base, rank, substring(c.bits from i * 1024 + 1 for 1024) as bits,
                 bit_count(substring(c.bits from i * 1024 + 1 for 1024)) as n
            from chosen c, generate_series(0, 15) as i
          offset 0) cut),
kept as materialized (
  select base, rank, bits, upto - n as before
    from strip
   where upto > $9::int8 and upto - n < $9::int8 + $10::int8 and n > 0),
word as materialized (
  select base, rank, bits
    from (select k.base + i * 32 as base, rank, substring(k.bits from i * 32 + 1 for 32)::bit(32)::int4 as bits
            from kept k, generate_series(0, 31) as i
          offset 0) cut
   where bits <> 0),
page as (
  select base + i as slot, rank
    from word, generate_series(0, 31) as i
   where (bits >> (31 - i)) & 1 = 1
   order by rank, slot desc
  offset $9::int8 - (select coalesce(min(before), $9::int8) from kept)
   limit $10::int8)
select total.total, page.rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from total
  left join (page
    join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank
    cross join lateral (
      select r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = s.scope_id and r.slot = page.slot offset 0) r) on true
 order by page.rank, page.slot desc
