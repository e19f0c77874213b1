create or replace function tagd.refuse_import_lines()
returns void
language plpgsql
as $$
begin
  -- not in begin_import: a session may have called that of an earlier version
  if to_regclass('pg_temp.import_refused') is null then
    create temporary table import_refused (
      line      bigint not null,
      violation text not null
    );
    grant select on pg_temp.import_refused to tagd_service;
  end if;
  truncate pg_temp.import_refused;
  if not exists (select from tagd.policy p where p.is_enforced) then
    return;
  end if;
  with concerned as materialized (
         select s.scope_id, s.project_id, s.resource_type, tagd.enforced_policies(s.scope_id) as policies
           from (select distinct i.project_id, i.resource_type from pg_temp.import_line i) l
           join tagd.scope s on s.project_id = l.project_id and s.resource_type = l.resource_type),
       judged as (
         select i.line, tagd.new_violation(c.policies, r.tags, i.tags) as violation
           from pg_temp.import_line i
           join concerned c on c.project_id = i.project_id and c.resource_type = i.resource_type
           left join tagd.resource r on r.scope_id = c.scope_id and r.resource_id = i.resource_id
          where c.policies <> '{}' and r.tags is distinct from i.tags)
  insert into pg_temp.import_refused (line, violation)
  select j.line, j.violation from judged j where j.violation is not null;
  delete from pg_temp.import_line i using pg_temp.import_refused r where i.line = r.line;
end
$$;
comment on function tagd.refuse_import_lines() is 'Moves the lines of pg_temp.import_line that would add a violation of an enforced policy (see new_violation) to pg_temp.import_refused, from which it removes those of earlier batches. With the resources locked.';
revoke execute on function tagd.refuse_import_lines() from public;
