create or replace function tagd.concerns(p_policy tagd.policy, p_domain_id text, p_project_id text, p_resource_type text)
returns boolean
-- without settings, so that calls are inlined
language sql immutable parallel safe
as $$
  select (p_policy.domain_id is null or p_policy.domain_id = p_domain_id)
     and (p_policy.project_id is null or p_policy.project_id = p_project_id)
     and (p_policy.resource_types is null or p_resource_type = any (p_policy.resource_types))
$$;
comment on function tagd.concerns(tagd.policy, text, text, text) is 'Whether a policy concerns the resources of a type in a project, given with the domain of the project. A policy of a domain concerns nothing outside of it, even if its project has moved to another domain.';
revoke execute on function tagd.concerns(tagd.policy, text, text, text) from public;
grant execute on function tagd.concerns(tagd.policy, text, text, text) to tagd_service, tagd_reader, tagd_domain_reader;
