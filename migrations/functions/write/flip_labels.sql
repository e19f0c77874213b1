create or replace function tagd.flip_labels(p_scope_id bigint, p_flips tagd.label_flip[])
returns void
language plpgsql
as $$
declare
  v_row      record;
  v_label_id bigint;
  v_count    integer;
  v_hits     integer;
  -- flips of dense labels
  v_dense    bigint[];
  v_slots    integer[];
  v_ons      boolean[];
begin
  if cardinality(p_flips) > 256 then
    perform tagd.flip_many_labels(p_scope_id, p_flips);
    return;
  end if;
  for v_row in
    select f.key, f.kind, f.value, f.slot, f.is_on, l.label_id, l.slots is null as is_dense
      from unnest(p_flips) as f
      left join tagd.label l on l.scope_id = p_scope_id and l.key = f.key and l.kind = f.kind and l.value = f.value
     order by f.key, f.kind, f.value, f.slot
  loop
    v_label_id := v_row.label_id;
    if v_label_id is not null and not v_row.is_dense then
      -- a sparse label with room, the usual case; returning its new size would cost as much as finding it
      if v_row.is_on then
        update tagd.label l
           set slots = l.slots[:width_bucket(v_row.slot, l.slots)] || v_row.slot || l.slots[width_bucket(v_row.slot, l.slots) + 1:]
         where l.scope_id = p_scope_id and l.key = v_row.key and l.kind = v_row.kind and l.value = v_row.value
           and cardinality(l.slots) < tagd.sparse_limit();
      else
        update tagd.label l set slots = array_remove(l.slots, v_row.slot)
         where l.scope_id = p_scope_id and l.key = v_row.key and l.kind = v_row.kind and l.value = v_row.value
           and l.slots is not null;
      end if;
      continue when found;
    end if;
    if v_row.is_on and (v_label_id is null or not v_row.is_dense) then
      -- new or full, unless another writer or an earlier flip has changed that since it was read
      insert into tagd.label as l (scope_id, kind, key, value, slots)
      values (p_scope_id, v_row.kind, v_row.key, v_row.value, array[v_row.slot])
      on conflict (scope_id, key, kind, value) do update set slots = tagd.slots_flipped(l.slots, excluded.slots)
       where l.slots is not null
      returning cardinality(l.slots) into v_count;
      if found then
        if v_count > tagd.sparse_limit() then
          perform tagd.make_dense(p_scope_id, v_row.key, v_row.kind, v_row.value);
        end if;
        continue;
      end if;
    end if;
    -- a dense label; writers never make one sparse again
    if v_label_id is null then
      select l.label_id into v_label_id from tagd.label l
       where l.scope_id = p_scope_id and l.key = v_row.key and l.kind = v_row.kind and l.value = v_row.value;
    end if;
    v_dense := v_dense || v_label_id;
    v_slots := v_slots || v_row.slot;
    v_ons := v_ons || v_row.is_on;
  end loop;
  if v_dense is null then
    return;
  end if;
  for v_row in
    select t.label_id, t.slot / 16384 as block, array_agg(t.slot % 16384) as positions, sum(2 * t.is_on::integer - 1)::integer as hits
      from unnest(v_dense, v_slots, v_ons) as t (label_id, slot, is_on)
     group by t.label_id, t.slot / 16384
     order by t.label_id, t.slot / 16384
  loop
    if cardinality(v_row.positions) = 1 then
      update tagd.chunk c
         set hits = c.hits + v_row.hits, bits = set_bit(c.bits, v_row.positions[1], (v_row.hits + 1) / 2)
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block
      returning c.hits into v_hits;
    else
      update tagd.chunk c
         set hits = c.hits + v_row.hits, bits = c.bits # tagd.bits_at(v_row.positions)
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block
      returning c.hits into v_hits;
    end if;
    if not found then
      insert into tagd.chunk (scope_id, label_id, block, hits, bits)
      values (p_scope_id, v_row.label_id, v_row.block, v_row.hits, tagd.bits_at(v_row.positions))
      on conflict (scope_id, label_id, block)
      do update set hits = tagd.chunk.hits + excluded.hits, bits = tagd.chunk.bits # excluded.bits;
    elsif v_hits = 0 then
      delete from tagd.chunk c
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block;
    end if;
  end loop;
end
$$;
comment on function tagd.flip_labels(bigint, tagd.label_flip[]) is 'Sets and clears slots of locked resources in labels, and creates labels that do not exist yet. A slot may occur only once for each label, and must currently have the opposite state.';
revoke execute on function tagd.flip_labels(bigint, tagd.label_flip[]) from public;
