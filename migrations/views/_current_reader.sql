-- Who reads a report. Not current_user, which in a function with the owner's rights is the owner.
create or replace view tagd.current_reader as
select pg_has_role(r.role_name, 'tagd_reader', 'usage') as reads_all,
       array(select d.domain_id
               from pg_roles o
               join tagd.reader_domain d on d.role_name::name = o.rolname
              where pg_has_role(r.role_name, o.oid, 'usage')) as domain_ids
  from (select case current_setting('role') when 'none' then session_user else current_setting('role')::name end) r (role_name);
comment on view tagd.current_reader is 'What the role that reads may read, one row: the role of set role, otherwise that of the session.';
comment on column tagd.current_reader.reads_all is 'Whether it has the rights of tagd_reader and reads all domains.';
comment on column tagd.current_reader.domain_ids is 'The domains that tagd.reader_domain gives it.';
