create or replace function tagd.new_violation(p_policies tagd.policy[], p_old text[], p_new text[])
returns text
language plpgsql immutable parallel safe
as $$
declare
  v_new       constant tagd.violation[] := tagd.violations_of(p_policies, p_new);
  v_old       tagd.violation[];
  v_violation tagd.violation;
begin
  if v_new is null then
    return null;
  end if;
  if p_old is not null then
    v_old := tagd.violations_of(p_policies, p_old);
  end if;
  foreach v_violation in array v_new loop
    if v_violation = any (v_old) then
      continue;
    end if;
    -- a message does not have room for more values
    return (
      select jsonb_build_object(
               'policy', p.policy_name, 'key', p.key, 'problem', v_violation.problem, 'found', v_violation.found,
               'values', to_jsonb(p.allowed_values[:10]), 'more', greatest(cardinality(p.allowed_values) - 10, 0), 'pattern', p.pattern)
        from unnest(p_policies) p
       where p.policy_name = v_violation.policy_name);
  end loop;
  return null;
end
$$;
comment on function tagd.new_violation(tagd.policy[], text[], text[]) is 'The first violation that the new tags of a resource have and its old ones do not, as a JSON object with what the policy allows; null if there is none. For a new resource, the old tags are null.';
revoke execute on function tagd.new_violation(tagd.policy[], text[], text[]) from public;
