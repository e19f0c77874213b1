create or replace view report.keys with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, l.key, starts_with(l.key, '_sys_') as is_system, l.resources
  from tagd.readable_scope s
  join tagd.label_size l on l.scope_id = s.scope_id
 where l.kind = 2 and l.is_used;
comment on view report.keys is 'A row for each key in use by a type in a project. Counted from the index.';
comment on column report.keys.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.keys.project_id is 'Project.';
comment on column report.keys.project_name is 'Display name of the project; empty if it has none.';
comment on column report.keys.resource_type is 'Resource type.';
comment on column report.keys.key is 'Key in use.';
comment on column report.keys.is_system is 'Whether it is the key of system tags: it begins with _sys_.';
comment on column report.keys.resources is 'Number of resources that have it.';
grant select on report.keys to tagd_reader, tagd_domain_reader;
