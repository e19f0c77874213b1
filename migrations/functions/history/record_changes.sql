create or replace function tagd.record_changes(p_scope_id bigint, p_changes tagd.resource_change[])
returns void
language plpgsql
as $$
declare
  v_now       timestamptz := clock_timestamp();
  v_span_id   integer;
  v_domain_id text;
begin
  -- a project that is being deleted still has its domain here
  select h.span_id, coalesce(s.domain_id, '') into v_span_id, v_domain_id
    from tagd.history_span h
    left join tagd.scope s on s.scope_id = p_scope_id
   where h.ended_at is null;
  if not found then
    return;
  end if;
  insert into tagd.history (
    scope_id, changed_at, span_id, slot, resource_id, domain_id, operation, principal, credential_id, request_id,
    registered_at, old_name, new_name, old_tags, new_tags)
  select p_scope_id, v_now, v_span_id, c.slot, c.resource_id,
         v_domain_id, c.operation, coalesce((c.caller).principal, ''), (c.caller).credential_id, coalesce((c.caller).request_id, ''),
         c.registered_at, c.old_name, c.new_name, c.old_tags, c.new_tags
    from unnest(p_changes) as c
   where (c.old_tags is distinct from c.new_tags or c.old_name <> c.new_name)
     -- the row of a resource that an import registers says when, and its tags are known from what comes after (docs/adr/0030)
     and not (c.old_tags is null and c.operation = 'import');
end
$$;
comment on function tagd.record_changes(bigint, tagd.resource_change[]) is 'Writes the history of changes of locked resources of a scope, unless history is off.';
revoke execute on function tagd.record_changes(bigint, tagd.resource_change[]) from public;
