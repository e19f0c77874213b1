create or replace view tagd.policy_scope as
select s.scope_id, s.domain_id, s.project_id, s.resource_type, p.policy
  from tagd.scope s
  join tagd.policy_row p
    on s.domain_id is not null and tagd.concerns(p.policy, s.domain_id, s.project_id, s.resource_type);
grant select on tagd.policy_scope to tagd_service;
comment on view tagd.policy_scope is 'The scopes that each policy concerns.';
comment on column tagd.policy_scope.scope_id is 'Scope.';
comment on column tagd.policy_scope.domain_id is 'Domain of its project.';
comment on column tagd.policy_scope.project_id is 'Its project.';
comment on column tagd.policy_scope.resource_type is 'Its resource type.';
comment on column tagd.policy_scope.policy is 'The policy, a row of tagd.policy.';
