create or replace function tagd.count_violations(
  p_scope_id bigint, p_policy tagd.policy,
  out resources bigint, out violating bigint, out missing bigint, out wrong_value bigint, out misspelled bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- rows are found by scope and label, whatever the planner estimates
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
  v_label     record;
  -- by role
  v_counts    bigint[] := '{0,0,0,0,0}';
  v_others    integer := 0;
  -- 2 or 3: which values the index was asked for
  v_values    integer;
  v_roles     smallint[];
  v_labels    bigint[];
begin
  select coalesce(sum(s.resources), 0) into resources
    from tagd.label_size s
   where s.scope_id = p_scope_id and s.key = '' and s.kind = 0 and s.value = '';
  for v_label in
    select l.role, coalesce(sum(cardinality(l.slots)), 0) as hits, count(l.label_id) as labels,
           array_agg(l.label_id) filter (where l.slots is null) as dense
      from tagd.policy_labels(p_scope_id, p_policy) l
     group by l.role
  loop
    v_counts[v_label.role + 1] := v_label.hits;
    v_labels := v_labels || v_label.dense;
    v_roles := v_roles || array_fill(v_label.role, array[coalesce(cardinality(v_label.dense), 0)]);
    if v_label.role in (2, 3) then
      v_values := v_label.role;
    elsif v_label.role = 4 then
      v_others := v_label.labels;
    end if;
  end loop;
  for v_label in
    select d.role, sum(c.hits) as hits
      from unnest(v_roles, v_labels) as d (role, label_id)
      join tagd.chunk c on c.scope_id = p_scope_id and c.label_id = d.label_id
     group by d.role
  loop
    v_counts[v_label.role + 1] := v_counts[v_label.role + 1] + v_label.hits;
  end loop;
  if v_counts[5] = 0 then
    v_others := 0;
  end if;
  -- a resource has one value of a key, so the labels of values do not overlap
  missing := case when p_policy.is_required then resources - v_counts[2] else 0 end;
  wrong_value := case v_values when 2 then v_counts[2] - v_counts[3] when 3 then v_counts[4] else 0 end;
  misspelled := v_counts[5];
  violating := missing + wrong_value;
  if v_others > 0 then
    -- only spellings overlap with the rest, and with one another
    select coalesce(sum(bit_count(b.bits)), 0) into violating from tagd.violation_bits(p_scope_id, p_policy, 0, 131071) b;
  end if;
  if v_others > 1 then
    p_policy.is_required := false;
    p_policy.allowed_values := null;
    p_policy.pattern_are := null;
    select coalesce(sum(bit_count(b.bits)), 0) into misspelled from tagd.violation_bits(p_scope_id, p_policy, 0, 131071) b;
  end if;
end
$$;
comment on function tagd.count_violations(bigint, tagd.policy) is 'How many resources of a scope violate a policy, counted from the index: all resources, those that violate it, those that lack the key, those that have it with a value that is not allowed, and those that have it in another spelling, which may also be among the others.';
revoke execute on function tagd.count_violations(bigint, tagd.policy) from public;
grant execute on function tagd.count_violations(bigint, tagd.policy) to tagd_service, tagd_reader, tagd_domain_reader;
