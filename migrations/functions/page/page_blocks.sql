create or replace function tagd.page_blocks(p_hits integer[], p_offset bigint, p_limit bigint)
returns bigint[]
language plpgsql immutable strict parallel safe
as $$
declare
  v_page  bigint[] := '{}';
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
    v_page := v_page || array[v_at, v_skip, v_left];
    v_left := v_left - v_hits + v_skip;
    v_skip := 0;
    exit when v_left <= 0;
  end loop;
  return v_page;
end
$$;
comment on function tagd.page_blocks(integer[], bigint, bigint) is 'The blocks that a page overlaps, from the numbers of hits of all blocks in order. Three numbers for each block: its position in the array, how many of its hits come before the page, and how many hits the page still needs when the block begins.';
revoke execute on function tagd.page_blocks(integer[], bigint, bigint) from public;
grant execute on function tagd.page_blocks(integer[], bigint, bigint) to tagd_service;
