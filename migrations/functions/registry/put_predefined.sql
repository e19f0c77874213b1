create or replace function tagd.put_predefined(p_domain_id text, p_tags text[], p_quota integer, p_caller tagd.caller)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count bigint;
  v_now   timestamptz;
begin
  -- one writer of an account at a time: the quota is exact
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  -- the tags of a call are of one age; read behind the lock, so later calls are younger
  v_now := clock_timestamp();
  insert into tagd.predefined_tag (domain_id, key, value, updated_at)
  select p_domain_id, p.key, p.value, v_now from tagd.pairs_of(p_tags) p
  on conflict (domain_id, key, value) do update set updated_at = v_now;
  select count(*) into v_count from tagd.predefined_tag t where t.domain_id = p_domain_id;
  if v_count > p_quota then
    raise exception using errcode = 'TG004', message = 'too many predefined tags', detail = v_count || ' ' || p_quota;
  end if;
end
$$;
comment on function tagd.put_predefined(text, text[], integer, tagd.caller) is 'Adds predefined tags, given as key, value, key, value ...; one that is there becomes the newest.';
revoke execute on function tagd.put_predefined(text, text[], integer, tagd.caller) from public;
grant execute on function tagd.put_predefined(text, text[], integer, tagd.caller) to tagd_service;
