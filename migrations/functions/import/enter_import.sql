create or replace function tagd.enter_import(p_whole boolean)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Its transaction lasts over many batches and takes scopes, resources and labels in the order of the file, so no order of
  -- locks could keep it from deadlocks with writers and other imports: it is beside readers only.
  if not p_whole then
    perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), -1);
    return;
  end if;
  -- first those that also take the tables below in other orders: imports by batches, rebuilds of the index
  perform pg_advisory_xact_lock(tagd.scope_lock_class(), -1);
  -- then the writers: resource is the first table that each of them locks
  lock table tagd.resource in exclusive mode;
end
$$;
comment on function tagd.enter_import(boolean) is 'First step of the transaction of an import, before import_batch: true where it is the only one, of all batches, which then has the tables for itself; false where each batch has one of its own.';
revoke execute on function tagd.enter_import(boolean) from public;
grant execute on function tagd.enter_import(boolean) to tagd_service;
