create or replace function tagd.record_changes(p_scope_id bigint, p_changes tagd.resource_change[])
returns void
language plpgsql
as $$
declare
  v_now       timestamptz := clock_timestamp();
  -- a project that is being deleted still has its row
  v_domain_id text := coalesce((
    select p.domain_id
      from tagd.scope s join tagd.project p on p.project_id = s.project_id
     where s.scope_id = p_scope_id), '');
begin
  insert into tagd.history (
    scope_id, change_id, changed_at, span_id, transaction_id, slot, resource_id, domain_id, operation, principal, request_id,
    registered_at, old_name, new_name, old_tags, new_tags)
  select p_scope_id, nextval('tagd.change_id_seq'), v_now, s.span_id, pg_current_xact_id()::text::int8, c.slot, c.resource_id,
         v_domain_id, c.operation, coalesce((c.caller).principal, ''), coalesce((c.caller).request_id, ''),
         c.registered_at, c.old_name, c.new_name, c.old_tags, c.new_tags
    from tagd.history_span s
   cross join unnest(p_changes) as c
   where s.ended_at is null
     and (c.old_tags is distinct from c.new_tags or c.old_name <> c.new_name)
     -- the row of a resource that an import registers says when, and its tags are known from what comes after (docs/adr/0030)
     and not (c.old_tags is null and c.operation = 'import');
end
$$;
comment on function tagd.record_changes(bigint, tagd.resource_change[]) is 'Writes the history of changes of locked resources of a scope, unless history is off.';
revoke execute on function tagd.record_changes(bigint, tagd.resource_change[]) from public;
