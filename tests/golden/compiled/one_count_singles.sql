select p.total, q.rank
  from unnest($2::int2[], $3::text[], $4::text[]) with ordinality as q (kind, key, value, rank)
  cross join lateral (
with term as materialized (
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = q.key::text and l.kind = q.kind::int2 and l.value = q.value::text offset 0) l),
hit as materialized (
  select p.block, p.hits
    from term t
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = t.label_id
      union all
      select null, cardinality(t.slots)
       where t.slots is not null
      offset 0) p)
select coalesce(sum(hits), 0)::int8 as total
  from hit) p
 order by q.rank
