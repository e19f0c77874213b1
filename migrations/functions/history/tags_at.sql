create or replace function tagd.tags_at(p_scope_id bigint, p_resource_id text, p_at timestamptz, p_domain_id text)
returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_begin      timestamptz;
  v_end        timestamptz;
  v_before     tagd.history;
  v_after      tagd.history;
  v_registered timestamptz;
  v_tags       text[];
begin
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
  if v_begin is null or v_end <= p_at then
    select min(s.began_at) into v_registered from tagd.history_span s where s.began_at > p_at;
    raise exception using errcode = 'TG014', message = 'no history of this time',
      detail = concat_ws(' ', coalesce(to_char(v_end at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '-'),
                              coalesce(to_char(v_registered at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '-'));
  end if;

  select * into v_before
    from tagd.history h
   where h.scope_id = p_scope_id and h.resource_id = p_resource_id and h.changed_at between v_begin and p_at
     and (p_domain_id is null or h.domain_id = p_domain_id)
   order by h.change_id desc
   limit 1;
  if v_before.new_tags is not null then
    return v_before.new_tags;
  end if;
  -- not there, or registered by an import, or not changed since history is kept: what comes next tells
  select * into v_after
    from tagd.history h
   where h.scope_id = p_scope_id and h.resource_id = p_resource_id and h.changed_at > p_at and (v_end is null or h.changed_at <= v_end)
     and (p_domain_id is null or h.domain_id = p_domain_id)
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
    end if;
  elsif v_after.scope_id is null then
    if v_end is not null then
      raise exception using errcode = 'TG014', message = 'no history after this time',
        detail = to_char(v_end at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ' -';
    end if;
    select r.tags, r.registered_at into v_tags, v_registered
      from tagd.resource r
     where r.scope_id = p_scope_id and r.resource_id = p_resource_id;
  end if;
  return case when v_registered > p_at then null else v_tags end;
end
$$;
comment on function tagd.tags_at(bigint, text, timestamptz, text) is 'The tags that a resource had at a time, as in tagd.resource; null if it was not there. With a domain only from what was recorded in it. Raises TG014 if the history does not tell; the detail has when it had been turned off and when it begins again, or a hyphen.';
revoke execute on function tagd.tags_at(bigint, text, timestamptz, text) from public;
grant execute on function tagd.tags_at(bigint, text, timestamptz, text) to tagd_service;
