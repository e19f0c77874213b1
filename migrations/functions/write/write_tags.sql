create or replace function tagd.write_tags(
  p_scope_id bigint, p_ids text[], p_modes smallint[], p_ends integer[], p_parts text[], p_callers tagd.caller[])
returns table (outcome text, tag_count integer, quota integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row       record;
  v_domain_id text;
  v_mode      smallint;
  v_parts     text[];
  v_at        integer;
  v_new       text[];
  v_quota     integer;
  v_policies  tagd.policy[];
  v_violation text;
  v_changes   tagd.resource_change[];
  -- null: unknown
  v_outcomes  text[];
  v_counts    integer[];
begin
  -- an expression takes the lock, unless it has to wait: the statement costs ten times as much
  if not pg_try_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer) then
    perform tagd.lock_scope_shared(p_scope_id);
  end if;
  for v_row in
    -- a statement of its own about policies would be a tenth of the cheapest write
    select array_position(p_ids, r.resource_id) as n, r.slot, r.tags,
           (select true from tagd.policy p where p.is_enforced limit 1) as is_judged
      from tagd.resource r
     where r.scope_id = p_scope_id and r.resource_id = any (p_ids)
     order by r.slot
       for update
  loop
    if p_callers[v_row.n].domain_id is not null then
      -- after the scope was locked: until then, the project may be deleted and registered anew in another domain
      if v_domain_id is null then
        select s.domain_id into v_domain_id from tagd.scope s where s.scope_id = p_scope_id;
      end if;
      if p_callers[v_row.n].domain_id is distinct from v_domain_id then
        v_outcomes[v_row.n] := 'foreign';
        continue;
      end if;
    end if;
    v_mode := p_modes[v_row.n];
    v_parts := p_parts[coalesce(p_ends[v_row.n - 1], 0) + 1:p_ends[v_row.n]];
    -- another value for a key is the usual write; calling merge_tags would make it 2 % slower
    v_at := case when v_mode = 0 and cardinality(v_parts) = 2 then array_position(v_row.tags, v_parts[1]) end;
    if v_at % 2 = 1 then
      v_new := v_row.tags;
      v_new[v_at + 1] := v_parts[2];
    else
      v_new := tagd.merge_tags(v_row.tags, v_mode, v_parts);
    end if;
    if v_new = v_row.tags then
      v_outcomes[v_row.n] := 'unchanged';
      continue;
    end if;
    if cardinality(v_new) > cardinality(v_row.tags) then
      if v_quota is null then
        select t.tag_quota into strict v_quota
          from tagd.scope s join tagd.resource_type t on t.resource_type = s.resource_type
         where s.scope_id = p_scope_id;
      end if;
      v_counts[v_row.n] := tagd.count_over_quota(v_row.tags, v_new, v_quota);
      if v_counts[v_row.n] is not null then
        v_outcomes[v_row.n] := 'over_quota';
        continue;
      end if;
    end if;
    if v_row.is_judged then
      v_policies := coalesce(v_policies, tagd.enforced_policies(p_scope_id));
      v_violation := tagd.new_violation(v_policies, v_row.tags, v_new);
      if v_violation is not null then
        v_outcomes[v_row.n] := v_violation;
        continue;
      end if;
    end if;
    v_outcomes[v_row.n] := 'changed';
    v_changes := v_changes || row(
      v_row.slot, v_row.tags, v_new, case when cardinality(v_parts) = 2 then v_parts[:1] end, null, null,
      p_callers[v_row.n], p_ids[v_row.n], case v_mode when 0 then 'tag' else 'untag' end, null, null, null)::tagd.resource_change;
  end loop;
  if v_changes is not null then
    perform tagd.change_tags(p_scope_id, v_changes);
  end if;
  for v_at in 1 .. cardinality(p_ids) loop
    outcome := v_outcomes[v_at];
    if outcome is null then
      if array_position(p_ids, p_ids[v_at]) <> v_at then
        raise exception 'two writes of one resource in a call';
      end if;
      -- which resources a project of another domain has is not shown
      outcome := case when tagd.is_foreign(p_scope_id, p_callers[v_at]) then 'foreign' else 'unknown' end;
    end if;
    if v_counts is not null then
      tag_count := v_counts[v_at];
      quota := case when tag_count is not null then v_quota end;
    end if;
    return next;
  end loop;
end
$$;
comment on function tagd.write_tags(bigint, text[], smallint[], integer[], text[], tagd.caller[]) is 'Writes tags of different resources, each with its own mode, 0 or 1 (see merge_tags), and caller. Write i has the elements of p_parts after p_ends[i - 1] up to p_ends[i]. Returns one row for each write, in order: changed; unchanged if it already had these tags; unknown if the scope has no such resource; foreign if its project belongs to another domain than the caller''s; over_quota if it would have tag_count tags, more than the quota, in which case it was not changed; a JSON object if it would add this violation of an enforced policy (see new_violation), in which case it was not changed either.';
revoke execute on function tagd.write_tags(bigint, text[], smallint[], integer[], text[], tagd.caller[]) from public;
grant execute on function tagd.write_tags(bigint, text[], smallint[], integer[], text[], tagd.caller[]) to tagd_service;
