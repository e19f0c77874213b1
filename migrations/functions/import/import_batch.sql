create or replace function tagd.import_batch(p_caller tagd.caller, out created bigint, out changed bigint, out unchanged bigint, out new_types text[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- the temporary tables have no statistics, so the planner would expect few rows and choose nested loops
set enable_nestloop = off
set enable_mergejoin = off
-- large enough for all grams of a batch, which are merged into the index at once, by gin_clean_pending_list below
set gin_pending_list_limit = 16384
as $$
declare
  v_scope    record;
  v_project  record;
  v_name     text;
  v_moved    text[];
  v_changed  text[];
  -- scopes that are missing, by project and type
  v_projects text[];
  v_types    text[];
  v_domains  text[];
  v_names    text[];
  -- the scopes of the batch, with their next slots
  v_scopes   bigint[];
  v_slots    integer[];
  v_slot     integer;
  v_label_of bigint[];
  v_words    text[];
  v_now      timestamptz;
  v_is_distributed constant boolean := tagd.is_distributed();
begin
  perform tagd.make_import_tables();
  select array_agg(n.project_id order by n.project_id, n.resource_type), array_agg(n.resource_type order by n.project_id, n.resource_type)
    into v_projects, v_types
    from (select distinct i.project_id, i.resource_type from pg_temp.import_line i) n
   where not exists (select from tagd.scope s where s.project_id = n.project_id and s.resource_type = n.resource_type);

  -- Project names: the last line that has one wins; lines without one change nothing. Moved are those that get another domain,
  -- without those that this transaction has added: nobody can remember that these had none. The domain of a project that gets a
  -- scope must not change either, see copy_domains.
  select coalesce(array_agg(held.project_id) filter (where not held.is_new and held.domain_id <> n.domain_id), '{}') into v_moved
    from (select p.project_id, p.domain_id,
                 p.domain_id = '' and p.domain_since >= transaction_timestamp() and p.xmin = pg_current_xact_id()::xid as is_new
            from tagd.project p
           where p.project_id in (select i.project_id from pg_temp.import_line i where i.project_name is not null or i.domain_id is not null
                                   union all
                                  select s.project_id from unnest(v_projects) as s (project_id))
           order by p.project_id
             for no key update) held
    left join (select i.project_id, (array_agg(i.domain_id order by i.line desc))[1] as domain_id
                 from pg_temp.import_line i
                where i.domain_id is not null
                group by i.project_id) n on n.project_id = held.project_id;
  for v_project in
    update tagd.project p
       set project_name = coalesce(n.project_name, p.project_name), domain_id = coalesce(n.domain_id, p.domain_id),
           domain_since = case when coalesce(n.domain_id, p.domain_id) = p.domain_id then p.domain_since else clock_timestamp() end
      from (select i.project_id,
                   (array_agg(i.project_name order by i.line desc) filter (where i.project_name is not null))[1] as project_name,
                   (array_agg(i.domain_id order by i.line desc) filter (where i.domain_id is not null))[1] as domain_id
              from pg_temp.import_line i
             group by i.project_id) n
     where p.project_id = n.project_id
       and (coalesce(n.project_name, p.project_name), coalesce(n.domain_id, p.domain_id)) is distinct from (p.project_name, p.domain_id)
    returning p.project_id, p.project_name, p.domain_id
  loop
    v_changed := v_changed || v_project.project_id;
    perform tagd.record_act(
      p_caller, 'project.put', v_project.project_id, v_project.domain_id, jsonb_build_object('project_name', v_project.project_name));
  end loop;
  if v_changed is not null then
    perform tagd.copy_domains(v_changed);
  end if;
  perform tagd.notify_projects(v_moved);

  -- a type that was never registered is taken as one of the region, reached by the cross-service API; only a caller without
  -- a domain may register one
  new_types := '{}';
  if p_caller.domain_id is null then
    select array_agg(n.resource_type order by n.resource_type) into v_names
      from (select distinct i.resource_type from pg_temp.import_line i) n
     where not exists (select from tagd.resource_type t where t.resource_type = n.resource_type);
    foreach v_name in array coalesce(v_names, '{}') loop
      insert into tagd.resource_type (resource_type, service, regional, tag_quota) values (v_name, 'TMS', true, 20)
      -- of any constraint: the table has two, and another transaction may be adding the type
      on conflict do nothing;
      if found then
        new_types := new_types || v_name;
        perform tagd.record_act(
          p_caller, 'type.put', v_name, null, jsonb_build_object('service', 'TMS', 'regional', true, 'tag_quota', 20, 'created', true));
      end if;
    end loop;
  end if;

  if v_projects is not null then
    select array_agg(p.domain_id order by n.ord) into v_domains
      from unnest(v_projects) with ordinality as n (project_id, ord)
      left join tagd.project p on p.project_id = n.project_id;
    insert into tagd.scope (project_id, resource_type, domain_id)
    select n.project_id, n.resource_type, n.domain_id
      from unnest(v_projects, v_types, v_domains) as n (project_id, resource_type, domain_id)
    on conflict (resource_type, project_id) do nothing;
  end if;
  insert into pg_temp.import_scope (scope_id, project_id, resource_type)
  select s.scope_id, s.project_id, s.resource_type
    from (select distinct i.project_id, i.resource_type from pg_temp.import_line i) n
    join tagd.scope s on s.project_id = n.project_id and s.resource_type = n.resource_type;
  if v_projects is not null then
    insert into tagd.scope_counter (scope_id)
    select s.scope_id
      from pg_temp.import_scope s
      join unnest(v_projects, v_types) as n (project_id, resource_type) on n.project_id = s.project_id and n.resource_type = s.resource_type
     order by s.scope_id
    on conflict (scope_id) do nothing;
  end if;

  -- Rows can be locked in one scope at a time only. The resources of all scopes are then known.
  for v_scope in
    select s.scope_id, array_agg(i.resource_id) as ids
      from pg_temp.import_scope s
      join pg_temp.import_line i on i.project_id = s.project_id and i.resource_type = s.resource_type
     group by s.scope_id
     order by s.scope_id
  loop
    select c.next_slot into strict v_slot from tagd.scope_counter c where c.scope_id = v_scope.scope_id for no key update;
    v_scopes := v_scopes || v_scope.scope_id;
    v_slots := v_slots || v_slot;
    -- an empty scope has none
    continue when v_slot = 0;
    insert into pg_temp.import_old (scope_id, slot, resource_id, resource_name, tags, detail)
    select r.scope_id, r.slot, r.resource_id, r.resource_name, r.tags, r.detail
      from tagd.resource r
     where r.scope_id = v_scope.scope_id and r.resource_id = any (v_scope.ids)
     order by r.slot
       for update;
  end loop;

  -- the locks of the projects do not keep them in their domains while this waits
  if p_caller.domain_id is not null and exists (
    select from pg_temp.import_scope i
      join tagd.scope s on s.scope_id = i.scope_id
     where s.domain_id is distinct from p_caller.domain_id) then
    raise exception using errcode = 'TG012', message = 'a project belongs to another domain';
  end if;
  perform tagd.refuse_import_lines();

  insert into pg_temp.import_work (scope_id, slot, line, is_new, old_name, old_tags)
  select s.scope_id,
         coalesce(o.slot, (c.next_slot - 1 + row_number() over (partition by s.scope_id, o.slot is null order by i.line))::integer),
         i.line, o.slot is null, nullif(o.resource_name, i.resource_name), o.tags
    from pg_temp.import_line i
    join pg_temp.import_scope s on s.project_id = i.project_id and s.resource_type = i.resource_type
    join unnest(v_scopes, v_slots) as c (scope_id, next_slot) on c.scope_id = s.scope_id
    left join pg_temp.import_old o on o.scope_id = s.scope_id and o.resource_id = i.resource_id
   where o.slot is null
      or (o.resource_name, o.tags, o.detail::text collate "C") is distinct from (i.resource_name, i.tags, i.detail::text);
  select count(*) filter (where w.is_new), count(*) filter (where not w.is_new)
    into created, changed
    from pg_temp.import_work w;
  select count(*) - created - changed into unchanged from pg_temp.import_line;

  if created > 0 then
    update tagd.scope_counter c set next_slot = c.next_slot + n.n
      from (select w.scope_id, count(*) as n from pg_temp.import_work w where w.is_new group by w.scope_id) n
     where c.scope_id = n.scope_id;
    -- with the locks, not when the transaction began: it may have waited, or taken in other batches before
    v_now := clock_timestamp();
    insert into tagd.resource (scope_id, slot, resource_id, resource_name, tags, detail, registered_at)
    select w.scope_id, w.slot, i.resource_id, i.resource_name, i.tags, i.detail, v_now
      from pg_temp.import_work w
      join pg_temp.import_line i on i.line = w.line
     where w.is_new
     order by w.scope_id, w.slot;
  end if;
  if changed > 0 then
    -- change_tags updates their tags below
    update tagd.resource r
       set resource_name = i.resource_name, detail = i.detail
      from pg_temp.import_work w
      join pg_temp.import_line i on i.line = w.line
     where not w.is_new and r.scope_id = w.scope_id and r.slot = w.slot
       and (r.resource_name, r.detail::text collate "C") is distinct from (i.resource_name, i.detail::text);
    for v_scope in
      select w.scope_id, array_agg(w.slot) as slots
        from pg_temp.import_work w
       where w.old_name is not null
       group by w.scope_id
    loop
      insert into pg_temp.import_old_name (scope_id, slot, folded, words)
      select n.scope_id, n.slot, n.folded, n.words
        from tagd.name n
       where n.scope_id = v_scope.scope_id and n.slot = any (v_scope.slots);
    end loop;
  end if;

  if created > 0 or changed > 0 then
    -- The names of new and renamed resources, each with its words that are labels or occur in enough names to become labels
    select array_agg(l.scope_id), array_agg(l.value) into v_label_of, v_words
      from tagd.label l
     where l.scope_id = any (v_scopes) and l.key = '' and l.kind = 4;
    with named as materialized (
           select w.scope_id, w.slot, w.is_new, coalesce(o.words, '{}') as old_words, i.name_folded as folded
             from pg_temp.import_work w
             join pg_temp.import_line i on i.line = w.line
             left join pg_temp.import_old_name o on o.scope_id = w.scope_id and o.slot = w.slot
            where w.is_new or o.folded <> i.name_folded),
         word as materialized (
           select n.scope_id, n.slot, w.word from named n, tagd.words_of(n.folded) w),
         chosen as (
           select w.scope_id, w.word from word w group by w.scope_id, w.word having count(*) >= tagd.word_limit()
            union
           select k.scope_id, k.word from unnest(v_label_of, v_words) as k (scope_id, word)),
         labelled as materialized (
           select w.scope_id, w.slot, array_agg(w.word order by w.word) as words
             from word w
             join chosen c on c.scope_id = w.scope_id and c.word = w.word
            group by w.scope_id, w.slot)
    insert into pg_temp.import_name (scope_id, slot, is_new, folded, old_words, new_words)
    select n.scope_id, n.slot, n.is_new, n.folded, n.old_words, coalesce(l.words, '{}')
      from named n
      left join labelled l on l.scope_id = n.scope_id and l.slot = n.slot;
    if created > 0 then
      insert into tagd.name (scope_id, slot, folded, words)
      select n.scope_id, n.slot, n.folded, n.new_words
        from pg_temp.import_name n
       where n.is_new
       order by n.scope_id, n.slot;
    end if;
    if changed > 0 then
      update tagd.name m set folded = n.folded, words = n.new_words
        from pg_temp.import_name n
       where not n.is_new and m.scope_id = n.scope_id and m.slot = n.slot;
    end if;
    perform gin_clean_pending_list('tagd.name_gram_idx');
  end if;

  -- scope by scope, in order; from here on, statements look up rows by key
  perform set_config('enable_nestloop', 'on', true);
  for v_scope in
    select w.scope_id, array_agg(row(
             w.slot, w.old_tags, i.tags, null, coalesce(n.old_words, '{}'), coalesce(n.new_words, '{}'), p_caller, i.resource_id, 'import',
             w.old_name, case when w.old_name is not null then i.resource_name end, null)::tagd.resource_change
             order by w.slot) as changes
      from pg_temp.import_work w
      join pg_temp.import_line i on i.line = w.line
      left join pg_temp.import_name n on n.scope_id = w.scope_id and n.slot = w.slot
     group by w.scope_id
     order by w.scope_id
  loop
    perform tagd.change_imported_tags(v_scope.scope_id, v_scope.changes, v_is_distributed);
  end loop;
  truncate pg_temp.import_line, pg_temp.import_work, pg_temp.import_scope, pg_temp.import_old, pg_temp.import_old_name, pg_temp.import_name;
end
$$;
comment on function tagd.import_batch(tagd.caller) is 'Imports the lines in pg_temp.import_line: writes resources, tags and index, and empties the table. Lines that an enforced policy forbids are left out and afterwards listed in pg_temp.import_refused. A resource may occur only once in a batch.';
revoke execute on function tagd.import_batch(tagd.caller) from public;
grant execute on function tagd.import_batch(tagd.caller) to tagd_service;
