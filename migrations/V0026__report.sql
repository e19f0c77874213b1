-- Reports: a schema of views for people with SQL, and the roles that may read them (docs/adr/0029). The views themselves are in
-- views/, which is applied with the functions.

do $$
declare
  v_role text;
begin
  foreach v_role in array array['tagd_reader', 'tagd_domain_reader'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      begin
        execute format('create role %I nologin', v_role);
      exception
        -- another database of the same server was faster: roles are shared
        when duplicate_object or unique_violation then null;
      end;
    end if;
  end loop;
  -- what the service asks on behalf of a principal is held to that principal's projects by the service
  if not pg_has_role('tagd_service', 'tagd_reader', 'usage') then
    grant tagd_reader to tagd_service;
  end if;
exception
  when insufficient_privilege then
    raise exception using
      errcode = 'TG003',
      message = format('the roles tagd_reader and tagd_domain_reader are missing, or tagd_service is not a member of tagd_reader, and %I may not change that; an administrator runs: create role tagd_reader nologin; create role tagd_domain_reader nologin; grant tagd_reader to tagd_service', current_user);
end
$$;

create schema report;
comment on schema report is 'Reports of tagd: views whose names and columns are kept stable. Readers need the role tagd_reader, or tagd_domain_reader and a row in tagd.reader_domain.';
grant usage on schema report to tagd_reader, tagd_domain_reader;

create table tagd.reader_domain (
  role_name text collate "C" not null,
  domain_id text collate "C" not null,
  constraint reader_domain_pkey primary key (role_name, domain_id)
);
comment on table tagd.reader_domain is 'The domains that roles with tagd_domain_reader may read in the schema report. The owner of the schema writes it.';
comment on column tagd.reader_domain.role_name is 'Name of a role; its members may read the domain too.';
comment on column tagd.reader_domain.domain_id is 'Domain, as in tagd.project.';

create table tagd.verification (
  scope_id    bigint not null,
  verified_at timestamptz not null,
  differences bigint not null,
  constraint verification_pkey primary key (scope_id)
);
comment on table tagd.verification is 'The last run of tagd index verify over each scope.';
comment on column tagd.verification.scope_id is 'Scope.';
comment on column tagd.verification.verified_at is 'When it was compared with its tags.';
comment on column tagd.verification.differences is 'In how many places index and tags differed.';
