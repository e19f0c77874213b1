create or replace function tagd.remove_policy(
  p_domain_id text, p_name text, p_projects text[], p_match text[], p_caller tagd.caller)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old tagd.policy;
begin
  if p_caller.domain_id is not null and p_domain_id is distinct from p_caller.domain_id then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('tagd.policy', 0));
  select p.* into v_old from tagd.policy p where p.policy_name = p_name and p.domain_id is not distinct from p_domain_id;
  if v_old.policy_id is not null and not tagd.may_change_policy(v_old, p_projects) then
    return false;
  end if;
  if p_match is not null and (v_old.policy_id is null or not (tagd.policy_etag(v_old) = any (p_match) or '*' = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;
  delete from tagd.policy p where p.policy_id = v_old.policy_id;
  if not found then
    return false;
  end if;
  perform tagd.record_act(p_caller, 'policy.remove', p_name, p_domain_id, '{}');
  return true;
end
$$;
comment on function tagd.remove_policy(text, text, text[], text[], tagd.caller) is 'Deletes a policy of a domain, null for one of all domains, if it has one of the etags in p_match (see put_policy). False if there is none that the caller may delete.';
revoke execute on function tagd.remove_policy(text, text, text[], text[], tagd.caller) from public;
grant execute on function tagd.remove_policy(text, text, text[], text[], tagd.caller) to tagd_service;
