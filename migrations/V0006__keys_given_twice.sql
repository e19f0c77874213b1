-- A key that stands twice in one call of put_tags or replace_tags is one tag, with the value given last. Before,
-- the resource's copy of its tags held it twice, and differed from tagd.tag.

create or replace function tagd.change_tags(p_scope_id bigint, p_resource_id text, p_put text[], p_remove text[], p_replace boolean)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot  integer;
  v_old   text[];
  v_new   text[];
  v_user  bigint;
  v_had   bigint;
  v_quota integer;
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  select r.slot, r.tags into v_slot, v_old from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if not found then
    raise exception using errcode = 'TG001', message = 'unknown resource';
  end if;

  select coalesce(array_agg(x.part order by m.key collate "C", x.i), '{}'),
         count(*) filter (where not starts_with(m.key, '_sys_')) / 2
    into v_new, v_user
    from (select p.key, p.value
            from (select distinct on (p_put[i]) p_put[i] as key, p_put[i + 1] as value
                    from generate_series(1, cardinality(p_put), 2) i
                   order by p_put[i], i desc) p
          union all
          select o.key, o.value from tagd.pairs_of(v_old) o
           where not p_replace
             and not exists (select from tagd.pairs_of(p_put) p where p.key = o.key)
             and not exists (select from tagd.pairs_of(p_remove) g
                              where g.key = o.key and (g.value is null or g.value = o.value))) m,
         lateral (values (1, m.key), (2, m.value)) x (i, part);
  select count(*) into v_had from tagd.pairs_of(v_old) o where not starts_with(o.key, '_sys_');

  -- a resource above a quota that was lowered later may still lose and change tags
  if v_user > v_had then
    select t.tag_quota into strict v_quota
      from tagd.scope s join tagd.resource_type t on t.resource_type = s.resource_type
     where s.scope_id = p_scope_id;
    if v_user > v_quota then
      raise exception using errcode = 'TG002', message = 'too many tags', detail = v_user || ' ' || v_quota;
    end if;
  end if;
  if v_new is distinct from v_old then
    perform tagd.apply_tags(p_scope_id, v_slot, v_old, v_new);
  end if;
end
$$;
