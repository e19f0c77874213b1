create or replace function tagd.note_verification(p_scope_id bigint, p_differences bigint)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into tagd.verification (scope_id, verified_at, differences)
  values (p_scope_id, clock_timestamp(), p_differences)
  on conflict (scope_id) do update set verified_at = excluded.verified_at, differences = excluded.differences;
end
$$;
comment on function tagd.note_verification(bigint, bigint) is 'Records that tagd index verify compared the index of a scope with its tags, and in how many places they differed.';
revoke execute on function tagd.note_verification(bigint, bigint) from public;
grant execute on function tagd.note_verification(bigint, bigint) to tagd_service;
