create or replace function tagd.count_user_tags(p_tags text[])
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
comment on function tagd.count_user_tags(text[]) is 'The number of tags in an array {key, value, key, value, ...}, not counting system tags.';
revoke execute on function tagd.count_user_tags(text[]) from public;
grant execute on function tagd.count_user_tags(text[]) to tagd_reader, tagd_domain_reader;
