create or replace function tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 64
as $$
declare
  v_row      record;
  v_label_id bigint;
  v_dense    bigint[] := '{}';
  v_slots    integer[] := '{}';
  v_ons      boolean[] := '{}';
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  -- resources that went meanwhile stay gone; those that are there cannot change their name under the lock
  perform from tagd.resource r
    where r.scope_id = p_scope_id and r.slot = any(p_slots)
    order by r.slot
      for update;
  -- the names first, and then all words in the order of locks: those that go and those that come
  for v_row in
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
    select t.word, t.slot, bool_or(t.is_new) as is_on
      from (select e.word, w.slot, true as is_new from written w, unnest(w.words) as e (word)
            union all
            select distinct e.word, o.slot, false
              from old o, unnest(o.words) as e (word)
             where o.slot in (select g.slot from gone g union all select w.slot from written w)) t
     group by t.word, t.slot
    having count(*) = 1
     order by t.word collate "C", t.slot
  loop
    v_label_id := tagd.flip_label(p_scope_id, 4::smallint, '', v_row.word, v_row.slot, v_row.is_on);
    if v_label_id is not null then
      v_dense := v_dense || v_label_id;
      v_slots := v_slots || v_row.slot;
      v_ons := v_ons || v_row.is_on;
    end if;
  end loop;
  perform tagd.flip_chunk(p_scope_id, d.label_id, d.slot, d.is_on)
     from (select u.label_id, u.slot, u.is_on from unnest(v_dense, v_slots, v_ons) as u (label_id, slot, is_on)
            order by u.label_id, u.slot offset 0) d;
end
$$;
comment on function tagd.put_names(bigint, integer[], text[]) is 'Mends the names to search of some resources: the folding itself is tagd''s. Null takes away the name of a resource that is not there.';
revoke execute on function tagd.put_names(bigint, integer[], text[]) from public;
grant execute on function tagd.put_names(bigint, integer[], text[]) to tagd_service;
