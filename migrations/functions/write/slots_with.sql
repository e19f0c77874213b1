create or replace function tagd.slots_with(p_slots integer[], p_slot integer)
returns integer[]
language plpgsql immutable strict parallel safe
as $$
declare
  v_low  integer := 1;
  v_high integer := cardinality(p_slots);
  v_mid  integer;
begin
  -- resources are tagged when they are new more often than not
  if v_high = 0 or p_slots[v_high] < p_slot then
    return p_slots || p_slot;
  end if;
  while v_low < v_high loop
    v_mid := (v_low + v_high) / 2;
    if p_slots[v_mid] < p_slot then
      v_low := v_mid + 1;
    else
      v_high := v_mid;
    end if;
  end loop;
  if p_slots[v_low] = p_slot then
    return p_slots;
  end if;
  return p_slots[:v_low - 1] || p_slot || p_slots[v_low:];
end
$$;
comment on function tagd.slots_with(integer[], integer) is 'Ascending slots with one more.';
revoke execute on function tagd.slots_with(integer[], integer) from public;
