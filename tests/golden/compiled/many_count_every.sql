with hit as materialized (
  select b.block, bit_and(b.bits) as bits, bit_count(bit_and(b.bits)) as n, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int2[], $3::text[], $4::text[]) as t (kind, key, value)
    join tagd.label l on l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value
    join tagd.bitmap b on b.scope_id = s.scope_id and b.label_id = l.label_id
   group by b.block, s.rank
  having count(*) = $5::int8)
select coalesce(sum(n), 0)::int8 as total
  from hit
