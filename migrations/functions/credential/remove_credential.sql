create or replace function tagd.remove_credential(p_credential_id text, p_kind smallint, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name      text;
  v_domain_id text;
  v_root_id   text;
begin
  delete from tagd.credential c
   where c.credential_id = p_credential_id and c.kind = p_kind
     and (p_caller.domain_id is null or c.domain_id = p_caller.domain_id and c.role <> 'operator')
  returning c.name, c.domain_id, c.root_id into v_name, v_domain_id, v_root_id;
  if not found then
    return false;
  end if;
  -- a user who logs out does nothing administrative, as with a login (put_credential)
  if v_root_id is null or v_name is distinct from p_caller.principal then
    perform tagd.record_act(
      p_caller, 'credential.revoke', p_credential_id, v_domain_id,
      jsonb_build_object('kind', case p_kind when 0 then 'key' else 'token' end, 'name', v_name));
  end if;
  perform tagd.notify_credentials();
  return true;
end
$$;
comment on function tagd.remove_credential(text, smallint, tagd.caller) is 'Revokes a credential and the tokens that were issued for it. False if there is none that the caller may revoke.';
revoke execute on function tagd.remove_credential(text, smallint, tagd.caller) from public;
grant execute on function tagd.remove_credential(text, smallint, tagd.caller) to tagd_service;
