create or replace function tagd.active_writers(
  out last_change_id bigint, out span_id integer, out span_token bigint, out writers text[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  last_change_id := tagd.last_change_id();
  -- after the number: history may have been turned off and on meanwhile, and a span has no numbers from after its end
  select s.span_id, s.token into span_id, span_token from tagd.history_span s order by s.span_id desc limit 1;
  -- A writer locks the table before it numbers an entry. So of the entries up to the last number, those that are not committed yet
  -- belong to transactions that hold the lock by now.
  writers := tagd.writers_of('tagd.history');
end
$$;
comment on function tagd.active_writers() is 'The last number of an entry of the history, the current span, and the transactions that may not have committed entries up to the number. When they have ended, all entries up to it are committed or will never be.';
revoke execute on function tagd.active_writers() from public;
grant execute on function tagd.active_writers() to tagd_service;
