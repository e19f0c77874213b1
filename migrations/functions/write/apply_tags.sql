create or replace function tagd.apply_tags(
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
    v_label_id := tagd.flip_label(p_scope_id, v_kinds[v_at], v_keys[v_at], v_values[v_at], p_slot, v_ons[v_at]);
    if v_label_id is not null then
      v_dense := v_dense || v_label_id;
      v_dense_on := v_dense_on || v_ons[v_at];
    end if;
  end loop;
  if cardinality(v_dense) = 1 then
    perform tagd.flip_chunk(p_scope_id, v_dense[1], p_slot, v_dense_on[1]);
  elsif cardinality(v_dense) > 1 then
    perform tagd.flip_chunk(p_scope_id, d.label_id, p_slot, d.is_on)
       from (select u.label_id, u.is_on from unnest(v_dense, v_dense_on) as u (label_id, is_on) order by u.label_id offset 0) d;
  end if;
end
$$;
comment on function tagd.apply_tags(bigint, integer, text[], text[], text[], text[]) is 'Inner part of the writing functions: brings tags and index of one locked resource from old tags to new, and its labels of kind 4 from old words to new; null tags stand for a resource that is not there. Words stand once each.';
revoke execute on function tagd.apply_tags(bigint, integer, text[], text[], text[], text[]) from public;
