create or replace function tagd.find_tag(p_tags text[], p_key text)
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
comment on function tagd.find_tag(text[], text) is 'Position of a key in an array key, value, key, value ... sorted by key, or the position to insert it at.';
revoke execute on function tagd.find_tag(text[], text) from public;
