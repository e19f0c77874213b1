create or replace function tagd.import_predefined(
  p_domain_id text, p_key text, p_value text, p_updated_at timestamptz, p_quota integer, p_caller tagd.caller,
  out created boolean, out changed boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_caller.domain_id is not null and p_domain_id <> p_caller.domain_id then
    raise exception 'a caller of one domain writes a predefined tag of another';
  end if;
  changed := false;
  -- the lock of put_predefined
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  insert into tagd.predefined_tag (domain_id, key, value, updated_at)
  values (p_domain_id, p_key, p_value, coalesce(p_updated_at, clock_timestamp()))
  on conflict (domain_id, key, value) do nothing;
  created := found;
  if not created then
    update tagd.predefined_tag t set updated_at = p_updated_at
     where t.domain_id = p_domain_id and t.key = p_key and t.value = p_value and t.updated_at <> p_updated_at;
    changed := found;
    return;
  end if;
  perform tagd.check_predefined_quota(p_domain_id, p_quota);
end
$$;
comment on function tagd.import_predefined(text, text, text, timestamptz, integer, tagd.caller) is 'Adds a predefined tag with the time at which it was last written, null for now; one that exists gets that time, and keeps its own if it is null. Returns whether it is new, and whether it was changed. Raises TG004 if the account would then have more than p_quota.';
revoke execute on function tagd.import_predefined(text, text, text, timestamptz, integer, tagd.caller) from public;
grant execute on function tagd.import_predefined(text, text, text, timestamptz, integer, tagd.caller) to tagd_service;
