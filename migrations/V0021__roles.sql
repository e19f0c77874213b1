-- Baseline 1 of 4: the role of the service, and what it may do with whatever is made after this.
--
-- Two roles: the owner, who runs these files, and tagd_service, which reads the tables and executes functions. tagd takes
-- the second role on every connection that serves, whoever it logged in as.

do $$
begin
  if not exists (select from pg_roles where rolname = 'tagd_service') then
    begin
      create role tagd_service nologin;
    exception
      -- another database of the same server was faster: roles are shared
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if not pg_has_role(current_user, 'tagd_service', 'usage') then
    execute format('grant tagd_service to %I', current_user);
  end if;
exception
  when insufficient_privilege then
    raise exception using
      errcode = 'TG003',
      message = format('the role tagd_service is missing, or %I is not a member, and %I may not change that; an administrator runs: create role tagd_service nologin; grant tagd_service to %I', current_user, current_user, current_user);
end
$$;

grant usage on schema tagd to tagd_service;
-- refinery has made its table of the history already
grant select on all tables in schema tagd to tagd_service;
alter default privileges in schema tagd grant select on tables to tagd_service;
