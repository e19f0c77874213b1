create or replace function tagd.policy_labels(p_scope_id bigint, p_policy tagd.policy)
returns table (role smallint, label_id bigint, slots integer[])
language plpgsql stable
as $$
declare
  v_most   bigint := case when p_policy.pattern_are is not null then tagd.pattern_limit() else cardinality(p_policy.allowed_values) * 4 end;
  v_blocks integer;
  v_many   boolean;
begin
  if p_policy.is_required then
    return query
    select 0::smallint, l.label_id, l.slots from tagd.label l
     where l.scope_id = p_scope_id and l.key = '' and l.kind = 0 and l.value = '';
  end if;
  if p_policy.is_required or p_policy.allowed_values is not null or p_policy.pattern_are is not null then
    return query
    select 1::smallint, l.label_id, l.slots from tagd.label l
     where l.scope_id = p_scope_id and l.key = p_policy.key and l.kind = 2 and l.value = '';
  end if;
  if v_most > 0 then
    select count(*) > v_most into v_many
      from (select from tagd.label l
             where l.scope_id = p_scope_id and l.key = p_policy.key and l.kind = 3
             limit v_most + 1) u;
  end if;
  if v_many and p_policy.pattern_are is null then
    -- a few of many values
    return query
    select 2::smallint, null::bigint, '{}'::integer[]
     union all
    select 2::smallint, l.label_id, l.slots
      from unnest(p_policy.allowed_values) as a (value)
     cross join lateral (
       select l.label_id, l.slots from tagd.label l
        where l.scope_id = p_scope_id and l.key = p_policy.key and l.kind = 3 and l.value = a.value offset 0) l;
  elsif v_many then
    -- a value is judged once, whatever number of resources has it
    return query
    select 3::smallint, null::bigint, '{}'::integer[]
     union all
    select 3::smallint, l.label_id, l.slots from tagd.label l
     where l.scope_id = p_scope_id and l.key = p_policy.key and l.kind = 3
       and not tagd.is_allowed(l.value, null, p_policy.pattern_are);
  elsif v_most > 0 then
    select c.next_slot / 16384 + 1 into v_blocks from tagd.scope_counter c where c.scope_id = p_scope_id;
    return query
    with used as materialized (
           select l.label_id, l.slots, tagd.is_allowed(l.value, p_policy.allowed_values, p_policy.pattern_are) as is_right
             from tagd.label l
            where l.scope_id = p_scope_id and l.key = p_policy.key and l.kind = 3),
         -- the right and the wrong values say the same; reading a bitmap takes as long as six slots
         chosen as materialized (
           select coalesce(sum(coalesce(cardinality(u.slots), v_blocks * 6)) filter (where u.is_right), 0)
                  < coalesce(sum(coalesce(cardinality(u.slots), v_blocks * 6)) filter (where not u.is_right), 0) as is_right
             from used u)
    select case when c.is_right then 2 else 3 end::smallint, null::bigint, '{}'::integer[] from chosen c
     union all
    select case when c.is_right then 2 else 3 end::smallint, u.label_id, u.slots from used u join chosen c on u.is_right = c.is_right;
  end if;
  if p_policy.is_exact then
    return query
    select 4::smallint, l.label_id, l.slots from tagd.label l
     where l.scope_id = p_scope_id and l.kind = 2
       and l.key <> p_policy.key and tagd.fold_key(l.key) = p_policy.folded_key;
  end if;
end
$$;
comment on function tagd.policy_labels(bigint, tagd.policy) is 'The labels of a scope that say which resources violate a policy, each with its role: 0: every resource; 1: those with the key; either 2: with a value that is allowed, or 3: with one that is not, and also a row without a label that says which of both; 4: with the key in another spelling.';
revoke execute on function tagd.policy_labels(bigint, tagd.policy) from public;
