create or replace function tagd.slots_without(p_slots integer[], p_others integer[])
returns integer[]
language plpgsql immutable parallel safe
as $$
begin
  return array(
    select s.slot from unnest(p_slots) as s (slot)
     where not exists (select from unnest(p_others) as o (slot) where o.slot = s.slot));
end
$$;
comment on function tagd.slots_without(integer[], integer[]) is 'The slots of the first array that the second does not have.';
revoke execute on function tagd.slots_without(integer[], integer[]) from public;
grant execute on function tagd.slots_without(integer[], integer[]) to tagd_service;
