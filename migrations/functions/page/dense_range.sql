create or replace function tagd.dense_range(p_bits bit, p_skip bigint, p_want bigint)
returns integer[]
language plpgsql immutable strict parallel safe
as $$
declare
  v_want bigint := least(p_want, bit_count(p_bits) - p_skip);
  v_high integer;
  v_low  integer;
begin
  v_high := (tagd.last_set_bits(p_bits, p_skip, 1))[1];
  v_low := (tagd.last_set_bits(p_bits, p_skip + v_want - 1, 1))[1];
  -- finding a bit and looking up its resource costs as much as reading some eight neighbours and their bits
  if v_high - v_low >= 6 * v_want then
    return null;
  end if;
  return array[v_low, v_high];
end
$$;
comment on function tagd.dense_range(bit, bigint, bigint) is 'First and last position of what tagd.last_set_bits gives, if these are close together, else null. There must be more bits than p_skip.';
revoke execute on function tagd.dense_range(bit, bigint, bigint) from public;
grant execute on function tagd.dense_range(bit, bigint, bigint) to tagd_service;
