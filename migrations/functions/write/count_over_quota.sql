create or replace function tagd.count_over_quota(p_old text[], p_new text[], p_quota integer)
returns integer
language plpgsql immutable parallel safe
as $$
declare
  v_count integer;
begin
  v_count := tagd.count_user_tags(p_new);
  -- a resource above a quota that was lowered later may still lose and change tags
  if v_count > p_quota and v_count > tagd.count_user_tags(p_old) then
    return v_count;
  end if;
  return null;
end
$$;
comment on function tagd.count_over_quota(text[], text[], integer) is 'The rule of the quota: how many tags a resource would have, system tags not counted, if a change from old to new tags is refused; null if it is allowed. Null old tags are those of a new resource.';
revoke execute on function tagd.count_over_quota(text[], text[], integer) from public;
