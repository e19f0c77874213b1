create or replace function tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 64
as $$
declare
  v_there integer[];
  v_gone  integer[];
  v_slots integer[];
  v_known text[];
  v_old   tagd.label_flip[];
  v_new   tagd.label_flip[];
begin
  perform tagd.lock_scope_shared(p_scope_id);
  -- lock the resources that still exist, so that they cannot be renamed; those deleted in the meantime get no name
  perform from tagd.resource r
    where r.scope_id = p_scope_id and r.slot = any (p_slots)
    order by r.slot
      for update;
  select coalesce(array_agg(r.slot), '{}') into v_there
    from tagd.resource r
   where r.scope_id = p_scope_id and r.slot = any (p_slots);
  v_gone := tagd.slots_without(p_slots, v_there);
  v_slots := array(
    select n.slot from unnest(p_slots, p_folded) as n (slot, folded)
     where n.slot = any (v_gone) or n.folded is not null);
  select array_agg(l.value) into v_known
    from tagd.label l
   where l.scope_id = p_scope_id and l.key = '' and l.kind = 4
     and l.value in (select w.word from unnest(p_folded) as f (folded), tagd.words_of(f.folded) w);

  -- the labels to flip: words that only the old name or only the new one has
  select array_agg(distinct row('', 4, e.word, n.slot, false)::tagd.label_flip) into v_old
    from tagd.name n, unnest(n.words) as e (word)
   where n.scope_id = p_scope_id and n.slot = any (v_slots);
  v_new := array(
    select row('', 4, w.word, n.slot, true)::tagd.label_flip
      from unnest(p_slots, p_folded) as n (slot, folded)
     cross join lateral tagd.words_of(n.folded) w
      join unnest(v_known) as k (word) on k.word = w.word
     where n.slot = any (v_there));
  delete from tagd.name n where n.scope_id = p_scope_id and n.slot = any (v_gone);
  insert into tagd.name (scope_id, slot, folded, words)
  select p_scope_id, n.slot, n.folded, coalesce(w.words, '{}')
    from unnest(p_slots, p_folded) as n (slot, folded)
    left join (select f.slot, array_agg(f.value order by f.value) as words from unnest(v_new) as f group by f.slot) w on w.slot = n.slot
   where n.slot = any (v_there) and n.folded is not null
   order by n.slot
  on conflict (scope_id, slot) do update set folded = excluded.folded, words = excluded.words;
  perform tagd.flip_labels(p_scope_id, array(
    select row('', 4, f.value, f.slot, bool_or(f.is_on))::tagd.label_flip
      from unnest(v_old || v_new) as f
     group by f.value, f.slot
    having count(*) = 1));
end
$$;
comment on function tagd.put_names(bigint, integer[], text[]) is 'Repairs the searchable names of some resources. The caller passes folded names, since only tagd folds them; null removes the name of a slot without a resource.';
revoke execute on function tagd.put_names(bigint, integer[], text[]) from public;
grant execute on function tagd.put_names(bigint, integer[], text[]) to tagd_service;
