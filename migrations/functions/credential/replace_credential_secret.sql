create or replace function tagd.replace_credential_secret(p_credential_id text, p_kind smallint, p_secret bytea, p_security_token bytea, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name      text;
  v_domain_id text;
begin
  -- waits for tokens that are being issued for it, which are to end as well
  perform 1 from tagd.credential c where c.credential_id = p_credential_id for update;
  update tagd.credential c set secret = p_secret, security_token = p_security_token
   where c.credential_id = p_credential_id and c.kind = p_kind
     and (p_caller.domain_id is null or c.domain_id = p_caller.domain_id and c.role <> 'operator')
     -- nor a token that was issued for a credential that the caller may not change
     and (p_caller.domain_id is null or not exists (
       select from tagd.credential o
        where o.credential_id in (c.issued_for, c.root_id)
          and (o.domain_id is distinct from p_caller.domain_id or o.role = 'operator')))
  returning c.name, c.domain_id into v_name, v_domain_id;
  if not found then
    return false;
  end if;
  delete from tagd.credential c where c.issued_for = p_credential_id;
  perform tagd.record_act(
    p_caller, 'credential.rotate', p_credential_id, v_domain_id,
    jsonb_build_object('kind', case p_kind when 0 then 'key' else 'token' end, 'name', v_name));
  perform tagd.notify_credentials();
  return true;
end
$$;
comment on function tagd.replace_credential_secret(text, smallint, bytea, bytea, tagd.caller) is 'Gives a credential another secret; tokens that were issued for it end. False if there is none that the caller may change.';
revoke execute on function tagd.replace_credential_secret(text, smallint, bytea, bytea, tagd.caller) from public;
grant execute on function tagd.replace_credential_secret(text, smallint, bytea, bytea, tagd.caller) to tagd_service;
