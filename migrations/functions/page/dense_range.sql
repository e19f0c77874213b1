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
  -- finding one bit and looking up its resource costs about as much as reading eight adjacent resources and testing their
  -- bits
  if v_high - v_low >= 6 * v_want then
    return null;
  end if;
  return array[v_low, v_high];
end
$$;
comment on function tagd.dense_range(bit, bigint, bigint) is 'The lowest and the highest of the positions that tagd.last_set_bits returns, if they are close together, otherwise null. More than p_skip bits must be set.';
revoke execute on function tagd.dense_range(bit, bigint, bigint) from public;
grant execute on function tagd.dense_range(bit, bigint, bigint) to tagd_service;
