create or replace function tagd.scope_lock_class() returns integer language sql immutable parallel safe as 'select 1952540516';
comment on function tagd.scope_lock_class() is 'Class of the advisory locks on scopes: writers share one, a rebuild of the index takes it alone.';
revoke execute on function tagd.scope_lock_class() from public;
grant execute on function tagd.scope_lock_class() to tagd_service;
