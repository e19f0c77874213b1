create or replace function tagd.write_tags(p_scope_id bigint, p_ids text[], p_modes smallint[], p_ends integer[], p_parts text[])
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
  v_tagged   tagd.resource_tags[] := '{}';
  v_turns    tagd.label_flip[] := '{}';
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
    v_tagged := v_tagged || row(v_row.slot, v_new)::tagd.resource_tags;
    if v_mode = 2 or cardinality(v_new) <> cardinality(v_row.tags) then
      v_is_bare := tagd.count_user_tags(v_new) = 0;
      if v_is_bare <> (tagd.count_user_tags(v_row.tags) = 0) then
        v_turns := v_turns || row('', 1, '', v_row.slot, v_is_bare)::tagd.label_flip;
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
        v_turns := v_turns || row(v_key, 2, '', v_row.slot, true)::tagd.label_flip;
      elsif v_new_at is null then
        v_gone_slots := v_gone_slots || v_row.slot;
        v_gone_keys := v_gone_keys || v_key;
        v_turns := v_turns || row(v_key, 2, '', v_row.slot, false)::tagd.label_flip;
      else
        v_set_slots := v_set_slots || v_row.slot;
        v_set_keys := v_set_keys || v_key;
        v_set_values := v_set_values || v_new[v_new_at + 1];
      end if;
      if v_old_at is not null then
        v_turns := v_turns || row(v_key, 3, v_row.tags[v_old_at + 1], v_row.slot, false)::tagd.label_flip;
      end if;
      if v_new_at is not null then
        v_turns := v_turns || row(v_key, 3, v_new[v_new_at + 1], v_row.slot, true)::tagd.label_flip;
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
  perform tagd.flip_labels(p_scope_id, v_turns);
  return v_outcomes;
end
$$;
comment on function tagd.write_tags(bigint, text[], smallint[], integer[], text[]) is 'Writes tags of resources that differ, each by its mode: 0 puts tags, a key that is there gets the new value; 1 removes tags, a null value takes the key whatever its value; 2 makes these the tags. Write i has the parts (key, value, key, value ...) behind p_ends[i - 1] up to p_ends[i]. What came of each: null, done; unchanged, there was nothing to do; unknown, there is no such resource; quota COUNT QUOTA, it would have too many tags and stays as it was.';
revoke execute on function tagd.write_tags(bigint, text[], smallint[], integer[], text[]) from public;
grant execute on function tagd.write_tags(bigint, text[], smallint[], integer[], text[]) to tagd_service;
