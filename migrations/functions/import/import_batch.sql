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
  v_scope   record;
  v_project record;
  v_moved   text[];
  v_now     timestamptz;
begin
  -- project names: the last line that has one wins; lines without one change nothing
  insert into tagd.project (project_id, project_name, domain_id)
  select i.project_id,
         coalesce((array_agg(i.project_name order by i.line desc) filter (where i.project_name is not null))[1], ''),
         coalesce((array_agg(i.domain_id order by i.line desc) filter (where i.domain_id is not null))[1], '')
    from pg_temp.import_line i
   group by i.project_id
   order by i.project_id
  on conflict (project_id) do nothing;
  -- Moved are those that get another domain, without those that this transaction has added: nobody can remember that these had
  -- none.
  select coalesce(array_agg(held.project_id) filter (where not held.is_new and held.domain_id <> n.domain_id), '{}') into v_moved
    from (select p.project_id, p.domain_id,
                 p.domain_id = '' and p.domain_since >= transaction_timestamp() and p.xmin = pg_current_xact_id()::xid as is_new
            from tagd.project p
           where p.project_id in (select i.project_id from pg_temp.import_line i where i.project_name is not null or i.domain_id is not null)
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
    perform tagd.record_act(
      p_caller, 'project.put', v_project.project_id, v_project.domain_id, jsonb_build_object('project_name', v_project.project_name));
  end loop;
  perform tagd.notify_projects(v_moved);

  -- a type that was never registered is taken as one of the region, reached by the cross-service API; only a caller without
  -- a domain may register one
  with added as (
    insert into tagd.resource_type (resource_type, service, regional, tag_quota)
    select distinct i.resource_type, 'TMS', true, 20
      from pg_temp.import_line i
     where p_caller.domain_id is null
       and not exists (select from tagd.resource_type t where t.resource_type = i.resource_type)
     order by i.resource_type
    -- of any constraint: the table has two, and another transaction may be adding the type
    on conflict do nothing
    returning resource_type)
  select coalesce(array_agg(a.resource_type order by a.resource_type), '{}') into new_types from added a;
  perform tagd.record_act(
            p_caller, 'type.put', n.name, null,
            jsonb_build_object('service', 'TMS', 'regional', true, 'tag_quota', 20, 'created', true))
     from unnest(new_types) as n (name);

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

  perform tagd.refuse_import_lines();

  insert into pg_temp.import_work (scope_id, slot, line, is_new, old_name, old_tags)
  select s.scope_id,
         coalesce(r.slot, (c.next_slot - 1 + row_number() over (partition by s.scope_id, r.slot is null order by i.line))::integer),
         i.line, r.slot is null, nullif(r.resource_name, i.resource_name), r.tags
    from pg_temp.import_line i
    join tagd.scope s on s.project_id = i.project_id and s.resource_type = i.resource_type
    join tagd.scope_counter c on c.scope_id = s.scope_id
    left join tagd.resource r on r.scope_id = s.scope_id and r.resource_id = i.resource_id
   where r.slot is null
      or (r.resource_name, r.tags, r.detail::text collate "C") is distinct from (i.resource_name, i.tags, i.detail::text);
  select count(*) filter (where w.is_new), count(*) filter (where not w.is_new)
    into created, changed
    from pg_temp.import_work w;
  select count(*) - created - changed into unchanged from pg_temp.import_line;

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
  -- change_tags updates their tags below
  update tagd.resource r
     set resource_name = i.resource_name, detail = i.detail
    from pg_temp.import_work w
    join pg_temp.import_line i on i.line = w.line
   where not w.is_new and r.scope_id = w.scope_id and r.slot = w.slot
     and (r.resource_name, r.detail::text collate "C") is distinct from (i.resource_name, i.detail::text);

  -- The names of new and renamed resources, each with its words that are labels or occur in enough names to become labels. Their
  -- old and new words are kept for change_tags.
  with named as materialized (
         select w.scope_id, w.slot, w.is_new, n.words as old_words, i.name_folded as folded
           from pg_temp.import_work w
           join pg_temp.import_line i on i.line = w.line
           left join lateral (
             select o.folded, o.words from tagd.name o
              where not w.is_new and o.scope_id = w.scope_id and o.slot = w.slot offset 0) n on true
          where w.is_new or n.folded <> i.name_folded),
       word as materialized (
         select n.scope_id, n.slot, w.word from named n, tagd.words_of(n.folded) w),
       known as (
         select s.scope_id, l.value as word
           from (select distinct n.scope_id from named n) s
          cross join lateral (select l.value from tagd.label l where l.scope_id = s.scope_id and l.key = '' and l.kind = 4 offset 0) l),
       chosen as (
         select w.scope_id, w.word from word w group by w.scope_id, w.word having count(*) >= tagd.word_limit()
          union
         select k.scope_id, k.word from known k),
       labelled as materialized (
         select w.scope_id, w.slot, array_agg(w.word order by w.word) as words
           from word w
           join chosen c on c.scope_id = w.scope_id and c.word = w.word
          group by w.scope_id, w.slot),
       added as (
         insert into tagd.name (scope_id, slot, folded, words)
         select n.scope_id, n.slot, n.folded, coalesce(l.words, '{}')
           from named n
           left join labelled l on l.scope_id = n.scope_id and l.slot = n.slot
          where n.is_new
          order by n.scope_id, n.slot),
       renamed as (
         update tagd.name m set folded = n.folded, words = coalesce(l.words, '{}')
           from named n
           left join labelled l on l.scope_id = n.scope_id and l.slot = n.slot
          where not n.is_new and m.scope_id = n.scope_id and m.slot = n.slot)
  insert into pg_temp.import_word (scope_id, slot, old_words, new_words)
  select n.scope_id, n.slot, coalesce(n.old_words, '{}'), coalesce(l.words, '{}')
    from named n
    left join labelled l on l.scope_id = n.scope_id and l.slot = n.slot;
  perform gin_clean_pending_list('tagd.name_gram_idx');

  -- scope by scope, in order; from here on, statements look up rows by key
  perform set_config('enable_nestloop', 'on', true);
  for v_scope in
    select w.scope_id, array_agg(row(
             w.slot, w.old_tags, i.tags, null, coalesce(n.old_words, '{}'), coalesce(n.new_words, '{}'), p_caller, i.resource_id, 'import',
             w.old_name, case when w.old_name is not null then i.resource_name end, null)::tagd.resource_change
             order by w.slot) as changes
      from pg_temp.import_work w
      join pg_temp.import_line i on i.line = w.line
      left join pg_temp.import_word n on n.scope_id = w.scope_id and n.slot = w.slot
     group by w.scope_id
     order by w.scope_id
  loop
    perform tagd.change_tags(v_scope.scope_id, v_scope.changes);
  end loop;
  truncate pg_temp.import_line, pg_temp.import_work, pg_temp.import_word;
end
$$;
comment on function tagd.import_batch(tagd.caller) is 'Imports the lines in pg_temp.import_line: writes resources, tags and index, and empties the table. Lines that an enforced policy forbids are left out and afterwards listed in pg_temp.import_refused. A resource may occur only once in a batch.';
revoke execute on function tagd.import_batch(tagd.caller) from public;
grant execute on function tagd.import_batch(tagd.caller) to tagd_service;
