create or replace function tagd.policy_etag(p_policy tagd.policy)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select left(encode(sha256(convert_to(
           (to_jsonb(p_policy) - array['policy_id', 'created_at', 'updated_at'])::text, 'UTF8')), 'hex'), 32)
$$;
comment on function tagd.policy_etag(tagd.policy) is 'A hash of a policy, which differs if anything about it differs but the times.';
revoke execute on function tagd.policy_etag(tagd.policy) from public;
grant execute on function tagd.policy_etag(tagd.policy) to tagd_service;
