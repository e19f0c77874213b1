-- Proof and repair of the index: truth and index of a scope compared bit by bit, and the index made anew.

create function tagd.index_of(p_scope_id bigint)
returns table (kind smallint, key text, value text, block integer, bits bit)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with fact as (
    select t.slot, k.kind, t.key, case k.kind when 3 then t.value else '' end as value
      from tagd.tag t, (values (2::smallint), (3::smallint)) k (kind)
     where t.scope_id = p_scope_id
    union all
    select r.slot, 0::smallint, '', ''
      from tagd.resource r
     where r.scope_id = p_scope_id
    union all
    select r.slot, 1::smallint, '', ''
      from tagd.resource r
     where r.scope_id = p_scope_id
       and not exists (select from tagd.tag t
                        where t.scope_id = p_scope_id and t.slot = r.slot and not starts_with(t.key, '_sys_')))
  select f.kind, f.key, f.value, f.slot / 16384, tagd.bits_of(f.slot % 16384, 1)
    from fact f
   group by f.kind, f.key, f.value, f.slot / 16384
$$;
comment on function tagd.index_of(bigint) is 'The bitmaps of a scope as they follow from the truth.';

create function tagd.verify_scope(p_scope_id bigint)
returns table (kind smallint, key text, value text, block integer, missing bigint, surplus bigint)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  -- kind -1: resources whose tag array is not what tagd.tag says
  select (-1)::smallint, '', '', r.slot / 16384, count(*), 0::bigint
    from tagd.resource r
   where r.scope_id = p_scope_id
     and r.tags is distinct from (select coalesce(array_agg(x.part order by t.key, x.i), '{}')
                                    from tagd.tag t, lateral (values (1, t.key), (2, t.value)) x (i, part)
                                   where t.scope_id = p_scope_id and t.slot = r.slot)
   group by r.slot / 16384
  union all
  -- kind -2: tags of resources that are not there
  select (-2)::smallint, '', '', t.slot / 16384, 0::bigint, count(*)
    from tagd.tag t
   where t.scope_id = p_scope_id
     and not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.slot = t.slot)
   group by t.slot / 16384
  union all
  select coalesce(truth.kind, idx.kind), coalesce(truth.key, idx.key), coalesce(truth.value, idx.value), coalesce(truth.block, idx.block),
         bit_count(coalesce(truth.bits & ~idx.bits, truth.bits, repeat('0', 16384)::bit(16384))),
         bit_count(coalesce(idx.bits & ~truth.bits, idx.bits, repeat('0', 16384)::bit(16384)))
    from tagd.index_of(p_scope_id) truth
    full join (select l.kind, l.key, l.value, b.block, b.bits
                 from tagd.label l
                 join tagd.bitmap b on b.scope_id = p_scope_id and b.label_id = l.label_id
                where l.scope_id = p_scope_id) idx
      on idx.kind = truth.kind and idx.key = truth.key and idx.value = truth.value and idx.block = truth.block
   where truth.bits is distinct from idx.bits
$$;
comment on function tagd.verify_scope(bigint) is 'What index and truth of a scope disagree on: bits that the index lacks and bits that it has too many, by label and block. No row: they agree.';

create function tagd.rebuild_scope(p_scope_id bigint)
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
  -- a tag without a resource is nobody's
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
comment on function tagd.rebuild_scope(bigint) is 'Makes the index of a scope anew from the truth, in one transaction: reads go on, writers of the scope wait. Bitmap rows made.';

create function tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- resources that went meanwhile stay gone; those that are there cannot change their name under the lock
  perform from tagd.resource r
    where r.scope_id = p_scope_id and r.slot = any(p_slots)
    order by r.slot
      for update;
  delete from tagd.name n
   where n.scope_id = p_scope_id and n.slot = any(p_slots)
     and not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.slot = n.slot);
  insert into tagd.name (scope_id, slot, folded)
  select p_scope_id, w.slot, w.folded
    from unnest(p_slots, p_folded) as w (slot, folded)
    join tagd.resource r on r.scope_id = p_scope_id and r.slot = w.slot
   where w.folded is not null
   order by w.slot
  on conflict (scope_id, slot) do update set folded = excluded.folded;
end
$$;
comment on function tagd.put_names(bigint, integer[], text[]) is 'Mends the names to search of some resources: the folding itself is tagd''s. Null takes away the name of a resource that is not there.';
