create or replace function tagd.slots_in_order(p_slots integer[])
returns integer[]
language plpgsql immutable parallel safe
as $$
begin
  return array(select s.slot from unnest(p_slots) as s (slot) order by s.slot);
end
$$;
comment on function tagd.slots_in_order(integer[]) is 'The slots in ascending order.';
revoke execute on function tagd.slots_in_order(integer[]) from public;
