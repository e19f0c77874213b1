create or replace function tagd.lock_scope(p_scope_id bigint)
returns void
language plpgsql
as $$
begin
  perform pg_advisory_xact_lock(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  -- an import takes this lock, not the other
  perform from tagd.scope_counter c where c.scope_id = p_scope_id for no key update;
end
$$;
comment on function tagd.lock_scope(bigint) is 'Keeps everyone else who writes out of a scope until the transaction ends: where labels are deleted.';
revoke execute on function tagd.lock_scope(bigint) from public;
