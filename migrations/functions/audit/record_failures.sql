create or replace function tagd.record_failures(p_addresses text[], p_counts integer[])
returns void
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into tagd.audit (operation, object, principal, request_id, address, detail)
  select 'login.failed', f.address, '', '', f.address, jsonb_build_object('count', f.count)
    from unnest(p_addresses, p_counts) as f (address, count)
$$;
comment on function tagd.record_failures(text[], integer[]) is 'Writes to the audit log how often authentication failed from each address.';
revoke execute on function tagd.record_failures(text[], integer[]) from public;
grant execute on function tagd.record_failures(text[], integer[]) to tagd_service;
