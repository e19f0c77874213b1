create or replace view report.tags with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, r.resource_id, r.resource_name, t.key, t.value,
       starts_with(t.key, '_sys_') as is_system
  from tagd.readable_scope s
  join tagd.tag t on t.scope_id = s.scope_id
  join tagd.resource r on r.scope_id = t.scope_id and r.slot = t.slot;
comment on view report.tags is 'A row for each tag of each resource. Reads the tags of the projects and types that are asked for; for the resources with a certain tag, report.matching is faster.';
comment on column report.tags.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.tags.project_id is 'Project.';
comment on column report.tags.project_name is 'Display name of the project; empty if it has none.';
comment on column report.tags.resource_type is 'Resource type.';
comment on column report.tags.resource_id is 'Identifier of the resource, unique in its project and type.';
comment on column report.tags.resource_name is 'Display name of the resource; empty if it has none.';
comment on column report.tags.key is 'Key of the tag.';
comment on column report.tags.value is 'Value of the tag; may be empty.';
comment on column report.tags.is_system is 'Whether it is a system tag: its key begins with _sys_.';
grant select on report.tags to tagd_reader, tagd_domain_reader;
