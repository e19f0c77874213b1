create or replace function tagd.change_imported_tags(p_scope_id bigint, p_changes tagd.resource_change[], p_is_distributed boolean)
returns void
language plpgsql
as $$
declare
  v_changes text;
begin
  if not p_is_distributed then
    perform tagd.change_tags(p_scope_id, p_changes);
    return;
  end if;
  v_changes := p_changes;
  perform from tagd.import_changes(p_scope_id, v_changes);
end
$$;
comment on function tagd.change_imported_tags(bigint, tagd.resource_change[], boolean) is 'tagd.change_tags for an import: where the scope is (see is_distributed). Without that the changes are passed as they are, since turning them into text would be a tenth of the import.';
revoke execute on function tagd.change_imported_tags(bigint, tagd.resource_change[], boolean) from public;
