create or replace function tagd.tags_at(p_scope_id bigint, p_resource_id text, p_at timestamptz, p_domain_id text)
returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_kept       timestamptz;
  v_begin      timestamptz;
  v_end        timestamptz;
  v_next       timestamptz;
  v_before     tagd.history;
  v_after      tagd.history;
  v_registered timestamptz;
  v_tags       text[];
begin
  -- A caller of one domain may have been let in by a project that is gone by now: its scope is nobody's, and what was in it was perhaps
  -- another domain's.
  if p_domain_id is not null and not exists (
    select from tagd.scope s
      join tagd.project p on p.project_id = s.project_id
     where s.scope_id = p_scope_id and p.domain_id = p_domain_id)
  then
    return null;
  end if;
  -- what is told at all: what was not pruned, and to a caller of one domain what was since the project belongs to it
  select greatest(t.kept_from, p.domain_since) into v_kept
    from tagd.history_state t
    left join tagd.scope s on s.scope_id = p_scope_id and p_domain_id is not null
    left join tagd.project p on p.project_id = s.project_id;
  -- the spans around the time that follow one another without a gap
  select s.began_at into v_begin
    from tagd.history_span s
   where s.began_at <= p_at
     and not exists (select from tagd.history_span e where e.ended_at = s.began_at)
   order by s.began_at desc
   limit 1;
  select s.ended_at into v_end
    from tagd.history_span s
   where s.began_at >= v_begin
     and not exists (select from tagd.history_span n where n.began_at = s.ended_at)
   order by s.began_at
   limit 1;
  select greatest(min(s.began_at), v_kept) into v_next from tagd.history_span s where s.began_at > p_at;
  if p_at < v_kept and v_begin <= v_kept then
    v_begin := null;
    v_end := null;
    v_next := v_kept;
  end if;
  if v_begin is null or v_end <= p_at then
    raise exception using errcode = 'TG014', message = 'no history of this time',
      detail = concat_ws(' ', coalesce(to_char(v_end at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '-'),
                              coalesce(to_char(v_next at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '-'));
  end if;

  select * into v_before
    from tagd.history h
   where h.scope_id = p_scope_id and h.resource_id = p_resource_id
     and h.changed_at between greatest(v_begin, v_kept) and p_at
   order by h.change_id desc
   limit 1;
  if v_before.new_tags is not null then
    return v_before.new_tags;
  end if;
  -- not there, or registered by an import, or not changed since history is kept: what comes next tells
  select * into v_after
    from tagd.history h
   where h.scope_id = p_scope_id and h.resource_id = p_resource_id and h.changed_at > p_at and (v_end is null or h.changed_at <= v_end)
   order by h.change_id
   limit 1;
  if v_after.old_tags is not null then
    v_tags := v_after.old_tags;
    select r.registered_at into v_registered
      from tagd.resource r
     where r.scope_id = p_scope_id and r.slot = v_after.slot;
    if not found then
      select h.registered_at into v_registered
        from tagd.history h
       where h.scope_id = p_scope_id and h.resource_id = p_resource_id and h.slot = v_after.slot and h.new_tags is null;
      if not found then
        raise exception using errcode = 'TG014', message = 'removed while history was off', detail = '';
      end if;
    end if;
  elsif v_after.scope_id is null then
    if v_end is not null then
      raise exception using errcode = 'TG014', message = 'no change before history was turned off',
        detail = to_char(v_end at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' - unchanged';
    end if;
    select r.tags, r.registered_at into v_tags, v_registered
      from tagd.resource r
     where r.scope_id = p_scope_id and r.resource_id = p_resource_id;
  end if;
  return case when v_registered > p_at then null else v_tags end;
end
$$;
comment on function tagd.tags_at(bigint, text, timestamptz, text) is 'The tags that a resource had at a time, as in tagd.resource; null if it was not there. With a domain only while the project belongs to it, and since it does. Raises TG014 if the history does not tell; the detail has when it had been turned off and when it begins again, or a hyphen; then "unchanged" if the resource did not change before it was turned off; or it is empty.';
revoke execute on function tagd.tags_at(bigint, text, timestamptz, text) from public;
grant execute on function tagd.tags_at(bigint, text, timestamptz, text) to tagd_service;
