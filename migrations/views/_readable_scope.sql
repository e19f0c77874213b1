create or replace view tagd.readable_scope with (security_barrier = true) as
select s.scope_id, p.domain_id, p.project_id, p.project_name, s.resource_type, t.service
  from tagd.readable_project p
  join tagd.scope s on s.project_id = p.project_id
  join tagd.resource_type t on t.resource_type = s.resource_type;
comment on view tagd.readable_scope is 'The scopes of readable projects.';
comment on column tagd.readable_scope.scope_id is 'Scope.';
comment on column tagd.readable_scope.domain_id is 'Domain of its project.';
comment on column tagd.readable_scope.project_id is 'Its project.';
comment on column tagd.readable_scope.project_name is 'Display name of its project.';
comment on column tagd.readable_scope.resource_type is 'Its resource type.';
comment on column tagd.readable_scope.service is 'Service whose API owns the type.';
