create or replace function tagd.bits_at(p_positions integer[])
returns bit
language plpgsql immutable strict parallel safe
as $$
declare
  -- a cast pads with zeros, which is quicker than to read as many
  v_bits     bit(16384) := B'0'::bit(16384);
  v_position integer;
begin
  foreach v_position in array p_positions loop
    v_bits := set_bit(v_bits, v_position, 1);
  end loop;
  return v_bits;
end
$$;
comment on function tagd.bits_at(integer[]) is 'The bitmap of a block from positions in it: as tagd.bits_of, without the price of an aggregate where there is nothing to aggregate.';
revoke execute on function tagd.bits_at(integer[]) from public;
grant execute on function tagd.bits_at(integer[]) to tagd_service;
