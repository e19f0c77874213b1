create or replace function tagd.scope_lock_class() returns integer language sql immutable parallel safe as 'select 1952540516';
comment on function tagd.scope_lock_class() is 'The class of the advisory locks on scopes: writers take them in shared mode, a rebuild of the index in exclusive mode.';
revoke execute on function tagd.scope_lock_class() from public;
grant execute on function tagd.scope_lock_class() to tagd_service;
