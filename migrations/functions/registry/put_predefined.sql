create or replace function tagd.put_predefined(p_domain_id text, p_tags text[], p_quota integer, p_caller tagd.caller)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
begin
  -- one writer per account at a time, so that the quota is enforced exactly
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  -- all tags of a call get the same time; it is read under the lock, so that a later call gets a later time
  v_now := clock_timestamp();
  insert into tagd.predefined_tag (domain_id, key, value, updated_at)
  select p_domain_id, p.key, p.value, v_now from tagd.pairs_of(p_tags) p
  on conflict (domain_id, key, value) do update set updated_at = v_now;
  perform tagd.check_predefined_quota(p_domain_id, p_quota);
end
$$;
comment on function tagd.put_predefined(text, text[], integer, tagd.caller) is 'Adds predefined tags, given as {key, value, key, value, ...}; those that exist get a new time. Raises TG004 if the account would then have more than p_quota.';
revoke execute on function tagd.put_predefined(text, text[], integer, tagd.caller) from public;
grant execute on function tagd.put_predefined(text, text[], integer, tagd.caller) to tagd_service;
