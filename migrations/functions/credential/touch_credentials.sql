create or replace function tagd.touch_credentials(p_credential_ids text[], p_used_at bigint[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  update tagd.credential c set last_used_at = to_timestamp(u.used_at)
    from unnest(p_credential_ids, p_used_at) as u (credential_id, used_at)
   where c.credential_id = u.credential_id
     and (c.last_used_at is null or c.last_used_at < to_timestamp(u.used_at));
end
$$;
comment on function tagd.touch_credentials(text[], bigint[]) is 'Notes when credentials were last used, in seconds since 1970.';
revoke execute on function tagd.touch_credentials(text[], bigint[]) from public;
grant execute on function tagd.touch_credentials(text[], bigint[]) to tagd_service;
