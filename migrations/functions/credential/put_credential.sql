create or replace function tagd.put_credential(
  p_credential_id text, p_kind smallint, p_name text, p_role text, p_domain_id text, p_project_ids text[], p_secret bytea,
  p_security_token bytea, p_issued_for text, p_root_id text, p_expires_at bigint, p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_root text := p_root_id;
  v_excess bigint;
begin
  if p_caller.domain_id is not null and (p_domain_id is distinct from p_caller.domain_id or p_role = 'operator') then
    raise exception 'a caller of one domain creates a credential of another';
  end if;
  if p_issued_for is not null then
    -- it may have been revoked meanwhile
    select coalesce(c.root_id, c.credential_id) into v_root from tagd.credential c
     where c.credential_id = p_issued_for for key share;
    if not found then
      return false;
    end if;
  end if;
  if v_root is not null then
    -- nothing else deletes what the identity API has issued and what has ended. Others may be doing this at the same time, hence
    -- skip locked; and what other tokens go back to stays until they are gone, so that one deletion is not one of many
    delete from tagd.credential c
     where c.credential_id in (
       select e.credential_id from tagd.credential e
        where e.root_id is not null and e.expires_at < now()
          and not exists (select from tagd.credential i where i.issued_for = e.credential_id)
        order by e.expires_at limit 500 for update skip locked);
    -- the oldest end if they are too many, so that revoking what they go back to does not take too long; only those of the same
    -- domain, and of operators only for operators: whoever was given a token for one domain must not end those of others
    select count(*) - 9999 into v_excess
      from (select from tagd.credential o
             where o.root_id = v_root and coalesce(o.domain_id, '') = coalesce(p_domain_id, '')
               and (o.role = 'operator') = (p_role = 'operator')
             limit 10499) o;
    if v_excess > 0 then
      delete from tagd.credential c
       where c.credential_id in (
         select o.credential_id from tagd.credential o
          where o.root_id = v_root and coalesce(o.domain_id, '') = coalesce(p_domain_id, '')
            and (o.role = 'operator') = (p_role = 'operator') and o.credential_id is distinct from p_issued_for
            and not exists (select from tagd.credential i where i.issued_for = o.credential_id)
          order by o.created_at limit v_excess for update skip locked);
    end if;
  end if;
  insert into tagd.credential (
    credential_id, kind, name, role, domain_id, project_ids, secret, security_token, issued_for, root_id,
    created_by, expires_at)
  values (
    p_credential_id, p_kind, p_name, p_role, p_domain_id, p_project_ids, p_secret, p_security_token, p_issued_for, v_root,
    p_caller.principal, to_timestamp(p_expires_at))
  on conflict (credential_id) do nothing;
  if not found then
    return false;
  end if;
  -- a login is no administrative act: the token lasts for an hour and allows no more than what it was issued for, and whoever
  -- may log in would fill a log that is kept for years
  if v_root is null then
    perform tagd.record_act(
      p_caller, 'credential.create', p_credential_id, p_domain_id,
      jsonb_build_object(
        'kind', case p_kind when 0 then 'key' else 'token' end, 'name', p_name, 'role', p_role, 'projects', p_project_ids,
        'expires_at', to_char(to_timestamp(p_expires_at) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));
  end if;
  return true;
end
$$;
comment on function tagd.put_credential(text, smallint, text, text, text, text[], bytea, bytea, text, text, bigint, tagd.caller) is 'Adds a credential. False if there is one with this identifier, or none of the one that it is issued for. A token of the identity API has that one, or a key of the settings file as its root; of one root, 10,000 are kept for each domain.';
revoke execute on function tagd.put_credential(text, smallint, text, text, text, text[], bytea, bytea, text, text, bigint, tagd.caller) from public;
grant execute on function tagd.put_credential(text, smallint, text, text, text, text[], bytea, bytea, text, text, bigint, tagd.caller) to tagd_service;
