create or replace function tagd.verify_grams(p_scope_id bigint)
returns table (kind smallint, key text, value text, block integer, missing bigint, surplus bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- the queries below must use the indexes that they verify, whatever the planner estimates
set enable_seqscan = off
as $$
declare
  v_row     record;
  v_slots   integer[];
  v_labels  bigint[];
  v_missing integer[] := '{}';
  v_surplus integer[] := '{}';
begin
  -- Names: for each gram, compare the slots of the rows that have it with those that the index finds. A gram has its scope in
  -- the upper bits, so the look-up needs no further condition, for which the planner might choose another index. Postgres does
  -- not recheck the rows that a GIN index on arrays finds.
  for v_row in
    select e.gram, array_agg(distinct n.slot order by n.slot) as slots
      from tagd.name n, unnest(tagd.grams(n.scope_id, n.folded, n.words)) as e (gram)
     where n.scope_id = p_scope_id
     group by e.gram
  loop
    v_slots := array(select n.slot from tagd.name n
                      where tagd.grams(n.scope_id, n.folded, n.words) @> array[v_row.gram]
                      order by n.slot);
    if v_slots <> v_row.slots then
      v_missing := v_missing || tagd.slots_without(v_row.slots, v_slots);
      v_surplus := v_surplus || tagd.slots_without(v_slots, v_row.slots);
    end if;
  end loop;
  return query
    select (-6)::smallint, ''::text, ''::text, w.slot / 16384,
           count(distinct w.slot) filter (where w.is_missing), count(distinct w.slot) filter (where not w.is_missing)
      from (select m.slot, true as is_missing from unnest(v_missing) as m (slot)
             union all
            select s.slot, false from unnest(v_surplus) as s (slot)) w
     group by w.slot / 16384;

  -- values in the same way: they are the labels of kind 3
  for v_row in
    select e.gram, array_agg(distinct l.label_id order by l.label_id) as labels
      from tagd.label l, unnest(tagd.value_grams(l.scope_id, l.key, l.value)) as e (gram)
     where l.scope_id = p_scope_id and l.kind = 3
     group by e.gram
  loop
    v_labels := array(select l.label_id from tagd.label l
                       where l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> array[v_row.gram]
                       order by l.label_id);
    if v_labels <> v_row.labels then
      return query
        select (-7)::smallint, l.key, l.value, 0,
               count(*) filter (where l.label_id = any (v_row.labels)), count(*) filter (where l.label_id = any (v_labels))
          from tagd.label l
         where l.scope_id = p_scope_id and l.kind = 3
           and (l.label_id = any (v_row.labels)) <> (l.label_id = any (v_labels))
         group by l.key, l.value;
    end if;
  end loop;
end
$$;
comment on function tagd.verify_grams(bigint) is 'The part of verify_scope for the gram indexes: rows that name_gram_idx (kind -6, names by block) and label_gram_idx (kind -7, values, one row for each gram) do not find by a gram that they have (missing), or find by a gram that they do not have (surplus). Handles one gram at a time in memory; reads each row once for each of its grams.';
revoke execute on function tagd.verify_grams(bigint) from public;
grant execute on function tagd.verify_grams(bigint) to tagd_service;
