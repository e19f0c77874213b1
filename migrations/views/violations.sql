create or replace view report.violations with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, (p.policy).policy_name, (p.policy).key, v.problem, v.found,
       r.resource_id, r.resource_name, r.registered_at, r.slot as registration_number
  from tagd.readable_scope s
  join tagd.policy_scope p on p.scope_id = s.scope_id
 cross join lateral tagd.list_violations(p.scope_id, p.policy) v
  join tagd.resource r on r.scope_id = s.scope_id and r.slot = v.slot;
comment on view report.violations is 'A row for each violation of a policy by a resource. Found by the index.';
comment on column report.violations.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.violations.project_id is 'Project.';
comment on column report.violations.project_name is 'Display name of the project; empty if it has none.';
comment on column report.violations.resource_type is 'Resource type.';
comment on column report.violations.policy_name is 'Name of the policy.';
comment on column report.violations.key is 'Key that the policy is about.';
comment on column report.violations.problem is 'missing: the resource lacks the key; value: the key has a value that is not allowed; spelling: the key is there in another spelling.';
comment on column report.violations.found is 'The value that is not allowed, or the key in another spelling; null for missing.';
comment on column report.violations.resource_id is 'Identifier of the resource, unique in its project and type.';
comment on column report.violations.resource_name is 'Display name of the resource; empty if it has none.';
comment on column report.violations.registered_at is 'When it was registered.';
comment on column report.violations.registration_number is 'Counts the registrations of a type in a project; lists answer the highest first.';
grant select on report.violations to tagd_reader, tagd_domain_reader;
