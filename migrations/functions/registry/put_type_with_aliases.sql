create or replace function tagd.put_type_with_aliases(
  p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer, p_aliases text[], p_caller tagd.caller,
  out created boolean, out aliases text[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_place    bigint;
  v_name     text;
  v_alias_of text;
  v_found    boolean;
  v_before   jsonb;
begin
  v_before := tagd.type_detail(p_resource_type);
  -- On a conflict with any constraint: the table has two, and if another transaction adds the type at the same time, either may be the
  -- one that shows it. "do update" would know only one of them.
  insert into tagd.resource_type (resource_type, service, regional, tag_quota)
  values (p_resource_type, p_service, p_regional, p_tag_quota)
  on conflict do nothing;
  created := found;
  if not created then
    update tagd.resource_type t set service = p_service, regional = p_regional, tag_quota = p_tag_quota
     where t.resource_type = p_resource_type and t.alias_of is null;
  end if;
  if not created and not found then
    select t.alias_of into v_alias_of from tagd.resource_type t where t.resource_type = p_resource_type;
    if not found then
      raise exception using errcode = '40001', message = 'the name was given up at the same time';
    end if;
    raise exception using errcode = 'TG011', message = 'the name is taken', detail = concat_ws(' ', 'resource_type', p_resource_type, v_alias_of);
  end if;

  if p_aliases is not null then
    delete from tagd.resource_type t where t.alias_of = p_resource_type and t.resource_type <> all (p_aliases);
    insert into tagd.resource_type (resource_type, service, regional, tag_quota, alias_of)
    select a.name, p_service, p_regional, p_tag_quota, p_resource_type
      from unnest(p_aliases) as a (name)
     order by a.name collate "C"
    on conflict do nothing;
    -- a name that already existed and is not an alias of this type is in use elsewhere
    select a.ord, a.name, t.alias_of, t.resource_type is not null into v_place, v_name, v_alias_of, v_found
      from unnest(p_aliases) with ordinality as a (name, ord)
      left join tagd.resource_type t on t.resource_type = a.name
     where t.alias_of is distinct from p_resource_type
     order by a.ord
     limit 1;
    if v_found then
      raise exception using errcode = 'TG011', message = 'the name is taken',
        detail = concat_ws(' ', 'aliases[' || v_place - 1 || ']', v_name, v_alias_of);
    elsif not v_found then
      raise exception using errcode = '40001', message = 'the name was given up at the same time';
    end if;
  end if;
  update tagd.resource_type t set service = p_service, regional = p_regional, tag_quota = p_tag_quota
   where t.alias_of = p_resource_type
     and (t.service, t.regional, t.tag_quota) is distinct from (p_service, p_regional, p_tag_quota);
  aliases := array(select t.resource_type from tagd.resource_type t where t.alias_of = p_resource_type order by t.resource_type);
  if created or tagd.type_detail(p_resource_type) is distinct from v_before then
    perform tagd.record_act(
      p_caller, 'type.put', p_resource_type, null, tagd.type_detail(p_resource_type) || jsonb_build_object('created', created));
  end if;
end
$$;
comment on function tagd.put_type_with_aliases(text, text, boolean, integer, text[], tagd.caller) is 'Registers a resource type or changes an existing one, and replaces its aliases; null keeps them. Returns whether it is new, and its aliases. Raises TG011 if a name is already a type or an alias; the detail has the field, the name and, for an alias, its type.';
revoke execute on function tagd.put_type_with_aliases(text, text, boolean, integer, text[], tagd.caller) from public;
grant execute on function tagd.put_type_with_aliases(text, text, boolean, integer, text[], tagd.caller) to tagd_service;
