create or replace function report.matching(project_id text, resource_type text, query jsonb)
returns table (resource_id text, resource_name text, tags jsonb, registered_at timestamptz, registration_number integer)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- rows are found by scope and label, whatever the planner estimates
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
-- see below; what a function sets itself ends with it only if it is set here too
set plan_cache_mode = auto
as $$
declare
  v_scope_id bigint;
begin
  -- planning takes four times as long as answering a small query, and the plan is the same for all; only Citus cannot plan without values
  if not tagd.is_distributed() then
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
  end if;
  -- an invalid query is refused here, where the error has a short context
  perform from tagd.query_conditions(matching.query);
  -- the view knows who asks, although this function runs as the owner
  select s.scope_id into v_scope_id
    from tagd.readable_scope s
   where s.project_id = matching.project_id
     and s.resource_type = (select coalesce(t.alias_of, t.resource_type) from tagd.resource_type t where t.resource_type = matching.resource_type);
  if v_scope_id is null then
    -- a type of which the project has no resources yet is an empty answer; a project that is not the reader's own looks like
    -- one that does not exist
    if not exists (select from tagd.resource_type t where t.resource_type = matching.resource_type) then
      raise exception using errcode = 'invalid_parameter_value', message = format('resource_type: there is no type %s', coalesce(to_json(matching.resource_type)::text, 'null'));
    elsif not exists (select from tagd.readable_project p where p.project_id = matching.project_id) then
      raise exception using errcode = 'invalid_parameter_value', message = format('project_id: there is no project %s that you may read', coalesce(to_json(matching.project_id)::text, 'null'));
    end if;
    return;
  end if;
  return query
  with condition as materialized (
         select c.group_no, c.kind, c.key, c.value from tagd.query_conditions(matching.query) c),
       total as materialized (
         select coalesce(max(c.group_no) filter (where c.kind = -1), 1) as required,
                -coalesce(min(c.group_no) filter (where c.kind = -2), 0) as excluded
           from condition c),
       query_label as materialized (
         -- the labels that exist; a sparse one has its slots here, a dense one has chunks
         select c.group_no, l.label_id, l.slots
           from condition c
          cross join lateral (
            select l.label_id, l.slots from tagd.label l
             where l.scope_id = v_scope_id and l.key = c.key and l.kind = c.kind and l.value = c.value offset 0) l
          where c.kind between 0 and 3
         union all
         -- values with a text in them
         select c.group_no, l.label_id, l.slots
           from condition c
          cross join lateral (select tagd.wanted_value_grams(v_scope_id, c.key, c.value) as grams offset 0) w
          cross join lateral (
            select l.label_id, l.slots from tagd.label l
             where l.scope_id = v_scope_id and l.kind + 0 = 3 and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
               and tagd.value_grams(l.scope_id, l.key, l.value) @> w.grams
               and l.key is not distinct from c.key and strpos(l.value, c.value) > 0 offset 0) l
          where c.kind = 5
         union all
         -- words with a text of a name in them
         select c.group_no, l.label_id, l.slots
           from condition c
          cross join lateral (
            select l.label_id, l.slots from tagd.label l
             where l.scope_id = v_scope_id and l.key = '' and l.kind = 4 and strpos(l.value, c.value) > 0 offset 0) l
          where c.kind = 6 and length(c.value) > 2 and c.value collate "C" !~ '[^a-z0-9]'),
       found_slot as (
         select q.group_no, e.slot from query_label q cross join lateral unnest(q.slots) as e (slot)
         union all
         -- names that contain a text, by their grams
         select c.group_no, n.slot
           from condition c
          cross join lateral (select tagd.wanted_grams(v_scope_id, c.value) as grams offset 0) w
          cross join lateral (
            select n.slot from tagd.name n
             where n.scope_id = v_scope_id and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
               and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
               and tagd.grams(n.scope_id, n.folded, n.words) @> w.grams
               and strpos(n.folded, c.value) > 0 offset 0) n
          where c.kind = 6 and length(c.value) > 2
         union all
         -- a text of one or two characters: every name of the scope is read
         select c.group_no, n.slot
           from condition c
          cross join lateral (
            select n.slot from tagd.name n where n.scope_id = v_scope_id and strpos(n.folded, c.value) > 0 offset 0) n
          where c.kind = 6 and length(c.value) < 3
         union all
         select c.group_no, n.slot
           from condition c
          cross join lateral (select n.slot from tagd.name n where n.scope_id = v_scope_id and n.folded = '' offset 0) n
          where c.kind = 7
         union all
         select c.group_no, r.slot
           from condition c
          cross join lateral (
            select r.slot from tagd.resource r where r.scope_id = v_scope_id and r.resource_id = c.value offset 0) r
          where c.kind = 8),
       group_bits as (
         select b.block, b.group_no, bit_or(b.bits) as bits
           from (select c.block, q.group_no, c.bits
                   from query_label q
                  cross join lateral (
                    select c.block, c.bits from tagd.chunk c where c.scope_id = v_scope_id and c.label_id = q.label_id offset 0) c
                  where q.slots is null
                 union all
                 select f.slot / 16384, f.group_no, tagd.bits_at(array_agg(f.slot % 16384))
                   from found_slot f
                  group by f.slot / 16384, f.group_no) b
          group by b.block, b.group_no),
       block_match as (
         -- a block has matches only if every required group is in it
         select b.block, bit_and(b.bits) filter (where b.group_no > 0) as include,
                bit_or(b.bits) filter (where b.group_no = 0) as any_excluded,
                case when count(*) filter (where b.group_no < 0) = max(g.excluded) and max(g.excluded) > 0
                     then bit_and(b.bits) filter (where b.group_no < 0) end as all_excluded
           from group_bits b, total g
          group by b.block
         having count(*) filter (where b.group_no > 0) = max(g.required)
         offset 0)
  select r.resource_id, r.resource_name, jsonb_object(r.tags), r.registered_at, r.slot
    from (select m.block,
                 m.include & case when m.any_excluded is null then m.include else ~m.any_excluded end
                           & case when m.all_excluded is null then m.include else ~m.all_excluded end as bits
            from block_match m
          offset 0) m
   cross join lateral unnest(tagd.last_set_bits(m.bits, 0, 16384)) as e (position)
   cross join lateral (
     select r.slot, r.resource_id, r.resource_name, r.tags, r.registered_at from tagd.resource r
      where r.scope_id = v_scope_id and r.slot = m.block * 16384 + e.position offset 0) r;
end
$$;
comment on function report.matching(text, text, jsonb) is 'The resources of a type in a project that match a query: the object that IMS, DNS and CTS take, with tags, tags_any, not_tags, not_tags_any, sys_tags, without_any_tag and matches (docs/SEMANTICS.md). The columns are those of report.resources; the order is not defined. An invalid query, an unknown type and a project that the reader may not read are errors that name the field. Answered from the index, except that a text of one or two characters is searched for in every name.';
revoke execute on function report.matching(text, text, jsonb) from public;
grant execute on function report.matching(text, text, jsonb) to tagd_reader, tagd_domain_reader;
