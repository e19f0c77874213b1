create or replace function tagd.flip_many_labels(p_scope_id bigint, p_flips tagd.label_flip[])
returns void
language plpgsql
as $$
declare
  v_labels tagd.label_slots[];
  v_label  tagd.label_slots;
  v_grown  tagd.label_slots[] := '{}';
begin
  v_labels := array(
    select row(f.key, f.kind, f.value, array_agg(f.slot))::tagd.label_slots
      from (select * from unnest(p_flips) order by slot) f
     group by f.key, f.kind, f.value);

  -- new and sparse labels; writers never make a dense label sparse again
  for v_label in
    insert into tagd.label as l (scope_id, key, kind, value, slots)
    select p_scope_id, f.key, f.kind, f.value, f.slots
      from unnest(v_labels) as f
     where not exists (
             select from tagd.label d
              where d.scope_id = p_scope_id and d.key = f.key and d.kind = f.kind and d.value = f.value and d.slots is null offset 0)
     order by f.key, f.kind, f.value
    on conflict (scope_id, key, kind, value) do update set slots = tagd.slots_flipped(l.slots, excluded.slots)
     where l.slots is not null
    returning l.key, l.kind, l.value, l.slots
  loop
    if cardinality(v_label.slots) > tagd.sparse_limit() then
      v_grown := v_grown || v_label;
    end if;
  end loop;

  -- dense labels, including those that another writer made dense before the previous statement could lock them; all others were
  -- locked by it
  insert into tagd.chunk as c (scope_id, label_id, block, hits, bits)
  select p_scope_id, l.label_id, e.slot / 16384, count(*), tagd.bits_at(array_agg(e.slot % 16384))
    from unnest(v_labels) as f
   cross join lateral (
           select d.label_id, d.slots is null as is_dense from tagd.label d
            where d.scope_id = p_scope_id and d.key = f.key and d.kind = f.kind and d.value = f.value offset 0) l,
         unnest(f.slots) as e (slot)
   where l.is_dense
   group by l.label_id, e.slot / 16384
   order by l.label_id, e.slot / 16384
  on conflict (scope_id, label_id, block)
  do update set hits = bit_count(c.bits # excluded.bits), bits = c.bits # excluded.bits;
  delete from tagd.chunk c
   using (select distinct l.label_id, f.slot / 16384 as block
            from unnest(p_flips) as f
            join tagd.label l on l.scope_id = p_scope_id and l.key = f.key and l.kind = f.kind and l.value = f.value
           where not f.is_on) t
   where c.scope_id = p_scope_id and c.label_id = t.label_id and c.block = t.block and c.hits = 0;

  foreach v_label in array v_grown loop
    perform tagd.make_dense(p_scope_id, v_label.key, v_label.kind, v_label.value);
  end loop;
end
$$;
comment on function tagd.flip_many_labels(bigint, tagd.label_flip[]) is 'Does the same as tagd.flip_labels with a few statements for all labels: for calls with many flips, for which one statement for each label would take longer.';
revoke execute on function tagd.flip_many_labels(bigint, tagd.label_flip[]) from public;
