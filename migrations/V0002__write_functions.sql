-- The functions that write: nothing else does, so the index cannot drift from the truth.
-- One scope and one resource a call. Lock order, the same everywhere, so that writers never deadlock:
-- scope_counter, resource, label in order of (key, kind, value), bitmap in order of (label_id, block).
-- They run with the owner's rights; the service's role may execute them and only read the tables.
-- Errors that a caller can cause carry the states TG001 (unknown resource) and TG002 (too many tags).

create function tagd.pairs_of(p_tags text[])
returns table (key text, value text)
language sql immutable parallel safe
as $$
  select p_tags[i], p_tags[i + 1]
    from generate_series(1, cardinality(p_tags), 2) i
$$;
comment on function tagd.pairs_of(text[]) is 'The pairs of an array key, value, key, value ...';

create function tagd.labels_of(p_tags text[])
returns table (kind smallint, key text, value text)
language sql immutable parallel safe
as $$
  select 0::smallint, '', ''
   where p_tags is not null
  union all
  select 1::smallint, '', ''
   where p_tags is not null
     and not exists (select from generate_series(1, cardinality(p_tags), 2) i where not starts_with(p_tags[i], '_sys_'))
  union all
  select k.kind, p_tags[i], case k.kind when 3 then p_tags[i + 1] else '' end
    from generate_series(1, cardinality(p_tags), 2) i, (values (2::smallint), (3::smallint)) k (kind)
$$;
comment on function tagd.labels_of(text[]) is 'Every label that a resource with these tags bears; none for null, a resource that is not there.';

-- 16,384 zeros to start from are too long to read: the literal is made here
do $$
begin
  execute format('create aggregate tagd.bits_of(integer, integer) (sfunc = set_bit, stype = bit, initcond = %L)', repeat('0', 16384));
end
$$;
comment on aggregate tagd.bits_of(integer, integer) is 'The bitmap of a block from positions in it, each given with 1.';

create function tagd.scope_lock_class() returns integer language sql immutable parallel safe as 'select 1952540516';
comment on function tagd.scope_lock_class() is 'Class of the advisory locks on scopes: writers share one, a rebuild of the index takes it alone.';

-- Brings tags, labels and bitmaps of one locked resource from the old tags to the new.
create function tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_block constant integer := p_slot / 16384;
  v_pos   constant integer := p_slot % 16384;
  v_row   record;
  v_bits  bit(16384);
begin
  delete from tagd.tag t
   where t.scope_id = p_scope_id and t.slot = p_slot
     and t.key in (select o.key from tagd.pairs_of(p_old) o except select n.key from tagd.pairs_of(p_new) n);
  for v_row in
    select n.key, n.value from tagd.pairs_of(p_new) n
    except
    select o.key, o.value from tagd.pairs_of(p_old) o
  loop
    insert into tagd.tag (scope_id, slot, key, value)
    values (p_scope_id, p_slot, v_row.key, v_row.value)
    on conflict (scope_id, slot, key) do update set value = excluded.value;
  end loop;
  if p_old is distinct from p_new and p_old is not null and p_new is not null then
    update tagd.resource r set tags = p_new
     where r.scope_id = p_scope_id and r.slot = p_slot;
  end if;

  -- the statement sees labels that others commit meanwhile, and a label is never deleted under a writer
  for v_row in
    select n.kind, n.key, n.value from tagd.labels_of(p_new) n
     where not exists (select from tagd.label l
                        where l.scope_id = p_scope_id and l.key = n.key and l.kind = n.kind and l.value = n.value)
     order by n.key collate "C", n.kind, n.value collate "C"
  loop
    insert into tagd.label (scope_id, kind, key, value)
    values (p_scope_id, v_row.kind, v_row.key, v_row.value)
    on conflict (scope_id, key, kind, value) do nothing;
  end loop;

  for v_row in
    select l.label_id, bool_or(d.is_new) as is_new
      from (select true as is_new, n.* from tagd.labels_of(p_new) n
            union all
            select false, o.* from tagd.labels_of(p_old) o) d
      join tagd.label l on l.scope_id = p_scope_id and l.key = d.key and l.kind = d.kind and l.value = d.value
     group by l.label_id
    having count(*) = 1
     order by l.label_id
  loop
    if v_row.is_new then
      insert into tagd.bitmap (scope_id, label_id, block, bits)
      values (p_scope_id, v_row.label_id, v_block, set_bit(repeat('0', 16384)::bit(16384), v_pos, 1))
      on conflict (scope_id, label_id, block) do update set bits = set_bit(tagd.bitmap.bits, v_pos, 1);
    else
      update tagd.bitmap b set bits = set_bit(b.bits, v_pos, 0)
       where b.scope_id = p_scope_id and b.label_id = v_row.label_id and b.block = v_block
      returning b.bits into v_bits;
      if bit_count(v_bits) = 0 then
        delete from tagd.bitmap b
         where b.scope_id = p_scope_id and b.label_id = v_row.label_id and b.block = v_block;
      end if;
    end if;
  end loop;
end
$$;
comment on function tagd.apply_tags(bigint, integer, text[], text[]) is 'Inner part of the writing functions: brings tags and index of one locked resource from old tags to new; null stands for a resource that is not there.';

create function tagd.put_scope(p_project_id text, p_resource_type text)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scope_id bigint;
begin
  insert into tagd.project (project_id) values (p_project_id) on conflict (project_id) do nothing;
  insert into tagd.scope (project_id, resource_type) values (p_project_id, p_resource_type)
  on conflict (resource_type, project_id) do nothing;
  select s.scope_id into v_scope_id from tagd.scope s
   where s.project_id = p_project_id and s.resource_type = p_resource_type;
  insert into tagd.scope_counter (scope_id) values (v_scope_id) on conflict (scope_id) do nothing;
  return v_scope_id;
end
$$;
comment on function tagd.put_scope(text, text) is 'The scope of a project and a resource type, made if it is new; so is the project.';

create function tagd.put_resource(p_scope_id bigint, p_resource_id text, p_name text, p_name_folded text, p_detail jsonb)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot  integer;
  v_known integer;
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  update tagd.resource r
     set resource_name = p_name, detail = p_detail
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
  returning r.slot into v_slot;
  if found then
    update tagd.name n set folded = p_name_folded
     where n.scope_id = p_scope_id and n.slot = v_slot and n.folded <> p_name_folded;
    return false;
  end if;
  update tagd.scope_counter c set next_slot = c.next_slot + 1
   where c.scope_id = p_scope_id
  returning c.next_slot - 1 into strict v_slot;
  -- the counter's lock is held now: whoever registered the same resource meanwhile has committed
  update tagd.resource r
     set resource_name = p_name, detail = p_detail
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
  returning r.slot into v_known;
  if found then
    update tagd.name n set folded = p_name_folded
     where n.scope_id = p_scope_id and n.slot = v_known and n.folded <> p_name_folded;
    return false;
  end if;
  insert into tagd.resource (scope_id, slot, resource_id, resource_name, detail)
  values (p_scope_id, v_slot, p_resource_id, p_name, p_detail);
  insert into tagd.name (scope_id, slot, folded) values (p_scope_id, v_slot, p_name_folded);
  perform tagd.apply_tags(p_scope_id, v_slot, null, '{}');
  return true;
end
$$;
comment on function tagd.put_resource(bigint, text, text, text, jsonb) is 'Registers a resource without tags, or changes name and detail of a known one. True if it is new.';

create function tagd.remove_resource(p_scope_id bigint, p_resource_id text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot integer;
  v_tags text[];
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  select r.slot, r.tags into v_slot, v_tags from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if not found then
    return false;
  end if;
  perform tagd.apply_tags(p_scope_id, v_slot, v_tags, null);
  delete from tagd.name n where n.scope_id = p_scope_id and n.slot = v_slot;
  delete from tagd.resource r where r.scope_id = p_scope_id and r.slot = v_slot;
  return true;
end
$$;
comment on function tagd.remove_resource(bigint, text) is 'Forgets a resource with its tags. False if it is unknown.';

-- What the three functions below share: lock the resource, check the quota of its type, apply.
create function tagd.change_tags(p_scope_id bigint, p_resource_id text, p_put text[], p_remove text[], p_replace boolean)
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
    -- a key that is given twice is one tag, with the last value
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
comment on function tagd.change_tags(bigint, text, text[], text[], boolean) is 'Inner part of put_tags, remove_tags and replace_tags.';

create function tagd.put_tags(p_scope_id bigint, p_resource_id text, p_tags text[])
returns void
language sql security definer
set search_path = pg_catalog, pg_temp
as $$ select tagd.change_tags(p_scope_id, p_resource_id, p_tags, '{}', false) $$;
comment on function tagd.put_tags(bigint, text, text[]) is 'Adds tags, given as key, value, key, value ...; a key that is there gets the new value.';

create function tagd.remove_tags(p_scope_id bigint, p_resource_id text, p_tags text[])
returns void
language sql security definer
set search_path = pg_catalog, pg_temp
as $$ select tagd.change_tags(p_scope_id, p_resource_id, '{}', p_tags, false) $$;
comment on function tagd.remove_tags(bigint, text, text[]) is 'Removes tags, given as key, value, key, value ...; a null value takes the key whatever its value. Absent tags are no error.';

create function tagd.replace_tags(p_scope_id bigint, p_resource_id text, p_tags text[])
returns void
language sql security definer
set search_path = pg_catalog, pg_temp
as $$ select tagd.change_tags(p_scope_id, p_resource_id, p_tags, '{}', true) $$;
comment on function tagd.replace_tags(bigint, text, text[]) is 'Makes these, given as key, value, key, value ..., the tags of a resource, system tags included.';
