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
  v_places   bigint[];
  v_slots    integer[];
  v_count    integer := 0;
  v_tags     bigint := 0;
  v_changes  tagd.resource_change[];
begin
  -- A part is of one scope. Its size is bounded, and so is the number of its tags: both are in memory as arrays.
  select u.scope_id into v_scope_id from pg_temp.import_unlisted u where u.place > p_done order by u.place limit 1;
  if not found then
    return null;
  end if;
  select array_agg(n.place order by n.place), array_agg(n.slot order by n.place) into v_places, v_slots
    from (select u.place, u.slot
            from pg_temp.import_unlisted u
           where u.place > p_done and u.scope_id = v_scope_id
           order by u.place
           limit 10000) n;
  for v_row in
    select r.slot, r.resource_id, r.resource_name, r.registered_at, r.tags, n.words
      from tagd.resource r
      left join tagd.name n on n.scope_id = v_scope_id and n.slot = r.slot
     where r.scope_id = v_scope_id and r.slot = any (v_slots)
     order by r.slot
  loop
    exit when v_tags >= 100000;
    v_count := v_count + 1;
    v_tags := v_tags + cardinality(v_row.tags) / 2;
    v_changes := v_changes || row(
      v_row.slot, v_row.tags, null, null, coalesce(v_row.words, '{}'), '{}', p_caller, v_row.resource_id, 'prune', v_row.resource_name, null,
      v_row.registered_at)::tagd.resource_change;
  end loop;
  v_slots := v_slots[:v_count];
  perform tagd.check_domain(v_scope_id, p_caller);
  delete from tagd.name n where n.scope_id = v_scope_id and n.slot = any (v_slots);
  perform tagd.change_imported_tags(v_scope_id, v_changes, tagd.is_distributed());
  delete from tagd.resource r where r.scope_id = v_scope_id and r.slot = any (v_slots);
  return v_places[v_count];
end
$$;
comment on function tagd.remove_unlisted(tagd.caller, bigint) is 'Deletes the next of the resources that tagd.find_unlisted found, after the first p_done of them, up to 10,000 of one scope. Returns how many are deleted now; null if none were left. In the same transaction.';
revoke execute on function tagd.remove_unlisted(tagd.caller, bigint) from public;
grant execute on function tagd.remove_unlisted(tagd.caller, bigint) to tagd_service;
