create or replace function tagd.differing_keys(p_old text[], p_new text[])
returns text[]
language plpgsql immutable parallel safe
as $$
declare
  v_old_end constant integer := coalesce(cardinality(p_old), 0);
  v_new_end constant integer := coalesce(cardinality(p_new), 0);
  v_old_at  integer := 1;
  v_new_at  integer := 1;
  v_keys    text[] := '{}';
begin
  -- both arrays are sorted by key, so one pass over both is enough
  while v_old_at < v_old_end or v_new_at < v_new_end loop
    if p_old[v_old_at] = p_new[v_new_at] then
      if p_old[v_old_at + 1] <> p_new[v_new_at + 1] then
        v_keys := v_keys || p_new[v_new_at];
      end if;
      v_old_at := v_old_at + 2;
      v_new_at := v_new_at + 2;
    elsif v_new_at > v_new_end or p_old[v_old_at] collate "C" < p_new[v_new_at] collate "C" then
      v_keys := v_keys || p_old[v_old_at];
      v_old_at := v_old_at + 2;
    else
      v_keys := v_keys || p_new[v_new_at];
      v_new_at := v_new_at + 2;
    end if;
  end loop;
  return v_keys;
end
$$;
comment on function tagd.differing_keys(text[], text[]) is 'The keys whose tags differ between two arrays {key, value, key, value, ...} that are sorted by key. Null counts as an array without tags.';
revoke execute on function tagd.differing_keys(text[], text[]) from public;
