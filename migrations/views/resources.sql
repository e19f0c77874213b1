create or replace view report.resources with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, r.resource_id, r.resource_name,
       case when t.has_system_tags then tagd.count_user_tags(r.tags) else cardinality(r.tags) / 2 end as tags_count,
       case when t.has_system_tags then cardinality(r.tags) / 2 - tagd.count_user_tags(r.tags) else 0 end as system_tags_count,
       jsonb_object(r.tags) as tags, r.detail::jsonb as detail, r.registered_at, r.slot as registration_number
  from tagd.readable_scope s
 cross join lateral (
  -- whether any of them has system tags, which must be told from the others; asked once for each scope, as the resources are
  -- joined to this
  select s.scope_id, exists (select from tagd.label l
                              where l.scope_id = s.scope_id and l.kind = 2 and starts_with(l.key, '_sys_')) as has_system_tags
  offset 0) t
  join tagd.resource r on r.scope_id = t.scope_id;
comment on view report.resources is 'A row for each resource with its tags. Reads the resources of the projects and types that are asked for.';
comment on column report.resources.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.resources.project_id is 'Project.';
comment on column report.resources.project_name is 'Display name of the project; empty if it has none.';
comment on column report.resources.resource_type is 'Resource type.';
comment on column report.resources.resource_id is 'Identifier of the resource, unique in its project and type.';
comment on column report.resources.resource_name is 'Display name of the resource; empty if it has none.';
comment on column report.resources.tags_count is 'Number of its tags, without system tags.';
comment on column report.resources.system_tags_count is 'Number of its system tags.';
comment on column report.resources.tags is 'Its tags as an object: a member for each key, system tags included.';
comment on column report.resources.detail is 'What the owning service registered of the resource as JSON; null if nothing.';
comment on column report.resources.registered_at is 'When it was registered.';
comment on column report.resources.registration_number is 'Counts the registrations of a type in a project; lists answer the highest first.';
grant select on report.resources to tagd_reader, tagd_domain_reader;
