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
  perform tagd.apply_tags(p_scope_id, v_slot, v_old, v_new, '{}', '{}');
end
$$;
comment on function tagd.change_tags(bigint, text, text[], text[], boolean) is 'Inner part of replace_tags_if: changes the tags of a resource and its bits.';
revoke execute on function tagd.change_tags(bigint, text, text[], text[], boolean) from public;
