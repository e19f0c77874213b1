create or replace function tagd.query_conditions(p_query jsonb)
returns table (group_no integer, kind smallint, key text, value text)
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_lists    constant text[] := array['tags', 'tags_any', 'not_tags', 'not_tags_any', 'sys_tags'];
  v_list     text;
  v_field    text;
  v_entries  jsonb;
  v_entry    jsonb;
  v_values   jsonb;
  v_value    jsonb;
  v_keys     text[];
  v_text     text;
  v_required integer := 0;
  v_excluded integer := 0;
  v_untagged boolean := false;
begin
  if p_query is null or jsonb_typeof(p_query) <> 'object' then
    raise exception using errcode = 'invalid_parameter_value', message = 'query: must be an object';
  end if;
  select 'query.' || f.name into v_field
    from jsonb_object_keys(p_query) as f (name)
   where f.name <> all (v_lists || array['without_any_tag', 'matches'])
   order by 1
   limit 1;
  if v_field is not null then
    raise exception using errcode = 'invalid_parameter_value', message = v_field || ': unknown field; the fields are ' || array_to_string(v_lists, ', ') || ', without_any_tag and matches';
  end if;
  case coalesce(jsonb_typeof(p_query -> 'without_any_tag'), 'null')
    when 'null' then null;
    when 'boolean' then v_untagged := (p_query -> 'without_any_tag')::boolean;
    else raise exception using errcode = 'invalid_parameter_value', message = 'query.without_any_tag: must be true or false';
  end case;
  if v_untagged then
    v_required := 1;
    return query select 1, 1::smallint, '', '';
  end if;

  -- groups as the compiler makes them (src/compiler/groups.rs): above 0 required, 0 excluded if any hits, below 0 if all hit
  foreach v_list in array v_lists loop
    -- without_any_tag replaces the lists of user tags
    continue when v_untagged and v_list <> 'sys_tags';
    v_entries := p_query -> v_list;
    continue when coalesce(jsonb_typeof(v_entries), 'null') = 'null';
    if jsonb_typeof(v_entries) <> 'array' then
      raise exception using errcode = 'invalid_parameter_value', message = format('query.%s: must be a list', v_list);
    end if;
    continue when jsonb_array_length(v_entries) = 0;
    v_keys := '{}';
    if v_list = 'tags_any' then
      v_required := v_required + 1;
    end if;
    for v_at in 0 .. jsonb_array_length(v_entries) - 1 loop
      v_entry := v_entries -> v_at;
      v_field := format('query.%s[%s]', v_list, v_at);
      if jsonb_typeof(v_entry) <> 'object' then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || ': must be an object with key and values';
      end if;
      select v_field || '.' || f.name into v_text
        from jsonb_object_keys(v_entry) as f (name) where f.name not in ('key', 'values') order by 1 limit 1;
      if v_text is not null then
        raise exception using errcode = 'invalid_parameter_value', message = v_text || ': unknown field; the fields are key and values';
      end if;
      key := v_entry ->> 'key';
      if coalesce(jsonb_typeof(v_entry -> 'key'), 'null') = 'null' then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || '.key: is required';
      elsif jsonb_typeof(v_entry -> 'key') <> 'string' then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || '.key: must be a string';
      elsif key = '' then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || '.key: must not be empty';
      elsif key = any (v_keys) then
        raise exception using errcode = 'invalid_parameter_value', message = format('%s.key: duplicate key %s', v_field, to_json(key));
      end if;
      v_keys := v_keys || key;
      case
        when v_list in ('tags', 'sys_tags') then
          v_required := v_required + 1;
          group_no := v_required;
        when v_list = 'tags_any' then
          group_no := v_required;
        when v_list = 'not_tags' then
          v_excluded := v_excluded + 1;
          group_no := -v_excluded;
        else
          group_no := 0;
      end case;
      v_values := v_entry -> 'values';
      if coalesce(jsonb_typeof(v_values), 'null') = 'null' or v_values = '[]' then
        -- an entry of sys_tags with another key matches nothing
        kind := case when v_list = 'sys_tags' and not starts_with(key, '_sys_') then -3 else 2 end;
        value := '';
        return next;
        continue;
      elsif jsonb_typeof(v_values) <> 'array' then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || '.values: must be a list';
      end if;
      for v_index in 0 .. jsonb_array_length(v_values) - 1 loop
        v_value := v_values -> v_index;
        value := v_value #>> '{}';
        if jsonb_typeof(v_value) <> 'string' then
          raise exception using errcode = 'invalid_parameter_value', message = format('%s.values[%s]: must be a string', v_field, v_index);
        elsif value = '*' then
          raise exception using errcode = 'invalid_parameter_value', message = format('%s.values[%s]: an asterisk must be followed by text', v_field, v_index);
        elsif exists (select from jsonb_array_elements(v_values) with ordinality as o (other, n) where o.n <= v_index and o.other = v_value) then
          raise exception using errcode = 'invalid_parameter_value', message = format('%s.values[%s]: duplicate value %s', v_field, v_index, v_value);
        end if;
        if starts_with(value, '*') then
          kind := 5;
          value := substr(value, 2);
        else
          kind := 3;
        end if;
        if v_list = 'sys_tags' and not starts_with(key, '_sys_') then
          kind := -3;
        end if;
        return next;
      end loop;
    end loop;
  end loop;

  v_entries := p_query -> 'matches';
  if coalesce(jsonb_typeof(v_entries), 'null') <> 'null' then
    if jsonb_typeof(v_entries) <> 'array' then
      raise exception using errcode = 'invalid_parameter_value', message = 'query.matches: must be a list';
    end if;
    v_keys := '{}';
    for v_at in 0 .. jsonb_array_length(v_entries) - 1 loop
      v_entry := v_entries -> v_at;
      v_field := format('query.matches[%s]', v_at);
      if jsonb_typeof(v_entry) <> 'object' then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || ': must be an object with key and value';
      end if;
      select v_field || '.' || f.name into v_text
        from jsonb_object_keys(v_entry) as f (name) where f.name not in ('key', 'value') order by 1 limit 1;
      if v_text is not null then
        raise exception using errcode = 'invalid_parameter_value', message = v_text || ': unknown field; the fields are key and value';
      end if;
      key := v_entry ->> 'key';
      if key is null then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || '.key: is required';
      elsif v_entry -> 'key' not in ('"resource_name"', '"resource_id"') then
        raise exception using errcode = 'invalid_parameter_value', message = format('%s.key: must be "resource_name" or "resource_id", got %s', v_field, v_entry -> 'key');
      elsif key = any (v_keys) then
        raise exception using errcode = 'invalid_parameter_value', message = format('%s.key: duplicate key %s', v_field, to_json(key));
      end if;
      v_keys := v_keys || key;
      value := coalesce(v_entry ->> 'value', '');
      if coalesce(jsonb_typeof(v_entry -> 'value'), 'null') not in ('string', 'null') then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || '.value: must be a string';
      elsif key = 'resource_id' and value = '' then
        raise exception using errcode = 'invalid_parameter_value', message = v_field || '.value: must not be empty';
      end if;
      v_required := v_required + 1;
      group_no := v_required;
      kind := case when key = 'resource_id' then 8 when value = '' then 7 else 6 end;
      if kind = 6 then
        value := tagd.fold(value);
      end if;
      key := '';
      return next;
    end loop;
  end if;
  if v_required = 0 then
    v_required := 1;
    return query select 1, 0::smallint, '', '';
  end if;
  return query select v_required, (-1)::smallint, '', ''
               union all
               select -v_excluded, (-2)::smallint, '', '';
end
$$;
comment on function tagd.query_conditions(jsonb) is 'The conditions of a query as JSON: for each the group it is in, and what to find. Kinds 0 to 3: the label of this kind, key and value; 5: values of the key that contain the text; 6: names that contain the folded text; 7: resources without a name; 8: the resource with this identifier. Groups above 0 are required, everything in group 0 is excluded, and so is what is in all groups below 0. Kinds -1 and -2: the number of groups above 0, and of those below 0 negated, in group_no. Kind -3: nothing.';
revoke execute on function tagd.query_conditions(jsonb) from public;
