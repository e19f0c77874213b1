create or replace function tagd.flip_label(
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
      -- the row is locked, and no reader looks for chunks before it says so
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
comment on function tagd.flip_label(bigint, smallint, text, text, integer, boolean) is 'Inner part of flip_labels: sets or clears the slot of a locked resource in a label, made if it is new. The number of the label if it is dense: its chunk is left to the caller.';
revoke execute on function tagd.flip_label(bigint, smallint, text, text, integer, boolean) from public;
