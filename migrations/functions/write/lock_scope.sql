create or replace function tagd.lock_scope(p_scope_id bigint)
returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  -- imports take this lock instead of the advisory one
  perform from tagd.scope_counter c where c.scope_id = p_scope_id for no key update;
end
$$;
comment on function tagd.lock_scope(bigint) is 'Keeps all other writers out of a scope until the transaction ends; needed before labels are deleted.';
revoke execute on function tagd.lock_scope(bigint) from public;
