-- $1 Scopes: int8
-- $2 LabelKinds: int2[]
-- $3 LabelKeys: text[]
-- $4 LabelValues: text[]
select p.total, q.rank
  from unnest($2::int2[], $3::text[], $4::text[]) with ordinality as q (kind, key, value, rank)
  cross join lateral (
with query_label as materialized (
  -- The label. A sparse label has its slots here, a dense one has chunks.
  select l.label_id, l.slots
    from lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.key = q.key and l.kind = q.kind and l.value = q.value offset 0) l),
block_match as materialized (
  -- The count of each chunk of a dense label, or the number of slots of a sparse one.
  select p.block, p.match_count
    from query_label ql
    cross join lateral (
      select c.block, c.hits as match_count from tagd.chunk c
       where c.scope_id = $1 and c.label_id = ql.label_id
      union all
      select null, cardinality(ql.slots)
       where ql.slots is not null
      offset 0) p)
-- The total.
select coalesce(sum(match_count), 0)::int8 as total
  from block_match) p
 order by q.rank
