create or replace view report.changes with (security_barrier = true) as
select h.domain_id, s.project_id, coalesce(p.project_name, '') as project_name, s.resource_type, h.resource_id, h.changed_at,
       h.operation, h.principal,
       -- which credentials others have is shown to nobody of one domain
       case when (select c.reads_all from tagd.current_reader c) then h.credential_id end as credential_id, h.request_id, h.old_name, h.new_name,
       jsonb_object(h.old_tags) as old_tags, jsonb_object(h.new_tags) as new_tags
  from tagd.history h
  join tagd.scope s on s.scope_id = h.scope_id
  left join tagd.project p on p.project_id = s.project_id and p.domain_id = h.domain_id
 -- by the domain that the project had then: a project that is deleted may be registered anew in another
 where (select c.reads_all from tagd.current_reader c)
    or h.domain_id = any ((select c.domain_ids from tagd.current_reader c)::text[]);
comment on view report.changes is 'A row for each change of a resource or its tags. Reads the months that conditions on changed_at leave.';
comment on column report.changes.domain_id is 'Domain of the project at the time; empty if it had none.';
comment on column report.changes.project_id is 'Project.';
comment on column report.changes.project_name is 'Display name of the project; empty if it has none or was deleted.';
comment on column report.changes.resource_type is 'Resource type.';
comment on column report.changes.resource_id is 'Identifier of the resource.';
comment on column report.changes.changed_at is 'When the change was made.';
comment on column report.changes.operation is 'register, update, tag, untag, replace, restore, import, remove, prune or remove_project.';
comment on column report.changes.principal is 'Who made it: a principal, or a command such as cli:import.';
comment on column report.changes.credential_id is 'Credential of the principal, since several may have one name; null for a command, if tagd requires no credentials, and for readers of single domains.';
comment on column report.changes.request_id is 'Identifier of the request; empty for a command.';
comment on column report.changes.old_name is 'Name before, if the change gave the resource another name or removed it; otherwise null.';
comment on column report.changes.new_name is 'Name after, if the change gave the resource another name or registered it; otherwise null.';
comment on column report.changes.old_tags is 'All tags before, as an object; null if the change registered the resource.';
comment on column report.changes.new_tags is 'All tags after, as an object; null if the change removed the resource.';
grant select on report.changes to tagd_reader, tagd_domain_reader;
