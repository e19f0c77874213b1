create or replace function tagd.index_of(p_scope_id bigint)
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
                        where t.scope_id = p_scope_id and t.slot = r.slot and not starts_with(t.key, '_sys_'))
    union all
    select n.slot, 4::smallint, '', w.word
      from tagd.name n, unnest(n.words) as w (word)
     where n.scope_id = p_scope_id)
  select f.kind, f.key, f.value, f.slot / 16384, tagd.bits_of(f.slot % 16384, 1)
    from fact f
   group by f.kind, f.key, f.value, f.slot / 16384
$$;
comment on function tagd.index_of(bigint) is 'The bitmaps that the index of a scope should have, computed from its resources, tags and names.';
revoke execute on function tagd.index_of(bigint) from public;
grant execute on function tagd.index_of(bigint) to tagd_service;
