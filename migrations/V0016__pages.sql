-- Pages of one label without a sort, and large pages without a look-up for each resource (docs/adr/0015). Functions on
-- plain values; nothing that is stored changes, and the version before goes on as it was.

create function tagd.cut(p_hits integer[], p_offset bigint, p_limit bigint)
returns bigint[]
language plpgsql immutable strict parallel safe
as $$
declare
  v_cut  bigint[] := '{}';
  v_skip bigint := p_offset;
  v_left bigint := p_limit;
  v_at   integer := 0;
  v_hits integer;
begin
  foreach v_hits in array p_hits loop
    v_at := v_at + 1;
    if v_hits <= v_skip then
      v_skip := v_skip - v_hits;
      continue;
    end if;
    v_cut := v_cut || array[v_at, v_skip, v_left];
    v_left := v_left - v_hits + v_skip;
    v_skip := 0;
    exit when v_left <= 0;
  end loop;
  return v_cut;
end
$$;
comment on function tagd.cut(integer[], bigint, bigint) is 'Which of some pieces, each with so many hits, a page overlaps. For each of these three numbers: its place from 1, how many of its hits lie in front of the page, how many hits the page lacks where it begins.';

create function tagd.stretch(p_bits bit, p_skip bigint, p_want bigint)
returns integer[]
language plpgsql immutable strict parallel safe
as $$
declare
  v_want bigint := least(p_want, bit_count(p_bits) - p_skip);
  v_high integer;
  v_low  integer;
begin
  v_high := (tagd.newest(p_bits, p_skip, 1))[1];
  v_low := (tagd.newest(p_bits, p_skip + v_want - 1, 1))[1];
  -- to find a bit and to look its resource up costs as much as to read some eight neighbours and their bits
  if v_high - v_low >= 6 * v_want then
    return null;
  end if;
  return array[v_low, v_high];
end
$$;
comment on function tagd.stretch(bit, bigint, bigint) is 'First and last position of what tagd.newest gives, if these lie close together, else null. There must be more bits than p_skip.';

revoke all on function tagd.cut(integer[], bigint, bigint), tagd.stretch(bit, bigint, bigint) from public;
grant execute on function tagd.cut(integer[], bigint, bigint), tagd.stretch(bit, bigint, bigint) to tagd_service;
