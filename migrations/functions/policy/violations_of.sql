create or replace function tagd.violations_of(p_policies tagd.policy[], p_tags text[])
returns tagd.violation[]
language plpgsql immutable parallel safe
as $$
declare
  v_policy tagd.policy;
  v_at     integer;
  -- null: none, which is cheaper to make and to test
  v_found  tagd.violation[];
begin
  foreach v_policy in array coalesce(p_policies, '{}') loop
    -- skip values that equal the key: keys are at odd positions
    v_at := array_position(p_tags, v_policy.key);
    while v_at % 2 = 0 loop
      v_at := array_position(p_tags, v_policy.key, v_at + 1);
    end loop;
    if v_at is null then
      if v_policy.is_required then
        v_found := v_found || row(v_policy.policy_name, v_policy.key, 'missing', null)::tagd.violation;
      end if;
    elsif not tagd.is_allowed(p_tags[v_at + 1], v_policy.allowed_values, v_policy.pattern_are) then
      v_found := v_found || row(v_policy.policy_name, v_policy.key, 'value', p_tags[v_at + 1])::tagd.violation;
    end if;
    if v_policy.is_exact then
      for v_at in 1 .. coalesce(cardinality(p_tags), 0) by 2 loop
        if p_tags[v_at] <> v_policy.key and tagd.fold_key(p_tags[v_at]) = v_policy.folded_key then
          v_found := v_found || row(v_policy.policy_name, v_policy.key, 'spelling', p_tags[v_at])::tagd.violation;
        end if;
      end loop;
    end if;
  end loop;
  return v_found;
end
$$;
comment on function tagd.violations_of(tagd.policy[], text[]) is 'The one place that judges the tags of a resource, given as {key, value, key, value, ...}: what is wrong with them by these policies; null if nothing is. domain::policy has the same in Rust.';
revoke execute on function tagd.violations_of(tagd.policy[], text[]) from public;
grant execute on function tagd.violations_of(tagd.policy[], text[]) to tagd_service;
