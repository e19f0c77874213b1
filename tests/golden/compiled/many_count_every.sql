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
  having count(*) = $5::int8)
select coalesce(sum(n), 0)::int8 as total
  from hit
