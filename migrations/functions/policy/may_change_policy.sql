create or replace function tagd.may_change_policy(p_policy tagd.policy, p_projects text[])
returns boolean
language sql immutable parallel safe
as $$
  select p_projects is null or coalesce(p_policy.project_id = any (p_projects), false)
$$;
comment on function tagd.may_change_policy(tagd.policy, text[]) is 'Whether a caller who has only these projects of the domain may change a policy: if it is for one of them. Null is all.';
revoke execute on function tagd.may_change_policy(tagd.policy, text[]) from public;
