create or replace function tagd.remove_type(p_resource_type text, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- a strict import may have a scope of this type already and put a policy later
  perform tagd.enter_import(false);
  -- a policy that is being put has found its types: none of them goes before it is there
  perform pg_advisory_xact_lock(hashtextextended('tagd.policy', 0));
  begin
    -- Deletes its aliases as well, by the foreign key. A concurrent creation of a scope of this type either waits for the end of the
    -- transaction or is waited for.
    delete from tagd.resource_type t where t.resource_type = p_resource_type and t.alias_of is null;
    if not found then
      return false;
    end if;
  exception
    -- that of tagd.scope
    when foreign_key_violation then
      raise exception using errcode = 'TG010', message = 'the resource type is in use';
  end;
  update tagd.policy p set resource_types = array_remove(p.resource_types, p_resource_type)
   where p_resource_type = any (p.resource_types);
  -- A policy for this type alone concerns nothing any more. Only now: other types of it may have been deleted at the same time.
  delete from tagd.policy p where p.resource_types = '{}';
  perform tagd.record_act(p_caller, 'type.remove', p_resource_type, null, '{}');
  return true;
end
$$;
comment on function tagd.remove_type(text, tagd.caller) is 'Deletes a resource type, also from policies; raises TG010 if there is a scope of this type. Returns false if the name is unknown or an alias.';
revoke execute on function tagd.remove_type(text, tagd.caller) from public;
grant execute on function tagd.remove_type(text, tagd.caller) to tagd_service;
