with tally as materialized (
  select sum(cardinality(l.slots)) as few, array_agg(l.label_id) filter (where l.slots is null) as dense
    from lateral (
      select tagd.wanted_value_grams($1, $2::text, $3::text) as grams offset 0) w
    cross join lateral (
      select l.label_id, l.slots from tagd.label l
       where l.scope_id = $1 and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
         and l.key is not distinct from $2::text and strpos(l.value, $3::text) > 0 offset 0) l),
hit as materialized (
  select sum(c.hits) as hits
    from tally t
    cross join lateral unnest(t.dense) as d (label_id)
    cross join lateral (
      select c.block, c.hits from tagd.chunk c
       where c.scope_id = $1 and c.label_id = d.label_id offset 0) c)
select (coalesce((select t.few from tally t), 0) + coalesce((select h.hits from hit h), 0))::int8 as total
