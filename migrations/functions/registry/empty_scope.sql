create or replace function tagd.empty_scope(p_scope_id bigint, p_caller text)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_slot    integer := -1;
  v_removed bigint := 0;
  v_changes tagd.resource_change[];
  v_caller  constant tagd.caller := p_caller::tagd.caller;
begin
  -- as in a rebuild of the index: labels are deleted, so no other writer may be active in the scope
  perform tagd.lock_scope(p_scope_id);
  -- not by change_tags: the whole index of the scope goes. In parts, so that the list of changes stays small.
  loop
    select array_agg(row(
             r.slot, r.tags, null, null, null, null, v_caller, r.resource_id, 'remove_project', r.resource_name, null,
             r.registered_at)::tagd.resource_change), max(r.slot)
      into v_changes, v_slot
      from (select * from tagd.resource e where e.scope_id = p_scope_id and e.slot > v_slot order by e.slot limit 10000) r;
    exit when v_slot is null;
    v_removed := v_removed + cardinality(v_changes);
    perform tagd.record_changes(p_scope_id, v_changes);
  end loop;
  delete from tagd.tag t where t.scope_id = p_scope_id;
  delete from tagd.name n where n.scope_id = p_scope_id;
  delete from tagd.resource r where r.scope_id = p_scope_id;
  delete from tagd.chunk c where c.scope_id = p_scope_id;
  delete from tagd.label l where l.scope_id = p_scope_id;
  return v_removed;
end
$$;
comment on function tagd.empty_scope(bigint, text) is 'The part of remove_project for each scope: deletes its resources, their tags and the index. Returns how many resources there were.';
revoke execute on function tagd.empty_scope(bigint, text) from public;
