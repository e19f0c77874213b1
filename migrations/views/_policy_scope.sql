create or replace view tagd.policy_scope as
select s.scope_id, j.domain_id, s.project_id, s.resource_type, p as policy
  from tagd.scope s
  join tagd.project j on j.project_id = s.project_id
  join tagd.policy p on tagd.concerns(p, j.domain_id, s.project_id, s.resource_type);
comment on view tagd.policy_scope is 'The scopes that each policy concerns.';
comment on column tagd.policy_scope.scope_id is 'Scope.';
comment on column tagd.policy_scope.domain_id is 'Domain of its project.';
comment on column tagd.policy_scope.project_id is 'Its project.';
comment on column tagd.policy_scope.resource_type is 'Its resource type.';
comment on column tagd.policy_scope.policy is 'The policy, a row of tagd.policy.';
