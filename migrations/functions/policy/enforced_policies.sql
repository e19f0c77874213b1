create or replace function tagd.enforced_policies(p_scope_id bigint)
returns tagd.policy[]
language plpgsql
as $$
begin
  return array(
    select s.policy
      from tagd.policy_scope s
     where s.scope_id = p_scope_id and (s.policy).is_enforced
     order by (s.policy).policy_name);
end
$$;
comment on function tagd.enforced_policies(bigint) is 'The enforced policies that concern a scope. Volatile, so that a write sees what was committed before it asks.';
revoke execute on function tagd.enforced_policies(bigint) from public;
