create or replace view report.coverage with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, k.key, starts_with(k.key, '_sys_') as is_system,
       h.resources as with_key, n.resources - h.resources as without_key, round(100.0 * h.resources / n.resources, 2) as percent
  from tagd.readable_scope s
  join (select distinct o.project_id, l.key
          from tagd.readable_scope o
          join tagd.label_size l on l.scope_id = o.scope_id
         where l.kind = 2 and l.is_used) k on k.project_id = s.project_id
 cross join lateral (
  select coalesce((
           select l.resources
             from tagd.label_size l
            where l.scope_id = s.scope_id and l.key = '' and l.kind = 0 and l.value = ''), 0) as resources
   offset 0) n
 cross join lateral (
  select coalesce((
           select l.resources
             from tagd.label_size l
            where l.scope_id = s.scope_id and l.key = k.key and l.kind = 2 and l.value = ''), 0) as resources
   offset 0) h
 where n.resources > 0;
comment on view report.coverage is 'A row for each type in a project and each key that any type in the project uses: how many resources have the key. Counted from the index.';
comment on column report.coverage.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.coverage.project_id is 'Project.';
comment on column report.coverage.project_name is 'Display name of the project; empty if it has none.';
comment on column report.coverage.resource_type is 'Resource type.';
comment on column report.coverage.key is 'Key that a resource of the project has.';
comment on column report.coverage.is_system is 'Whether it is the key of system tags: it begins with _sys_.';
comment on column report.coverage.with_key is 'Number of resources that have the key, with whatever value.';
comment on column report.coverage.without_key is 'Number of resources that do not have it.';
comment on column report.coverage.percent is 'with_key in percent of all resources of the type in the project, with two decimals.';
grant select on report.coverage to tagd_reader, tagd_domain_reader;
