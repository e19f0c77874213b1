create or replace view report.scopes with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, s.service, n.resources,
       n.resources - u.resources as tagged, u.resources as untagged,
       round(100.0 * (n.resources - u.resources) / nullif(n.resources, 0), 2) as tagged_percent
  from tagd.readable_scope s
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
            where l.scope_id = s.scope_id and l.key = '' and l.kind = 1 and l.value = ''), 0) as resources
   offset 0) u;
comment on view report.scopes is 'A row for each type in a project, with its totals. Counted from the index.';
comment on column report.scopes.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.scopes.project_id is 'Project.';
comment on column report.scopes.project_name is 'Display name of the project; empty if it has none.';
comment on column report.scopes.resource_type is 'Resource type.';
comment on column report.scopes.service is 'Service whose API owns the type.';
comment on column report.scopes.resources is 'Number of resources.';
comment on column report.scopes.tagged is 'Resources with at least one tag that is no system tag.';
comment on column report.scopes.untagged is 'Resources without such a tag.';
comment on column report.scopes.tagged_percent is 'tagged in percent of resources, with two decimals; null if there are no resources.';
grant select on report.scopes to tagd_reader, tagd_domain_reader;
