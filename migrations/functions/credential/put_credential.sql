create or replace function tagd.put_credential(
  p_credential_id text, p_kind smallint, p_name text, p_role text, p_domain_id text, p_project_ids text[], p_secret bytea,
  p_security_token bytea, p_issued_for text, p_expires_at bigint, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_caller.domain_id is not null and (p_domain_id is distinct from p_caller.domain_id or p_role = 'operator') then
    raise exception 'a caller of one domain creates a credential of another';
  end if;
  -- nothing else deletes what the identity API has issued. A token for a key of the settings file, which has no row here, is
  -- only known by how short it lasts
  delete from tagd.credential c
   where c.expires_at < now()
     and (c.issued_for is not null or c.kind = 1 and c.expires_at <= c.created_at + interval '1 hour');
  -- it may have been revoked meanwhile
  if p_issued_for is not null then
    perform 1 from tagd.credential c where c.credential_id = p_issued_for for key share;
    if not found then
      return false;
    end if;
  end if;
  insert into tagd.credential (
    credential_id, kind, name, role, domain_id, project_ids, secret, security_token, issued_for, created_by, expires_at)
  values (
    p_credential_id, p_kind, p_name, p_role, p_domain_id, p_project_ids, p_secret, p_security_token, p_issued_for,
    p_caller.principal, to_timestamp(p_expires_at))
  on conflict (credential_id) do nothing;
  return found;
end
$$;
comment on function tagd.put_credential(text, smallint, text, text, text, text[], bytea, bytea, text, bigint, tagd.caller) is 'Adds a credential. False if there is one with this identifier, or none of the one that it is issued for.';
revoke execute on function tagd.put_credential(text, smallint, text, text, text, text[], bytea, bytea, text, bigint, tagd.caller) from public;
grant execute on function tagd.put_credential(text, smallint, text, text, text, text[], bytea, bytea, text, bigint, tagd.caller) to tagd_service;
