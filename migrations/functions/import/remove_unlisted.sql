create or replace function tagd.remove_unlisted(p_caller tagd.caller, p_done bigint)
returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- all rows are looked up by key, also by what is called, whose plans may be older than the statistics of what was just imported
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_row      record;
  v_scope_id bigint;
  v_done     bigint;
  v_tags     bigint := 0;
  v_slots    integer[];
  v_changes  tagd.resource_change[];
begin
  -- A part is of one scope. Its size is bounded, and so is the number of its tags: both are in memory as arrays.
  for v_row in
    select u.place, u.scope_id, u.slot, r.resource_id, r.resource_name, r.registered_at, r.tags, n.words
      from pg_temp.import_unlisted u
      join tagd.resource r on r.scope_id = u.scope_id and r.slot = u.slot
      left join tagd.name n on n.scope_id = u.scope_id and n.slot = u.slot
     where u.place > p_done
     order by u.place
     limit 10000
  loop
    exit when v_row.scope_id <> v_scope_id or v_tags >= 100000;
    v_scope_id := v_row.scope_id;
    v_done := v_row.place;
    v_tags := v_tags + cardinality(v_row.tags) / 2;
    v_slots := v_slots || v_row.slot;
    v_changes := v_changes || row(
      v_row.slot, v_row.tags, null, null, coalesce(v_row.words, '{}'), '{}', p_caller, v_row.resource_id, 'prune', v_row.resource_name, null,
      v_row.registered_at)::tagd.resource_change;
  end loop;
  if v_done is null then
    return null;
  end if;
  perform tagd.check_domain(v_scope_id, p_caller);
  delete from tagd.name n
   using unnest(v_slots) as w (slot)
   where n.scope_id = v_scope_id and n.slot = w.slot;
  perform tagd.change_tags(v_scope_id, v_changes);
  delete from tagd.resource r
   using unnest(v_slots) as w (slot)
   where r.scope_id = v_scope_id and r.slot = w.slot;
  return v_done;
end
$$;
comment on function tagd.remove_unlisted(tagd.caller, bigint) is 'Deletes the next of the resources that tagd.find_unlisted found, after the first p_done of them, up to 10,000 of one scope. Returns how many are deleted now; null if none were left. In the same transaction.';
revoke execute on function tagd.remove_unlisted(tagd.caller, bigint) from public;
grant execute on function tagd.remove_unlisted(tagd.caller, bigint) to tagd_service;
