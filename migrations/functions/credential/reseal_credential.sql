create or replace function tagd.reseal_credential(p_credential_id text, p_old bytea, p_sealed bytea, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name      text;
  v_domain_id text;
begin
  if p_caller.domain_id is not null then
    raise exception 'a caller of one domain seals secrets of all';
  end if;
  update tagd.credential c set secret = p_sealed
   where c.credential_id = p_credential_id and c.kind = 0 and c.secret = p_old
  returning c.name, c.domain_id into v_name, v_domain_id;
  if not found then
    return false;
  end if;
  perform tagd.record_act(p_caller, 'credential.reseal', p_credential_id, v_domain_id, jsonb_build_object('kind', 'key', 'name', v_name));
  return true;
end
$$;
comment on function tagd.reseal_credential(text, bytea, bytea, tagd.caller) is 'Replaces the sealed secret of a key by the same one, sealed with another master key. False if there is no such key, or if it has another secret by now.';
revoke execute on function tagd.reseal_credential(text, bytea, bytea, tagd.caller) from public;
grant execute on function tagd.reseal_credential(text, bytea, bytea, tagd.caller) to tagd_service;
