create or replace function tagd.import_changes(p_scope_id bigint, p_changes text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  perform tagd.change_tags(p_scope_id, p_changes::tagd.resource_change[]);
end
$$;
comment on function tagd.import_changes(bigint, text) is 'tagd.change_tags where the scope is, for an import, which is not there. The changes are text, since Citus passes on no composite types.';
revoke execute on function tagd.import_changes(bigint, text) from public;
