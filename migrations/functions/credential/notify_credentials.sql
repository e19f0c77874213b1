create or replace function tagd.notify_credentials()
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('tagd', 'credentials');
end
$$;
comment on function tagd.notify_credentials() is 'Tells every tagd that credentials were revoked or have another secret, once the transaction is committed.';
revoke execute on function tagd.notify_credentials() from public;
