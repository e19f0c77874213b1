with term as materialized (
  select t.ord, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int2[], $3::text[], $4::text[]) with ordinality as t (kind, key, value, ord)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l),
hit as materialized (
  select block, rank, bit_count(bit_or(bits))::int4 as hits
    from (select c.block, c.bits, t.rank
            from term t
            cross join lateral (
              select c.block, c.bits from tagd.chunk c
               where c.scope_id = t.scope_id and c.label_id = t.label_id offset 0) c
           where t.slots is null
          union all
          select e.slot / 16384, tagd.bits_at(array_agg(e.slot % 16384)), t.rank
            from term t
            cross join lateral unnest(t.slots) as e (slot)
           group by e.slot / 16384, t.ord, t.rank) part
   group by block, rank)
select coalesce(sum(hits), 0)::int8 as total
  from hit
