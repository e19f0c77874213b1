create or replace view report.audit with (security_barrier = true) as
select a.recorded_at, a.operation, a.object, a.domain_id, a.principal, a.credential_id, a.request_id, a.address, a.detail
  from tagd.audit a
 where (select c.reads_all from tagd.current_reader c);
comment on view report.audit is 'The audit log: a row for each administrative act. Empty for readers of single domains.';
comment on column report.audit.recorded_at is 'When it was written.';
comment on column report.audit.operation is 'What was done, such as project.put or credential.revoke; login.failed for failed authentications.';
comment on column report.audit.object is 'What it was done to: a name or an identifier.';
comment on column report.audit.domain_id is 'Domain of the object; null if it belongs to none.';
comment on column report.audit.principal is 'Who did it: a principal, or a command such as cli:token; empty for failed authentications.';
comment on column report.audit.credential_id is 'Credential of the principal, since several may have one name; null for a command, and if tagd requires no credentials.';
comment on column report.audit.request_id is 'Identifier of the request; empty for a command.';
comment on column report.audit.address is 'Address of the client; null for a command.';
comment on column report.audit.detail is 'What the act set, or how often it happened.';
grant select on report.audit to tagd_reader, tagd_domain_reader;
