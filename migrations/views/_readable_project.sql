-- Every view and function of the schema report gets its projects from here, so a reader of single domains is held to them in
-- one place. All views have security_barrier: a condition of the reader's is applied only to rows that may be seen, whatever
-- function it calls.
create or replace view tagd.readable_project with (security_barrier = true) as
select p.project_id, p.project_name, p.domain_id
  from tagd.project p
 where (select c.reads_all from tagd.current_reader c)
    or p.domain_id = any ((select c.domain_ids from tagd.current_reader c)::text[]);
comment on view tagd.readable_project is 'The projects that the current role may read in the schema report: all with tagd_reader, otherwise those of its domains in tagd.reader_domain.';
comment on column tagd.readable_project.project_id is 'Project.';
comment on column tagd.readable_project.project_name is 'Its display name.';
comment on column tagd.readable_project.domain_id is 'Its domain.';
