-- Import in bulk: lines come in by COPY into a temporary table, one call turns a batch of them into
-- resources, tags and index, set by set. Same lock order as the writing functions (V0002); taking the
-- counter of every scope of the batch first puts imports into one scope in line.

create function tagd.begin_import()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  create temporary table import_line (
    line          bigint not null,
    project_id    text collate "C" not null,
    project_name  text collate "C",
    domain_id     text collate "C",
    resource_type text collate "C" not null,
    resource_id   text collate "C" not null,
    resource_name text collate "C" not null,
    name_folded   text collate "C" not null,
    detail        jsonb,
    tags          text[] collate "C" not null
  );
  create temporary table import_work (
    scope_id bigint not null,
    slot     integer,
    line     bigint not null,
    is_new   boolean not null,
    old_tags text[] collate "C"
  );
  create temporary table import_bit (
    scope_id bigint not null,
    slot     integer not null,
    kind     smallint not null,
    key      text collate "C" not null,
    value    text collate "C" not null
  );
  grant insert on pg_temp.import_line to tagd_service;
end
$$;
comment on function tagd.begin_import() is 'Makes the temporary tables of an import; once a connection.';

create function tagd.import_batch(out created bigint, out changed bigint, out unchanged bigint, out new_types text[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- the temporary tables have no statistics: left alone, the planner takes nested loops for a few rows
set enable_nestloop = off
set enable_mergejoin = off
as $$
begin
  -- names of projects: the last line that gives one wins; a line that gives none changes nothing
  insert into tagd.project (project_id, project_name, domain_id)
  select i.project_id,
         coalesce((array_agg(i.project_name order by i.line desc) filter (where i.project_name is not null))[1], ''),
         coalesce((array_agg(i.domain_id order by i.line desc) filter (where i.domain_id is not null))[1], '')
    from pg_temp.import_line i
   group by i.project_id
   order by i.project_id
  on conflict (project_id) do nothing;
  perform from tagd.project p
    where p.project_id in (select i.project_id from pg_temp.import_line i where i.project_name is not null or i.domain_id is not null)
    order by p.project_id
      for no key update;
  update tagd.project p
     set project_name = coalesce(n.project_name, p.project_name), domain_id = coalesce(n.domain_id, p.domain_id)
    from (select i.project_id,
                 (array_agg(i.project_name order by i.line desc) filter (where i.project_name is not null))[1] as project_name,
                 (array_agg(i.domain_id order by i.line desc) filter (where i.domain_id is not null))[1] as domain_id
            from pg_temp.import_line i
           group by i.project_id) n
   where p.project_id = n.project_id
     and (coalesce(n.project_name, p.project_name), coalesce(n.domain_id, p.domain_id)) is distinct from (p.project_name, p.domain_id);

  -- a type that nobody registered is taken as one of the region, reached by the cross-service API
  with added as (
    insert into tagd.resource_type (resource_type, service, regional, tag_quota)
    select distinct i.resource_type, 'TMS', true, 20
      from pg_temp.import_line i
     where not exists (select from tagd.resource_type t where t.resource_type = i.resource_type)
     order by i.resource_type
    on conflict (resource_type) do nothing
    returning resource_type)
  select coalesce(array_agg(a.resource_type order by a.resource_type), '{}') into new_types from added a;

  insert into tagd.scope (project_id, resource_type)
  select distinct i.project_id, i.resource_type
    from pg_temp.import_line i
   where not exists (select from tagd.scope s where s.project_id = i.project_id and s.resource_type = i.resource_type)
   order by i.project_id, i.resource_type
  on conflict (resource_type, project_id) do nothing;
  insert into tagd.scope_counter (scope_id)
  select distinct s.scope_id
    from pg_temp.import_line i
    join tagd.scope s on s.project_id = i.project_id and s.resource_type = i.resource_type
   order by s.scope_id
  on conflict (scope_id) do nothing;

  perform from tagd.scope_counter c
    where c.scope_id in (select s.scope_id
                           from pg_temp.import_line i
                           join tagd.scope s on s.project_id = i.project_id and s.resource_type = i.resource_type)
    order by c.scope_id
      for no key update;
  perform from tagd.resource r
    where (r.scope_id, r.resource_id) in (select s.scope_id, i.resource_id
                                            from pg_temp.import_line i
                                            join tagd.scope s on s.project_id = i.project_id and s.resource_type = i.resource_type)
    order by r.scope_id, r.slot
      for update;

  insert into pg_temp.import_work (scope_id, slot, line, is_new, old_tags)
  select s.scope_id,
         coalesce(r.slot, (c.next_slot - 1 + row_number() over (partition by s.scope_id, r.slot is null order by i.line))::integer),
         i.line, r.slot is null, r.tags
    from pg_temp.import_line i
    join tagd.scope s on s.project_id = i.project_id and s.resource_type = i.resource_type
    join tagd.scope_counter c on c.scope_id = s.scope_id
    left join tagd.resource r on r.scope_id = s.scope_id and r.resource_id = i.resource_id
   where r.slot is null
      or (r.resource_name, r.tags, r.detail) is distinct from (i.resource_name, i.tags, i.detail);
  select count(*) filter (where w.is_new), count(*) filter (where not w.is_new)
    into created, changed
    from pg_temp.import_work w;
  select count(*) - created - changed into unchanged from pg_temp.import_line;

  update tagd.scope_counter c set next_slot = c.next_slot + n.n
    from (select w.scope_id, count(*) as n from pg_temp.import_work w where w.is_new group by w.scope_id) n
   where c.scope_id = n.scope_id;
  insert into tagd.resource (scope_id, slot, resource_id, resource_name, tags, detail)
  select w.scope_id, w.slot, i.resource_id, i.resource_name, i.tags, i.detail
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line
   where w.is_new
   order by w.scope_id, w.slot;
  update tagd.resource r
     set resource_name = i.resource_name, tags = i.tags, detail = i.detail
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line
   where not w.is_new and r.scope_id = w.scope_id and r.slot = w.slot;
  insert into tagd.name (scope_id, slot, folded)
  select w.scope_id, w.slot, i.name_folded
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line
   where w.is_new
   order by w.scope_id, w.slot;
  update tagd.name n
     set folded = i.name_folded
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line
   where not w.is_new and n.scope_id = w.scope_id and n.slot = w.slot and n.folded <> i.name_folded;

  delete from tagd.tag t
   using pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line,
         lateral (select o.key from tagd.pairs_of(w.old_tags) o except select n.key from tagd.pairs_of(i.tags) n) gone
   where not w.is_new and t.scope_id = w.scope_id and t.slot = w.slot and t.key = gone.key;
  insert into tagd.tag (scope_id, slot, key, value)
  select w.scope_id, w.slot, p.key, p.value
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line,
         lateral tagd.pairs_of(i.tags) p
   where w.is_new
   order by w.scope_id, w.slot;
  insert into tagd.tag (scope_id, slot, key, value)
  select w.scope_id, w.slot, p.key, p.value
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line,
         lateral (select n.key, n.value from tagd.pairs_of(i.tags) n except select o.key, o.value from tagd.pairs_of(w.old_tags) o) p
   where not w.is_new
  on conflict (scope_id, slot, key) do update set value = excluded.value;

  -- bits that turn over: all labels of a new resource, those that only the old or only the new tags have of a changed one
  insert into pg_temp.import_bit (scope_id, slot, kind, key, value)
  select w.scope_id, w.slot, l.kind, l.key, l.value
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line,
         lateral tagd.labels_of(i.tags) l
   where w.is_new
  union all
  select w.scope_id, w.slot, l.kind, l.key, l.value
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line,
         lateral (select d.kind, d.key, d.value
                    from (select * from tagd.labels_of(i.tags) union all select * from tagd.labels_of(w.old_tags)) d
                   group by d.kind, d.key, d.value
                  having count(*) = 1) l
   where not w.is_new;
  insert into tagd.label (scope_id, kind, key, value)
  select b.scope_id, b.kind, b.key, b.value
    from (select distinct x.scope_id, x.kind, x.key, x.value from pg_temp.import_bit x) b
   where not exists (select from tagd.label l
                      where l.scope_id = b.scope_id and l.key = b.key and l.kind = b.kind and l.value = b.value)
   order by b.scope_id, b.key, b.kind, b.value
  on conflict (scope_id, key, kind, value) do nothing;
  -- the resources are locked, so their bits are what the old tags say: turning over (#) is setting and clearing in one pass
  insert into tagd.bitmap (scope_id, label_id, block, bits)
  select b.scope_id, l.label_id, b.slot / 16384, tagd.bits_of(b.slot % 16384, 1)
    from pg_temp.import_bit b
    join tagd.label l on l.scope_id = b.scope_id and l.key = b.key and l.kind = b.kind and l.value = b.value
   group by b.scope_id, l.label_id, b.slot / 16384
   order by b.scope_id, l.label_id, b.slot / 16384
  on conflict (scope_id, label_id, block) do update set bits = tagd.bitmap.bits # excluded.bits;
  if changed > 0 then
    delete from tagd.bitmap m
     using (select distinct b.scope_id, l.label_id, b.slot / 16384 as block
              from pg_temp.import_bit b
              join pg_temp.import_work w on w.scope_id = b.scope_id and w.slot = b.slot and not w.is_new
              join tagd.label l on l.scope_id = b.scope_id and l.key = b.key and l.kind = b.kind and l.value = b.value) t
     where m.scope_id = t.scope_id and m.label_id = t.label_id and m.block = t.block and bit_count(m.bits) = 0;
  end if;

  truncate pg_temp.import_line, pg_temp.import_work, pg_temp.import_bit;
end
$$;
comment on function tagd.import_batch() is 'Turns the lines in pg_temp.import_line into resources, tags and index, and empties it. A resource may stand in a batch once.';

-- Who may work beside an import of all or nothing: readers only. Its transaction lasts over many batches and
-- takes scopes, resources and labels as they come in the file, so no order of locks could keep it from
-- deadlocks with writers and other imports.

create function tagd.enter_import(p_whole boolean)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if not p_whole then
    perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), -1);
    return;
  end if;
  -- first those that also take the tables below in other orders: imports by batches, rebuilds of the index
  perform pg_advisory_xact_lock(tagd.scope_lock_class(), -1);
  -- then the writers: resource is the first table that each of them locks
  lock table tagd.resource in exclusive mode;
end
$$;
comment on function tagd.enter_import(boolean) is 'First step of the transaction of an import, before import_batch: true where it is the only one, of all batches, which then has the tables for itself; false where each batch has one of its own.';
