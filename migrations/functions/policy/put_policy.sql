create or replace function tagd.put_policy(
  p_policy jsonb, p_projects text[], p_match text[], p_absent boolean, p_caller tagd.caller,
  out created boolean, out policy tagd.policy, out etag text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_old   tagd.policy;
  v_new   tagd.policy := jsonb_populate_record(null::tagd.policy, p_policy);
  v_taken text;
  v_most  integer;
  v_now   timestamptz;
begin
  if p_caller.domain_id is not null and v_new.domain_id is distinct from p_caller.domain_id then
    raise exception 'a caller of one domain writes a policy of another';
  end if;
  -- One change of policies at a time: which names are taken depends on several rows. remove_type takes the lock as well.
  perform pg_advisory_xact_lock(hashtextextended('tagd.policy', 0));
  if v_new.project_id is not null then
    perform from tagd.project p
      where p.project_id = v_new.project_id and (v_new.domain_id is null or p.domain_id = v_new.domain_id)
        for key share;
    if not found then
      raise exception using errcode = 'TG015', message = 'unknown project', detail = v_new.project_id;
    end if;
  end if;
  if v_new.resource_types is not null then
    select n.name into v_taken
      from unnest(v_new.resource_types) as n (name)
     where not exists (select from tagd.resource_type t where t.resource_type = n.name)
     limit 1;
    if found then
      raise exception using errcode = 'TG008', message = 'unknown resource type', detail = v_taken;
    end if;
    v_new.resource_types := array(
      select distinct coalesce(t.alias_of, t.resource_type) from tagd.resource_type t
       where t.resource_type = any (v_new.resource_types)
       order by 1);
  end if;

  select p.* into v_old from tagd.policy p
   where p.policy_name = v_new.policy_name and p.domain_id is not distinct from v_new.domain_id;
  created := not found;
  if not created and not tagd.may_change_policy(v_old, p_projects) then
    raise exception using errcode = 'TG016', message = 'the name is taken', detail = v_new.policy_name;
  end if;
  if p_absent and not created
     or p_match is not null and (created or not (tagd.policy_etag(v_old) = any (p_match) or '*' = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;
  -- A session keeps 32 regular expressions compiled. A write of a domain may need those of the domain and those for all domains, so
  -- that these fit together.
  if v_new.pattern is not null then
    v_most := case when v_new.domain_id is null then 8 else 16 end;
    perform from tagd.policy p
      where p.domain_id is not distinct from v_new.domain_id and p.policy_name <> v_new.policy_name and p.pattern is not null
     having count(*) >= v_most;
    if found then
      raise exception using errcode = 'TG018', message = 'too many patterns', detail = v_most::text;
    end if;
  end if;
  if created then
    -- by its name alone, a policy of a domain must not be taken for one of all domains
    perform from tagd.policy p where p.policy_name = v_new.policy_name and (p.domain_id is null or v_new.domain_id is null);
    if found then
      raise exception using errcode = 'TG016', message = 'the name is taken', detail = v_new.policy_name;
    end if;
    perform from tagd.policy p where p.domain_id is not distinct from v_new.domain_id having count(*) >= 200;
    if found then
      raise exception using errcode = 'TG017', message = 'too many policies', detail = '200';
    end if;
    insert into tagd.policy (
      policy_name, domain_id, project_id, resource_types, key, folded_key, is_required, is_exact, allowed_values, pattern, pattern_are,
      is_enforced, description, created_at, updated_at)
    values (
      v_new.policy_name, v_new.domain_id, v_new.project_id, v_new.resource_types, v_new.key, v_new.folded_key, v_new.is_required,
      v_new.is_exact, v_new.allowed_values, v_new.pattern, v_new.pattern_are, v_new.is_enforced, v_new.description, now(), now())
    returning * into v_new;
  elsif tagd.policy_etag(v_new) = tagd.policy_etag(v_old) then
    v_new := v_old;
  else
    v_now := clock_timestamp();
    update tagd.policy p
       set project_id = v_new.project_id, resource_types = v_new.resource_types, key = v_new.key, folded_key = v_new.folded_key,
           is_required = v_new.is_required, is_exact = v_new.is_exact, allowed_values = v_new.allowed_values,
           pattern = v_new.pattern, pattern_are = v_new.pattern_are, is_enforced = v_new.is_enforced,
           description = v_new.description, updated_at = v_now
     where p.policy_id = v_old.policy_id
    returning * into v_new;
    if not found then
      raise exception using errcode = '40001', message = 'the policy was deleted with its project at the same time';
    end if;
  end if;
  if created or v_new.updated_at is distinct from v_old.updated_at then
    perform tagd.record_act(
      p_caller, 'policy.put', v_new.policy_name, v_new.domain_id,
      to_jsonb(v_new) - array['policy_id', 'policy_name', 'domain_id', 'folded_key', 'pattern_are', 'created_at', 'updated_at']);
  end if;
  policy := v_new;
  etag := tagd.policy_etag(v_new);
end
$$;
comment on function tagd.put_policy(jsonb, text[], text[], boolean, tagd.caller) is 'Creates a policy or replaces one, if it has one of the etags in p_match (see policy_etag; * matches any) or, with p_absent, if it does not exist. The object has the columns of tagd.policy. Aliases of types are replaced by their types. p_projects are the only projects of the caller, null for all. Raises TG008 or TG015 if a type or the project is unknown, TG016 if the name is taken, TG017 if the domain has as many policies as are allowed, TG018 if as many have a pattern. Writes in flight do not see it yet: see writers_of.';
revoke execute on function tagd.put_policy(jsonb, text[], text[], boolean, tagd.caller) from public;
grant execute on function tagd.put_policy(jsonb, text[], text[], boolean, tagd.caller) to tagd_service;
