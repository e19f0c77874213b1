create or replace view report.keys with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, l.key, starts_with(l.key, '_sys_') as is_system,
       case when l.slots is null
            then (select sum(c.hits) from tagd.chunk c where c.scope_id = l.scope_id and c.label_id = l.label_id)
            else cardinality(l.slots) end::bigint as resources
  from tagd.readable_scope s
  join tagd.label l on l.scope_id = s.scope_id
 where l.kind = 2
   and (l.slots is null and (select true from tagd.chunk c where c.scope_id = l.scope_id and c.label_id = l.label_id limit 1)
        or cardinality(l.slots) > 0);
comment on view report.keys is 'A row for each key in use by a type in a project. Counted from the index.';
comment on column report.keys.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.keys.project_id is 'Project.';
comment on column report.keys.project_name is 'Display name of the project; empty if it has none.';
comment on column report.keys.resource_type is 'Resource type.';
comment on column report.keys.key is 'Key in use.';
comment on column report.keys.is_system is 'Whether it is the key of system tags: it begins with _sys_.';
comment on column report.keys.resources is 'Number of resources that have it.';
grant select on report.keys to tagd_reader, tagd_domain_reader;
