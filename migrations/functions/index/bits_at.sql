create or replace function tagd.bits_at(p_positions integer[])
returns bit
language plpgsql immutable strict parallel safe
as $$
declare
  -- a cast that pads with zeros is faster than parsing a literal with all of them
  v_bits     bit(16384) := B'0'::bit(16384);
  v_position integer;
begin
  foreach v_position in array p_positions loop
    v_bits := set_bit(v_bits, v_position, 1);
  end loop;
  return v_bits;
end
$$;
comment on function tagd.bits_at(integer[]) is 'The bitmap of a block from an array of positions in it. tagd.bits_of does the same as an aggregate, which costs more if the positions are in an array already.';
revoke execute on function tagd.bits_at(integer[]) from public;
grant execute on function tagd.bits_at(integer[]) to tagd_service;
