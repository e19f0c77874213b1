-- A label is found by its name alone (docs/adr/0012). Its number leads from a dense label to its chunks, never the other way:
-- the index of numbers was read by nobody but the functions that write, which have the name at hand. In a fleet of small
-- projects it was a tenth of the index of tags.
--
-- Nothing is made anew: readers of labels wait for the end of the transaction, before which little is left to do.

-- as in V0008, but rows by their name
create or replace function tagd.turn_label(
  p_scope_id bigint, p_kind smallint, p_key text, p_value text, p_slot integer, p_on boolean)
returns bigint
language plpgsql
as $$
declare
  v_label_id bigint;
  v_slots    integer[];
begin
  loop
    select l.label_id, l.slots into v_label_id, v_slots from tagd.label l
     where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value;
    if not found then
      if not p_on then
        return null;
      end if;
      insert into tagd.label (scope_id, kind, key, value, slots)
      values (p_scope_id, p_kind, p_key, p_value, array[p_slot])
      on conflict (scope_id, key, kind, value) do nothing;
      if found then
        return null;
      end if;
      -- another writer was faster: the next look sees its row
      continue;
    end if;
    if v_slots is null then
      return v_label_id;
    end if;
    if p_on then
      update tagd.label l set slots = tagd.slots_with(l.slots, p_slot)
       where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value and l.slots is not null
      returning l.slots into v_slots;
    else
      update tagd.label l set slots = array_remove(l.slots, p_slot)
       where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value and l.slots is not null
      returning l.slots into v_slots;
    end if;
    if not found then
      -- it has become dense meanwhile, and stays so
      return v_label_id;
    end if;
    if cardinality(v_slots) > tagd.sparse_limit() then
      -- the row is locked, and nobody looks for its chunks before it says so
      insert into tagd.chunk (scope_id, label_id, block, hits, bits)
      select p_scope_id, v_label_id, e.slot / 16384, count(*), tagd.bits_at(array_agg(e.slot % 16384))
        from unnest(v_slots) as e (slot)
       group by e.slot / 16384;
      update tagd.label l set slots = null
       where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value;
    end if;
    return null;
  end loop;
end
$$;

-- as in V0010, but rows by their name; none is looked for that is known not to be there
create or replace function tagd.turn_labels(p_scope_id bigint, p_turns tagd.turn[])
returns void
language plpgsql
as $$
declare
  v_row      record;
  v_label_id bigint;
  v_hits     integer;
  -- turns of dense labels
  v_dense    bigint[] := '{}';
  v_slots    integer[] := '{}';
  v_ons      boolean[] := '{}';
begin
  for v_row in
    select t.key, t.kind, t.value, t.slot, t.is_on, l.label_id, l.slots is null as is_dense
      from unnest(p_turns) as t
      left join tagd.label l on l.scope_id = p_scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value
     order by t.key, t.kind, t.value, t.slot
  loop
    v_label_id := v_row.label_id;
    if v_label_id is null or not v_row.is_dense then
      if v_label_id is not null then
        -- a sparse label with room is one update; whatever else it may be or become, turn_label finds out
        if not v_row.is_on then
          update tagd.label l set slots = array_remove(l.slots, v_row.slot)
           where l.scope_id = p_scope_id and l.key = v_row.key and l.kind = v_row.kind and l.value = v_row.value
             and l.slots is not null;
        else
          update tagd.label l
             set slots = l.slots[:width_bucket(v_row.slot, l.slots)] || v_row.slot || l.slots[width_bucket(v_row.slot, l.slots) + 1:]
           where l.scope_id = p_scope_id and l.key = v_row.key and l.kind = v_row.kind and l.value = v_row.value
             and cardinality(l.slots) < tagd.sparse_limit();
        end if;
        continue when found;
      end if;
      v_label_id := tagd.turn_label(p_scope_id, v_row.kind, v_row.key, v_row.value, v_row.slot, v_row.is_on);
      continue when v_label_id is null;
    end if;
    v_dense := v_dense || v_label_id;
    v_slots := v_slots || v_row.slot;
    v_ons := v_ons || v_row.is_on;
  end loop;
  if v_dense = '{}' then
    return;
  end if;
  for v_row in
    select t.label_id, t.slot / 16384 as block, array_agg(t.slot % 16384) as turned, sum(2 * t.is_on::integer - 1)::integer as hits
      from unnest(v_dense, v_slots, v_ons) as t (label_id, slot, is_on)
     group by t.label_id, t.slot / 16384
     order by t.label_id, t.slot / 16384
  loop
    if cardinality(v_row.turned) = 1 then
      update tagd.chunk c
         set hits = c.hits + v_row.hits, bits = set_bit(c.bits, v_row.turned[1], (v_row.hits + 1) / 2)
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block
      returning c.hits into v_hits;
    else
      update tagd.chunk c
         set hits = c.hits + v_row.hits, bits = c.bits # tagd.bits_at(v_row.turned)
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block
      returning c.hits into v_hits;
    end if;
    if not found then
      insert into tagd.chunk (scope_id, label_id, block, hits, bits)
      values (p_scope_id, v_row.label_id, v_row.block, v_row.hits, tagd.bits_at(v_row.turned))
      on conflict (scope_id, label_id, block)
      do update set hits = tagd.chunk.hits + excluded.hits, bits = tagd.chunk.bits # excluded.bits;
    elsif v_hits = 0 then
      delete from tagd.chunk c
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block;
    end if;
  end loop;
end
$$;

-- tagd of the version before calls the functions above, and reads labels by name as this one does
alter table tagd.label drop constraint label_pkey;
-- the key for those who replicate the tables
alter table tagd.label replica identity using index label_name_key;
comment on column tagd.label.label_id is 'Number of the label, by which a dense one has its chunks. Postgres hands it out, so no two labels have the same; no index has it.';

-- A row that is written anew takes the place of one that is dead by then, so a tenth of a page is enough for that. Pages
-- that are there keep their room.
alter table tagd.label set (fillfactor = 90);
