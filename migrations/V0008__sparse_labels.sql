-- The index in two forms. A label on few resources is sparse: its slots stand in its own row, so that one look-up
-- answers it. A label on more is dense: bitmaps, a row for each block, which now also say how many bits are set, so
-- that counting reads no bits (docs/adr/0008). A label becomes dense when it outgrows its row; a rebuild decides anew.

-- as tagd.bitmap, with hits before the bits
create table tagd.chunk (
  scope_id bigint not null,
  label_id bigint not null,
  block    integer not null,
  hits     integer not null,
  bits     bit(16384) not null,
  constraint chunk_pkey primary key (scope_id, label_id, block)
) with (fillfactor = 70);
alter table tagd.chunk alter column bits set storage main;
do $$
begin
  alter table tagd.chunk alter column bits set compression lz4;
exception
  -- built without lz4: the default does, somewhat slower
  when feature_not_supported then null;
end
$$;
comment on table tagd.chunk is 'The index of dense labels: which resources of a scope bear a label, 16,384 slots a row. A row with no bit set is left out.';
comment on column tagd.chunk.scope_id is 'Scope of the label.';
comment on column tagd.chunk.label_id is 'Label, one whose slots are null.';
comment on column tagd.chunk.block is 'Slots block * 16384 to block * 16384 + 16383.';
comment on column tagd.chunk.hits is 'How many bits are set.';
comment on column tagd.chunk.bits is 'Bit i, counted from the left, stands for slot block * 16384 + i.';

-- copied in the order of the key; for a million resources with five tags some seconds. Every label begins as dense.
insert into tagd.chunk (scope_id, label_id, block, hits, bits)
select b.scope_id, b.label_id, b.block, bit_count(b.bits & b.bits), b.bits
  from tagd.bitmap b
 order by b.scope_id, b.label_id, b.block;
drop table tagd.bitmap;

-- the row of a sparse label is rewritten in place while its page has room
alter table tagd.label set (fillfactor = 80);
alter table tagd.label add column slots integer[];
comment on column tagd.label.slots is 'Slots of the resources that bear a sparse label, ascending, at most tagd.sparse_limit() of them; null for a dense label, whose slots are in tagd.chunk.';

create function tagd.sparse_limit() returns integer language sql immutable parallel safe as 'select 128';
comment on function tagd.sparse_limit() is 'Most slots of a sparse label: 512 bytes. A label with more is dense.';

create function tagd.bits_at(p_positions integer[])
returns bit
language plpgsql immutable strict parallel safe
as $$
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
comment on function tagd.bits_at(integer[]) is 'The bitmap of a block from positions in it: as tagd.bits_of, without the price of an aggregate where there is nothing to aggregate.';

create function tagd.newest(p_bits bit, p_skip bigint, p_want bigint)
returns integer[]
language plpgsql immutable strict parallel safe
as $$
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
comment on function tagd.newest(bit, bigint, bigint) is 'Positions of set bits of a block, from high to low: at most p_want of them (one at least) behind the first p_skip.';

create function tagd.slots_with(p_slots integer[], p_slot integer)
returns integer[]
language plpgsql immutable strict parallel safe
as $$
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
comment on function tagd.slots_with(integer[], integer) is 'Ascending slots with one more.';

create function tagd.slots_turned(p_slots integer[], p_turned integer[])
returns integer[]
language plpgsql immutable strict parallel safe
as $$
begin
  if cardinality(p_slots) = 0 or p_slots[cardinality(p_slots)] < p_turned[1] then
    return p_slots || p_turned;
  end if;
  return array(select t.slot from unnest(p_slots || p_turned) as t (slot) group by t.slot having count(*) = 1 order by t.slot);
end
$$;
comment on function tagd.slots_turned(integer[], integer[]) is 'Ascending slots with those turned over that are given, ascending as well: added where they are not, taken out where they are.';

-- For people, and for tagd of the version before while it still runs: the index as it was.
create view tagd.bitmap as
select c.scope_id, c.label_id, c.block, c.bits
  from tagd.chunk c
union all
select l.scope_id, l.label_id, e.slot / 16384, tagd.bits_at(array_agg(e.slot % 16384))
  from tagd.label l, unnest(l.slots) as e (slot)
 group by l.scope_id, l.label_id, e.slot / 16384;
comment on view tagd.bitmap is 'The index in one form, whether a label is sparse or dense: 16,384 slots a row. tagd itself reads tagd.label and tagd.chunk.';
comment on column tagd.bitmap.scope_id is 'Scope of the label.';
comment on column tagd.bitmap.label_id is 'Label.';
comment on column tagd.bitmap.block is 'Slots block * 16384 to block * 16384 + 16383.';
comment on column tagd.bitmap.bits is 'Bit i, counted from the left, stands for slot block * 16384 + i.';

-- Writing one resource. Lock order as in V0002, where "label" now also means the rows of sparse labels that change,
-- in order of (key, kind, value), and "bitmap" is tagd.chunk. Inner functions set no search_path: their names carry
-- their schema, only functions that set it call them, and setting it costs as much as a look-up.

create function tagd.turn_label(
  p_scope_id bigint, p_kind smallint, p_key text, p_value text, p_slot integer, p_on boolean)
returns bigint
language plpgsql
as $$
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
       where l.scope_id = p_scope_id and l.label_id = v_label_id and l.slots is not null
      returning l.slots into v_slots;
    else
      update tagd.label l set slots = array_remove(l.slots, p_slot)
       where l.scope_id = p_scope_id and l.label_id = v_label_id and l.slots is not null
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
       where l.scope_id = p_scope_id and l.label_id = v_label_id;
    end if;
    return null;
  end loop;
end
$$;
comment on function tagd.turn_label(bigint, smallint, text, text, integer, boolean) is 'Inner part of apply_tags: sets or clears the slot of a locked resource in a label, made if it is new. The number of the label if it is dense: its chunk is left to turn_chunk.';

create function tagd.turn_chunk(p_scope_id bigint, p_label_id bigint, p_slot integer, p_on boolean)
returns void
language plpgsql
as $$
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
comment on function tagd.turn_chunk(bigint, bigint, integer, boolean) is 'Inner part of apply_tags: sets or clears the slot of a locked resource in a dense label, whose bit is known to be the other.';

create function tagd.find_tag(p_tags text[], p_key text)
returns integer
language plpgsql immutable parallel safe
as $$
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
comment on function tagd.find_tag(text[], text) is 'Where a key stands in an array key, value, key, value ... sorted by key, or where it would stand.';

create function tagd.count_user_tags(p_tags text[])
returns integer
language plpgsql immutable parallel safe
as $$
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
comment on function tagd.count_user_tags(text[]) is 'Tags of an array key, value, key, value ... without system tags.';

create or replace function tagd.apply_tags(p_scope_id bigint, p_slot integer, p_old text[], p_new text[])
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

create or replace function tagd.change_tags(p_scope_id bigint, p_resource_id text, p_put text[], p_remove text[], p_replace boolean)
returns void
language plpgsql
as $$
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

-- PL/pgSQL keeps its plans, while an SQL function that is not inlined is parsed and planned at every call.

create or replace function tagd.put_tags(p_scope_id bigint, p_resource_id text, p_tags text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform tagd.change_tags(p_scope_id, p_resource_id, p_tags, '{}', false);
end
$$;

create or replace function tagd.remove_tags(p_scope_id bigint, p_resource_id text, p_tags text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform tagd.change_tags(p_scope_id, p_resource_id, '{}', p_tags, false);
end
$$;

create or replace function tagd.replace_tags(p_scope_id bigint, p_resource_id text, p_tags text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform tagd.change_tags(p_scope_id, p_resource_id, p_tags, '{}', true);
end
$$;

-- Importing: sparse labels take their slots in one statement, in the order of locks; dense ones their bits, as before.

create or replace function tagd.begin_import()
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

create or replace function tagd.import_batch(out created bigint, out changed bigint, out unchanged bigint, out new_types text[])
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
$$;
comment on function tagd.verify_scope(bigint) is 'What index and truth of a scope disagree on: bits that the index lacks and bits that it has too many, by label and block; below kind 0 what else is wrong (V0004, V0008). No row: they agree.';

create or replace function tagd.rebuild_scope(p_scope_id bigint)
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
comment on function tagd.rebuild_scope(bigint) is 'Makes the index of a scope anew from the truth, in one transaction: reads go on, writers of the scope wait. Rows made.';

create or replace function tagd.remove_project(p_project_id text, p_with_resources boolean)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
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

revoke execute on function
  tagd.sparse_limit(), tagd.bits_at(integer[]), tagd.newest(bit, bigint, bigint),
  tagd.slots_with(integer[], integer), tagd.slots_turned(integer[], integer[]),
  tagd.turn_label(bigint, smallint, text, text, integer, boolean), tagd.turn_chunk(bigint, bigint, integer, boolean),
  tagd.find_tag(text[], text), tagd.count_user_tags(text[])
from public;
grant execute on function
  tagd.sparse_limit(), tagd.bits_at(integer[]), tagd.newest(bit, bigint, bigint)
to tagd_service;

-- register_resource (V0007) took its place; no version calls it any more
drop function tagd.put_resource(bigint, text, text, text, jsonb);
