create or replace function tagd.refuse_import_lines()
returns void
language plpgsql
as $$
declare
  v_line      record;
  v_scope_id  bigint;
  v_policies  tagd.policy[];
  v_violation text;
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
  for v_line in
    select s.scope_id, i.line, i.tags, o.tags as old_tags
      from pg_temp.import_line i
      join pg_temp.import_scope s on s.project_id = i.project_id and s.resource_type = i.resource_type
      left join pg_temp.import_old o on o.scope_id = s.scope_id and o.resource_id = i.resource_id
     where o.tags is distinct from i.tags
     order by s.scope_id
  loop
    if v_line.scope_id is distinct from v_scope_id then
      v_scope_id := v_line.scope_id;
      v_policies := nullif(tagd.enforced_policies(v_scope_id), '{}');
    end if;
    continue when v_policies is null;
    v_violation := tagd.new_violation(v_policies, v_line.old_tags, v_line.tags);
    if v_violation is not null then
      insert into pg_temp.import_refused (line, violation) values (v_line.line, v_violation);
    end if;
  end loop;
  delete from pg_temp.import_line i using pg_temp.import_refused r where i.line = r.line;
end
$$;
comment on function tagd.refuse_import_lines() is 'Moves the lines of pg_temp.import_line that would add a violation of an enforced policy (see new_violation) to pg_temp.import_refused, from which it removes those of earlier batches. With the resources locked, which are in pg_temp.import_old.';
revoke execute on function tagd.refuse_import_lines() from public;
