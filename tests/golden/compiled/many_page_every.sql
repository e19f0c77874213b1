with hit as materialized (
  select b.block, bit_and(b.bits) as bits, bit_count(bit_and(b.bits)) as n, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int2[], $3::text[], $4::text[]) as t (kind, key, value)
    cross join lateral (
      select l.label_id from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l
    cross join lateral (
      select b.block, b.bits from tagd.bitmap b
       where b.scope_id = s.scope_id and b.label_id = l.label_id offset 0) b
   group by b.block, s.rank
  having count(*) = $5::int8),
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
   where upto > $6::int8 and upto - n < $6::int8 + $7::int8),
strip as materialized (
  select base, rank, bits, n, (select min(before) from chosen) + (sum(n) over (order by rank, base desc))::int8 as upto
    from (select c.block * 16384 + i * 1024 as base, rank, substring(c.bits from i * 1024 + 1 for 1024) as bits,
                 bit_count(substring(c.bits from i * 1024 + 1 for 1024)) as n
            from chosen c, generate_series(0, 15) as i
          offset 0) cut),
kept as materialized (
  select base, rank, bits, upto - n as before
    from strip
   where upto > $6::int8 and upto - n < $6::int8 + $7::int8 and n > 0),
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
  offset $6::int8 - (select coalesce(min(before), $6::int8) from kept)
   limit $7::int8)
select total.total, page.rank, r.resource_id, r.resource_name, r.detail::text as detail, r.tags
  from total
  left join (page
    join unnest($1::int8[]) with ordinality as s (scope_id, rank) on s.rank = page.rank
    cross join lateral (
      select r.resource_id, r.resource_name, r.detail, r.tags from tagd.resource r
       where r.scope_id = s.scope_id and r.slot = page.slot offset 0) r) on true
 order by page.rank, page.slot desc
