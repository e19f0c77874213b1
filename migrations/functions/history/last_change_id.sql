create or replace function tagd.last_change_id()
returns bigint
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  select case when s.is_called then s.last_value else 0 end from tagd.change_id_seq s
$$;
comment on function tagd.last_change_id() is 'The last number that was given to an entry of the history; 0 for none.';
revoke execute on function tagd.last_change_id() from public;
grant execute on function tagd.last_change_id() to tagd_service;
