create or replace function tagd.rebuild_scope(p_scope_id bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rows bigint;
begin
  perform tagd.enter_import(false);
  select r.made into v_rows from tagd.rebuild_in_scope(p_scope_id) as r (made);
  return v_rows;
end
$$;
comment on function tagd.rebuild_scope(bigint) is 'Rebuilds the index of a scope from its resources and tags, in one transaction: reads continue, writers of the scope wait. Returns the number of rows of the new index.';
revoke execute on function tagd.rebuild_scope(bigint) from public;
grant execute on function tagd.rebuild_scope(bigint) to tagd_service;
