with hit as materialized (
  select b.block, b.bits & b.bits as bits, bit_count(b.bits & b.bits) as n
    from unnest($2::int2[], $3::text[], $4::text[]) as t (kind, key, value)
    join tagd.label l on l.scope_id = $1 and l.key = t.key and l.kind = t.kind and l.value = t.value
    join tagd.bitmap b on b.scope_id = $1 and b.label_id = l.label_id)
select coalesce(sum(n), 0)::int8 as total
  from hit
