create or replace function tagd.lock_scope_shared(p_scope_id bigint)
returns void
-- a plain SQL function without settings, so that calls are inlined
language sql
as $$
  select pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer)
$$;
comment on function tagd.lock_scope_shared(bigint) is 'Keeps a rebuild of the index out of a scope until the transaction ends; writers share the lock.';
revoke execute on function tagd.lock_scope_shared(bigint) from public;
