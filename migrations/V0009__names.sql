-- Names are found by words and by grams (docs/adr/0009). A word is a run of a-z and 0-9 in the folded name. A word that
-- many resources of a scope have is a label, of kind 4. Everything else of a name is in an index of grams, runs of three
-- characters each with its scope: a posting list has the names of one scope that have that gram, and no labelled word
-- fills it. For each resource by itself: a word of its name is in tagd.name.words and has its bit, or its grams are in
-- the index. So what was registered before a word became a label stays as it is.

alter table tagd.name add column words text[] collate "C" not null default '{}';
comment on column tagd.name.words is 'Words of the name by which the resource is in a label of kind 4; the grams within them are not in name_gram_idx.';

alter table tagd.label drop constraint label_kind_check;
alter table tagd.label add constraint label_kind_check check (kind between 0 and 4);
comment on column tagd.label.kind is '0: every resource; 1: resources without a tag (system tags do not count); 2: resources with the key; 3: resources with key and value; 4: resources with the value as a word of their name.';
comment on column tagd.label.key is 'Key; empty for the kinds 0, 1 and 4.';
comment on column tagd.label.value is 'Value; empty for the kinds 0, 1 and 2; the word for kind 4.';

create function tagd.word_limit() returns integer language sql immutable parallel safe as 'select 64';
comment on function tagd.word_limit() is 'Fewest resources of a scope, in one batch of an import or in all, that make a word of their names a label.';

create function tagd.words_of(p_folded text)
returns table (word text)
language sql immutable parallel safe
as $$
  -- no longer than a key of an index may be
  select distinct w.word
    from unnest(string_to_array(regexp_replace(p_folded collate "C", '[^a-z0-9]+', ' ', 'g'), ' ')) as w (word)
   where length(w.word) between 3 and 64
$$;
comment on function tagd.words_of(text) is 'The words of a folded name that can be labels, each once.';

create function tagd.grams(p_scope_id bigint, p_folded text, p_words text[])
returns bigint[]
language plpgsql immutable parallel safe
-- dear in the planner's eyes: no plan that would call it for many rows is taken, whatever the statistics say
cost 10000
as $$
declare
  v_scope constant bigint := p_scope_id << 32;
  v_last  constant integer := length(p_folded) - 2;
  v_start integer := 1;
  v_word  text;
  v_grams bigint[] := '{}';
begin
  if cardinality(p_words) = 0 then
    for v_at in 1 .. v_last loop
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_at, 3))::bigint & 4294967295));
    end loop;
    return v_grams;
  end if;
  -- piece by piece, each a word with the separator behind it: every gram starts in one of them
  foreach v_word in array string_to_array(regexp_replace(p_folded collate "C", '[^a-z0-9]', ' ', 'g'), ' ') loop
    for v_at in v_start + case when v_word = any (p_words) then greatest(length(v_word) - 2, 0) else 0 end
             .. least(v_start + length(v_word), v_last) loop
      v_grams := v_grams || (v_scope | (hashtext(substr(p_folded, v_at, 3))::bigint & 4294967295));
    end loop;
    v_start := v_start + length(v_word) + 1;
  end loop;
  return v_grams;
end
$$;
comment on function tagd.grams(bigint, text, text[]) is 'What a folded name is found by in name_gram_idx: every three characters that follow one another, each as its hash below the scope; not those within words that are labels. Two grams may share a hash: whoever finds a name compares it.';

create function tagd.wanted_grams(p_scope_id bigint, p_text text)
returns bigint[]
language plpgsql immutable parallel safe
as $$
declare
  v_inner constant boolean := p_text collate "C" ~ '[^a-z0-9]';
  v_gram  text;
  v_grams bigint[] := '{}';
begin
  for v_at in 1 .. length(p_text) - 2 loop
    v_gram := substr(p_text, v_at, 3);
    if not v_inner or v_gram collate "C" ~ '[^a-z0-9]' then
      v_grams := v_grams || (p_scope_id << 32 | (hashtext(v_gram)::bigint & 4294967295));
    end if;
  end loop;
  return v_grams;
end
$$;
comment on function tagd.wanted_grams(bigint, text) is 'Grams by which name_gram_idx finds the names that have a folded text of at least three characters: of a text that spans words those alone that do, since the others may lie in a label; of a text within a word all, and the labels of kind 4 have to be looked through besides.';

-- Holds up writers of tagd.name while it is made: for a million names half a minute. No statistics are
-- made of it: nothing is planned by them.
create index name_gram_idx on tagd.name using gin (tagd.grams(scope_id, folded, words));
alter index tagd.name_gram_idx alter column 1 set statistics 0;
-- Every search reads the list of what is not yet in its place, so the list is kept short: the functions that write names
-- say how long it may become, an import empties it behind itself.
comment on index tagd.name_gram_idx is 'Names by three characters and scope: tagd.grams.';
-- tagd of the version before reads the names of the scope instead, while it still runs
drop index tagd.name_folded_idx;

-- Writing one resource. Lock order as in V0008: words are labels with the key '' and kind 4, behind kinds 0 and 1 and
-- in front of every tag.

create function tagd.labelled_words(p_scope_id bigint, p_folded text)
returns text[]
language plpgsql stable
as $$
begin
  return array(select w.word
                 from tagd.words_of(p_folded) w
                where exists (select from tagd.label l
                               where l.scope_id = p_scope_id and l.key = '' and l.kind = 4 and l.value = w.word)
                order by w.word collate "C");
end
$$;
comment on function tagd.labelled_words(bigint, text) is 'The words of a folded name that are labels already, sorted.';

create function tagd.apply_tags(
  p_scope_id bigint, p_slot integer, p_old text[], p_new text[], p_old_words text[], p_new_words text[])
returns void
language plpgsql
as $$
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
comment on function tagd.apply_tags(bigint, integer, text[], text[], text[], text[]) is 'Inner part of the writing functions: brings tags and index of one locked resource from old tags to new, and its labels of kind 4 from old words to new; null tags stand for a resource that is not there. Words stand once each.';

create or replace function tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[])
returns void
language plpgsql
as $$
begin
  perform tagd.apply_tags(p_scope_id, p_slot, p_old, p_new, '{}', '{}');
end
$$;
comment on function tagd.apply_tags(bigint, integer, text[], text[]) is 'tagd.apply_tags for a resource that keeps its name.';

create function tagd.rename(p_scope_id bigint, p_slot integer, p_folded text, out old_words text[], out new_words text[])
language plpgsql
as $$
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
comment on function tagd.rename(bigint, integer, text) is 'Inner part of the writing functions: gives a locked resource another folded name. Words of the name before and of this one that are labels, for apply_tags.';

create or replace function tagd.remove_resource(p_scope_id bigint, p_resource_id text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
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

create or replace function tagd.register_resource(
  p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail jsonb,
  p_tags text[], p_match text[], p_absent boolean,
  out created boolean, out detail jsonb, out tags text[], out etag text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 64
as $$
declare
  v_scope_id  bigint;
  v_slot      integer;
  v_new_slot  integer;
  v_old       text[];
  v_new       text[];
  v_etag      text;
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

  select r.slot, r.tags, tagd.etag_of(r.resource_name, r.detail, r.tags) into v_slot, v_old, v_etag
    from tagd.resource r
   where r.scope_id = v_scope_id and r.resource_id = p_resource_id
     for update;
  if not found and p_match is null then
    update tagd.scope_counter c set next_slot = c.next_slot + 1
     where c.scope_id = v_scope_id
    returning c.next_slot - 1 into strict v_new_slot;
    -- the counter's lock is held now: whoever registered the same resource meanwhile has committed
    select r.slot, r.tags, tagd.etag_of(r.resource_name, r.detail, r.tags) into v_slot, v_old, v_etag
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
       and (r.resource_name, r.detail) is distinct from (p_name, p_detail);
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

create or replace function tagd.put_names(p_scope_id bigint, p_slots integer[], p_folded text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 64
as $$
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

-- Importing: words come in with the names, and their bits go with the others.

create or replace function tagd.import_batch(out created bigint, out changed bigint, out unchanged bigint, out new_types text[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- the temporary tables have no statistics: left alone, the planner takes nested loops for a few rows
set enable_nestloop = off
set enable_mergejoin = off
-- all grams of a batch are put in their place in one go, by its end
set gin_pending_list_limit = 16384
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

-- Proof and repair.

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

create or replace function tagd.verify_scope(p_scope_id bigint)
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

create or replace function tagd.rebuild_scope(p_scope_id bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 16384
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

revoke execute on function
  tagd.word_limit(), tagd.words_of(text), tagd.grams(bigint, text, text[]), tagd.wanted_grams(bigint, text),
  tagd.labelled_words(bigint, text), tagd.rename(bigint, integer, text),
  tagd.apply_tags(bigint, integer, text[], text[], text[], text[])
from public;
grant execute on function
  tagd.words_of(text), tagd.grams(bigint, text, text[]), tagd.wanted_grams(bigint, text)
to tagd_service;
