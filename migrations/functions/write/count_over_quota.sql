create or replace function tagd.count_over_quota(p_old text[], p_new text[], p_quota integer)
returns integer
language plpgsql immutable parallel safe
as $$
declare
  v_count integer;
begin
  v_count := tagd.count_user_tags(p_new);
  -- if the quota was lowered, a resource above it may still lose tags and change their values
  if v_count > p_quota and v_count > tagd.count_user_tags(p_old) then
    return v_count;
  end if;
  return null;
end
$$;
comment on function tagd.count_over_quota(text[], text[], integer) is 'Applies the quota to a change from old to new tags: null if the change is allowed, otherwise the number of tags that the resource would have, not counting system tags. For a new resource, the old tags are null.';
revoke execute on function tagd.count_over_quota(text[], text[], integer) from public;
