create or replace function tagd.lock_project_shared(p_project_id text, p_caller tagd.caller)
returns void
language plpgsql
as $$
declare
  v_domain_id text;
begin
  loop
    select p.domain_id into v_domain_id from tagd.project p where p.project_id = p_project_id for key share;
    exit when found;
    insert into tagd.project (project_id, domain_id) values (p_project_id, coalesce(p_caller.domain_id, ''))
    on conflict (project_id) do nothing;
    if found then
      perform tagd.copy_domains(array[p_project_id]);
      perform tagd.record_act(
        p_caller, 'project.put', p_project_id, coalesce(p_caller.domain_id, ''), jsonb_build_object('project_name', '', 'created', true));
    end if;
  end loop;
  if v_domain_id <> p_caller.domain_id then
    raise exception using errcode = 'TG012', message = 'the project belongs to another domain';
  end if;
end
$$;
comment on function tagd.lock_project_shared(text, tagd.caller) is 'Keeps a project from being deleted until the transaction ends. A new one is made, in the domain of the caller; TG012: it belongs to another domain than the caller''s.';
revoke execute on function tagd.lock_project_shared(text, tagd.caller) from public;
