-- A rebuild of the index also drops tags of resources that are not there, which only someone else's hand can have
-- left: verify tells of them, and nothing could mend them. It keeps out of the way of an import of all or nothing.

create or replace function tagd.rebuild_scope(p_scope_id bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rows bigint;
begin
  perform tagd.enter_import(false);
  perform pg_advisory_xact_lock(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  -- an import takes this lock, not the other
  perform from tagd.scope_counter c where c.scope_id = p_scope_id for no key update;
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
  delete from tagd.bitmap b where b.scope_id = p_scope_id;
  delete from tagd.label l where l.scope_id = p_scope_id;
  with truth as materialized (select * from tagd.index_of(p_scope_id)),
       made as (insert into tagd.label (scope_id, kind, key, value)
                select distinct p_scope_id, t.kind, t.key, t.value from truth t
                returning label_id, kind, key, value)
  insert into tagd.bitmap (scope_id, label_id, block, bits)
  select p_scope_id, m.label_id, t.block, t.bits
    from truth t
    join made m on m.kind = t.kind and m.key = t.key and m.value = t.value
   order by m.label_id, t.block;
  get diagnostics v_rows = row_count;
  return v_rows;
end
$$;
