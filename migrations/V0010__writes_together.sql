-- Writes that wait together are done together: one call takes a write each of several resources of a scope, in one
-- transaction (docs/adr/0010). What a statement and a transaction cost by themselves is paid once for all of them.
--
-- put_tags, remove_tags, remove_tag and replace_tags stay for the version before, which may still be running. This one
-- calls write_tags, and where a resource has to be the one that the caller knows, replace_tags_if as before.

create type tagd.turn as (key text collate "C", kind smallint, value text collate "C", slot integer, is_on boolean);
comment on type tagd.turn is 'A slot that is to be set or cleared in a label.';

create type tagd.tagged as (slot integer, tags text[]);
comment on type tagd.tagged is 'The tags that a resource is to have, as in tagd.resource.';

-- Only functions write labels. Postgres would read the condition from its text at every write, which is a tenth of
-- what a write of a label costs.
alter table tagd.label drop constraint label_kind_check;

create function tagd.turn_labels(p_scope_id bigint, p_turns tagd.turn[])
returns void
language plpgsql
as $$
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
      -- a sparse label with room is one update; whatever else it may be or become, turn_label finds out
      if not v_row.is_on then
        update tagd.label l set slots = array_remove(l.slots, v_row.slot)
         where l.scope_id = p_scope_id and l.label_id = v_label_id and l.slots is not null;
      else
        update tagd.label l
           set slots = l.slots[:width_bucket(v_row.slot, l.slots)] || v_row.slot || l.slots[width_bucket(v_row.slot, l.slots) + 1:]
         where l.scope_id = p_scope_id and l.label_id = v_label_id and cardinality(l.slots) < tagd.sparse_limit();
      end if;
      continue when found;
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
comment on function tagd.turn_labels(bigint, tagd.turn[]) is 'Inner part of write_tags: sets and clears slots of locked resources in labels, made where they are new. No slot is named twice for a label, and each is known to be the other way round.';

create function tagd.write_tags(p_scope_id bigint, p_ids text[], p_modes smallint[], p_ends integer[], p_parts text[])
returns text[]
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
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
comment on function tagd.write_tags(bigint, text[], smallint[], integer[], text[]) is 'Writes tags of resources that differ, each by its mode: 0 puts tags, a key that is there gets the new value; 1 removes tags, a null value takes the key whatever its value; 2 makes these the tags. Write i has the parts (key, value, key, value ...) behind p_ends[i - 1] up to p_ends[i]. What came of each: null, done; unchanged, there was nothing to do; unknown, there is no such resource; quota COUNT QUOTA, it would have too many tags and stays as it was.';

revoke execute on function
  tagd.turn_labels(bigint, tagd.turn[]), tagd.write_tags(bigint, text[], smallint[], integer[], text[])
from public;
grant execute on function tagd.write_tags(bigint, text[], smallint[], integer[], text[]) to tagd_service;
