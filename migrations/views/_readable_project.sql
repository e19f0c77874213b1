-- Every view and function of the schema report gets its projects from here, so a reader of single domains is held to them in
-- one place. All views have security_barrier: a condition of the reader's is applied only to rows that may be seen, whatever
-- function it calls. The reader is not current_user, which in a function with the owner's rights is the owner.
create or replace view tagd.readable_project with (security_barrier = true) as
select p.project_id, p.project_name, p.domain_id
  from tagd.project p
 where (select pg_has_role(
          case current_setting('role') when 'none' then session_user else current_setting('role')::name end, 'tagd_reader', 'usage'))
    or p.domain_id = any (array(
         select d.domain_id
           from tagd.reader_domain d
           join pg_roles r on r.rolname = d.role_name::name
          where pg_has_role(
            case current_setting('role') when 'none' then session_user else current_setting('role')::name end, r.oid, 'usage')));
comment on view tagd.readable_project is 'The projects that the current role may read in the schema report: all with tagd_reader, otherwise those of its domains in tagd.reader_domain.';
comment on column tagd.readable_project.project_id is 'Project.';
comment on column tagd.readable_project.project_name is 'Its display name.';
comment on column tagd.readable_project.domain_id is 'Its domain.';
