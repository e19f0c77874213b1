-- $1 Scopes: int8[]
-- $2 LabelSigns: int4[]
-- $3 LabelKinds: int2[]
-- $4 LabelKeys: text[]
-- $5 LabelValues: text[]
with query_label as materialized (
  -- The labels that exist: 1 adds, -1 takes away. A sparse label has its slots here, a dense one has chunks.
  select t.sign, l.label_id, l.slots, s.scope_id, s.rank
    from unnest($1::int8[]) with ordinality as s (scope_id, rank)
    cross join unnest($2::int4[], $3::int2[], $4::text[], $5::text[]) as t (sign, kind, key, value)
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = s.scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value offset 0) l)
-- The total: numbers of slots of sparse labels and counts of chunks of dense ones, added and taken away.
select (coalesce((select sum(ql.sign * cardinality(ql.slots)) from query_label ql), 0)
       + coalesce((select sum(ql.sign * c.hits)
                     from query_label ql
                     cross join lateral (select c.hits from tagd.chunk c where c.scope_id = ql.scope_id and c.label_id = ql.label_id offset 0) c
                    where ql.slots is null), 0))::int8 as total
