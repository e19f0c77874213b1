-- Who reads a report. Not current_user, which in a function with the owner's rights is the owner.
create or replace view tagd.current_reader as
select r.role_name, pg_has_role(r.role_name, 'tagd_reader', 'usage') as reads_all
  from (select case current_setting('role') when 'none' then session_user else current_setting('role')::name end) r (role_name);
comment on view tagd.current_reader is 'The role that reads, one row.';
comment on column tagd.current_reader.role_name is 'The role of set role, otherwise that of the session.';
comment on column tagd.current_reader.reads_all is 'Whether it has the rights of tagd_reader and reads all domains.';
