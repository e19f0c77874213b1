create or replace function tagd.enter_import(p_whole boolean)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Of several machines, this one only has these locks: nothing that runs where a scope is may take them.
  if not p_whole then
    perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), -1);
    return;
  end if;
  -- The transaction of a whole import lasts over many batches and locks scopes, resources and labels in the order of the file.
  -- No order of locks could prevent deadlocks with writers and other imports, so only readers may run at the same time.
  -- First lock out imports batch by batch and rebuilds of the index, which may lock tables in another order.
  perform pg_advisory_xact_lock(tagd.scope_lock_class(), -1);
  -- then registrations, which lock their project first
  perform pg_advisory_xact_lock(tagd.scope_lock_class(), -2);
  -- then all other writers: resource is the first table that each of them locks
  lock table tagd.resource in exclusive mode;
end
$$;
comment on function tagd.enter_import(boolean) is 'The first step of each transaction of an import, before import_batch. p_whole is true if one transaction imports all batches: it then excludes all other writers. It is false if each batch has its own transaction.';
revoke execute on function tagd.enter_import(boolean) from public;
grant execute on function tagd.enter_import(boolean) to tagd_service;
