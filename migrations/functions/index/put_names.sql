create or replace function tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 64
as $$
declare
  v_flips tagd.label_flip[];
begin
  perform tagd.lock_scope_shared(p_scope_id);
  -- lock the resources that still exist, so that they cannot be renamed; those deleted in the meantime get no name
  perform from tagd.resource r
    where r.scope_id = p_scope_id and r.slot = any(p_slots)
    order by r.slot
      for update;
  -- the labels to flip: words that only the old name or only the new one has
  with old as materialized (
         select n.slot, n.words from tagd.name n where n.scope_id = p_scope_id and n.slot = any(p_slots)),
       gone as (
         delete from tagd.name n
          where n.scope_id = p_scope_id and n.slot = any(p_slots)
            and not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.slot = n.slot)
         returning n.slot),
       written as (
         insert into tagd.name (scope_id, slot, folded, words)
         select p_scope_id, w.slot, w.folded, tagd.labelled_words(p_scope_id, w.folded)
           from unnest(p_slots, p_folded) as w (slot, folded)
           join tagd.resource r on r.scope_id = p_scope_id and r.slot = w.slot
          where w.folded is not null
          order by w.slot
         on conflict (scope_id, slot) do update set folded = excluded.folded, words = excluded.words
         returning slot, words)
  select coalesce(array_agg(row('', 4, t.word, t.slot, t.is_on)::tagd.label_flip), '{}') into v_flips
    from (select u.word, u.slot, bool_or(u.is_new) as is_on
            from (select e.word, w.slot, true as is_new from written w, unnest(w.words) as e (word)
                  union all
                  select distinct e.word, o.slot, false
                    from old o, unnest(o.words) as e (word)
                   where o.slot in (select g.slot from gone g union all select w.slot from written w)) u
           group by u.word, u.slot
          having count(*) = 1) t;
  perform tagd.flip_labels(p_scope_id, v_flips);
end
$$;
comment on function tagd.put_names(bigint, integer[], text[]) is 'Repairs the searchable names of some resources. The caller passes folded names, since only tagd folds them; null removes the name of a slot without a resource.';
revoke execute on function tagd.put_names(bigint, integer[], text[]) from public;
grant execute on function tagd.put_names(bigint, integer[], text[]) to tagd_service;
