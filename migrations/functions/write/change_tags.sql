create or replace function tagd.change_tags(p_scope_id bigint, p_changes tagd.resource_change[])
returns void
language plpgsql
as $$
declare
  v_change   tagd.resource_change;
  v_slot     integer;
  v_old_at   integer;
  v_new_at   integer;
  v_keys     text[];
  v_key      text;
  v_is_bare  boolean;
  v_word     text;
  -- a list without elements is null, which is cheaper to make and to test
  v_flips    tagd.label_flip[];
  v_any_new  boolean;
  -- tags of existing resources that are added, get another value, or are removed
  v_tag      tagd.tag;
  v_added    tagd.tag[];
  v_set      tagd.tag[];
  v_gone     tagd.tag[];
begin
  -- Every change of tags, whatever its origin, passes through here with its caller (docs/adr/0024). Anything else that a change
  -- must record belongs here too.
  foreach v_change in array p_changes loop
    v_slot := v_change.slot;
    if v_change.old_tags is null then
      v_any_new := true;
      continue;
    end if;
    if v_change.old_words <> v_change.new_words then
      for v_word in
        select w.word from unnest(v_change.old_words || v_change.new_words) as w (word) group by w.word having count(*) = 1
      loop
        v_flips := v_flips || row('', 4, v_word, v_slot, v_word = any (v_change.new_words))::tagd.label_flip;
      end loop;
    end if;
    if v_change.new_tags is null then
      v_flips := v_flips || row('', 0, '', v_slot, false)::tagd.label_flip;
    end if;
    v_keys := v_change.keys;
    if v_keys is null or cardinality(v_change.old_tags) <> cardinality(v_change.new_tags) then
      v_is_bare := v_change.new_tags is not null and tagd.count_user_tags(v_change.new_tags) = 0;
      if v_is_bare <> (tagd.count_user_tags(v_change.old_tags) = 0) then
        v_flips := v_flips || row('', 1, '', v_slot, v_is_bare)::tagd.label_flip;
      end if;
    end if;
    if v_keys is null then
      v_keys := tagd.differing_keys(v_change.old_tags, v_change.new_tags);
    end if;

    foreach v_key in array v_keys loop
      -- skip values that equal the key: keys are at odd positions
      v_old_at := array_position(v_change.old_tags, v_key);
      while v_old_at % 2 = 0 loop
        v_old_at := array_position(v_change.old_tags, v_key, v_old_at + 1);
      end loop;
      v_new_at := array_position(v_change.new_tags, v_key);
      while v_new_at % 2 = 0 loop
        v_new_at := array_position(v_change.new_tags, v_key, v_new_at + 1);
      end loop;
      continue when v_change.old_tags[v_old_at + 1] = v_change.new_tags[v_new_at + 1];
      v_tag := row(p_scope_id, v_slot, v_key, v_change.new_tags[v_new_at + 1]);
      if v_old_at is null then
        v_added := v_added || v_tag;
        v_flips := v_flips || row(v_key, 2, '', v_slot, true)::tagd.label_flip;
      elsif v_new_at is null then
        v_gone := v_gone || v_tag;
        v_flips := v_flips || row(v_key, 2, '', v_slot, false)::tagd.label_flip;
      else
        v_set := v_set || v_tag;
      end if;
      if v_old_at is not null then
        v_flips := v_flips || row(v_key, 3, v_change.old_tags[v_old_at + 1], v_slot, false)::tagd.label_flip;
      end if;
      if v_new_at is not null then
        v_flips := v_flips || row(v_key, 3, v_change.new_tags[v_new_at + 1], v_slot, true)::tagd.label_flip;
      end if;
    end loop;
  end loop;
  if v_any_new then
    insert into tagd.tag (scope_id, slot, key, value)
    select p_scope_id, c.slot, t.key, t.value
      from unnest(p_changes) as c, tagd.pairs_of(c.new_tags) t
     where c.old_tags is null;
    v_flips := v_flips || array(
      select row(l.key, l.kind, l.value, c.slot, true)::tagd.label_flip
        from unnest(p_changes) as c, tagd.labels_of(c.new_tags, c.new_words) l
       where c.old_tags is null);
  end if;

  -- The copy in tagd.resource; a resource that is being registered already has its tags there, and one that is being deleted
  -- needs none. A single resource is the usual case, for which a join would cost twice as much.
  if cardinality(p_changes) = 1 then
    if v_change.old_tags <> v_change.new_tags then
      update tagd.resource r set tags = v_change.new_tags where r.scope_id = p_scope_id and r.slot = v_slot;
    end if;
  else
    update tagd.resource r set tags = w.new_tags
      from unnest(p_changes) as w
     where r.scope_id = p_scope_id and r.slot = w.slot and w.old_tags <> w.new_tags;
  end if;
  if v_added is not null then
    insert into tagd.tag (scope_id, slot, key, value)
    select w.scope_id, w.slot, w.key, w.value from unnest(v_added) as w
    on conflict (scope_id, slot, key) do update set value = excluded.value;
  end if;
  if cardinality(v_set) = 1 then
    v_tag := v_set[1];
    update tagd.tag t set value = v_tag.value
     where t.scope_id = p_scope_id and t.slot = v_tag.slot and t.key = v_tag.key;
  elsif v_set is not null then
    update tagd.tag t set value = w.value
      from unnest(v_set) as w
     where t.scope_id = p_scope_id and t.slot = w.slot and t.key = w.key;
  end if;
  if v_gone is not null then
    delete from tagd.tag t
     using unnest(v_gone) as w
     where t.scope_id = p_scope_id and t.slot = w.slot and t.key = w.key;
  end if;
  if v_flips is not null then
    perform tagd.flip_labels(p_scope_id, v_flips);
  end if;
  perform tagd.record_changes(p_scope_id, p_changes);
end
$$;
comment on function tagd.change_tags(bigint, tagd.resource_change[]) is 'The one place that changes tags: brings the tags and the index of locked resources of a scope from the old tags to the new ones, and the labels of their names from the old words to the new ones. A resource may occur only once.';
revoke execute on function tagd.change_tags(bigint, tagd.resource_change[]) from public;
