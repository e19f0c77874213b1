-- A database of schema 20, written by pg_dump 15 --schema=tagd --inserts --no-owner; settings and names of roles taken out.

set check_function_bodies = off;

CREATE SCHEMA tagd;

CREATE TYPE tagd.tagged AS (
	slot integer,
	tags text[]
);

COMMENT ON TYPE tagd.tagged IS 'The tags that a resource is to have, as in tagd.resource.';

CREATE TYPE tagd.turn AS (
	key text COLLATE pg_catalog."C",
	kind smallint,
	value text COLLATE pg_catalog."C",
	slot integer,
	is_on boolean
);

COMMENT ON TYPE tagd.turn IS 'A slot that is to be set or cleared in a label.';

CREATE FUNCTION tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
  perform tagd.apply_tags(p_scope_id, p_slot, p_old, p_new, '{}', '{}');
end
$$;

COMMENT ON FUNCTION tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[]) IS 'tagd.apply_tags for a resource that keeps its name.';

CREATE FUNCTION tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[], p_old_words text[], p_new_words text[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  v_old_end  constant integer := coalesce(cardinality(p_old), 0);
  v_new_end  constant integer := coalesce(cardinality(p_new), 0);
  v_was_bare constant boolean := p_old is not null and tagd.count_user_tags(p_old) = 0;
  v_is_bare  constant boolean := p_new is not null and tagd.count_user_tags(p_new) = 0;
  v_old_at   integer := 1;
  v_new_at   integer := 1;
  v_side     integer;
  v_word     text;
  -- labels that turn, in order of (key, kind, value)
  v_kinds    smallint[] := '{}';
  v_keys     text[] := '{}';
  v_values   text[] := '{}';
  v_ons      boolean[] := '{}';
  -- those of them that are dense
  v_label_id bigint;
  v_dense    bigint[] := '{}';
  v_dense_on boolean[] := '{}';
begin
  if (p_old is null) <> (p_new is null) then
    v_kinds := v_kinds || 0::smallint;
    v_keys := v_keys || ''::text;
    v_values := v_values || ''::text;
    v_ons := v_ons || (p_new is not null);
  end if;
  if v_was_bare <> v_is_bare then
    v_kinds := v_kinds || 1::smallint;
    v_keys := v_keys || ''::text;
    v_values := v_values || ''::text;
    v_ons := v_ons || v_is_bare;
  end if;
  if p_old_words <> p_new_words then
    for v_word in
      select w.word from unnest(p_old_words || p_new_words) as w (word)
       group by w.word having count(*) = 1
       order by w.word collate "C"
    loop
      v_kinds := v_kinds || 4::smallint;
      v_keys := v_keys || ''::text;
      v_values := v_values || v_word;
      v_ons := v_ons || (v_word = any (p_new_words));
    end loop;
  end if;
  -- both sides are sorted by key: they are gone through once, side by side
  while v_old_at < v_old_end or v_new_at < v_new_end loop
    v_side := case
      when v_old_at > v_old_end then 1
      when v_new_at > v_new_end then -1
      when p_old[v_old_at] collate "C" < p_new[v_new_at] collate "C" then -1
      when p_old[v_old_at] collate "C" > p_new[v_new_at] collate "C" then 1
      else 0
    end;
    if v_side < 0 then
      delete from tagd.tag t
       where t.scope_id = p_scope_id and t.slot = p_slot and t.key = p_old[v_old_at];
      v_kinds := v_kinds || '{2,3}'::smallint[];
      v_keys := v_keys || array[p_old[v_old_at], p_old[v_old_at]];
      v_values := v_values || array['', p_old[v_old_at + 1]];
      v_ons := v_ons || '{false,false}'::boolean[];
    elsif v_side > 0 then
      insert into tagd.tag (scope_id, slot, key, value)
      values (p_scope_id, p_slot, p_new[v_new_at], p_new[v_new_at + 1])
      on conflict (scope_id, slot, key) do update set value = excluded.value;
      v_kinds := v_kinds || '{2,3}'::smallint[];
      v_keys := v_keys || array[p_new[v_new_at], p_new[v_new_at]];
      v_values := v_values || array['', p_new[v_new_at + 1]];
      v_ons := v_ons || '{true,true}'::boolean[];
    elsif p_old[v_old_at + 1] <> p_new[v_new_at + 1] then
      insert into tagd.tag (scope_id, slot, key, value)
      values (p_scope_id, p_slot, p_new[v_new_at], p_new[v_new_at + 1])
      on conflict (scope_id, slot, key) do update set value = excluded.value;
      v_kinds := v_kinds || '{3,3}'::smallint[];
      v_keys := v_keys || array[p_new[v_new_at], p_new[v_new_at]];
      if p_old[v_old_at + 1] collate "C" < p_new[v_new_at + 1] collate "C" then
        v_values := v_values || array[p_old[v_old_at + 1], p_new[v_new_at + 1]];
        v_ons := v_ons || '{false,true}'::boolean[];
      else
        v_values := v_values || array[p_new[v_new_at + 1], p_old[v_old_at + 1]];
        v_ons := v_ons || '{true,false}'::boolean[];
      end if;
    end if;
    if v_side <= 0 then
      v_old_at := v_old_at + 2;
    end if;
    if v_side >= 0 then
      v_new_at := v_new_at + 2;
    end if;
  end loop;

  if p_old is not null and p_new is not null and p_old <> p_new then
    update tagd.resource r set tags = p_new
     where r.scope_id = p_scope_id and r.slot = p_slot;
  end if;
  for v_at in 1 .. cardinality(v_kinds) loop
    v_label_id := tagd.turn_label(p_scope_id, v_kinds[v_at], v_keys[v_at], v_values[v_at], p_slot, v_ons[v_at]);
    if v_label_id is not null then
      v_dense := v_dense || v_label_id;
      v_dense_on := v_dense_on || v_ons[v_at];
    end if;
  end loop;
  if cardinality(v_dense) = 1 then
    perform tagd.turn_chunk(p_scope_id, v_dense[1], p_slot, v_dense_on[1]);
  elsif cardinality(v_dense) > 1 then
    perform tagd.turn_chunk(p_scope_id, d.label_id, p_slot, d.is_on)
       from (select u.label_id, u.is_on from unnest(v_dense, v_dense_on) as u (label_id, is_on) order by u.label_id offset 0) d;
  end if;
end
$$;

COMMENT ON FUNCTION tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[], p_old_words text[], p_new_words text[]) IS 'Inner part of the writing functions: brings tags and index of one locked resource from old tags to new, and its labels of kind 4 from old words to new; null tags stand for a resource that is not there. Words stand once each.';

CREATE FUNCTION tagd.begin_import() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    detail        json,
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
  create temporary table import_label (
    scope_id bigint not null,
    kind     smallint not null,
    key      text collate "C" not null,
    value    text collate "C" not null,
    dense_id bigint,
    turned   integer[] not null
  );
  create temporary table import_sparse (
    scope_id bigint not null,
    label_id bigint not null,
    kind     smallint not null,
    key      text collate "C" not null,
    value    text collate "C" not null
  );
  grant insert on pg_temp.import_line to tagd_service;
end
$$;

COMMENT ON FUNCTION tagd.begin_import() IS 'Makes the temporary tables of an import; once a connection.';

CREATE FUNCTION tagd.bits_at(p_positions integer[]) RETURNS bit
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
declare
  -- a cast pads with zeros, which is quicker than to read as many
  v_bits     bit(16384) := B'0'::bit(16384);
  v_position integer;
begin
  foreach v_position in array p_positions loop
    v_bits := set_bit(v_bits, v_position, 1);
  end loop;
  return v_bits;
end
$$;

COMMENT ON FUNCTION tagd.bits_at(p_positions integer[]) IS 'The bitmap of a block from positions in it: as tagd.bits_of, without the price of an aggregate where there is nothing to aggregate.';

CREATE FUNCTION tagd.change_tags(p_scope_id bigint, p_resource_id text, p_put text[], p_remove text[], p_replace boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  v_slot  integer;
  v_old   text[];
  v_new   text[];
  v_at    integer;
  v_user  integer;
  v_quota integer;
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  select r.slot, r.tags into v_slot, v_old from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if not found then
    raise exception using errcode = 'TG001', message = 'unknown resource';
  end if;

  v_new := case when p_replace then '{}' else v_old end;
  for v_from in 1 .. cardinality(p_remove) by 2 loop
    v_at := tagd.find_tag(v_new, p_remove[v_from]);
    if v_new[v_at] = p_remove[v_from] and (p_remove[v_from + 1] is null or v_new[v_at + 1] = p_remove[v_from + 1]) then
      v_new := v_new[:v_at - 1] || v_new[v_at + 2:];
    end if;
  end loop;
  -- a key that is given twice is one tag, with the last value
  for v_from in 1 .. cardinality(p_put) by 2 loop
    v_at := tagd.find_tag(v_new, p_put[v_from]);
    if v_new[v_at] = p_put[v_from] then
      v_new[v_at + 1] := p_put[v_from + 1];
    else
      v_new := v_new[:v_at - 1] || p_put[v_from:v_from + 1] || v_new[v_at:];
    end if;
  end loop;
  if v_new = v_old then
    return;
  end if;

  -- a resource above a quota that was lowered later may still lose and change tags
  if p_replace or cardinality(v_new) > cardinality(v_old) then
    v_user := tagd.count_user_tags(v_new);
    if v_user > tagd.count_user_tags(v_old) then
      select t.tag_quota into strict v_quota
        from tagd.scope s join tagd.resource_type t on t.resource_type = s.resource_type
       where s.scope_id = p_scope_id;
      if v_user > v_quota then
        raise exception using errcode = 'TG002', message = 'too many tags', detail = v_user || ' ' || v_quota;
      end if;
    end if;
  end if;
  perform tagd.apply_tags(p_scope_id, v_slot, v_old, v_new);
end
$$;

COMMENT ON FUNCTION tagd.change_tags(p_scope_id bigint, p_resource_id text, p_put text[], p_remove text[], p_replace boolean) IS 'Inner part of replace_tags_if: changes the tags of a resource and its bits.';

CREATE FUNCTION tagd.check_resource(p_scope_id bigint, p_resource_id text, p_match text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_any     boolean not null := p_match is null or '*' = any (p_match);
  v_etag    text;
  v_is_here boolean;
begin
  select case when not v_any then tagd.etag_of(r.resource_name, r.detail, r.tags) end into v_etag from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  v_is_here := found;
  if p_match is not null and not (v_is_here and (v_any or v_etag = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;
  if not v_is_here then
    raise exception using errcode = 'TG001', message = 'unknown resource';
  end if;
end
$$;

COMMENT ON FUNCTION tagd.check_resource(p_scope_id bigint, p_resource_id text, p_match text[]) IS 'Inner part of the functions below: locks a resource, which must be one of those that p_match names by tagd.etag_of; * is any, null is no condition.';

CREATE FUNCTION tagd.count_user_tags(p_tags text[]) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
declare
  v_count integer := 0;
begin
  for v_at in 1 .. coalesce(cardinality(p_tags), 0) by 2 loop
    if not starts_with(p_tags[v_at], '_sys_') then
      v_count := v_count + 1;
    end if;
  end loop;
  return v_count;
end
$$;

COMMENT ON FUNCTION tagd.count_user_tags(p_tags text[]) IS 'Tags of an array key, value, key, value ... without system tags.';

CREATE FUNCTION tagd.cut(p_hits integer[], p_offset bigint, p_limit bigint) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
declare
  v_cut  bigint[] := '{}';
  v_skip bigint := p_offset;
  v_left bigint := p_limit;
  v_at   integer := 0;
  v_hits integer;
begin
  foreach v_hits in array p_hits loop
    v_at := v_at + 1;
    if v_hits <= v_skip then
      v_skip := v_skip - v_hits;
      continue;
    end if;
    v_cut := v_cut || array[v_at, v_skip, v_left];
    v_left := v_left - v_hits + v_skip;
    v_skip := 0;
    exit when v_left <= 0;
  end loop;
  return v_cut;
end
$$;

COMMENT ON FUNCTION tagd.cut(p_hits integer[], p_offset bigint, p_limit bigint) IS 'Which of some pieces, each with so many hits, a page overlaps. For each of these three numbers: its place from 1, how many of its hits lie in front of the page, how many hits the page lacks where it begins.';

CREATE FUNCTION tagd.enter_import(p_whole boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION tagd.enter_import(p_whole boolean) IS 'First step of the transaction of an import, before import_batch: true where it is the only one, of all batches, which then has the tables for itself; false where each batch has one of its own.';

CREATE FUNCTION tagd.etag_of(p_name text, p_detail json, p_tags text[]) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select left(encode(sha256(convert_to(jsonb_build_array(p_name, p_tags)::text || coalesce(p_detail::text, ''), 'UTF8')), 'hex'), 32)
$$;

COMMENT ON FUNCTION tagd.etag_of(p_name text, p_detail json, p_tags text[]) IS 'Short name of what a resource is now: two that differ in name, detail or tags have different ones. Details are the same if their texts are.';

CREATE FUNCTION tagd.find_tag(p_tags text[], p_key text) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
declare
  v_at integer := 1;
begin
  while v_at < cardinality(p_tags) loop
    exit when p_tags[v_at] collate "C" >= p_key collate "C";
    v_at := v_at + 2;
  end loop;
  return v_at;
end
$$;

COMMENT ON FUNCTION tagd.find_tag(p_tags text[], p_key text) IS 'Where a key stands in an array key, value, key, value ... sorted by key, or where it would stand.';

CREATE FUNCTION tagd.grams(p_scope_id bigint, p_folded text, p_words text[]) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE COST 10000 PARALLEL SAFE
    AS $$
declare
  v_scope  constant bigint := p_scope_id << 32;
  v_length constant integer := length(p_folded);
  v_start  integer := 1;
  v_behind integer;
  v_word   text;
  v_grams  bigint[] := '{}';
begin
  -- piece by piece, each a word with the separator behind it: every gram of three starts in one of them
  foreach v_word in array string_to_array(regexp_replace(p_folded collate "C", '[^a-z0-9]', ' ', 'g'), ' ') loop
    v_behind := v_start + length(v_word);
    for v_at in v_start + case when v_word = any (p_words) then greatest(length(v_word) - 2, 0) else 0 end
             .. least(v_behind, v_length - 2) loop
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_at, 3))::bigint & 4294967295));
    end loop;
    -- the longer ones of the separator, as far as there are characters for them
    if v_behind between 3 and v_length - 2 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_behind - 2, 5))::bigint & 4294967295));
    end if;
    if v_behind <= v_length - 3 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_behind, 4))::bigint & 4294967295));
    end if;
    v_start := v_behind + 1;
  end loop;
  return v_grams;
end
$$;

COMMENT ON FUNCTION tagd.grams(p_scope_id bigint, p_folded text, p_words text[]) IS 'What a folded name is found by in name_gram_idx, each as its hash below the scope: every three characters that follow one another, those within words that are labels aside; every five with a separator in the middle; every four that begin with a separator. Two grams may share a hash: whoever finds a name compares it.';

CREATE FUNCTION tagd.hold_import_projects() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_wanted bigint;
  v_held   bigint;
begin
  select count(distinct i.project_id) into v_wanted from pg_temp.import_line i;
  loop
    select count(*) into v_held
      from (select from tagd.project p
             where p.project_id in (select i.project_id from pg_temp.import_line i)
             order by p.project_id
               for key share) held;
    exit when v_held = v_wanted;
    insert into tagd.project (project_id)
    select distinct i.project_id from pg_temp.import_line i
     where not exists (select from tagd.project p where p.project_id = i.project_id)
     order by i.project_id
    on conflict (project_id) do nothing;
  end loop;
end
$$;

COMMENT ON FUNCTION tagd.hold_import_projects() IS 'tagd.hold_project for every project in pg_temp.import_line; before tagd.import_batch, in its transaction.';

CREATE FUNCTION tagd.hold_project(p_project_id text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  loop
    perform from tagd.project p where p.project_id = p_project_id for key share;
    exit when found;
    insert into tagd.project (project_id) values (p_project_id) on conflict (project_id) do nothing;
  end loop;
end
$$;

COMMENT ON FUNCTION tagd.hold_project(p_project_id text) IS 'Keeps a project from being deleted until the transaction ends; made if it is new.';

CREATE FUNCTION tagd.import_batch(OUT created bigint, OUT changed bigint, OUT unchanged bigint, OUT new_types text[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET enable_mergejoin TO 'off'
    SET gin_pending_list_limit TO '16384'
    AS $$
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
      or (r.resource_name, r.tags, r.detail::text collate "C") is distinct from (i.resource_name, i.tags, i.detail::text);
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

  -- names, and the bits that turn over in labels of their words: all words of a new name that are labels or are many
  -- enough to become labels, and those that only the name before or only this one has of a renamed resource
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
  insert into pg_temp.import_bit (scope_id, slot, kind, key, value)
  select t.scope_id, t.slot, 4, '', t.word
    from (select l.scope_id, l.slot, e.word from labelled l, unnest(l.words) as e (word)
          union all
          select n.scope_id, n.slot, e.word from named n, unnest(n.old_words) as e (word)) t
   group by t.scope_id, t.slot, t.word
  having count(*) = 1;
  perform gin_clean_pending_list('tagd.name_gram_idx');

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
  -- the resources are locked, so their bits are what the old tags say: turning over is setting and clearing in one pass
  insert into pg_temp.import_label (scope_id, kind, key, value, dense_id, turned)
  select b.scope_id, b.kind, b.key, b.value, l.label_id, b.turned
    from (select x.scope_id, x.kind, x.key, x.value, array_agg(x.slot order by x.slot) as turned
            from pg_temp.import_bit x
           group by x.scope_id, x.kind, x.key, x.value) b
    left join tagd.label l on l.scope_id = b.scope_id and l.key = b.key and l.kind = b.kind and l.value = b.value and l.slots is null;
  with turned as (
    insert into tagd.label (scope_id, kind, key, value, slots)
    select i.scope_id, i.kind, i.key, i.value, i.turned
      from pg_temp.import_label i
     where i.dense_id is null
     order by i.scope_id, i.key, i.kind, i.value
    on conflict (scope_id, key, kind, value) do update set slots = tagd.slots_turned(tagd.label.slots, excluded.slots)
     where tagd.label.slots is not null
    returning scope_id, label_id, kind, key, value)
  insert into pg_temp.import_sparse (scope_id, label_id, kind, key, value)
  select t.scope_id, t.label_id, t.kind, t.key, t.value from turned t;
  -- a label that a writer made dense since the first look; a statement of its own, which sees that
  update pg_temp.import_label i set dense_id = l.label_id
    from tagd.label l
   where i.dense_id is null
     and l.scope_id = i.scope_id and l.key = i.key and l.kind = i.kind and l.value = i.value and l.slots is null
     and not exists (select from pg_temp.import_sparse s
                      where s.scope_id = i.scope_id and s.key = i.key and s.kind = i.kind and s.value = i.value);

  insert into tagd.chunk (scope_id, label_id, block, hits, bits)
  select i.scope_id, i.dense_id, e.slot / 16384, count(*), tagd.bits_of(e.slot % 16384, 1)
    from pg_temp.import_label i, unnest(i.turned) as e (slot)
   where i.dense_id is not null
   group by i.scope_id, i.dense_id, e.slot / 16384
   order by i.scope_id, i.dense_id, e.slot / 16384
  on conflict (scope_id, label_id, block)
  do update set hits = bit_count(tagd.chunk.bits # excluded.bits), bits = tagd.chunk.bits # excluded.bits;
  if changed > 0 then
    delete from tagd.chunk c
     using (select distinct i.scope_id, i.dense_id, e.slot / 16384 as block
              from pg_temp.import_label i, unnest(i.turned) as e (slot)
             where i.dense_id is not null) t
     where c.scope_id = t.scope_id and c.label_id = t.dense_id and c.block = t.block and c.hits = 0;
  end if;
  -- labels that have outgrown their row: it is locked, and nobody looks for its chunks before it says so
  insert into tagd.chunk (scope_id, label_id, block, hits, bits)
  select l.scope_id, l.label_id, e.slot / 16384, count(*), tagd.bits_of(e.slot % 16384, 1)
    from pg_temp.import_sparse s
    join tagd.label l on l.scope_id = s.scope_id and l.label_id = s.label_id and cardinality(l.slots) > tagd.sparse_limit(),
         unnest(l.slots) as e (slot)
   group by l.scope_id, l.label_id, e.slot / 16384;
  update tagd.label l set slots = null
    from pg_temp.import_sparse s
   where l.scope_id = s.scope_id and l.label_id = s.label_id and cardinality(l.slots) > tagd.sparse_limit();

  truncate pg_temp.import_line, pg_temp.import_work, pg_temp.import_bit, pg_temp.import_label, pg_temp.import_sparse;
end
$$;

COMMENT ON FUNCTION tagd.import_batch(OUT created bigint, OUT changed bigint, OUT unchanged bigint, OUT new_types text[]) IS 'Turns the lines in pg_temp.import_line into resources, tags and index, and empties it. A resource may stand in a batch once.';

CREATE FUNCTION tagd.index_of(p_scope_id bigint) RETURNS TABLE(kind smallint, key text, value text, block integer, bits bit)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION tagd.index_of(p_scope_id bigint) IS 'The bitmaps of a scope as they follow from the truth.';

CREATE FUNCTION tagd.labelled_words(p_scope_id bigint, p_folded text) RETURNS text[]
    LANGUAGE plpgsql STABLE
    AS $$
begin
  return array(select w.word
                 from tagd.words_of(p_folded) w
                where exists (select from tagd.label l
                               where l.scope_id = p_scope_id and l.key = '' and l.kind = 4 and l.value = w.word)
                order by w.word collate "C");
end
$$;

COMMENT ON FUNCTION tagd.labelled_words(p_scope_id bigint, p_folded text) IS 'The words of a folded name that are labels already, sorted.';

CREATE FUNCTION tagd.labels_of(p_tags text[]) RETURNS TABLE(kind smallint, key text, value text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
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

COMMENT ON FUNCTION tagd.labels_of(p_tags text[]) IS 'Every label that a resource with these tags bears; none for null, a resource that is not there.';

CREATE FUNCTION tagd.newest(p_bits bit, p_skip bigint, p_want bigint) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
declare
  v_skip  bigint := p_skip;
  v_left  bigint := p_want;
  v_found integer[] := '{}';
  v_strip bit varying;
  v_piece bit varying;
  v_word  bigint;
  v_hits  bigint;
begin
  -- ever smaller pieces: what lies wholly in front of the page, or is empty, is passed over by its count
  for s in reverse 15 .. 0 loop
    v_strip := substring(p_bits from s * 1024 + 1 for 1024);
    v_hits := bit_count(v_strip);
    if v_hits <= v_skip then
      v_skip := v_skip - v_hits;
      continue;
    end if;
    for p in reverse 7 .. 0 loop
      v_piece := substring(v_strip from p * 128 + 1 for 128);
      v_hits := bit_count(v_piece);
      if v_hits <= v_skip then
        v_skip := v_skip - v_hits;
        continue;
      end if;
      for w in reverse 3 .. 0 loop
        v_word := substring(v_piece from w * 32 + 1 for 32)::bit(32)::bigint;
        while v_word <> 0 loop
          if v_skip > 0 then
            v_skip := v_skip - 1;
          else
            -- the zeros behind the last bit set, counted
            v_found := v_found || (s * 1024 + p * 128 + w * 32 + 31 - bit_count(((v_word & -v_word) - 1)::bit(64))::integer);
            v_left := v_left - 1;
            if v_left <= 0 then
              return v_found;
            end if;
          end if;
          v_word := v_word & (v_word - 1);
        end loop;
      end loop;
    end loop;
  end loop;
  return v_found;
end
$$;

COMMENT ON FUNCTION tagd.newest(p_bits bit, p_skip bigint, p_want bigint) IS 'Positions of set bits of a block, from high to low: at most p_want of them (one at least) behind the first p_skip.';

CREATE FUNCTION tagd.pairs_of(p_tags text[]) RETURNS TABLE(key text, value text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  select p_tags[i], p_tags[i + 1]
    from generate_series(1, cardinality(p_tags), 2) i
$$;

COMMENT ON FUNCTION tagd.pairs_of(p_tags text[]) IS 'The pairs of an array key, value, key, value ...';

CREATE FUNCTION tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_pending_list_limit TO '64'
    AS $$
declare
  v_row      record;
  v_label_id bigint;
  v_dense    bigint[] := '{}';
  v_slots    integer[] := '{}';
  v_ons      boolean[] := '{}';
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  -- resources that went meanwhile stay gone; those that are there cannot change their name under the lock
  perform from tagd.resource r
    where r.scope_id = p_scope_id and r.slot = any(p_slots)
    order by r.slot
      for update;
  -- the names first, and then all words in the order of locks: those that go and those that come
  for v_row in
    with old as materialized (
           select n.slot, n.words from tagd.name n where n.scope_id = p_scope_id and n.slot = any(p_slots)),
         gone as (
           delete from tagd.name n
            where n.scope_id = p_scope_id and n.slot = any(p_slots)
              and not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.slot = n.slot)
           returning n.slot),
         written as (
           insert into tagd.name (scope_id, slot, folded, words)
           select p_scope_id, w.slot, w.folded, tagd.labelled_words(p_scope_id, w.folded)
             from unnest(p_slots, p_folded) as w (slot, folded)
             join tagd.resource r on r.scope_id = p_scope_id and r.slot = w.slot
            where w.folded is not null
            order by w.slot
           on conflict (scope_id, slot) do update set folded = excluded.folded, words = excluded.words
           returning slot, words)
    select t.word, t.slot, bool_or(t.is_new) as is_on
      from (select e.word, w.slot, true as is_new from written w, unnest(w.words) as e (word)
            union all
            select distinct e.word, o.slot, false
              from old o, unnest(o.words) as e (word)
             where o.slot in (select g.slot from gone g union all select w.slot from written w)) t
     group by t.word, t.slot
    having count(*) = 1
     order by t.word collate "C", t.slot
  loop
    v_label_id := tagd.turn_label(p_scope_id, 4::smallint, '', v_row.word, v_row.slot, v_row.is_on);
    if v_label_id is not null then
      v_dense := v_dense || v_label_id;
      v_slots := v_slots || v_row.slot;
      v_ons := v_ons || v_row.is_on;
    end if;
  end loop;
  perform tagd.turn_chunk(p_scope_id, d.label_id, d.slot, d.is_on)
     from (select u.label_id, u.slot, u.is_on from unnest(v_dense, v_slots, v_ons) as u (label_id, slot, is_on)
            order by u.label_id, u.slot offset 0) d;
end
$$;

COMMENT ON FUNCTION tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[]) IS 'Mends the names to search of some resources: the folding itself is tagd''s. Null takes away the name of a resource that is not there.';

CREATE FUNCTION tagd.put_predefined(p_domain_id text, p_tags text[], p_quota integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_count bigint;
  v_now   timestamptz;
begin
  -- one writer of an account at a time: the quota is exact
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  -- the tags of a call are of one age; read behind the lock, so later calls are younger
  v_now := clock_timestamp();
  insert into tagd.predefined_tag (domain_id, key, value, updated_at)
  select p_domain_id, p.key, p.value, v_now from tagd.pairs_of(p_tags) p
  on conflict (domain_id, key, value) do update set updated_at = v_now;
  select count(*) into v_count from tagd.predefined_tag t where t.domain_id = p_domain_id;
  if v_count > p_quota then
    raise exception using errcode = 'TG004', message = 'too many predefined tags', detail = v_count || ' ' || p_quota;
  end if;
end
$$;

COMMENT ON FUNCTION tagd.put_predefined(p_domain_id text, p_tags text[], p_quota integer) IS 'Adds predefined tags, given as key, value, key, value ...; one that is there becomes the newest.';

CREATE FUNCTION tagd.put_project(p_project_id text, p_project_name text, p_domain_id text) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into tagd.project (project_id, project_name, domain_id) values (p_project_id, p_project_name, p_domain_id)
  on conflict (project_id) do update set project_name = excluded.project_name, domain_id = excluded.domain_id
  -- a row that this statement made was never locked or changed
  returning xmax = 0
$$;

COMMENT ON FUNCTION tagd.put_project(p_project_id text, p_project_name text, p_domain_id text) IS 'Registers a project, or changes name and account of a known one. True if it is new.';

CREATE FUNCTION tagd.put_scope(p_project_id text, p_resource_type text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION tagd.put_scope(p_project_id text, p_resource_type text) IS 'The scope of a project and a resource type, made if it is new; so is the project.';

CREATE FUNCTION tagd.put_type(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select created from tagd.put_type_with_aliases(p_resource_type, p_service, p_regional, p_tag_quota, null)
$$;

COMMENT ON FUNCTION tagd.put_type(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer) IS 'Registers a resource type or changes a known one. True if it is new.';

CREATE FUNCTION tagd.put_type_with_aliases(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer, p_aliases text[], OUT created boolean, OUT aliases text[]) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_place    bigint;
  v_name     text;
  v_alias_of text;
  v_found    boolean;
begin
  insert into tagd.resource_type as t (resource_type, service, regional, tag_quota)
  values (p_resource_type, p_service, p_regional, p_tag_quota)
  on conflict (resource_type) do update
    set service = excluded.service, regional = excluded.regional, tag_quota = excluded.tag_quota
    where t.alias_of is null
  -- a row that this statement made was never locked or changed
  returning xmax = 0 into created;
  if not found then
    select t.alias_of into v_alias_of from tagd.resource_type t where t.resource_type = p_resource_type;
    raise exception using errcode = 'TG011', message = 'the name is taken', detail = concat_ws(' ', 'resource_type', p_resource_type, v_alias_of);
  end if;

  if p_aliases is not null then
    delete from tagd.resource_type t where t.alias_of = p_resource_type and t.resource_type <> all (p_aliases);
    insert into tagd.resource_type (resource_type, service, regional, tag_quota, alias_of)
    select a.name, p_service, p_regional, p_tag_quota, p_resource_type
      from unnest(p_aliases) as a (name)
     order by a.name collate "C"
    on conflict (resource_type) do nothing;
    -- a name that was there and is no alias of this type is somebody else's
    select a.ord, a.name, t.alias_of, t.resource_type is not null into v_place, v_name, v_alias_of, v_found
      from unnest(p_aliases) with ordinality as a (name, ord)
      left join tagd.resource_type t on t.resource_type = a.name
     where t.alias_of is distinct from p_resource_type
     order by a.ord
     limit 1;
    if v_found then
      raise exception using errcode = 'TG011', message = 'the name is taken',
        detail = concat_ws(' ', 'aliases[' || v_place - 1 || ']', v_name, v_alias_of);
    elsif not v_found then
      raise exception using errcode = '40001', message = 'the name was given up at the same time';
    end if;
  end if;
  update tagd.resource_type t set service = p_service, regional = p_regional, tag_quota = p_tag_quota
   where t.alias_of = p_resource_type
     and (t.service, t.regional, t.tag_quota) is distinct from (p_service, p_regional, p_tag_quota);
  aliases := array(select t.resource_type from tagd.resource_type t where t.alias_of = p_resource_type order by t.resource_type);
end
$$;

COMMENT ON FUNCTION tagd.put_type_with_aliases(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer, p_aliases text[], OUT created boolean, OUT aliases text[]) IS 'Registers a resource type or changes a known one, and makes these its aliases; null leaves those it has. Whether it is new, and its aliases. TG011: a name that is an alias or type already; in the detail stand field, name and, of an alias, its type.';

CREATE FUNCTION tagd.rebuild_scope(p_scope_id bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_pending_list_limit TO '16384'
    AS $$
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
  -- which words are labels is decided anew
  with word as materialized (
         select n.slot, w.word from tagd.name n, tagd.words_of(n.folded) w where n.scope_id = p_scope_id),
       chosen as (
         select w.word from word w group by w.word having count(*) >= tagd.word_limit())
  update tagd.name m set words = n.words
    from (select q.slot, coalesce(array_agg(w.word order by w.word) filter (where c.word is not null), '{}') as words
            from tagd.name q
            left join word w on w.slot = q.slot
            left join chosen c on c.word = w.word
           where q.scope_id = p_scope_id
           group by q.slot) n
   where m.scope_id = p_scope_id and m.slot = n.slot and m.words <> n.words;
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

COMMENT ON FUNCTION tagd.rebuild_scope(p_scope_id bigint) IS 'Makes the index of a scope anew from the truth, in one transaction: reads go on, writers of the scope wait. Rows made.';

CREATE FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail json, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail json, OUT tags text[], OUT etag text) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET gin_pending_list_limit TO '64'
    AS $$
declare
  v_scope_id  bigint;
  v_slot      integer;
  v_new_slot  integer;
  v_old       text[];
  v_new       text[];
  v_etag      text;
  -- what is there now is not looked at unless the condition asks for it
  v_by_etag   boolean not null := p_match is not null and not '*' = any (p_match);
  v_user      bigint;
  v_had       bigint;
  v_quota     integer;
  v_old_words text[];
  v_new_words text[];
begin
  select t.tag_quota into v_quota from tagd.resource_type t where t.resource_type = p_resource_type;
  if not found then
    raise exception using errcode = 'TG008', message = 'unknown resource type';
  end if;
  perform tagd.hold_project(p_project_id);
  v_scope_id := tagd.put_scope(p_project_id, p_resource_type);
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (v_scope_id % 2147483647)::integer);

  select r.slot, r.tags, case when v_by_etag then tagd.etag_of(r.resource_name, r.detail, r.tags) end
    into v_slot, v_old, v_etag
    from tagd.resource r
   where r.scope_id = v_scope_id and r.resource_id = p_resource_id
     for update;
  if not found and p_match is null then
    update tagd.scope_counter c set next_slot = c.next_slot + 1
     where c.scope_id = v_scope_id
    returning c.next_slot - 1 into strict v_new_slot;
    -- the counter's lock is held now: whoever registered the same resource meanwhile has committed
    select r.slot, r.tags, case when v_by_etag then tagd.etag_of(r.resource_name, r.detail, r.tags) end
      into v_slot, v_old, v_etag
      from tagd.resource r
     where r.scope_id = v_scope_id and r.resource_id = p_resource_id
       for update;
  end if;
  created := v_slot is null;
  if p_absent and not created
     or p_match is not null and (created or not (v_etag = any (p_match) or '*' = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;

  if p_tags is null then
    v_new := coalesce(v_old, '{}');
  else
    select coalesce(array_agg(x.part order by p.key collate "C", x.i), '{}') into v_new
      from tagd.pairs_of(p_tags) p, lateral (values (1, p.key), (2, p.value)) x (i, part);
    select count(*) into v_user from tagd.pairs_of(v_new) n where not starts_with(n.key, '_sys_');
    select count(*) into v_had from tagd.pairs_of(v_old) o where not starts_with(o.key, '_sys_');
    -- a resource above a quota that was lowered later may still lose and change tags
    if v_user > v_had and v_user > v_quota then
      raise exception using errcode = 'TG002', message = 'too many tags', detail = v_user || ' ' || v_quota;
    end if;
  end if;

  -- tags and index in one go: bitmaps are locked in one order
  if created then
    insert into tagd.resource (scope_id, slot, resource_id, resource_name, tags, detail)
    values (v_scope_id, v_new_slot, p_resource_id, p_name, v_new, p_detail);
    v_new_words := tagd.labelled_words(v_scope_id, p_name_folded);
    insert into tagd.name (scope_id, slot, folded, words) values (v_scope_id, v_new_slot, p_name_folded, v_new_words);
    perform tagd.apply_tags(v_scope_id, v_new_slot, null, v_new, '{}', v_new_words);
  else
    update tagd.resource r set resource_name = p_name, detail = p_detail
     where r.scope_id = v_scope_id and r.slot = v_slot
       and (r.resource_name, r.detail::text collate "C") is distinct from (p_name, p_detail::text);
    select n.old_words, n.new_words into v_old_words, v_new_words
      from tagd.rename(v_scope_id, v_slot, p_name_folded) n;
    if v_new <> v_old or v_new_words <> v_old_words then
      perform tagd.apply_tags(v_scope_id, v_slot, v_old, v_new, v_old_words, v_new_words);
    end if;
  end if;
  detail := p_detail;
  tags := v_new;
  etag := tagd.etag_of(p_name, p_detail, v_new);
end
$$;

COMMENT ON FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail json, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail json, OUT tags text[], OUT etag text) IS 'Registers a resource or makes a known one this, if it is one of p_match (see check_resource) or, with p_absent, if there is none. Null tags leave the tags as they are. What it is now.';

CREATE FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail jsonb, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail jsonb, OUT tags text[], OUT etag text) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  select r.created, r.tags, r.etag into created, tags, etag
    from tagd.register_resource(
      p_project_id, p_resource_type, p_resource_id, p_name, p_name_folded, p_detail::text::json, p_tags, p_match, p_absent) r;
  detail := p_detail;
end
$$;

COMMENT ON FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail jsonb, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail jsonb, OUT tags text[], OUT etag text) IS 'The same for a tagd of the version before, which keeps a detail as jsonb.';

CREATE FUNCTION tagd.remove_predefined(p_domain_id text, p_tags text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  delete from tagd.predefined_tag t
   using tagd.pairs_of(p_tags) p
   where t.domain_id = p_domain_id and t.key = p.key and t.value = p.value
$$;

COMMENT ON FUNCTION tagd.remove_predefined(p_domain_id text, p_tags text[]) IS 'Removes predefined tags; absent ones are no error.';

CREATE FUNCTION tagd.remove_project(p_project_id text, p_with_resources boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_scopes   bigint[];
  v_scope_id bigint;
begin
  perform from tagd.project p where p.project_id = p_project_id for update;
  if not found then
    return false;
  end if;
  -- nobody registers a resource from here on, nor makes a scope
  select coalesce(array_agg(s.scope_id order by s.scope_id), '{}') into v_scopes
    from tagd.scope s
   where s.project_id = p_project_id;
  if not p_with_resources then
    foreach v_scope_id in array v_scopes loop
      if exists (select from tagd.resource r where r.scope_id = v_scope_id) then
        raise exception using errcode = 'TG009', message = 'the project has resources';
      end if;
    end loop;
  end if;
  foreach v_scope_id in array v_scopes loop
    -- as a rebuild of the index: labels go, so no writer may be under way
    perform pg_advisory_xact_lock(tagd.scope_lock_class(), (v_scope_id % 2147483647)::integer);
    perform from tagd.scope_counter c where c.scope_id = v_scope_id for no key update;
  end loop;
  foreach v_scope_id in array v_scopes loop
    delete from tagd.tag t where t.scope_id = v_scope_id;
    delete from tagd.name n where n.scope_id = v_scope_id;
    delete from tagd.resource r where r.scope_id = v_scope_id;
    delete from tagd.chunk c where c.scope_id = v_scope_id;
    delete from tagd.label l where l.scope_id = v_scope_id;
  end loop;
  delete from tagd.project p where p.project_id = p_project_id;
  return true;
end
$$;

COMMENT ON FUNCTION tagd.remove_project(p_project_id text, p_with_resources boolean) IS 'Deletes a project; its resources too if that is said. Its scopes stay, empty. False if it is unknown.';

CREATE FUNCTION tagd.remove_resource(p_scope_id bigint, p_resource_id text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_slot  integer;
  v_tags  text[];
  v_words text[];
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  select r.slot, r.tags into v_slot, v_tags from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if not found then
    return false;
  end if;
  delete from tagd.name n where n.scope_id = p_scope_id and n.slot = v_slot
  returning n.words into v_words;
  perform tagd.apply_tags(p_scope_id, v_slot, v_tags, null, coalesce(v_words, '{}'), '{}');
  delete from tagd.resource r where r.scope_id = p_scope_id and r.slot = v_slot;
  return true;
end
$$;

COMMENT ON FUNCTION tagd.remove_resource(p_scope_id bigint, p_resource_id text) IS 'Forgets a resource with its tags. False if it is unknown.';

CREATE FUNCTION tagd.remove_type(p_resource_type text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- whoever makes a scope of the type waits here, or has committed it
  perform from tagd.resource_type t where t.resource_type = p_resource_type and t.alias_of is null for update;
  if not found then
    return false;
  end if;
  if exists (select from tagd.scope s where s.resource_type = p_resource_type) then
    raise exception using errcode = 'TG010', message = 'the resource type is in use';
  end if;
  -- its aliases go with it
  delete from tagd.resource_type t where t.resource_type = p_resource_type;
  return true;
end
$$;

COMMENT ON FUNCTION tagd.remove_type(p_resource_type text) IS 'Deletes a resource type that no scope is of; raises TG010 for any other. False if it is unknown or an alias.';

CREATE FUNCTION tagd.rename(p_scope_id bigint, p_slot integer, p_folded text, OUT old_words text[], OUT new_words text[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
begin
  select n.words into old_words from tagd.name n
   where n.scope_id = p_scope_id and n.slot = p_slot and n.folded <> p_folded;
  if not found then
    old_words := '{}';
    new_words := '{}';
    return;
  end if;
  new_words := tagd.labelled_words(p_scope_id, p_folded);
  update tagd.name n set folded = p_folded, words = new_words
   where n.scope_id = p_scope_id and n.slot = p_slot;
end
$$;

COMMENT ON FUNCTION tagd.rename(p_scope_id bigint, p_slot integer, p_folded text, OUT old_words text[], OUT new_words text[]) IS 'Inner part of the writing functions: gives a locked resource another folded name. Words of the name before and of this one that are labels, for apply_tags.';

CREATE FUNCTION tagd.replace_predefined(p_domain_id text, p_old_key text, p_old_value text, p_new_key text, p_new_value text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  if not exists (select from tagd.predefined_tag t
                  where t.domain_id = p_domain_id and t.key = p_old_key and t.value = p_old_value) then
    raise exception using errcode = 'TG005', message = 'no such predefined tag';
  end if;
  if (p_old_key, p_old_value) <> (p_new_key, p_new_value)
     and exists (select from tagd.predefined_tag t
                  where t.domain_id = p_domain_id and t.key = p_new_key and t.value = p_new_value) then
    raise exception using errcode = 'TG006', message = 'the predefined tag exists';
  end if;
  update tagd.predefined_tag t
     set key = p_new_key, value = p_new_value, updated_at = clock_timestamp()
   where t.domain_id = p_domain_id and t.key = p_old_key and t.value = p_old_value;
end
$$;

COMMENT ON FUNCTION tagd.replace_predefined(p_domain_id text, p_old_key text, p_old_value text, p_new_key text, p_new_value text) IS 'Makes one predefined tag another.';

CREATE FUNCTION tagd.replace_tags_if(p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[]) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  perform tagd.check_resource(p_scope_id, p_resource_id, p_match);
  perform tagd.change_tags(p_scope_id, p_resource_id, p_tags, '{}', true);
  return (select tagd.etag_of(r.resource_name, r.detail, r.tags) from tagd.resource r
           where r.scope_id = p_scope_id and r.resource_id = p_resource_id);
end
$$;

COMMENT ON FUNCTION tagd.replace_tags_if(p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[]) IS 'Makes these the tags of a resource if it is one of p_match (see check_resource). Its new tagd.etag_of.';

CREATE FUNCTION tagd.scope_lock_class() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$select 1952540516$$;

COMMENT ON FUNCTION tagd.scope_lock_class() IS 'Class of the advisory locks on scopes: writers share one, a rebuild of the index takes it alone.';

CREATE FUNCTION tagd.slots_turned(p_slots integer[], p_turned integer[]) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
begin
  if cardinality(p_slots) = 0 or p_slots[cardinality(p_slots)] < p_turned[1] then
    return p_slots || p_turned;
  end if;
  return array(select t.slot from unnest(p_slots || p_turned) as t (slot) group by t.slot having count(*) = 1 order by t.slot);
end
$$;

COMMENT ON FUNCTION tagd.slots_turned(p_slots integer[], p_turned integer[]) IS 'Ascending slots with those turned over that are given, ascending as well: added where they are not, taken out where they are.';

CREATE FUNCTION tagd.slots_with(p_slots integer[], p_slot integer) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
declare
  v_low  integer := 1;
  v_high integer := cardinality(p_slots);
  v_mid  integer;
begin
  -- resources are tagged when they are new more often than not
  if v_high = 0 or p_slots[v_high] < p_slot then
    return p_slots || p_slot;
  end if;
  while v_low < v_high loop
    v_mid := (v_low + v_high) / 2;
    if p_slots[v_mid] < p_slot then
      v_low := v_mid + 1;
    else
      v_high := v_mid;
    end if;
  end loop;
  if p_slots[v_low] = p_slot then
    return p_slots;
  end if;
  return p_slots[:v_low - 1] || p_slot || p_slots[v_low:];
end
$$;

COMMENT ON FUNCTION tagd.slots_with(p_slots integer[], p_slot integer) IS 'Ascending slots with one more.';

CREATE FUNCTION tagd.sparse_limit() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$select 128$$;

COMMENT ON FUNCTION tagd.sparse_limit() IS 'Most slots of a sparse label: 512 bytes. A label with more is dense.';

CREATE FUNCTION tagd.stretch(p_bits bit, p_skip bigint, p_want bigint) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
declare
  v_want bigint := least(p_want, bit_count(p_bits) - p_skip);
  v_high integer;
  v_low  integer;
begin
  v_high := (tagd.newest(p_bits, p_skip, 1))[1];
  v_low := (tagd.newest(p_bits, p_skip + v_want - 1, 1))[1];
  -- to find a bit and to look its resource up costs as much as to read some eight neighbours and their bits
  if v_high - v_low >= 6 * v_want then
    return null;
  end if;
  return array[v_low, v_high];
end
$$;

COMMENT ON FUNCTION tagd.stretch(p_bits bit, p_skip bigint, p_want bigint) IS 'First and last position of what tagd.newest gives, if these lie close together, else null. There must be more bits than p_skip.';

CREATE FUNCTION tagd.turn_chunk(p_scope_id bigint, p_label_id bigint, p_slot integer, p_on boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  v_block constant integer := p_slot / 16384;
  v_pos   constant integer := p_slot % 16384;
  v_hits  integer;
begin
  if p_on then
    insert into tagd.chunk (scope_id, label_id, block, hits, bits)
    values (p_scope_id, p_label_id, v_block, 1, set_bit(B'0'::bit(16384), v_pos, 1))
    on conflict (scope_id, label_id, block)
    do update set hits = tagd.chunk.hits + 1, bits = set_bit(tagd.chunk.bits, v_pos, 1);
  else
    update tagd.chunk c set hits = c.hits - 1, bits = set_bit(c.bits, v_pos, 0)
     where c.scope_id = p_scope_id and c.label_id = p_label_id and c.block = v_block
    returning c.hits into v_hits;
    if v_hits = 0 then
      delete from tagd.chunk c
       where c.scope_id = p_scope_id and c.label_id = p_label_id and c.block = v_block;
    end if;
  end if;
end
$$;

COMMENT ON FUNCTION tagd.turn_chunk(p_scope_id bigint, p_label_id bigint, p_slot integer, p_on boolean) IS 'Inner part of apply_tags: sets or clears the slot of a locked resource in a dense label, whose bit is known to be the other.';

CREATE FUNCTION tagd.turn_label(p_scope_id bigint, p_kind smallint, p_key text, p_value text, p_slot integer, p_on boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
declare
  v_label_id bigint;
  v_slots    integer[];
begin
  loop
    select l.label_id, l.slots into v_label_id, v_slots from tagd.label l
     where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value;
    if not found then
      if not p_on then
        return null;
      end if;
      insert into tagd.label (scope_id, kind, key, value, slots)
      values (p_scope_id, p_kind, p_key, p_value, array[p_slot])
      on conflict (scope_id, key, kind, value) do nothing;
      if found then
        return null;
      end if;
      -- another writer was faster: the next look sees its row
      continue;
    end if;
    if v_slots is null then
      return v_label_id;
    end if;
    if p_on then
      update tagd.label l set slots = tagd.slots_with(l.slots, p_slot)
       where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value and l.slots is not null
      returning l.slots into v_slots;
    else
      update tagd.label l set slots = array_remove(l.slots, p_slot)
       where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value and l.slots is not null
      returning l.slots into v_slots;
    end if;
    if not found then
      -- it has become dense meanwhile, and stays so
      return v_label_id;
    end if;
    if cardinality(v_slots) > tagd.sparse_limit() then
      -- the row is locked, and nobody looks for its chunks before it says so
      insert into tagd.chunk (scope_id, label_id, block, hits, bits)
      select p_scope_id, v_label_id, e.slot / 16384, count(*), tagd.bits_at(array_agg(e.slot % 16384))
        from unnest(v_slots) as e (slot)
       group by e.slot / 16384;
      update tagd.label l set slots = null
       where l.scope_id = p_scope_id and l.key = p_key and l.kind = p_kind and l.value = p_value;
    end if;
    return null;
  end loop;
end
$$;

COMMENT ON FUNCTION tagd.turn_label(p_scope_id bigint, p_kind smallint, p_key text, p_value text, p_slot integer, p_on boolean) IS 'Inner part of apply_tags: sets or clears the slot of a locked resource in a label, made if it is new. The number of the label if it is dense: its chunk is left to turn_chunk.';

CREATE FUNCTION tagd.turn_labels(p_scope_id bigint, p_turns tagd.turn[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
declare
  v_row      record;
  v_label_id bigint;
  v_hits     integer;
  -- turns of dense labels
  v_dense    bigint[] := '{}';
  v_slots    integer[] := '{}';
  v_ons      boolean[] := '{}';
begin
  for v_row in
    select t.key, t.kind, t.value, t.slot, t.is_on, l.label_id, l.slots is null as is_dense
      from unnest(p_turns) as t
      left join tagd.label l on l.scope_id = p_scope_id and l.key = t.key and l.kind = t.kind and l.value = t.value
     order by t.key, t.kind, t.value, t.slot
  loop
    v_label_id := v_row.label_id;
    if v_label_id is null or not v_row.is_dense then
      if v_label_id is not null then
        -- a sparse label with room is one update; whatever else it may be or become, turn_label finds out
        if not v_row.is_on then
          update tagd.label l set slots = array_remove(l.slots, v_row.slot)
           where l.scope_id = p_scope_id and l.key = v_row.key and l.kind = v_row.kind and l.value = v_row.value
             and l.slots is not null;
        else
          update tagd.label l
             set slots = l.slots[:width_bucket(v_row.slot, l.slots)] || v_row.slot || l.slots[width_bucket(v_row.slot, l.slots) + 1:]
           where l.scope_id = p_scope_id and l.key = v_row.key and l.kind = v_row.kind and l.value = v_row.value
             and cardinality(l.slots) < tagd.sparse_limit();
        end if;
        continue when found;
      end if;
      v_label_id := tagd.turn_label(p_scope_id, v_row.kind, v_row.key, v_row.value, v_row.slot, v_row.is_on);
      continue when v_label_id is null;
    end if;
    v_dense := v_dense || v_label_id;
    v_slots := v_slots || v_row.slot;
    v_ons := v_ons || v_row.is_on;
  end loop;
  if v_dense = '{}' then
    return;
  end if;
  for v_row in
    select t.label_id, t.slot / 16384 as block, array_agg(t.slot % 16384) as turned, sum(2 * t.is_on::integer - 1)::integer as hits
      from unnest(v_dense, v_slots, v_ons) as t (label_id, slot, is_on)
     group by t.label_id, t.slot / 16384
     order by t.label_id, t.slot / 16384
  loop
    if cardinality(v_row.turned) = 1 then
      update tagd.chunk c
         set hits = c.hits + v_row.hits, bits = set_bit(c.bits, v_row.turned[1], (v_row.hits + 1) / 2)
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block
      returning c.hits into v_hits;
    else
      update tagd.chunk c
         set hits = c.hits + v_row.hits, bits = c.bits # tagd.bits_at(v_row.turned)
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block
      returning c.hits into v_hits;
    end if;
    if not found then
      insert into tagd.chunk (scope_id, label_id, block, hits, bits)
      values (p_scope_id, v_row.label_id, v_row.block, v_row.hits, tagd.bits_at(v_row.turned))
      on conflict (scope_id, label_id, block)
      do update set hits = tagd.chunk.hits + excluded.hits, bits = tagd.chunk.bits # excluded.bits;
    elsif v_hits = 0 then
      delete from tagd.chunk c
       where c.scope_id = p_scope_id and c.label_id = v_row.label_id and c.block = v_row.block;
    end if;
  end loop;
end
$$;

COMMENT ON FUNCTION tagd.turn_labels(p_scope_id bigint, p_turns tagd.turn[]) IS 'Inner part of write_tags: sets and clears slots of locked resources in labels, made where they are new. No slot is named twice for a label, and each is known to be the other way round.';

CREATE FUNCTION tagd.unregister_resource(p_scope_id bigint, p_resource_id text, p_match text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  perform tagd.check_resource(p_scope_id, p_resource_id, p_match);
  perform tagd.remove_resource(p_scope_id, p_resource_id);
end
$$;

COMMENT ON FUNCTION tagd.unregister_resource(p_scope_id bigint, p_resource_id text, p_match text[]) IS 'Forgets a resource with its tags, if it is one of p_match (see check_resource).';

CREATE FUNCTION tagd.value_grams(p_scope_id bigint, p_key text, p_value text) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE COST 10000 PARALLEL SAFE
    AS $$
declare
  v_below constant bigint := p_scope_id << 32;
  v_key   constant bigint := hashtext(p_key)::bigint & 4294967295;
  -- what a text of less than two characters is looked for by: every value of the key
  v_grams bigint[] := array[v_below | v_key];
begin
  for v_at in 1 .. length(p_value) - 1 loop
    v_grams := v_grams || (v_below | (v_key # (hashtext(substr(p_value, v_at, 2))::bigint & 4294967295)));
    v_grams := v_grams || (v_below | (v_key # (hashtext(substr(p_value, v_at, 3))::bigint & 4294967295)));
  end loop;
  return v_grams;
end
$$;

COMMENT ON FUNCTION tagd.value_grams(p_scope_id bigint, p_key text, p_value text) IS 'What a value of a key is found by in label_gram_idx: every two and every three characters that follow one another, and the key itself, each as its hash below the scope. Two grams may share a hash: whoever finds a label compares key and value.';

CREATE FUNCTION tagd.verify_scope(p_scope_id bigint) RETURNS TABLE(kind smallint, key text, value text, block integer, missing bigint, surplus bigint)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    full join (select l.kind, l.key, l.value, c.block, c.bits
                 from tagd.label l
                 join tagd.chunk c on c.scope_id = p_scope_id and c.label_id = l.label_id
                where l.scope_id = p_scope_id and l.slots is null
               union all
               select l.kind, l.key, l.value, e.slot / 16384, tagd.bits_of(e.slot % 16384, 1)
                 from tagd.label l, unnest(l.slots) as e (slot)
                where l.scope_id = p_scope_id
                group by l.kind, l.key, l.value, e.slot / 16384) idx
      on idx.kind = truth.kind and idx.key = truth.key and idx.value = truth.value and idx.block = truth.block
   where truth.bits is distinct from idx.bits
  union all
  -- what the bits do not show: counts that are not theirs, chunks of a label that is not dense, slots out of order
  select (-3)::smallint, l.key, l.value, c.block, greatest(bit_count(c.bits & c.bits) - c.hits, 0), greatest(c.hits - bit_count(c.bits & c.bits), 0)
    from tagd.chunk c
    join tagd.label l on l.scope_id = p_scope_id and l.label_id = c.label_id
   where c.scope_id = p_scope_id and c.hits <> bit_count(c.bits & c.bits)
  union all
  select (-4)::smallint, coalesce(l.key, ''), coalesce(l.value, ''), c.block, 0::bigint, c.hits::bigint
    from tagd.chunk c
    left join tagd.label l on l.scope_id = p_scope_id and l.label_id = c.label_id
   where c.scope_id = p_scope_id and (l.label_id is null or l.slots is not null)
  union all
  select (-4)::smallint, l.key, l.value, 0, 0::bigint, cardinality(l.slots)::bigint
    from tagd.label l
   where l.scope_id = p_scope_id
     and (l.slots <> array(select distinct e.slot from unnest(l.slots) as e (slot) order by e.slot)
          or cardinality(l.slots) > tagd.sparse_limit())
  union all
  -- kind -5: names said to be in the label of what is no word of theirs, or of a word twice; whether they are in it
  -- is compared above
  select (-5)::smallint, '', '', n.slot / 16384, 0::bigint, count(*)
    from tagd.name n
   where n.scope_id = p_scope_id and n.words <> '{}'
     and cardinality(n.words) <> (select count(*) from tagd.words_of(n.folded) w where w.word = any (n.words))
   group by n.slot / 16384
$$;

COMMENT ON FUNCTION tagd.verify_scope(p_scope_id bigint) IS 'What index and truth of a scope disagree on: bits that the index lacks and bits that it has too many, by label and block; below kind 0 what else is wrong (V0004, V0008). No row: they agree.';

CREATE FUNCTION tagd.wanted_grams(p_scope_id bigint, p_text text) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
declare
  v_scope  constant bigint := p_scope_id << 32;
  v_length constant integer := length(p_text);
  v_at     integer := 0;
  v_next   integer := 1;
  v_word   text;
  v_grams  bigint[] := '{}';
begin
  if p_text collate "C" !~ '[^a-z0-9]' then
    for v_from in 1 .. v_length - 2 loop
      v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_from, 3))::bigint & 4294967295));
    end loop;
    return v_grams;
  end if;
  -- separator by separator; of its three characters only those from v_next on, which no longer gram has
  foreach v_word in array string_to_array(regexp_replace(p_text collate "C", '[^a-z0-9]', ' ', 'g'), ' ') loop
    v_at := v_at + length(v_word) + 1;
    exit when v_at > v_length;
    if v_at between 3 and v_length - 2 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_at - 2, 5))::bigint & 4294967295));
    else
      for v_from in greatest(v_at - 2, v_next) .. case when v_at <= v_length - 3 then v_at - 1 else least(v_at, v_length - 2) end loop
        v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_from, 3))::bigint & 4294967295));
      end loop;
    end if;
    v_next := v_at + 1;
    if v_at <= v_length - 3 then
      v_grams := v_grams || (v_scope | (hashtext(substr(p_text, v_at, 4))::bigint & 4294967295));
      v_next := v_at + 2;
    end if;
  end loop;
  return v_grams;
end
$$;

COMMENT ON FUNCTION tagd.wanted_grams(p_scope_id bigint, p_text text) IS 'Grams by which name_gram_idx finds the names that have a folded text of at least three characters: of a text that spans words those alone that have a separator, since the others may lie in a label, and the longest of them; of a text within a word all, and the labels of kind 4 have to be looked through besides.';

CREATE FUNCTION tagd.wanted_value_grams(p_scope_id bigint, p_key text, p_text text) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
declare
  v_below  constant bigint := p_scope_id << 32;
  v_key    constant bigint := hashtext(p_key)::bigint & 4294967295;
  v_length constant integer := least(length(p_text), 3);
  v_grams  bigint[] := '{}';
begin
  if v_length < 2 then
    return array[v_below | v_key];
  end if;
  for v_at in 1 .. length(p_text) - v_length + 1 loop
    v_grams := v_grams || (v_below | (v_key # (hashtext(substr(p_text, v_at, v_length))::bigint & 4294967295)));
  end loop;
  return v_grams;
end
$$;

COMMENT ON FUNCTION tagd.wanted_value_grams(p_scope_id bigint, p_key text, p_text text) IS 'Grams by which label_gram_idx finds the values of a key that have a text: its runs of three characters; of a text of two itself, of a shorter one all values of the key.';

CREATE FUNCTION tagd.word_limit() RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$select 64$$;

COMMENT ON FUNCTION tagd.word_limit() IS 'Fewest resources of a scope, in one batch of an import or in all, that make a word of their names a label.';

CREATE FUNCTION tagd.words_of(p_folded text) RETURNS TABLE(word text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
  -- no longer than a key of an index may be
  select distinct w.word
    from unnest(string_to_array(regexp_replace(p_folded collate "C", '[^a-z0-9]+', ' ', 'g'), ' ')) as w (word)
   where length(w.word) between 3 and 64
$$;

COMMENT ON FUNCTION tagd.words_of(p_folded text) IS 'The words of a folded name that can be labels, each once.';

CREATE FUNCTION tagd.write_tags(p_scope_id bigint, p_ids text[], p_modes smallint[], p_ends integer[], p_parts text[]) RETURNS text[]
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  v_row      record;
  v_last     integer := -1;
  v_outcomes text[] := array_fill('unknown'::text, array[cardinality(p_ids)]);
  v_mode     smallint;
  v_from     integer;
  v_to       integer;
  v_new      text[];
  v_keys     text[];
  v_key      text;
  v_old_at   integer;
  v_new_at   integer;
  v_user     integer;
  v_quota    integer;
  v_is_bare  boolean;
  v_tagged   tagd.tagged[] := '{}';
  v_turns    tagd.turn[] := '{}';
  v_set_slots integer[] := '{}';
  v_set_keys text[] := '{}';
  v_set_values text[] := '{}';
  v_gone_slots integer[] := '{}';
  v_gone_keys text[] := '{}';
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  for v_row in
    select w.n::integer as n, r.slot, r.tags
      from unnest(p_ids) with ordinality as w (id, n)
      join tagd.resource r on r.scope_id = p_scope_id and r.resource_id = w.id
     order by r.slot
       for update of r
  loop
    if v_row.slot = v_last then
      raise exception 'two writes of one resource in a call';
    end if;
    v_last := v_row.slot;
    v_mode := p_modes[v_row.n];
    v_from := coalesce(p_ends[v_row.n - 1], 0) + 1;
    v_to := p_ends[v_row.n];
    v_new := v_row.tags;
    if v_mode = 2 then
      v_new := '{}';
    end if;
    for v_at in v_from .. v_to by 2 loop
      v_key := p_parts[v_at];
      v_new_at := array_position(v_new, v_key);
      while v_new_at % 2 = 0 loop
        v_new_at := array_position(v_new, v_key, v_new_at + 1);
      end loop;
      if v_mode = 1 then
        if v_new_at > 0 and (p_parts[v_at + 1] is null or v_new[v_new_at + 1] = p_parts[v_at + 1]) then
          v_new := v_new[:v_new_at - 1] || v_new[v_new_at + 2:];
        end if;
      elsif v_new_at > 0 then
        v_new[v_new_at + 1] := p_parts[v_at + 1];
      else
        v_new_at := tagd.find_tag(v_new, v_key);
        v_new := v_new[:v_new_at - 1] || p_parts[v_at:v_at + 1] || v_new[v_new_at:];
      end if;
    end loop;
    if v_new = v_row.tags then
      v_outcomes[v_row.n] := 'unchanged';
      continue;
    end if;
    if v_mode = 2 or cardinality(v_new) > cardinality(v_row.tags) then
      v_user := tagd.count_user_tags(v_new);
      if v_user > tagd.count_user_tags(v_row.tags) then
        if v_quota is null then
          select t.tag_quota into strict v_quota
            from tagd.scope s join tagd.resource_type t on t.resource_type = s.resource_type
           where s.scope_id = p_scope_id;
        end if;
        if v_user > v_quota then
          v_outcomes[v_row.n] := 'quota ' || v_user || ' ' || v_quota;
          continue;
        end if;
      end if;
    end if;

    v_outcomes[v_row.n] := null;
    v_tagged := v_tagged || row(v_row.slot, v_new)::tagd.tagged;
    if v_mode = 2 or cardinality(v_new) <> cardinality(v_row.tags) then
      v_is_bare := tagd.count_user_tags(v_new) = 0;
      if v_is_bare <> (tagd.count_user_tags(v_row.tags) = 0) then
        v_turns := v_turns || row('', 1, '', v_row.slot, v_is_bare)::tagd.turn;
      end if;
    end if;
    if v_mode <> 2 and v_to = v_from + 1 then
      v_keys := p_parts[v_from:v_from];
    else
      v_keys := array(select p.key from tagd.pairs_of(v_row.tags) p union select p.key from tagd.pairs_of(v_new) p);
    end if;
    foreach v_key in array v_keys loop
      v_old_at := array_position(v_row.tags, v_key);
      while v_old_at % 2 = 0 loop
        v_old_at := array_position(v_row.tags, v_key, v_old_at + 1);
      end loop;
      v_new_at := array_position(v_new, v_key);
      while v_new_at % 2 = 0 loop
        v_new_at := array_position(v_new, v_key, v_new_at + 1);
      end loop;
      continue when v_row.tags[v_old_at + 1] = v_new[v_new_at + 1];
      if v_old_at is null then
        insert into tagd.tag (scope_id, slot, key, value)
        values (p_scope_id, v_row.slot, v_key, v_new[v_new_at + 1])
        on conflict (scope_id, slot, key) do update set value = excluded.value;
        v_turns := v_turns || row(v_key, 2, '', v_row.slot, true)::tagd.turn;
      elsif v_new_at is null then
        v_gone_slots := v_gone_slots || v_row.slot;
        v_gone_keys := v_gone_keys || v_key;
        v_turns := v_turns || row(v_key, 2, '', v_row.slot, false)::tagd.turn;
      else
        v_set_slots := v_set_slots || v_row.slot;
        v_set_keys := v_set_keys || v_key;
        v_set_values := v_set_values || v_new[v_new_at + 1];
      end if;
      if v_old_at is not null then
        v_turns := v_turns || row(v_key, 3, v_row.tags[v_old_at + 1], v_row.slot, false)::tagd.turn;
      end if;
      if v_new_at is not null then
        v_turns := v_turns || row(v_key, 3, v_new[v_new_at + 1], v_row.slot, true)::tagd.turn;
      end if;
    end loop;
  end loop;
  if v_tagged = '{}' then
    return v_outcomes;
  end if;
  update tagd.resource r set tags = w.tags
    from unnest(v_tagged) as w
   where r.scope_id = p_scope_id and r.slot = w.slot;
  if v_set_slots <> '{}' then
    update tagd.tag t set value = w.value
      from unnest(v_set_slots, v_set_keys, v_set_values) as w (slot, key, value)
     where t.scope_id = p_scope_id and t.slot = w.slot and t.key = w.key;
  end if;
  if v_gone_slots <> '{}' then
    delete from tagd.tag t
     using unnest(v_gone_slots, v_gone_keys) as w (slot, key)
     where t.scope_id = p_scope_id and t.slot = w.slot and t.key = w.key;
  end if;
  perform tagd.turn_labels(p_scope_id, v_turns);
  return v_outcomes;
end
$$;

COMMENT ON FUNCTION tagd.write_tags(p_scope_id bigint, p_ids text[], p_modes smallint[], p_ends integer[], p_parts text[]) IS 'Writes tags of resources that differ, each by its mode: 0 puts tags, a key that is there gets the new value; 1 removes tags, a null value takes the key whatever its value; 2 makes these the tags. Write i has the parts (key, value, key, value ...) behind p_ends[i - 1] up to p_ends[i]. What came of each: null, done; unchanged, there was nothing to do; unknown, there is no such resource; quota COUNT QUOTA, it would have too many tags and stays as it was.';

CREATE AGGREGATE tagd.bits_of(integer, integer) (
    SFUNC = pg_catalog.set_bit,
    STYPE = bit,
    INITCOND = '0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'
);

COMMENT ON AGGREGATE tagd.bits_of(integer, integer) IS 'The bitmap of a block from positions in it, each given with 1.';

CREATE TABLE tagd.chunk (
    scope_id bigint NOT NULL,
    label_id bigint NOT NULL,
    block integer NOT NULL,
    hits integer NOT NULL,
    bits bit(16384) NOT NULL
)
WITH (fillfactor='70');
ALTER TABLE ONLY tagd.chunk ALTER COLUMN bits SET STORAGE MAIN;
ALTER TABLE ONLY tagd.chunk ALTER COLUMN bits SET COMPRESSION lz4;

COMMENT ON TABLE tagd.chunk IS 'The index of dense labels: which resources of a scope bear a label, 16,384 slots a row. A row with no bit set is left out.';

COMMENT ON COLUMN tagd.chunk.scope_id IS 'Scope of the label.';

COMMENT ON COLUMN tagd.chunk.label_id IS 'Label, one whose slots are null.';

COMMENT ON COLUMN tagd.chunk.block IS 'Slots block * 16384 to block * 16384 + 16383.';

COMMENT ON COLUMN tagd.chunk.hits IS 'How many bits are set.';

COMMENT ON COLUMN tagd.chunk.bits IS 'Bit i, counted from the left, stands for slot block * 16384 + i.';

CREATE TABLE tagd.label (
    scope_id bigint NOT NULL,
    label_id bigint NOT NULL,
    kind smallint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C",
    slots integer[]
)
WITH (fillfactor='90');

COMMENT ON TABLE tagd.label IS 'What a bitmap of the index stands for.';

COMMENT ON COLUMN tagd.label.scope_id IS 'Scope of the label.';

COMMENT ON COLUMN tagd.label.label_id IS 'Number of the label, by which a dense one has its chunks. Postgres hands it out, so no two labels have the same; no index has it.';

COMMENT ON COLUMN tagd.label.kind IS '0: every resource; 1: resources without a tag (system tags do not count); 2: resources with the key; 3: resources with key and value; 4: resources with the value as a word of their name.';

COMMENT ON COLUMN tagd.label.key IS 'Key; empty for the kinds 0, 1 and 4.';

COMMENT ON COLUMN tagd.label.value IS 'Value; empty for the kinds 0, 1 and 2; the word for kind 4.';

COMMENT ON COLUMN tagd.label.slots IS 'Slots of the resources that bear a sparse label, ascending, at most tagd.sparse_limit() of them; null for a dense label, whose slots are in tagd.chunk.';

CREATE VIEW tagd.bitmap AS
 SELECT c.scope_id,
    c.label_id,
    c.block,
    c.bits
   FROM tagd.chunk c
UNION ALL
 SELECT l.scope_id,
    l.label_id,
    (e.slot / 16384) AS block,
    tagd.bits_at(array_agg((e.slot % 16384))) AS bits
   FROM tagd.label l,
    LATERAL unnest(l.slots) e(slot)
  GROUP BY l.scope_id, l.label_id, (e.slot / 16384);

COMMENT ON VIEW tagd.bitmap IS 'The index in one form, whether a label is sparse or dense: 16,384 slots a row. tagd itself reads tagd.label and tagd.chunk.';

COMMENT ON COLUMN tagd.bitmap.scope_id IS 'Scope of the label.';

COMMENT ON COLUMN tagd.bitmap.label_id IS 'Label.';

COMMENT ON COLUMN tagd.bitmap.block IS 'Slots block * 16384 to block * 16384 + 16383.';

COMMENT ON COLUMN tagd.bitmap.bits IS 'Bit i, counted from the left, stands for slot block * 16384 + i.';

ALTER TABLE tagd.label ALTER COLUMN label_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tagd.label_label_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE tagd.name (
    scope_id bigint NOT NULL,
    slot integer NOT NULL,
    folded text NOT NULL COLLATE pg_catalog."C",
    words text[] DEFAULT '{}'::text[] NOT NULL COLLATE pg_catalog."C"
);

COMMENT ON TABLE tagd.name IS 'The names of the resources as they are searched: a narrow table beside the wide one, since a search may have to look at every name of a scope.';

COMMENT ON COLUMN tagd.name.scope_id IS 'Scope of the resource.';

COMMENT ON COLUMN tagd.name.slot IS 'Slot of the resource.';

COMMENT ON COLUMN tagd.name.folded IS 'resource_name in lower case, as domain::matching::fold makes it; empty if the resource has no name.';

COMMENT ON COLUMN tagd.name.words IS 'Words of the name by which the resource is in a label of kind 4; the grams within them are not in name_gram_idx.';

CREATE TABLE tagd.predefined_tag (
    domain_id text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C",
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE tagd.predefined_tag IS 'Tags that an account keeps ready for its resources. They are on no resource by that.';

COMMENT ON COLUMN tagd.predefined_tag.domain_id IS 'Account; empty where tagd knows no accounts.';

COMMENT ON COLUMN tagd.predefined_tag.key IS 'Key.';

COMMENT ON COLUMN tagd.predefined_tag.value IS 'Value; may be empty.';

COMMENT ON COLUMN tagd.predefined_tag.updated_at IS 'When the tag was last written.';

CREATE TABLE tagd.project (
    project_id text NOT NULL COLLATE pg_catalog."C",
    project_name text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    domain_id text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C"
);

COMMENT ON TABLE tagd.project IS 'A tenant: the owner of resources. A project that was deleted has no row; its scopes stay and are empty.';

COMMENT ON COLUMN tagd.project.project_id IS 'Identifier as it stands in request paths.';

COMMENT ON COLUMN tagd.project.project_name IS 'Display name; empty if none was given.';

COMMENT ON COLUMN tagd.project.domain_id IS 'Account that the project belongs to; empty if none was given.';

CREATE TABLE tagd.resource (
    scope_id bigint NOT NULL,
    slot integer NOT NULL,
    registered_at timestamp with time zone DEFAULT now() NOT NULL,
    resource_id text NOT NULL COLLATE pg_catalog."C",
    resource_name text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    tags text[] DEFAULT '{}'::text[] NOT NULL COLLATE pg_catalog."C",
    detail json
)
WITH (fillfactor='90');

COMMENT ON TABLE tagd.resource IS 'A resource of a scope.';

COMMENT ON COLUMN tagd.resource.scope_id IS 'Scope of the resource.';

COMMENT ON COLUMN tagd.resource.slot IS 'Position in the order of registration, from 0; its bit in every bitmap of the scope.';

COMMENT ON COLUMN tagd.resource.registered_at IS 'When tagd first heard of the resource. For people: the order of answers is that of slot.';

COMMENT ON COLUMN tagd.resource.resource_id IS 'Identifier, unique in the scope.';

COMMENT ON COLUMN tagd.resource.resource_name IS 'Display name; empty if it has none.';

COMMENT ON COLUMN tagd.resource.tags IS 'Copy of the resource''s rows in tagd.tag as key, value, key, value ... by key: one fetch answers a resource whole.';

COMMENT ON COLUMN tagd.resource.detail IS 'The owning service''s own JSON as it was sent, answered as resource_detail; null if there is none. Line breaks between its parts are spaces.';

CREATE TABLE tagd.resource_type (
    resource_type text NOT NULL COLLATE pg_catalog."C",
    service text NOT NULL COLLATE pg_catalog."C",
    regional boolean NOT NULL,
    tag_quota integer NOT NULL,
    alias_of text COLLATE pg_catalog."C",
    is_alias boolean GENERATED ALWAYS AS ((alias_of IS NOT NULL)) STORED,
    CONSTRAINT resource_type_service_check CHECK ((service = ANY (ARRAY['IMS'::text, 'DNS'::text, 'CTS'::text, 'TMS'::text]))),
    CONSTRAINT resource_type_tag_quota_check CHECK (((tag_quota >= 1) AND (tag_quota <= 1000)))
);

COMMENT ON TABLE tagd.resource_type IS 'A kind of resource, such as images or DNS-public_zone, or an alias of one.';

COMMENT ON COLUMN tagd.resource_type.resource_type IS 'Name as it stands in requests; case-sensitive.';

COMMENT ON COLUMN tagd.resource_type.service IS 'Service whose own API owns the type: IMS, DNS or CTS; TMS for those that only the cross-service API reaches.';

COMMENT ON COLUMN tagd.resource_type.regional IS 'True if a cross-service query must name the project, false if it may span all projects of a domain.';

COMMENT ON COLUMN tagd.resource_type.tag_quota IS 'Most tags that one resource may carry; system tags are not counted.';

COMMENT ON COLUMN tagd.resource_type.alias_of IS 'The type that this name is an alias of; null for a type. The rest of an alias repeats its type.';

COMMENT ON COLUMN tagd.resource_type.is_alias IS 'Whether the name is an alias: for the foreign key of tagd.scope.';

CREATE TABLE tagd.schema_history (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

COMMENT ON TABLE tagd.schema_history IS 'The migrations that were applied; kept by tagd migrate.';

COMMENT ON COLUMN tagd.schema_history.version IS 'Number of the migration.';

COMMENT ON COLUMN tagd.schema_history.name IS 'Purpose, from the name of its file.';

COMMENT ON COLUMN tagd.schema_history.applied_on IS 'When it was applied.';

COMMENT ON COLUMN tagd.schema_history.checksum IS 'Of its name, number and text: a file that was changed afterwards is refused.';

CREATE TABLE tagd.scope (
    scope_id bigint NOT NULL,
    project_id text NOT NULL COLLATE pg_catalog."C",
    resource_type text NOT NULL COLLATE pg_catalog."C",
    of_alias boolean DEFAULT false NOT NULL,
    CONSTRAINT scope_of_alias_check CHECK ((NOT of_alias))
);

COMMENT ON TABLE tagd.scope IS 'The resources of one type in one project: what a query runs over. A scope is never deleted, so its number may be remembered for ever.';

COMMENT ON COLUMN tagd.scope.scope_id IS 'Number of the scope.';

COMMENT ON COLUMN tagd.scope.project_id IS 'Project of the scope; without a row in tagd.project once the project was deleted.';

COMMENT ON COLUMN tagd.scope.resource_type IS 'Resource type of the scope.';

COMMENT ON COLUMN tagd.scope.of_alias IS 'Always false: with the foreign key it keeps scopes of aliases out.';

CREATE TABLE tagd.scope_counter (
    scope_id bigint NOT NULL,
    next_slot integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE tagd.scope_counter IS 'Hands out slots. Its row lock puts the registrations of one scope in line.';

COMMENT ON COLUMN tagd.scope_counter.scope_id IS 'Scope.';

COMMENT ON COLUMN tagd.scope_counter.next_slot IS 'Slot of the next resource that is registered. Slots are never used twice.';

ALTER TABLE tagd.scope ALTER COLUMN scope_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME tagd.scope_scope_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE tagd.tag (
    scope_id bigint NOT NULL,
    slot integer NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C"
);

COMMENT ON TABLE tagd.tag IS 'The tags of the resources: the truth that the index is made from.';

COMMENT ON COLUMN tagd.tag.scope_id IS 'Scope of the resource.';

COMMENT ON COLUMN tagd.tag.slot IS 'Slot of the resource.';

COMMENT ON COLUMN tagd.tag.key IS 'Key; one that starts with _sys_ makes it a system tag.';

COMMENT ON COLUMN tagd.tag.value IS 'Value; may be empty.';

INSERT INTO tagd.chunk VALUES
	(2, 4, 0, 200, B'1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
	(2, 9, 0, 180, B'0111111111011111111101111111110111111111011111111101111111110111111111011111111101111111110111111111011111111101111111110111111111011111111101111111110111111111011111111101111111110111111111011111111100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
	(2, 10, 0, 140, B'0111011101010111011101110111010101110111011101110101011101110111011101010111011101110111010101110111011101110101011101110111011101010111011101110111010101110111011101110101011101110111011101010111011100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000');

INSERT INTO tagd.label OVERRIDING SYSTEM VALUE VALUES
	(1, 1, 0, '', '', '{0,1,2,3,4}'),
	(1, 2, 2, 'app', '', '{0,1,2,3,4}'),
	(1, 3, 3, 'app', 'web', '{0,1,2,3,4}'),
	(2, 5, 1, '', '', '{10,20,40,50,70,80,100,110,130,140,160,170,190}'),
	(2, 6, 4, '', 'gateway', '{1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47,49,51,53,55,57,59,61,63,65,67,69,71,73,75,77,79,81,83,85,87,89,91,93,95,97,99,101,103,105,107,109,111,113,115,117,119,121,123,125,127,129,131,133,135,137,139,141,143,145,147,149,151,153,155,157,159,161,163,165,167,169,171,173,175,177,179,181,183,185,187,189,191,193,195,197,199}'),
	(2, 7, 2, '_sys_owner', '', '{0,7,14,21,28,35,42,49,56,63,70,77,84,91,98,105,112,119,126,133,140,147,154,161,168,175,182,189,196}'),
	(2, 8, 3, '_sys_owner', 'é', '{0,7,14,21,28,35,42,49,56,63,70,77,84,91,98,105,112,119,126,133,140,147,154,161,168,175,182,189,196}'),
	(2, 11, 3, 'env', 'test', '{4,8,12,16,24,28,32,36,44,48,52,56,64,68,72,76,84,88,92,96,104,108,112,116,124,128,132,136,144,148,152,156,164,168,172,176,184,188,192,196}'),
	(2, 12, 2, 'n', '', '{0,3,6,9,12,15,18,21,24,27,30,33,36,39,42,45,48,51,54,57,60,63,66,69,72,75,78,81,84,87,90,93,96,99,102,105,108,111,114,117,120,123,126,129,132,135,138,141,144,147,150,153,156,159,162,165,168,171,174,177,180,183,186,189,192,195,198}'),
	(2, 13, 3, 'n', '0', '{0,15,30,45,60,75,90,105,120,135,150,165,180,195}'),
	(2, 14, 3, 'n', '1', '{6,21,36,51,66,81,96,111,126,141,156,171,186}'),
	(2, 15, 3, 'n', '2', '{12,27,42,57,72,87,102,117,132,147,162,177,192}'),
	(2, 16, 3, 'n', '3', '{3,18,33,48,63,78,93,108,123,138,153,168,183,198}'),
	(2, 17, 3, 'n', '4', '{9,24,39,54,69,84,99,114,129,144,159,174,189}'),
	(3, 18, 0, '', '', '{0}'),
	(3, 19, 2, 'team', '', '{0}'),
	(3, 20, 3, 'team', 'dns', '{0}'),
	(4, 21, 0, '', '', '{0}'),
	(4, 22, 1, '', '', '{0}'),
	(2, 4, 0, '', '', NULL),
	(2, 9, 2, 'env', '', NULL),
	(2, 10, 3, 'env', 'prod', NULL);

INSERT INTO tagd.name VALUES
	(1, 0, 'db 0', '{}'),
	(1, 1, 'db 1', '{}'),
	(1, 2, 'db 2', '{}'),
	(1, 3, 'db 3', '{}'),
	(1, 4, 'db 4', '{}'),
	(2, 0, '', '{}'),
	(2, 1, 'gateway-1', '{gateway}'),
	(2, 2, '', '{}'),
	(2, 3, 'gateway-3', '{gateway}'),
	(2, 4, '', '{}'),
	(2, 5, 'gateway-5', '{gateway}'),
	(2, 6, '', '{}'),
	(2, 7, 'gateway-7', '{gateway}'),
	(2, 8, '', '{}'),
	(2, 9, 'gateway-9', '{gateway}'),
	(2, 10, '', '{}'),
	(2, 11, 'gateway-11', '{gateway}'),
	(2, 12, '', '{}'),
	(2, 13, 'gateway-13', '{gateway}'),
	(2, 14, '', '{}'),
	(2, 15, 'gateway-15', '{gateway}'),
	(2, 16, '', '{}'),
	(2, 17, 'gateway-17', '{gateway}'),
	(2, 18, '', '{}'),
	(2, 19, 'gateway-19', '{gateway}'),
	(2, 20, '', '{}'),
	(2, 21, 'gateway-21', '{gateway}'),
	(2, 22, '', '{}'),
	(2, 23, 'gateway-23', '{gateway}'),
	(2, 24, '', '{}'),
	(2, 25, 'gateway-25', '{gateway}'),
	(2, 26, '', '{}'),
	(2, 27, 'gateway-27', '{gateway}'),
	(2, 28, '', '{}'),
	(2, 29, 'gateway-29', '{gateway}'),
	(2, 30, '', '{}'),
	(2, 31, 'gateway-31', '{gateway}'),
	(2, 32, '', '{}'),
	(2, 33, 'gateway-33', '{gateway}'),
	(2, 34, '', '{}'),
	(2, 35, 'gateway-35', '{gateway}'),
	(2, 36, '', '{}'),
	(2, 37, 'gateway-37', '{gateway}'),
	(2, 38, '', '{}'),
	(2, 39, 'gateway-39', '{gateway}'),
	(2, 40, '', '{}'),
	(2, 41, 'gateway-41', '{gateway}'),
	(2, 42, '', '{}'),
	(2, 43, 'gateway-43', '{gateway}'),
	(2, 44, '', '{}');
INSERT INTO tagd.name VALUES
	(2, 45, 'gateway-45', '{gateway}'),
	(2, 46, '', '{}'),
	(2, 47, 'gateway-47', '{gateway}'),
	(2, 48, '', '{}'),
	(2, 49, 'gateway-49', '{gateway}'),
	(2, 50, '', '{}'),
	(2, 51, 'gateway-51', '{gateway}'),
	(2, 52, '', '{}'),
	(2, 53, 'gateway-53', '{gateway}'),
	(2, 54, '', '{}'),
	(2, 55, 'gateway-55', '{gateway}'),
	(2, 56, '', '{}'),
	(2, 57, 'gateway-57', '{gateway}'),
	(2, 58, '', '{}'),
	(2, 59, 'gateway-59', '{gateway}'),
	(2, 60, '', '{}'),
	(2, 61, 'gateway-61', '{gateway}'),
	(2, 62, '', '{}'),
	(2, 63, 'gateway-63', '{gateway}'),
	(2, 64, '', '{}'),
	(2, 65, 'gateway-65', '{gateway}'),
	(2, 66, '', '{}'),
	(2, 67, 'gateway-67', '{gateway}'),
	(2, 68, '', '{}'),
	(2, 69, 'gateway-69', '{gateway}'),
	(2, 70, '', '{}'),
	(2, 71, 'gateway-71', '{gateway}'),
	(2, 72, '', '{}'),
	(2, 73, 'gateway-73', '{gateway}'),
	(2, 74, '', '{}'),
	(2, 75, 'gateway-75', '{gateway}'),
	(2, 76, '', '{}'),
	(2, 77, 'gateway-77', '{gateway}'),
	(2, 78, '', '{}'),
	(2, 79, 'gateway-79', '{gateway}'),
	(2, 80, '', '{}'),
	(2, 81, 'gateway-81', '{gateway}'),
	(2, 82, '', '{}'),
	(2, 83, 'gateway-83', '{gateway}'),
	(2, 84, '', '{}'),
	(2, 85, 'gateway-85', '{gateway}'),
	(2, 86, '', '{}'),
	(2, 87, 'gateway-87', '{gateway}'),
	(2, 88, '', '{}'),
	(2, 89, 'gateway-89', '{gateway}'),
	(2, 90, '', '{}'),
	(2, 91, 'gateway-91', '{gateway}'),
	(2, 92, '', '{}'),
	(2, 93, 'gateway-93', '{gateway}'),
	(2, 94, '', '{}');
INSERT INTO tagd.name VALUES
	(2, 95, 'gateway-95', '{gateway}'),
	(2, 96, '', '{}'),
	(2, 97, 'gateway-97', '{gateway}'),
	(2, 98, '', '{}'),
	(2, 99, 'gateway-99', '{gateway}'),
	(2, 100, '', '{}'),
	(2, 101, 'gateway-101', '{gateway}'),
	(2, 102, '', '{}'),
	(2, 103, 'gateway-103', '{gateway}'),
	(2, 104, '', '{}'),
	(2, 105, 'gateway-105', '{gateway}'),
	(2, 106, '', '{}'),
	(2, 107, 'gateway-107', '{gateway}'),
	(2, 108, '', '{}'),
	(2, 109, 'gateway-109', '{gateway}'),
	(2, 110, '', '{}'),
	(2, 111, 'gateway-111', '{gateway}'),
	(2, 112, '', '{}'),
	(2, 113, 'gateway-113', '{gateway}'),
	(2, 114, '', '{}'),
	(2, 115, 'gateway-115', '{gateway}'),
	(2, 116, '', '{}'),
	(2, 117, 'gateway-117', '{gateway}'),
	(2, 118, '', '{}'),
	(2, 119, 'gateway-119', '{gateway}'),
	(2, 120, '', '{}'),
	(2, 121, 'gateway-121', '{gateway}'),
	(2, 122, '', '{}'),
	(2, 123, 'gateway-123', '{gateway}'),
	(2, 124, '', '{}'),
	(2, 125, 'gateway-125', '{gateway}'),
	(2, 126, '', '{}'),
	(2, 127, 'gateway-127', '{gateway}'),
	(2, 128, '', '{}'),
	(2, 129, 'gateway-129', '{gateway}'),
	(2, 130, '', '{}'),
	(2, 131, 'gateway-131', '{gateway}'),
	(2, 132, '', '{}'),
	(2, 133, 'gateway-133', '{gateway}'),
	(2, 134, '', '{}'),
	(2, 135, 'gateway-135', '{gateway}'),
	(2, 136, '', '{}'),
	(2, 137, 'gateway-137', '{gateway}'),
	(2, 138, '', '{}'),
	(2, 139, 'gateway-139', '{gateway}'),
	(2, 140, '', '{}'),
	(2, 141, 'gateway-141', '{gateway}'),
	(2, 142, '', '{}'),
	(2, 143, 'gateway-143', '{gateway}'),
	(2, 144, '', '{}');
INSERT INTO tagd.name VALUES
	(2, 145, 'gateway-145', '{gateway}'),
	(2, 146, '', '{}'),
	(2, 147, 'gateway-147', '{gateway}'),
	(2, 148, '', '{}'),
	(2, 149, 'gateway-149', '{gateway}'),
	(2, 150, '', '{}'),
	(2, 151, 'gateway-151', '{gateway}'),
	(2, 152, '', '{}'),
	(2, 153, 'gateway-153', '{gateway}'),
	(2, 154, '', '{}'),
	(2, 155, 'gateway-155', '{gateway}'),
	(2, 156, '', '{}'),
	(2, 157, 'gateway-157', '{gateway}'),
	(2, 158, '', '{}'),
	(2, 159, 'gateway-159', '{gateway}'),
	(2, 160, '', '{}'),
	(2, 161, 'gateway-161', '{gateway}'),
	(2, 162, '', '{}'),
	(2, 163, 'gateway-163', '{gateway}'),
	(2, 164, '', '{}'),
	(2, 165, 'gateway-165', '{gateway}'),
	(2, 166, '', '{}'),
	(2, 167, 'gateway-167', '{gateway}'),
	(2, 168, '', '{}'),
	(2, 169, 'gateway-169', '{gateway}'),
	(2, 170, '', '{}'),
	(2, 171, 'gateway-171', '{gateway}'),
	(2, 172, '', '{}'),
	(2, 173, 'gateway-173', '{gateway}'),
	(2, 174, '', '{}'),
	(2, 175, 'gateway-175', '{gateway}'),
	(2, 176, '', '{}'),
	(2, 177, 'gateway-177', '{gateway}'),
	(2, 178, '', '{}'),
	(2, 179, 'gateway-179', '{gateway}'),
	(2, 180, '', '{}'),
	(2, 181, 'gateway-181', '{gateway}'),
	(2, 182, '', '{}'),
	(2, 183, 'gateway-183', '{gateway}'),
	(2, 184, '', '{}'),
	(2, 185, 'gateway-185', '{gateway}'),
	(2, 186, '', '{}'),
	(2, 187, 'gateway-187', '{gateway}'),
	(2, 188, '', '{}'),
	(2, 189, 'gateway-189', '{gateway}'),
	(2, 190, '', '{}'),
	(2, 191, 'gateway-191', '{gateway}'),
	(2, 192, '', '{}'),
	(2, 193, 'gateway-193', '{gateway}'),
	(2, 194, '', '{}');
INSERT INTO tagd.name VALUES
	(2, 195, 'gateway-195', '{gateway}'),
	(2, 196, '', '{}'),
	(2, 197, 'gateway-197', '{gateway}'),
	(2, 198, '', '{}'),
	(2, 199, 'gateway-199', '{gateway}'),
	(3, 0, 'zone.example.', '{}'),
	(4, 0, '', '{}');

INSERT INTO tagd.project VALUES
	('p', '', ''),
	('q', '', '');

INSERT INTO tagd.resource VALUES
	(1, 0, '2026-11-29 15:54:16.623854+00', 'e0', 'db 0', '{app,web}', NULL),
	(1, 1, '2026-11-29 15:54:16.623854+00', 'e1', 'db 1', '{app,web}', NULL),
	(1, 2, '2026-11-29 15:54:16.623854+00', 'e2', 'db 2', '{app,web}', NULL),
	(1, 3, '2026-11-29 15:54:16.623854+00', 'e3', 'db 3', '{app,web}', NULL),
	(1, 4, '2026-11-29 15:54:16.623854+00', 'e4', 'db 4', '{app,web}', NULL),
	(2, 0, '2026-11-29 15:54:16.623854+00', 'r0', '', '{_sys_owner,é,n,0}', '{"a": [0, "x"]}'),
	(2, 1, '2026-11-29 15:54:16.623854+00', 'r1', 'gateway-1', '{env,prod}', NULL),
	(2, 2, '2026-11-29 15:54:16.623854+00', 'r2', '', '{env,prod}', NULL),
	(2, 3, '2026-11-29 15:54:16.623854+00', 'r3', 'gateway-3', '{env,prod,n,3}', NULL),
	(2, 4, '2026-11-29 15:54:16.623854+00', 'r4', '', '{env,test}', NULL),
	(2, 5, '2026-11-29 15:54:16.623854+00', 'r5', 'gateway-5', '{env,prod}', NULL),
	(2, 6, '2026-11-29 15:54:16.623854+00', 'r6', '', '{env,prod,n,1}', NULL),
	(2, 7, '2026-11-29 15:54:16.623854+00', 'r7', 'gateway-7', '{_sys_owner,é,env,prod}', NULL),
	(2, 8, '2026-11-29 15:54:16.623854+00', 'r8', '', '{env,test}', NULL),
	(2, 9, '2026-11-29 15:54:16.623854+00', 'r9', 'gateway-9', '{env,prod,n,4}', NULL),
	(2, 10, '2026-11-29 15:54:16.623854+00', 'r10', '', '{}', NULL),
	(2, 11, '2026-11-29 15:54:16.623854+00', 'r11', 'gateway-11', '{env,prod}', NULL),
	(2, 12, '2026-11-29 15:54:16.623854+00', 'r12', '', '{env,test,n,2}', NULL),
	(2, 13, '2026-11-29 15:54:16.623854+00', 'r13', 'gateway-13', '{env,prod}', NULL),
	(2, 14, '2026-11-29 15:54:16.623854+00', 'r14', '', '{_sys_owner,é,env,prod}', NULL),
	(2, 15, '2026-11-29 15:54:16.623854+00', 'r15', 'gateway-15', '{env,prod,n,0}', NULL),
	(2, 16, '2026-11-29 15:54:16.623854+00', 'r16', '', '{env,test}', NULL),
	(2, 17, '2026-11-29 15:54:16.623854+00', 'r17', 'gateway-17', '{env,prod}', NULL),
	(2, 18, '2026-11-29 15:54:16.623854+00', 'r18', '', '{env,prod,n,3}', NULL),
	(2, 19, '2026-11-29 15:54:16.623854+00', 'r19', 'gateway-19', '{env,prod}', NULL),
	(2, 20, '2026-11-29 15:54:16.623854+00', 'r20', '', '{}', '{"a": [20, "x"]}'),
	(2, 21, '2026-11-29 15:54:16.623854+00', 'r21', 'gateway-21', '{_sys_owner,é,env,prod,n,1}', NULL),
	(2, 22, '2026-11-29 15:54:16.623854+00', 'r22', '', '{env,prod}', NULL),
	(2, 23, '2026-11-29 15:54:16.623854+00', 'r23', 'gateway-23', '{env,prod}', NULL),
	(2, 24, '2026-11-29 15:54:16.623854+00', 'r24', '', '{env,test,n,4}', NULL),
	(2, 25, '2026-11-29 15:54:16.623854+00', 'r25', 'gateway-25', '{env,prod}', NULL),
	(2, 26, '2026-11-29 15:54:16.623854+00', 'r26', '', '{env,prod}', NULL),
	(2, 27, '2026-11-29 15:54:16.623854+00', 'r27', 'gateway-27', '{env,prod,n,2}', NULL),
	(2, 28, '2026-11-29 15:54:16.623854+00', 'r28', '', '{_sys_owner,é,env,test}', NULL),
	(2, 29, '2026-11-29 15:54:16.623854+00', 'r29', 'gateway-29', '{env,prod}', NULL),
	(2, 30, '2026-11-29 15:54:16.623854+00', 'r30', '', '{n,0}', NULL),
	(2, 31, '2026-11-29 15:54:16.623854+00', 'r31', 'gateway-31', '{env,prod}', NULL),
	(2, 32, '2026-11-29 15:54:16.623854+00', 'r32', '', '{env,test}', NULL),
	(2, 33, '2026-11-29 15:54:16.623854+00', 'r33', 'gateway-33', '{env,prod,n,3}', NULL),
	(2, 34, '2026-11-29 15:54:16.623854+00', 'r34', '', '{env,prod}', NULL),
	(2, 35, '2026-11-29 15:54:16.623854+00', 'r35', 'gateway-35', '{_sys_owner,é,env,prod}', NULL),
	(2, 36, '2026-11-29 15:54:16.623854+00', 'r36', '', '{env,test,n,1}', NULL),
	(2, 37, '2026-11-29 15:54:16.623854+00', 'r37', 'gateway-37', '{env,prod}', NULL),
	(2, 38, '2026-11-29 15:54:16.623854+00', 'r38', '', '{env,prod}', NULL),
	(2, 39, '2026-11-29 15:54:16.623854+00', 'r39', 'gateway-39', '{env,prod,n,4}', NULL),
	(2, 40, '2026-11-29 15:54:16.623854+00', 'r40', '', '{}', '{"a": [40, "x"]}'),
	(2, 41, '2026-11-29 15:54:16.623854+00', 'r41', 'gateway-41', '{env,prod}', NULL),
	(2, 42, '2026-11-29 15:54:16.623854+00', 'r42', '', '{_sys_owner,é,env,prod,n,2}', NULL),
	(2, 43, '2026-11-29 15:54:16.623854+00', 'r43', 'gateway-43', '{env,prod}', NULL),
	(2, 44, '2026-11-29 15:54:16.623854+00', 'r44', '', '{env,test}', NULL);
INSERT INTO tagd.resource VALUES
	(2, 45, '2026-11-29 15:54:16.623854+00', 'r45', 'gateway-45', '{env,prod,n,0}', NULL),
	(2, 46, '2026-11-29 15:54:16.623854+00', 'r46', '', '{env,prod}', NULL),
	(2, 47, '2026-11-29 15:54:16.623854+00', 'r47', 'gateway-47', '{env,prod}', NULL),
	(2, 48, '2026-11-29 15:54:16.623854+00', 'r48', '', '{env,test,n,3}', NULL),
	(2, 49, '2026-11-29 15:54:16.623854+00', 'r49', 'gateway-49', '{_sys_owner,é,env,prod}', NULL),
	(2, 50, '2026-11-29 15:54:16.623854+00', 'r50', '', '{}', NULL),
	(2, 51, '2026-11-29 15:54:16.623854+00', 'r51', 'gateway-51', '{env,prod,n,1}', NULL),
	(2, 52, '2026-11-29 15:54:16.623854+00', 'r52', '', '{env,test}', NULL),
	(2, 53, '2026-11-29 15:54:16.623854+00', 'r53', 'gateway-53', '{env,prod}', NULL),
	(2, 54, '2026-11-29 15:54:16.623854+00', 'r54', '', '{env,prod,n,4}', NULL),
	(2, 55, '2026-11-29 15:54:16.623854+00', 'r55', 'gateway-55', '{env,prod}', NULL),
	(2, 56, '2026-11-29 15:54:16.623854+00', 'r56', '', '{_sys_owner,é,env,test}', NULL),
	(2, 57, '2026-11-29 15:54:16.623854+00', 'r57', 'gateway-57', '{env,prod,n,2}', NULL),
	(2, 58, '2026-11-29 15:54:16.623854+00', 'r58', '', '{env,prod}', NULL),
	(2, 59, '2026-11-29 15:54:16.623854+00', 'r59', 'gateway-59', '{env,prod}', NULL),
	(2, 60, '2026-11-29 15:54:16.623854+00', 'r60', '', '{n,0}', '{"a": [60, "x"]}'),
	(2, 61, '2026-11-29 15:54:16.623854+00', 'r61', 'gateway-61', '{env,prod}', NULL),
	(2, 62, '2026-11-29 15:54:16.623854+00', 'r62', '', '{env,prod}', NULL),
	(2, 63, '2026-11-29 15:54:16.623854+00', 'r63', 'gateway-63', '{_sys_owner,é,env,prod,n,3}', NULL),
	(2, 64, '2026-11-29 15:54:16.623854+00', 'r64', '', '{env,test}', NULL),
	(2, 65, '2026-11-29 15:54:16.623854+00', 'r65', 'gateway-65', '{env,prod}', NULL),
	(2, 66, '2026-11-29 15:54:16.623854+00', 'r66', '', '{env,prod,n,1}', NULL),
	(2, 67, '2026-11-29 15:54:16.623854+00', 'r67', 'gateway-67', '{env,prod}', NULL),
	(2, 68, '2026-11-29 15:54:16.623854+00', 'r68', '', '{env,test}', NULL),
	(2, 69, '2026-11-29 15:54:16.623854+00', 'r69', 'gateway-69', '{env,prod,n,4}', NULL),
	(2, 70, '2026-11-29 15:54:16.623854+00', 'r70', '', '{_sys_owner,é}', NULL),
	(2, 71, '2026-11-29 15:54:16.623854+00', 'r71', 'gateway-71', '{env,prod}', NULL),
	(2, 72, '2026-11-29 15:54:16.623854+00', 'r72', '', '{env,test,n,2}', NULL),
	(2, 73, '2026-11-29 15:54:16.623854+00', 'r73', 'gateway-73', '{env,prod}', NULL),
	(2, 74, '2026-11-29 15:54:16.623854+00', 'r74', '', '{env,prod}', NULL),
	(2, 75, '2026-11-29 15:54:16.623854+00', 'r75', 'gateway-75', '{env,prod,n,0}', NULL),
	(2, 76, '2026-11-29 15:54:16.623854+00', 'r76', '', '{env,test}', NULL),
	(2, 77, '2026-11-29 15:54:16.623854+00', 'r77', 'gateway-77', '{_sys_owner,é,env,prod}', NULL),
	(2, 78, '2026-11-29 15:54:16.623854+00', 'r78', '', '{env,prod,n,3}', NULL),
	(2, 79, '2026-11-29 15:54:16.623854+00', 'r79', 'gateway-79', '{env,prod}', NULL),
	(2, 80, '2026-11-29 15:54:16.623854+00', 'r80', '', '{}', '{"a": [80, "x"]}'),
	(2, 81, '2026-11-29 15:54:16.623854+00', 'r81', 'gateway-81', '{env,prod,n,1}', NULL),
	(2, 82, '2026-11-29 15:54:16.623854+00', 'r82', '', '{env,prod}', NULL),
	(2, 83, '2026-11-29 15:54:16.623854+00', 'r83', 'gateway-83', '{env,prod}', NULL),
	(2, 84, '2026-11-29 15:54:16.623854+00', 'r84', '', '{_sys_owner,é,env,test,n,4}', NULL),
	(2, 85, '2026-11-29 15:54:16.623854+00', 'r85', 'gateway-85', '{env,prod}', NULL),
	(2, 86, '2026-11-29 15:54:16.623854+00', 'r86', '', '{env,prod}', NULL),
	(2, 87, '2026-11-29 15:54:16.623854+00', 'r87', 'gateway-87', '{env,prod,n,2}', NULL),
	(2, 88, '2026-11-29 15:54:16.623854+00', 'r88', '', '{env,test}', NULL),
	(2, 89, '2026-11-29 15:54:16.623854+00', 'r89', 'gateway-89', '{env,prod}', NULL),
	(2, 90, '2026-11-29 15:54:16.623854+00', 'r90', '', '{n,0}', NULL),
	(2, 91, '2026-11-29 15:54:16.623854+00', 'r91', 'gateway-91', '{_sys_owner,é,env,prod}', NULL),
	(2, 92, '2026-11-29 15:54:16.623854+00', 'r92', '', '{env,test}', NULL),
	(2, 93, '2026-11-29 15:54:16.623854+00', 'r93', 'gateway-93', '{env,prod,n,3}', NULL),
	(2, 94, '2026-11-29 15:54:16.623854+00', 'r94', '', '{env,prod}', NULL);
INSERT INTO tagd.resource VALUES
	(2, 95, '2026-11-29 15:54:16.623854+00', 'r95', 'gateway-95', '{env,prod}', NULL),
	(2, 96, '2026-11-29 15:54:16.623854+00', 'r96', '', '{env,test,n,1}', NULL),
	(2, 97, '2026-11-29 15:54:16.623854+00', 'r97', 'gateway-97', '{env,prod}', NULL),
	(2, 98, '2026-11-29 15:54:16.623854+00', 'r98', '', '{_sys_owner,é,env,prod}', NULL),
	(2, 99, '2026-11-29 15:54:16.623854+00', 'r99', 'gateway-99', '{env,prod,n,4}', NULL),
	(2, 100, '2026-11-29 15:54:16.623854+00', 'r100', '', '{}', '{"a": [100, "x"]}'),
	(2, 101, '2026-11-29 15:54:16.623854+00', 'r101', 'gateway-101', '{env,prod}', NULL),
	(2, 102, '2026-11-29 15:54:16.623854+00', 'r102', '', '{env,prod,n,2}', NULL),
	(2, 103, '2026-11-29 15:54:16.623854+00', 'r103', 'gateway-103', '{env,prod}', NULL),
	(2, 104, '2026-11-29 15:54:16.623854+00', 'r104', '', '{env,test}', NULL),
	(2, 105, '2026-11-29 15:54:16.623854+00', 'r105', 'gateway-105', '{_sys_owner,é,env,prod,n,0}', NULL),
	(2, 106, '2026-11-29 15:54:16.623854+00', 'r106', '', '{env,prod}', NULL),
	(2, 107, '2026-11-29 15:54:16.623854+00', 'r107', 'gateway-107', '{env,prod}', NULL),
	(2, 108, '2026-11-29 15:54:16.623854+00', 'r108', '', '{env,test,n,3}', NULL),
	(2, 109, '2026-11-29 15:54:16.623854+00', 'r109', 'gateway-109', '{env,prod}', NULL),
	(2, 110, '2026-11-29 15:54:16.623854+00', 'r110', '', '{}', NULL),
	(2, 111, '2026-11-29 15:54:16.623854+00', 'r111', 'gateway-111', '{env,prod,n,1}', NULL),
	(2, 112, '2026-11-29 15:54:16.623854+00', 'r112', '', '{_sys_owner,é,env,test}', NULL),
	(2, 113, '2026-11-29 15:54:16.623854+00', 'r113', 'gateway-113', '{env,prod}', NULL),
	(2, 114, '2026-11-29 15:54:16.623854+00', 'r114', '', '{env,prod,n,4}', NULL),
	(2, 115, '2026-11-29 15:54:16.623854+00', 'r115', 'gateway-115', '{env,prod}', NULL),
	(2, 116, '2026-11-29 15:54:16.623854+00', 'r116', '', '{env,test}', NULL),
	(2, 117, '2026-11-29 15:54:16.623854+00', 'r117', 'gateway-117', '{env,prod,n,2}', NULL),
	(2, 118, '2026-11-29 15:54:16.623854+00', 'r118', '', '{env,prod}', NULL),
	(2, 119, '2026-11-29 15:54:16.623854+00', 'r119', 'gateway-119', '{_sys_owner,é,env,prod}', NULL),
	(2, 120, '2026-11-29 15:54:16.623854+00', 'r120', '', '{n,0}', '{"a": [120, "x"]}'),
	(2, 121, '2026-11-29 15:54:16.623854+00', 'r121', 'gateway-121', '{env,prod}', NULL),
	(2, 122, '2026-11-29 15:54:16.623854+00', 'r122', '', '{env,prod}', NULL),
	(2, 123, '2026-11-29 15:54:16.623854+00', 'r123', 'gateway-123', '{env,prod,n,3}', NULL),
	(2, 124, '2026-11-29 15:54:16.623854+00', 'r124', '', '{env,test}', NULL),
	(2, 125, '2026-11-29 15:54:16.623854+00', 'r125', 'gateway-125', '{env,prod}', NULL),
	(2, 126, '2026-11-29 15:54:16.623854+00', 'r126', '', '{_sys_owner,é,env,prod,n,1}', NULL),
	(2, 127, '2026-11-29 15:54:16.623854+00', 'r127', 'gateway-127', '{env,prod}', NULL),
	(2, 128, '2026-11-29 15:54:16.623854+00', 'r128', '', '{env,test}', NULL),
	(2, 129, '2026-11-29 15:54:16.623854+00', 'r129', 'gateway-129', '{env,prod,n,4}', NULL),
	(2, 130, '2026-11-29 15:54:16.623854+00', 'r130', '', '{}', NULL),
	(2, 131, '2026-11-29 15:54:16.623854+00', 'r131', 'gateway-131', '{env,prod}', NULL),
	(2, 132, '2026-11-29 15:54:16.623854+00', 'r132', '', '{env,test,n,2}', NULL),
	(2, 133, '2026-11-29 15:54:16.623854+00', 'r133', 'gateway-133', '{_sys_owner,é,env,prod}', NULL),
	(2, 134, '2026-11-29 15:54:16.623854+00', 'r134', '', '{env,prod}', NULL),
	(2, 135, '2026-11-29 15:54:16.623854+00', 'r135', 'gateway-135', '{env,prod,n,0}', NULL),
	(2, 136, '2026-11-29 15:54:16.623854+00', 'r136', '', '{env,test}', NULL),
	(2, 137, '2026-11-29 15:54:16.623854+00', 'r137', 'gateway-137', '{env,prod}', NULL),
	(2, 138, '2026-11-29 15:54:16.623854+00', 'r138', '', '{env,prod,n,3}', NULL),
	(2, 139, '2026-11-29 15:54:16.623854+00', 'r139', 'gateway-139', '{env,prod}', NULL),
	(2, 140, '2026-11-29 15:54:16.623854+00', 'r140', '', '{_sys_owner,é}', '{"a": [140, "x"]}'),
	(2, 141, '2026-11-29 15:54:16.623854+00', 'r141', 'gateway-141', '{env,prod,n,1}', NULL),
	(2, 142, '2026-11-29 15:54:16.623854+00', 'r142', '', '{env,prod}', NULL),
	(2, 143, '2026-11-29 15:54:16.623854+00', 'r143', 'gateway-143', '{env,prod}', NULL),
	(2, 144, '2026-11-29 15:54:16.623854+00', 'r144', '', '{env,test,n,4}', NULL);
INSERT INTO tagd.resource VALUES
	(2, 145, '2026-11-29 15:54:16.623854+00', 'r145', 'gateway-145', '{env,prod}', NULL),
	(2, 146, '2026-11-29 15:54:16.623854+00', 'r146', '', '{env,prod}', NULL),
	(2, 147, '2026-11-29 15:54:16.623854+00', 'r147', 'gateway-147', '{_sys_owner,é,env,prod,n,2}', NULL),
	(2, 148, '2026-11-29 15:54:16.623854+00', 'r148', '', '{env,test}', NULL),
	(2, 149, '2026-11-29 15:54:16.623854+00', 'r149', 'gateway-149', '{env,prod}', NULL),
	(2, 150, '2026-11-29 15:54:16.623854+00', 'r150', '', '{n,0}', NULL),
	(2, 151, '2026-11-29 15:54:16.623854+00', 'r151', 'gateway-151', '{env,prod}', NULL),
	(2, 152, '2026-11-29 15:54:16.623854+00', 'r152', '', '{env,test}', NULL),
	(2, 153, '2026-11-29 15:54:16.623854+00', 'r153', 'gateway-153', '{env,prod,n,3}', NULL),
	(2, 154, '2026-11-29 15:54:16.623854+00', 'r154', '', '{_sys_owner,é,env,prod}', NULL),
	(2, 155, '2026-11-29 15:54:16.623854+00', 'r155', 'gateway-155', '{env,prod}', NULL),
	(2, 156, '2026-11-29 15:54:16.623854+00', 'r156', '', '{env,test,n,1}', NULL),
	(2, 157, '2026-11-29 15:54:16.623854+00', 'r157', 'gateway-157', '{env,prod}', NULL),
	(2, 158, '2026-11-29 15:54:16.623854+00', 'r158', '', '{env,prod}', NULL),
	(2, 159, '2026-11-29 15:54:16.623854+00', 'r159', 'gateway-159', '{env,prod,n,4}', NULL),
	(2, 160, '2026-11-29 15:54:16.623854+00', 'r160', '', '{}', '{"a": [160, "x"]}'),
	(2, 161, '2026-11-29 15:54:16.623854+00', 'r161', 'gateway-161', '{_sys_owner,é,env,prod}', NULL),
	(2, 162, '2026-11-29 15:54:16.623854+00', 'r162', '', '{env,prod,n,2}', NULL),
	(2, 163, '2026-11-29 15:54:16.623854+00', 'r163', 'gateway-163', '{env,prod}', NULL),
	(2, 164, '2026-11-29 15:54:16.623854+00', 'r164', '', '{env,test}', NULL),
	(2, 165, '2026-11-29 15:54:16.623854+00', 'r165', 'gateway-165', '{env,prod,n,0}', NULL),
	(2, 166, '2026-11-29 15:54:16.623854+00', 'r166', '', '{env,prod}', NULL),
	(2, 167, '2026-11-29 15:54:16.623854+00', 'r167', 'gateway-167', '{env,prod}', NULL),
	(2, 168, '2026-11-29 15:54:16.623854+00', 'r168', '', '{_sys_owner,é,env,test,n,3}', NULL),
	(2, 169, '2026-11-29 15:54:16.623854+00', 'r169', 'gateway-169', '{env,prod}', NULL),
	(2, 170, '2026-11-29 15:54:16.623854+00', 'r170', '', '{}', NULL),
	(2, 171, '2026-11-29 15:54:16.623854+00', 'r171', 'gateway-171', '{env,prod,n,1}', NULL),
	(2, 172, '2026-11-29 15:54:16.623854+00', 'r172', '', '{env,test}', NULL),
	(2, 173, '2026-11-29 15:54:16.623854+00', 'r173', 'gateway-173', '{env,prod}', NULL),
	(2, 174, '2026-11-29 15:54:16.623854+00', 'r174', '', '{env,prod,n,4}', NULL),
	(2, 175, '2026-11-29 15:54:16.623854+00', 'r175', 'gateway-175', '{_sys_owner,é,env,prod}', NULL),
	(2, 176, '2026-11-29 15:54:16.623854+00', 'r176', '', '{env,test}', NULL),
	(2, 177, '2026-11-29 15:54:16.623854+00', 'r177', 'gateway-177', '{env,prod,n,2}', NULL),
	(2, 178, '2026-11-29 15:54:16.623854+00', 'r178', '', '{env,prod}', NULL),
	(2, 179, '2026-11-29 15:54:16.623854+00', 'r179', 'gateway-179', '{env,prod}', NULL),
	(2, 180, '2026-11-29 15:54:16.623854+00', 'r180', '', '{n,0}', '{"a": [180, "x"]}'),
	(2, 181, '2026-11-29 15:54:16.623854+00', 'r181', 'gateway-181', '{env,prod}', NULL),
	(2, 182, '2026-11-29 15:54:16.623854+00', 'r182', '', '{_sys_owner,é,env,prod}', NULL),
	(2, 183, '2026-11-29 15:54:16.623854+00', 'r183', 'gateway-183', '{env,prod,n,3}', NULL),
	(2, 184, '2026-11-29 15:54:16.623854+00', 'r184', '', '{env,test}', NULL),
	(2, 185, '2026-11-29 15:54:16.623854+00', 'r185', 'gateway-185', '{env,prod}', NULL),
	(2, 186, '2026-11-29 15:54:16.623854+00', 'r186', '', '{env,prod,n,1}', NULL),
	(2, 187, '2026-11-29 15:54:16.623854+00', 'r187', 'gateway-187', '{env,prod}', NULL),
	(2, 188, '2026-11-29 15:54:16.623854+00', 'r188', '', '{env,test}', NULL),
	(2, 189, '2026-11-29 15:54:16.623854+00', 'r189', 'gateway-189', '{_sys_owner,é,env,prod,n,4}', NULL),
	(2, 190, '2026-11-29 15:54:16.623854+00', 'r190', '', '{}', NULL),
	(2, 191, '2026-11-29 15:54:16.623854+00', 'r191', 'gateway-191', '{env,prod}', NULL),
	(2, 192, '2026-11-29 15:54:16.623854+00', 'r192', '', '{env,test,n,2}', NULL),
	(2, 193, '2026-11-29 15:54:16.623854+00', 'r193', 'gateway-193', '{env,prod}', NULL),
	(2, 194, '2026-11-29 15:54:16.623854+00', 'r194', '', '{env,prod}', NULL);
INSERT INTO tagd.resource VALUES
	(2, 195, '2026-11-29 15:54:16.623854+00', 'r195', 'gateway-195', '{env,prod,n,0}', NULL),
	(2, 196, '2026-11-29 15:54:16.623854+00', 'r196', '', '{_sys_owner,é,env,test}', NULL),
	(2, 197, '2026-11-29 15:54:16.623854+00', 'r197', 'gateway-197', '{env,prod}', NULL),
	(2, 198, '2026-11-29 15:54:16.623854+00', 'r198', '', '{env,prod,n,3}', NULL),
	(2, 199, '2026-11-29 15:54:16.623854+00', 'r199', 'gateway-199', '{env,prod}', NULL),
	(3, 0, '2026-11-29 15:54:16.623854+00', 'z', 'Zone.Example.', '{team,dns}', NULL),
	(4, 0, '2026-11-29 15:54:16.623854+00', 'c', '', '{}', NULL);

INSERT INTO tagd.resource_type VALUES
	('images', 'IMS', true, 10, NULL, DEFAULT),
	('DNS-public_zone', 'DNS', true, 20, NULL, DEFAULT),
	('DNS-private_zone', 'DNS', true, 20, NULL, DEFAULT),
	('DNS-public_recordset', 'DNS', true, 20, NULL, DEFAULT),
	('DNS-private_recordset', 'DNS', true, 20, NULL, DEFAULT),
	('DNS-ptr_record', 'DNS', true, 20, NULL, DEFAULT),
	('cts-tracker', 'CTS', true, 20, NULL, DEFAULT),
	('ecs', 'TMS', true, 20, NULL, DEFAULT),
	('scaling_group', 'TMS', true, 20, NULL, DEFAULT),
	('disk', 'TMS', true, 20, NULL, DEFAULT),
	('vpcs', 'TMS', true, 20, NULL, DEFAULT),
	('security-groups', 'TMS', true, 20, NULL, DEFAULT),
	('shared_bandwidth', 'TMS', true, 20, NULL, DEFAULT),
	('eip', 'TMS', true, 20, NULL, DEFAULT),
	('cdn', 'TMS', false, 20, NULL, DEFAULT),
	('loadbalancers', 'TMS', true, 20, NULL, DEFAULT),
	('DNS_public_zone', 'DNS', true, 20, 'DNS-public_zone', DEFAULT),
	('DNS_private_zone', 'DNS', true, 20, 'DNS-private_zone', DEFAULT),
	('DNS_public_recordset', 'DNS', true, 20, 'DNS-public_recordset', DEFAULT),
	('DNS_private_recordset', 'DNS', true, 20, 'DNS-private_recordset', DEFAULT),
	('DNS_ptr_record', 'DNS', true, 20, 'DNS-ptr_record', DEFAULT),
	('private_image', 'IMS', true, 10, 'images', DEFAULT),
	('vpc', 'TMS', true, 20, 'vpcs', DEFAULT),
	('elb', 'TMS', true, 20, 'loadbalancers', DEFAULT);

INSERT INTO tagd.schema_history VALUES
	(1, 'tables', '2026-11-29T15:54:14.978044654Z', '7627468443800856070'),
	(2, 'write_functions', '2026-11-29T15:54:15.13832923Z', '8714098463183563157'),
	(3, 'import_functions', '2026-11-29T15:54:15.156572916Z', '2866840428588892495'),
	(4, 'index_functions', '2026-11-29T15:54:15.159169362Z', '12193103753299836743'),
	(5, 'roles', '2026-11-29T15:54:15.180209955Z', '2317959186310929309'),
	(6, 'tag_operations', '2026-11-29T15:54:15.193717454Z', '10157135546342853882'),
	(7, 'registry', '2026-11-29T15:54:15.224934927Z', '2179001676540970379'),
	(8, 'sparse_labels', '2026-11-29T15:54:15.262127612Z', '11108622273142237742'),
	(9, 'names', '2026-11-29T15:54:15.334138933Z', '9895275168816343250'),
	(10, 'writes_together', '2026-11-29T15:54:15.380648806Z', '10544561998326788929'),
	(11, 'values', '2026-11-29T15:54:15.421760284Z', '17496355772857700674'),
	(12, 'names_across_words', '2026-11-29T15:54:15.454044537Z', '13750650822728175280'),
	(13, 'labels_by_name', '2026-11-29T15:54:15.488770751Z', '8293585703508704475'),
	(14, 'names_by_one_index', '2026-11-29T15:54:15.534692561Z', '6249314480480379281'),
	(15, 'drop_single_writes', '2026-11-29T15:54:15.558191844Z', '10266471312671285675'),
	(16, 'pages', '2026-11-29T15:54:15.583046861Z', '8512238230799503717'),
	(17, 'details_as_sent', '2026-11-29T15:54:15.58932933Z', '10954530706778968246'),
	(18, 'look_ups_across_projects', '2026-11-29T15:54:15.66210498Z', '3728457121566649466'),
	(19, 'type_aliases', '2026-11-29T15:54:15.718010698Z', '12995705163286795977'),
	(20, 'types_in_use', '2026-11-29T15:54:15.873790747Z', '9452646612521988288');

INSERT INTO tagd.scope OVERRIDING SYSTEM VALUE VALUES
	(1, 'p', 'ecs', false),
	(2, 'p', 'images', false),
	(3, 'q', 'DNS-public_zone', false),
	(4, 'q', 'cdn', false);

INSERT INTO tagd.scope_counter VALUES
	(1, 5),
	(2, 200),
	(3, 1),
	(4, 1);

INSERT INTO tagd.tag VALUES
	(1, 0, 'app', 'web'),
	(1, 1, 'app', 'web'),
	(1, 2, 'app', 'web'),
	(1, 3, 'app', 'web'),
	(1, 4, 'app', 'web'),
	(2, 0, '_sys_owner', 'é'),
	(2, 0, 'n', '0'),
	(2, 1, 'env', 'prod'),
	(2, 2, 'env', 'prod'),
	(2, 3, 'env', 'prod'),
	(2, 3, 'n', '3'),
	(2, 4, 'env', 'test'),
	(2, 5, 'env', 'prod'),
	(2, 6, 'env', 'prod'),
	(2, 6, 'n', '1'),
	(2, 7, '_sys_owner', 'é'),
	(2, 7, 'env', 'prod'),
	(2, 8, 'env', 'test'),
	(2, 9, 'env', 'prod'),
	(2, 9, 'n', '4'),
	(2, 11, 'env', 'prod'),
	(2, 12, 'env', 'test'),
	(2, 12, 'n', '2'),
	(2, 13, 'env', 'prod'),
	(2, 14, '_sys_owner', 'é'),
	(2, 14, 'env', 'prod'),
	(2, 15, 'env', 'prod'),
	(2, 15, 'n', '0'),
	(2, 16, 'env', 'test'),
	(2, 17, 'env', 'prod'),
	(2, 18, 'env', 'prod'),
	(2, 18, 'n', '3'),
	(2, 19, 'env', 'prod'),
	(2, 21, '_sys_owner', 'é'),
	(2, 21, 'env', 'prod'),
	(2, 21, 'n', '1'),
	(2, 22, 'env', 'prod'),
	(2, 23, 'env', 'prod'),
	(2, 24, 'env', 'test'),
	(2, 24, 'n', '4'),
	(2, 25, 'env', 'prod'),
	(2, 26, 'env', 'prod'),
	(2, 27, 'env', 'prod'),
	(2, 27, 'n', '2'),
	(2, 28, '_sys_owner', 'é'),
	(2, 28, 'env', 'test'),
	(2, 29, 'env', 'prod'),
	(2, 30, 'n', '0'),
	(2, 31, 'env', 'prod'),
	(2, 32, 'env', 'test');
INSERT INTO tagd.tag VALUES
	(2, 33, 'env', 'prod'),
	(2, 33, 'n', '3'),
	(2, 34, 'env', 'prod'),
	(2, 35, '_sys_owner', 'é'),
	(2, 35, 'env', 'prod'),
	(2, 36, 'env', 'test'),
	(2, 36, 'n', '1'),
	(2, 37, 'env', 'prod'),
	(2, 38, 'env', 'prod'),
	(2, 39, 'env', 'prod'),
	(2, 39, 'n', '4'),
	(2, 41, 'env', 'prod'),
	(2, 42, '_sys_owner', 'é'),
	(2, 42, 'env', 'prod'),
	(2, 42, 'n', '2'),
	(2, 43, 'env', 'prod'),
	(2, 44, 'env', 'test'),
	(2, 45, 'env', 'prod'),
	(2, 45, 'n', '0'),
	(2, 46, 'env', 'prod'),
	(2, 47, 'env', 'prod'),
	(2, 48, 'env', 'test'),
	(2, 48, 'n', '3'),
	(2, 49, '_sys_owner', 'é'),
	(2, 49, 'env', 'prod'),
	(2, 51, 'env', 'prod'),
	(2, 51, 'n', '1'),
	(2, 52, 'env', 'test'),
	(2, 53, 'env', 'prod'),
	(2, 54, 'env', 'prod'),
	(2, 54, 'n', '4'),
	(2, 55, 'env', 'prod'),
	(2, 56, '_sys_owner', 'é'),
	(2, 56, 'env', 'test'),
	(2, 57, 'env', 'prod'),
	(2, 57, 'n', '2'),
	(2, 58, 'env', 'prod'),
	(2, 59, 'env', 'prod'),
	(2, 60, 'n', '0'),
	(2, 61, 'env', 'prod'),
	(2, 62, 'env', 'prod'),
	(2, 63, '_sys_owner', 'é'),
	(2, 63, 'env', 'prod'),
	(2, 63, 'n', '3'),
	(2, 64, 'env', 'test'),
	(2, 65, 'env', 'prod'),
	(2, 66, 'env', 'prod'),
	(2, 66, 'n', '1'),
	(2, 67, 'env', 'prod'),
	(2, 68, 'env', 'test');
INSERT INTO tagd.tag VALUES
	(2, 69, 'env', 'prod'),
	(2, 69, 'n', '4'),
	(2, 70, '_sys_owner', 'é'),
	(2, 71, 'env', 'prod'),
	(2, 72, 'env', 'test'),
	(2, 72, 'n', '2'),
	(2, 73, 'env', 'prod'),
	(2, 74, 'env', 'prod'),
	(2, 75, 'env', 'prod'),
	(2, 75, 'n', '0'),
	(2, 76, 'env', 'test'),
	(2, 77, '_sys_owner', 'é'),
	(2, 77, 'env', 'prod'),
	(2, 78, 'env', 'prod'),
	(2, 78, 'n', '3'),
	(2, 79, 'env', 'prod'),
	(2, 81, 'env', 'prod'),
	(2, 81, 'n', '1'),
	(2, 82, 'env', 'prod'),
	(2, 83, 'env', 'prod'),
	(2, 84, '_sys_owner', 'é'),
	(2, 84, 'env', 'test'),
	(2, 84, 'n', '4'),
	(2, 85, 'env', 'prod'),
	(2, 86, 'env', 'prod'),
	(2, 87, 'env', 'prod'),
	(2, 87, 'n', '2'),
	(2, 88, 'env', 'test'),
	(2, 89, 'env', 'prod'),
	(2, 90, 'n', '0'),
	(2, 91, '_sys_owner', 'é'),
	(2, 91, 'env', 'prod'),
	(2, 92, 'env', 'test'),
	(2, 93, 'env', 'prod'),
	(2, 93, 'n', '3'),
	(2, 94, 'env', 'prod'),
	(2, 95, 'env', 'prod'),
	(2, 96, 'env', 'test'),
	(2, 96, 'n', '1'),
	(2, 97, 'env', 'prod'),
	(2, 98, '_sys_owner', 'é'),
	(2, 98, 'env', 'prod'),
	(2, 99, 'env', 'prod'),
	(2, 99, 'n', '4'),
	(2, 101, 'env', 'prod'),
	(2, 102, 'env', 'prod'),
	(2, 102, 'n', '2'),
	(2, 103, 'env', 'prod'),
	(2, 104, 'env', 'test'),
	(2, 105, '_sys_owner', 'é');
INSERT INTO tagd.tag VALUES
	(2, 105, 'env', 'prod'),
	(2, 105, 'n', '0'),
	(2, 106, 'env', 'prod'),
	(2, 107, 'env', 'prod'),
	(2, 108, 'env', 'test'),
	(2, 108, 'n', '3'),
	(2, 109, 'env', 'prod'),
	(2, 111, 'env', 'prod'),
	(2, 111, 'n', '1'),
	(2, 112, '_sys_owner', 'é'),
	(2, 112, 'env', 'test'),
	(2, 113, 'env', 'prod'),
	(2, 114, 'env', 'prod'),
	(2, 114, 'n', '4'),
	(2, 115, 'env', 'prod'),
	(2, 116, 'env', 'test'),
	(2, 117, 'env', 'prod'),
	(2, 117, 'n', '2'),
	(2, 118, 'env', 'prod'),
	(2, 119, '_sys_owner', 'é'),
	(2, 119, 'env', 'prod'),
	(2, 120, 'n', '0'),
	(2, 121, 'env', 'prod'),
	(2, 122, 'env', 'prod'),
	(2, 123, 'env', 'prod'),
	(2, 123, 'n', '3'),
	(2, 124, 'env', 'test'),
	(2, 125, 'env', 'prod'),
	(2, 126, '_sys_owner', 'é'),
	(2, 126, 'env', 'prod'),
	(2, 126, 'n', '1'),
	(2, 127, 'env', 'prod'),
	(2, 128, 'env', 'test'),
	(2, 129, 'env', 'prod'),
	(2, 129, 'n', '4'),
	(2, 131, 'env', 'prod'),
	(2, 132, 'env', 'test'),
	(2, 132, 'n', '2'),
	(2, 133, '_sys_owner', 'é'),
	(2, 133, 'env', 'prod'),
	(2, 134, 'env', 'prod'),
	(2, 135, 'env', 'prod'),
	(2, 135, 'n', '0'),
	(2, 136, 'env', 'test'),
	(2, 137, 'env', 'prod'),
	(2, 138, 'env', 'prod'),
	(2, 138, 'n', '3'),
	(2, 139, 'env', 'prod'),
	(2, 140, '_sys_owner', 'é'),
	(2, 141, 'env', 'prod');
INSERT INTO tagd.tag VALUES
	(2, 141, 'n', '1'),
	(2, 142, 'env', 'prod'),
	(2, 143, 'env', 'prod'),
	(2, 144, 'env', 'test'),
	(2, 144, 'n', '4'),
	(2, 145, 'env', 'prod'),
	(2, 146, 'env', 'prod'),
	(2, 147, '_sys_owner', 'é'),
	(2, 147, 'env', 'prod'),
	(2, 147, 'n', '2'),
	(2, 148, 'env', 'test'),
	(2, 149, 'env', 'prod'),
	(2, 150, 'n', '0'),
	(2, 151, 'env', 'prod'),
	(2, 152, 'env', 'test'),
	(2, 153, 'env', 'prod'),
	(2, 153, 'n', '3'),
	(2, 154, '_sys_owner', 'é'),
	(2, 154, 'env', 'prod'),
	(2, 155, 'env', 'prod'),
	(2, 156, 'env', 'test'),
	(2, 156, 'n', '1'),
	(2, 157, 'env', 'prod'),
	(2, 158, 'env', 'prod'),
	(2, 159, 'env', 'prod'),
	(2, 159, 'n', '4'),
	(2, 161, '_sys_owner', 'é'),
	(2, 161, 'env', 'prod'),
	(2, 162, 'env', 'prod'),
	(2, 162, 'n', '2'),
	(2, 163, 'env', 'prod'),
	(2, 164, 'env', 'test'),
	(2, 165, 'env', 'prod'),
	(2, 165, 'n', '0'),
	(2, 166, 'env', 'prod'),
	(2, 167, 'env', 'prod'),
	(2, 168, '_sys_owner', 'é'),
	(2, 168, 'env', 'test'),
	(2, 168, 'n', '3'),
	(2, 169, 'env', 'prod'),
	(2, 171, 'env', 'prod'),
	(2, 171, 'n', '1'),
	(2, 172, 'env', 'test'),
	(2, 173, 'env', 'prod'),
	(2, 174, 'env', 'prod'),
	(2, 174, 'n', '4'),
	(2, 175, '_sys_owner', 'é'),
	(2, 175, 'env', 'prod'),
	(2, 176, 'env', 'test'),
	(2, 177, 'env', 'prod');
INSERT INTO tagd.tag VALUES
	(2, 177, 'n', '2'),
	(2, 178, 'env', 'prod'),
	(2, 179, 'env', 'prod'),
	(2, 180, 'n', '0'),
	(2, 181, 'env', 'prod'),
	(2, 182, '_sys_owner', 'é'),
	(2, 182, 'env', 'prod'),
	(2, 183, 'env', 'prod'),
	(2, 183, 'n', '3'),
	(2, 184, 'env', 'test'),
	(2, 185, 'env', 'prod'),
	(2, 186, 'env', 'prod'),
	(2, 186, 'n', '1'),
	(2, 187, 'env', 'prod'),
	(2, 188, 'env', 'test'),
	(2, 189, '_sys_owner', 'é'),
	(2, 189, 'env', 'prod'),
	(2, 189, 'n', '4'),
	(2, 191, 'env', 'prod'),
	(2, 192, 'env', 'test'),
	(2, 192, 'n', '2'),
	(2, 193, 'env', 'prod'),
	(2, 194, 'env', 'prod'),
	(2, 195, 'env', 'prod'),
	(2, 195, 'n', '0'),
	(2, 196, '_sys_owner', 'é'),
	(2, 196, 'env', 'test'),
	(2, 197, 'env', 'prod'),
	(2, 198, 'env', 'prod'),
	(2, 198, 'n', '3'),
	(2, 199, 'env', 'prod'),
	(3, 0, 'team', 'dns');

SELECT pg_catalog.setval('tagd.label_label_id_seq', 22, true);

SELECT pg_catalog.setval('tagd.scope_scope_id_seq', 4, true);

ALTER TABLE ONLY tagd.chunk
    ADD CONSTRAINT chunk_pkey PRIMARY KEY (scope_id, label_id, block);

ALTER TABLE ONLY tagd.label
    ADD CONSTRAINT label_name_key UNIQUE (scope_id, key, kind, value);

ALTER TABLE ONLY tagd.label REPLICA IDENTITY USING INDEX label_name_key;

ALTER TABLE ONLY tagd.name
    ADD CONSTRAINT name_pkey PRIMARY KEY (scope_id, slot);

ALTER TABLE ONLY tagd.predefined_tag
    ADD CONSTRAINT predefined_tag_pkey PRIMARY KEY (domain_id, key, value);

ALTER TABLE ONLY tagd.project
    ADD CONSTRAINT project_pkey PRIMARY KEY (project_id);

ALTER TABLE ONLY tagd.resource
    ADD CONSTRAINT resource_id_key UNIQUE (scope_id, resource_id);

ALTER TABLE ONLY tagd.resource
    ADD CONSTRAINT resource_pkey PRIMARY KEY (scope_id, slot);

ALTER TABLE ONLY tagd.resource_type
    ADD CONSTRAINT resource_type_is_alias_key UNIQUE (resource_type, is_alias);

ALTER TABLE ONLY tagd.resource_type
    ADD CONSTRAINT resource_type_pkey PRIMARY KEY (resource_type);

ALTER TABLE ONLY tagd.schema_history
    ADD CONSTRAINT schema_history_pkey PRIMARY KEY (version);

ALTER TABLE ONLY tagd.scope_counter
    ADD CONSTRAINT scope_counter_pkey PRIMARY KEY (scope_id);

ALTER TABLE ONLY tagd.scope
    ADD CONSTRAINT scope_name_key UNIQUE (resource_type, project_id);

ALTER TABLE ONLY tagd.scope
    ADD CONSTRAINT scope_pkey PRIMARY KEY (scope_id);

ALTER TABLE ONLY tagd.tag
    ADD CONSTRAINT tag_pkey PRIMARY KEY (scope_id, slot, key);

CREATE INDEX label_gram_idx ON tagd.label USING gin (tagd.value_grams(scope_id, key, value)) WITH (gin_pending_list_limit='64') WHERE ((kind + 0) = 3);
ALTER INDEX tagd.label_gram_idx ALTER COLUMN 1 SET STATISTICS 0;

COMMENT ON INDEX tagd.label_gram_idx IS 'Values by two and three characters, key and scope: tagd.value_grams.';

CREATE INDEX label_key_idx ON tagd.label USING btree (scope_id, key) WHERE (kind = 2);

COMMENT ON INDEX tagd.label_key_idx IS 'Keys of a scope, without their values.';

CREATE INDEX name_empty_idx ON tagd.name USING btree (scope_id, slot) WHERE (folded = ''::text);

CREATE INDEX name_gram_idx ON tagd.name USING gin (tagd.grams(scope_id, folded, words));
ALTER INDEX tagd.name_gram_idx ALTER COLUMN 1 SET STATISTICS 0;

COMMENT ON INDEX tagd.name_gram_idx IS 'Names by runs of characters and scope: tagd.grams.';

CREATE INDEX resource_id_idx ON tagd.resource USING hash (((resource_id || ''::text)));

COMMENT ON INDEX tagd.resource_id_idx IS 'Resources by identifier, for requests that name no project.';

CREATE INDEX scope_project_id_idx ON tagd.scope USING btree (project_id);

COMMENT ON INDEX tagd.scope_project_id_idx IS 'The scopes of a project, for its deletion. Scopes are few: made in no time.';

ALTER TABLE ONLY tagd.resource_type
    ADD CONSTRAINT resource_type_alias_of_fkey FOREIGN KEY (alias_of) REFERENCES tagd.resource_type(resource_type) ON DELETE CASCADE;

ALTER TABLE ONLY tagd.scope
    ADD CONSTRAINT scope_resource_type_fkey FOREIGN KEY (resource_type, of_alias) REFERENCES tagd.resource_type(resource_type, is_alias);

GRANT USAGE ON SCHEMA tagd TO tagd_service;

REVOKE ALL ON FUNCTION tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[], p_old_words text[], p_new_words text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.begin_import() FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.begin_import() TO tagd_service;

REVOKE ALL ON FUNCTION tagd.bits_at(p_positions integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.bits_at(p_positions integer[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.change_tags(p_scope_id bigint, p_resource_id text, p_put text[], p_remove text[], p_replace boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.check_resource(p_scope_id bigint, p_resource_id text, p_match text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.count_user_tags(p_tags text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.cut(p_hits integer[], p_offset bigint, p_limit bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.cut(p_hits integer[], p_offset bigint, p_limit bigint) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.enter_import(p_whole boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.enter_import(p_whole boolean) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.etag_of(p_name text, p_detail json, p_tags text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.etag_of(p_name text, p_detail json, p_tags text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.find_tag(p_tags text[], p_key text) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.grams(p_scope_id bigint, p_folded text, p_words text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.grams(p_scope_id bigint, p_folded text, p_words text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.hold_import_projects() FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.hold_import_projects() TO tagd_service;

REVOKE ALL ON FUNCTION tagd.hold_project(p_project_id text) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.import_batch(OUT created bigint, OUT changed bigint, OUT unchanged bigint, OUT new_types text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.import_batch(OUT created bigint, OUT changed bigint, OUT unchanged bigint, OUT new_types text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.index_of(p_scope_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.index_of(p_scope_id bigint) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.labelled_words(p_scope_id bigint, p_folded text) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.labels_of(p_tags text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.labels_of(p_tags text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.newest(p_bits bit, p_skip bigint, p_want bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.newest(p_bits bit, p_skip bigint, p_want bigint) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.pairs_of(p_tags text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.pairs_of(p_tags text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.put_predefined(p_domain_id text, p_tags text[], p_quota integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.put_predefined(p_domain_id text, p_tags text[], p_quota integer) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.put_project(p_project_id text, p_project_name text, p_domain_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.put_project(p_project_id text, p_project_name text, p_domain_id text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.put_scope(p_project_id text, p_resource_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.put_scope(p_project_id text, p_resource_type text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.put_type(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.put_type(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.put_type_with_aliases(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer, p_aliases text[], OUT created boolean, OUT aliases text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.put_type_with_aliases(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer, p_aliases text[], OUT created boolean, OUT aliases text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.rebuild_scope(p_scope_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.rebuild_scope(p_scope_id bigint) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail json, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail json, OUT tags text[], OUT etag text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail json, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail json, OUT tags text[], OUT etag text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail jsonb, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail jsonb, OUT tags text[], OUT etag text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.register_resource(p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail jsonb, p_tags text[], p_match text[], p_absent boolean, OUT created boolean, OUT detail jsonb, OUT tags text[], OUT etag text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.remove_predefined(p_domain_id text, p_tags text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.remove_predefined(p_domain_id text, p_tags text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.remove_project(p_project_id text, p_with_resources boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.remove_project(p_project_id text, p_with_resources boolean) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.remove_resource(p_scope_id bigint, p_resource_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.remove_resource(p_scope_id bigint, p_resource_id text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.remove_type(p_resource_type text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.remove_type(p_resource_type text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.rename(p_scope_id bigint, p_slot integer, p_folded text, OUT old_words text[], OUT new_words text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.replace_predefined(p_domain_id text, p_old_key text, p_old_value text, p_new_key text, p_new_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.replace_predefined(p_domain_id text, p_old_key text, p_old_value text, p_new_key text, p_new_value text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.replace_tags_if(p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.replace_tags_if(p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.scope_lock_class() FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.scope_lock_class() TO tagd_service;

REVOKE ALL ON FUNCTION tagd.slots_turned(p_slots integer[], p_turned integer[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.slots_with(p_slots integer[], p_slot integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.sparse_limit() FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.sparse_limit() TO tagd_service;

REVOKE ALL ON FUNCTION tagd.stretch(p_bits bit, p_skip bigint, p_want bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.stretch(p_bits bit, p_skip bigint, p_want bigint) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.turn_chunk(p_scope_id bigint, p_label_id bigint, p_slot integer, p_on boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.turn_label(p_scope_id bigint, p_kind smallint, p_key text, p_value text, p_slot integer, p_on boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.turn_labels(p_scope_id bigint, p_turns tagd.turn[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.unregister_resource(p_scope_id bigint, p_resource_id text, p_match text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.unregister_resource(p_scope_id bigint, p_resource_id text, p_match text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.value_grams(p_scope_id bigint, p_key text, p_value text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.value_grams(p_scope_id bigint, p_key text, p_value text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.verify_scope(p_scope_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.verify_scope(p_scope_id bigint) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.wanted_grams(p_scope_id bigint, p_text text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.wanted_grams(p_scope_id bigint, p_text text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.wanted_value_grams(p_scope_id bigint, p_key text, p_text text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.wanted_value_grams(p_scope_id bigint, p_key text, p_text text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.word_limit() FROM PUBLIC;

REVOKE ALL ON FUNCTION tagd.words_of(p_folded text) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.words_of(p_folded text) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.write_tags(p_scope_id bigint, p_ids text[], p_modes smallint[], p_ends integer[], p_parts text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.write_tags(p_scope_id bigint, p_ids text[], p_modes smallint[], p_ends integer[], p_parts text[]) TO tagd_service;

REVOKE ALL ON FUNCTION tagd.bits_of(integer, integer) FROM PUBLIC;
GRANT ALL ON FUNCTION tagd.bits_of(integer, integer) TO tagd_service;

GRANT SELECT ON TABLE tagd.chunk TO tagd_service;

GRANT SELECT ON TABLE tagd.label TO tagd_service;

GRANT SELECT ON TABLE tagd.bitmap TO tagd_service;

GRANT SELECT ON TABLE tagd.name TO tagd_service;

GRANT SELECT ON TABLE tagd.predefined_tag TO tagd_service;

GRANT SELECT ON TABLE tagd.project TO tagd_service;

GRANT SELECT ON TABLE tagd.resource TO tagd_service;

GRANT SELECT ON TABLE tagd.resource_type TO tagd_service;

GRANT SELECT ON TABLE tagd.schema_history TO tagd_service;

GRANT SELECT ON TABLE tagd.scope TO tagd_service;

GRANT SELECT ON TABLE tagd.scope_counter TO tagd_service;

GRANT SELECT ON TABLE tagd.tag TO tagd_service;

ALTER DEFAULT PRIVILEGES IN SCHEMA tagd GRANT SELECT ON TABLES  TO tagd_service;

