create or replace function tagd.slots_flipped(p_slots integer[], p_flipped integer[])
returns integer[]
language plpgsql immutable strict parallel safe
as $$
begin
  if cardinality(p_slots) = 0 or p_slots[cardinality(p_slots)] < p_flipped[1] then
    return p_slots || p_flipped;
  end if;
  return array(select t.slot from unnest(p_slots || p_flipped) as t (slot) group by t.slot having count(*) = 1 order by t.slot);
end
$$;
comment on function tagd.slots_flipped(integer[], integer[]) is 'The slots after some of them are flipped: added if they are missing, removed if they are present. All three arrays are in ascending order.';
revoke execute on function tagd.slots_flipped(integer[], integer[]) from public;
