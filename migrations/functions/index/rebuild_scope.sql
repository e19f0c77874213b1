create or replace function tagd.rebuild_scope(p_scope_id bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 16384
as $$
declare
  v_rows bigint;
begin
  perform tagd.enter_import(false);
  perform tagd.lock_scope(p_scope_id);
  -- tags without a resource
  delete from tagd.tag t
   where t.scope_id = p_scope_id
     and not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.slot = t.slot);
  update tagd.resource r set tags = n.tags
    from (select q.slot, coalesce(array_agg(x.part order by t.key, x.i) filter (where t.key is not null), '{}') as tags
            from tagd.resource q
            left join tagd.tag t on t.scope_id = p_scope_id and t.slot = q.slot
            left join lateral (values (1, t.key), (2, t.value)) x (i, part) on true
           where q.scope_id = p_scope_id
           group by q.slot) n
   where r.scope_id = p_scope_id and r.slot = n.slot and r.tags is distinct from n.tags;
  -- Names are deleted and inserted again, so that their grams are indexed again: an update in place would leave the index as it is
  -- where the grams do not change. Which words are labels is also decided again.
  with gone as materialized (
         delete from tagd.name n where n.scope_id = p_scope_id returning n.slot, n.folded),
       word as materialized (
         select g.slot, w.word from gone g, tagd.words_of(g.folded) w),
       chosen as (
         select w.word from word w group by w.word having count(*) >= tagd.word_limit())
  insert into tagd.name (scope_id, slot, folded, words)
  select p_scope_id, g.slot, g.folded, coalesce(array_agg(w.word order by w.word) filter (where c.word is not null), '{}')
    from gone g
    left join word w on w.slot = g.slot
    left join chosen c on c.word = w.word
   group by g.slot, g.folded
   order by g.slot;
  perform gin_clean_pending_list('tagd.name_gram_idx');
  delete from tagd.chunk c where c.scope_id = p_scope_id;
  delete from tagd.label l where l.scope_id = p_scope_id;
  with truth as materialized (select * from tagd.index_of(p_scope_id)),
       few as materialized (
         select 3::smallint as kind, t.key, t.value, array_agg(t.slot order by t.slot) as slots
           from tagd.tag t
          where t.scope_id = p_scope_id
          group by t.key, t.value
         having count(*) <= tagd.sparse_limit()
         union all
         select 2::smallint, t.key, '', array_agg(t.slot order by t.slot)
           from tagd.tag t
          where t.scope_id = p_scope_id
          group by t.key
         having count(*) <= tagd.sparse_limit()
         union all
         select 0::smallint, '', '', array_agg(r.slot order by r.slot)
           from tagd.resource r
          where r.scope_id = p_scope_id
         having count(*) <= tagd.sparse_limit()
         union all
         select 1::smallint, '', '', array_agg(r.slot order by r.slot)
           from tagd.resource r
          where r.scope_id = p_scope_id
            and not exists (select from tagd.tag t
                             where t.scope_id = p_scope_id and t.slot = r.slot and not starts_with(t.key, '_sys_'))
         having count(*) <= tagd.sparse_limit()
         union all
         select 4::smallint, '', e.word, array_agg(n.slot order by n.slot)
           from tagd.name n, unnest(n.words) as e (word)
          where n.scope_id = p_scope_id
          group by e.word
         having count(*) <= tagd.sparse_limit()),
       made as (
         insert into tagd.label (scope_id, kind, key, value, slots)
         select p_scope_id, n.kind, n.key, n.value, f.slots
           from (select distinct t.kind, t.key, t.value from truth t) n
           left join few f on f.kind = n.kind and f.key = n.key and f.value = n.value
         returning label_id, kind, key, value, slots)
  insert into tagd.chunk (scope_id, label_id, block, hits, bits)
  select p_scope_id, m.label_id, t.block, bit_count(t.bits & t.bits), t.bits
    from truth t
    join made m on m.kind = t.kind and m.key = t.key and m.value = t.value and m.slots is null
   order by m.label_id, t.block;
  select count(*) + (select count(*) from tagd.label l where l.scope_id = p_scope_id) into v_rows
    from tagd.chunk c
   where c.scope_id = p_scope_id;
  return v_rows;
end
$$;
comment on function tagd.rebuild_scope(bigint) is 'Rebuilds the index of a scope from its resources and tags, in one transaction: reads continue, writers of the scope wait. Returns the number of rows of the new index.';
revoke execute on function tagd.rebuild_scope(bigint) from public;
grant execute on function tagd.rebuild_scope(bigint) to tagd_service;
