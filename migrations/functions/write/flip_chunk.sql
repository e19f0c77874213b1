create or replace function tagd.flip_chunk(p_scope_id bigint, p_label_id bigint, p_slot integer, p_on boolean)
returns void
language plpgsql
as $$
declare
  v_block constant integer := p_slot / 16384;
  v_pos   constant integer := p_slot % 16384;
  v_hits  integer;
begin
  if p_on then
    insert into tagd.chunk (scope_id, label_id, block, hits, bits)
    values (p_scope_id, p_label_id, v_block, 1, set_bit(B'0'::bit(16384), v_pos, 1))
    on conflict (scope_id, label_id, block)
    do update set hits = tagd.chunk.hits + 1, bits = set_bit(tagd.chunk.bits, v_pos, 1);
  else
    update tagd.chunk c set hits = c.hits - 1, bits = set_bit(c.bits, v_pos, 0)
     where c.scope_id = p_scope_id and c.label_id = p_label_id and c.block = v_block
    returning c.hits into v_hits;
    if v_hits = 0 then
      delete from tagd.chunk c
       where c.scope_id = p_scope_id and c.label_id = p_label_id and c.block = v_block;
    end if;
  end if;
end
$$;
comment on function tagd.flip_chunk(bigint, bigint, integer, boolean) is 'Inner part of apply_tags: sets or clears the slot of a locked resource in a dense label, whose bit is known to be the other.';
revoke execute on function tagd.flip_chunk(bigint, bigint, integer, boolean) from public;
