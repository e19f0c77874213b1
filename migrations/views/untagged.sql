create or replace view report.untagged with (security_barrier = true) as
select s.domain_id, s.project_id, s.project_name, s.resource_type, r.resource_id, r.resource_name, r.registered_at,
       r.slot as registration_number
  from tagd.readable_scope s
  join tagd.label l on l.scope_id = s.scope_id and l.key = '' and l.kind = 1 and l.value = ''
 cross join lateral (
  select e.slot
    from unnest(l.slots) as e (slot)
   union all
  select c.block * 16384 + e.position
    from tagd.chunk c, unnest(tagd.last_set_bits(c.bits, 0, 16384)) as e (position)
   where l.slots is null and c.scope_id = l.scope_id and c.label_id = l.label_id) u
  join tagd.resource r on r.scope_id = s.scope_id and r.slot = u.slot;
comment on view report.untagged is 'A row for each resource without a tag; system tags do not count. Found by the index.';
comment on column report.untagged.domain_id is 'Domain of the project; empty if it has none.';
comment on column report.untagged.project_id is 'Project.';
comment on column report.untagged.project_name is 'Display name of the project; empty if it has none.';
comment on column report.untagged.resource_type is 'Resource type.';
comment on column report.untagged.resource_id is 'Identifier of the resource, unique in its project and type.';
comment on column report.untagged.resource_name is 'Display name of the resource; empty if it has none.';
comment on column report.untagged.registered_at is 'When it was registered.';
comment on column report.untagged.registration_number is 'Counts the registrations of a type in a project; lists answer the highest first.';
grant select on report.untagged to tagd_reader, tagd_domain_reader;
