create or replace function tagd.make_dense(p_scope_id bigint, p_key text, p_kind smallint, p_value text)
returns void
language plpgsql
as $$
begin
  insert into tagd.chunk (scope_id, label_id, block, hits, bits)
  select p_scope_id, l.label_id, e.slot / 16384, count(*), tagd.bits_at(array_agg(e.slot % 16384))
    from tagd.label l, unnest(l.slots) as e (slot)
   where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value
   group by l.label_id, e.slot / 16384;
  update tagd.label l set slots = null
   where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value;
end
$$;
comment on function tagd.make_dense(bigint, text, smallint, text) is 'Makes a sparse label dense: moves its slots to chunks. The caller must have locked the row of the label. Readers see the chunks and the change of the row at the same time.';
revoke execute on function tagd.make_dense(bigint, text, smallint, text) from public;
