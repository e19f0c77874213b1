create or replace function tagd.rebuild_in_scope(p_scope_id bigint)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 16384
-- what was just written has no statistics, so the planner would expect few rows and choose nested loops
set enable_nestloop = off
as $$
declare
  v_chosen text[];
  v_slot   integer := -1;
  v_slots  integer[];
  v_folded text[];
  v_labels bigint;
  v_chunks bigint;
begin
  perform tagd.lock_scope(p_scope_id);
  -- tags without a resource
  delete from tagd.tag t
   where t.scope_id = p_scope_id
     and not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.slot = t.slot);
  update tagd.resource r set tags = n.tags
    from (select q.slot,
                 coalesce(array_agg(case x.i when 1 then t.key else t.value end order by t.key, x.i) filter (where t.key is not null), '{}') as tags
            from tagd.resource q
            left join tagd.tag t on t.scope_id = p_scope_id and t.slot = q.slot
           cross join (values (1), (2)) as x (i)
           where q.scope_id = p_scope_id
           group by q.slot) n
   where r.scope_id = p_scope_id and r.slot = n.slot and r.tags is distinct from n.tags;
  -- Names are deleted and inserted again, so that their grams are indexed again: an update in place would leave the index as it is
  -- where the grams do not change. Which words are labels is also decided again.
  select array_agg(c.word) into v_chosen
    from (select w.word
            from tagd.name n, tagd.words_of(n.folded) w
           where n.scope_id = p_scope_id
           group by w.word
          having count(*) >= tagd.word_limit()) c;
  loop
    -- in parts, so that the arrays stay small
    select array_agg(n.slot order by n.slot), array_agg(n.folded order by n.slot) into v_slots, v_folded
      from (select m.slot, m.folded from tagd.name m where m.scope_id = p_scope_id and m.slot > v_slot order by m.slot limit 10000) n;
    exit when v_slots is null;
    v_slot := v_slots[cardinality(v_slots)];
    delete from tagd.name n where n.scope_id = p_scope_id and n.slot between v_slots[1] and v_slot;
    insert into tagd.name (scope_id, slot, folded, words)
    select p_scope_id, f.slot, f.folded, coalesce(l.words, '{}')
      from unnest(v_slots, v_folded) as f (slot, folded)
      left join (select o.slot, array_agg(w.word order by w.word) as words
                   from unnest(v_slots, v_folded) as o (slot, folded)
                  cross join lateral tagd.words_of(o.folded) w
                   join unnest(v_chosen) as c (word) on c.word = w.word
                  group by o.slot) l on l.slot = f.slot
     order by f.slot;
  end loop;
  perform gin_clean_pending_list('tagd.name_gram_idx');
  delete from tagd.chunk c where c.scope_id = p_scope_id;
  delete from tagd.label l where l.scope_id = p_scope_id;
  -- the few slots of sparse labels are sorted afterwards, not those of all labels
  insert into tagd.label (scope_id, kind, key, value, slots)
  select p_scope_id, t.kind, t.key, t.value,
         case when count(*) <= tagd.sparse_limit() then tagd.slots_in_order(array_agg(t.slot)) end
    from tagd.label_truth t
   where t.scope_id = p_scope_id
   group by t.kind, t.key, t.value;
  get diagnostics v_labels = row_count;
  insert into tagd.chunk (scope_id, label_id, block, hits, bits)
  select p_scope_id, l.label_id, t.slot / 16384, count(*), tagd.bits_of(t.slot % 16384, 1)
    from tagd.label l
    join tagd.label_truth t on t.scope_id = p_scope_id and t.kind = l.kind and t.key = l.key and t.value = l.value
   where l.scope_id = p_scope_id and l.slots is null
   group by l.label_id, t.slot / 16384
   order by l.label_id, t.slot / 16384;
  get diagnostics v_chunks = row_count;
  return v_labels + v_chunks;
end
$$;
comment on function tagd.rebuild_in_scope(bigint) is 'The part of rebuild_scope that happens where the scope is.';
revoke execute on function tagd.rebuild_in_scope(bigint) from public;
