-- $1 Scopes: int8
-- $2 SubstringKey: text
-- $3 Substring: text
with label_match as materialized (
  -- The labels that have the text: the number of slots of sparse ones, and which are dense.
  select sum(cardinality(l.slots)) as sparse_count, array_agg(l.label_id) filter (where l.slots is null) as dense_labels
    from lateral (
      select tagd.wanted_value_grams($1, $2::text, $3::text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from $2::text and strpos(l.value, $3::text) > 0 offset 0) l),
block_match as materialized (
  -- The counts of the chunks of dense labels.
  select sum(c.hits) as match_count
    from label_match lm
    cross join lateral unnest(lm.dense_labels) as d (label_id)
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = d.label_id offset 0) c)
-- The total.
select (coalesce((select lm.sparse_count from label_match lm), 0) + coalesce((select m.match_count from block_match m), 0))::int8 as total
