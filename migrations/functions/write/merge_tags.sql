create or replace function tagd.merge_tags(p_tags text[], p_mode smallint, p_parts text[])
returns text[]
language plpgsql immutable parallel safe
as $$
declare
  v_tags text[] := case when p_mode = 2 then '{}' else p_tags end;
  v_key  text;
  v_at   integer;
begin
  for v_part in 1 .. cardinality(p_parts) by 2 loop
    v_key := p_parts[v_part];
    -- skip values that equal the key: keys are at odd positions
    v_at := array_position(v_tags, v_key);
    while v_at % 2 = 0 loop
      v_at := array_position(v_tags, v_key, v_at + 1);
    end loop;
    if p_mode = 1 then
      if v_at > 0 and (p_parts[v_part + 1] is null or v_tags[v_at + 1] = p_parts[v_part + 1]) then
        v_tags := v_tags[:v_at - 1] || v_tags[v_at + 2:];
      end if;
    elsif v_at > 0 then
      v_tags[v_at + 1] := p_parts[v_part + 1];
    else
      v_at := 1;
      while v_tags[v_at] collate "C" < v_key collate "C" loop
        v_at := v_at + 2;
      end loop;
      v_tags := v_tags[:v_at - 1] || p_parts[v_part:v_part + 1] || v_tags[v_at:];
    end if;
  end loop;
  return v_tags;
end
$$;
comment on function tagd.merge_tags(text[], smallint, text[]) is 'The tags of a resource after a write, sorted by key. Tags and parts are {key, value, key, value, ...}. Mode 0 puts tags: an existing key gets the new value. Mode 1 removes tags: a null value removes the key whatever its value is. Mode 2 replaces all tags.';
revoke execute on function tagd.merge_tags(text[], smallint, text[]) from public;
