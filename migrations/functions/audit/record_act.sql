create or replace function tagd.record_act(p_caller tagd.caller, p_operation text, p_object text, p_domain_id text, p_detail jsonb)
returns void
language sql
as $$
  insert into tagd.audit (operation, object, domain_id, principal, credential_id, request_id, address, detail)
  values (p_operation, p_object, p_domain_id, coalesce(p_caller.principal, ''), p_caller.credential_id, coalesce(p_caller.request_id, ''), p_caller.address,
          jsonb_strip_nulls(p_detail))
$$;
comment on function tagd.record_act(tagd.caller, text, text, text, jsonb) is 'Writes an entry of the audit log. The detail must have no secret.';
revoke execute on function tagd.record_act(tagd.caller, text, text, text, jsonb) from public;
