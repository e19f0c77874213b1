create or replace function tagd.register_resource(
  p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail json,
  p_tags text[], p_match text[], p_absent boolean, p_caller tagd.caller,
  out created boolean, out detail json, out tags text[], out etag text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 64
as $$
declare
  v_scope_id  bigint;
  v_slot      integer;
  v_new_slot  integer;
  v_old       text[];
  v_etag      text;
  -- the current etag is computed only if the condition needs it
  v_by_etag   boolean not null := p_match is not null and not '*' = any (p_match);
  v_quota     integer;
  v_old_words text[] := '{}';
  v_new_words text[];
  v_old_name  text;
begin
  -- first, as an import does: whatever excludes all writers must not wait for the project that is made here
  lock table tagd.resource in row share mode;
  select t.tag_quota into v_quota from tagd.resource_type t where t.resource_type = p_resource_type;
  if not found then
    raise exception using errcode = 'TG008', message = 'unknown resource type';
  end if;
  perform tagd.lock_project_shared(p_project_id, p_caller);
  v_scope_id := tagd.put_scope(p_project_id, p_resource_type);
  perform tagd.lock_scope_shared(v_scope_id);

  select r.slot, r.tags, case when v_by_etag then tagd.etag_of(r.resource_name, r.detail, r.tags) end
    into v_slot, v_old, v_etag
    from tagd.resource r
   where r.scope_id = v_scope_id and r.resource_id = p_resource_id
     for update;
  if not found and p_match is null then
    update tagd.scope_counter c set next_slot = c.next_slot + 1
     where c.scope_id = v_scope_id
    returning c.next_slot - 1 into strict v_new_slot;
    -- look again, now with the lock of the counter: another transaction may have registered the resource and committed
    select r.slot, r.tags, case when v_by_etag then tagd.etag_of(r.resource_name, r.detail, r.tags) end
      into v_slot, v_old, v_etag
      from tagd.resource r
     where r.scope_id = v_scope_id and r.resource_id = p_resource_id
       for update;
  end if;
  created := v_slot is null;
  if p_absent and not created
     or p_match is not null and (created or not (v_etag = any (p_match) or '*' = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;
  tags := coalesce(v_old, '{}');
  if p_tags is not null then
    tags := tagd.merge_tags(tags, 2::smallint, p_tags);
    perform tagd.check_quota(v_old, tags, v_quota);
  end if;
  if tags is distinct from v_old then
    perform tagd.check_policies(v_scope_id, v_old, tags);
  end if;

  -- change_tags gets tags and words in one call, so that labels are locked in one order
  if created then
    v_slot := v_new_slot;
    -- not when the transaction began: it may have waited, and the tags as of a time are none before it is registered
    insert into tagd.resource (scope_id, slot, resource_id, resource_name, tags, detail, registered_at)
    values (v_scope_id, v_slot, p_resource_id, p_name, register_resource.tags, p_detail, clock_timestamp());
    v_new_words := tagd.labelled_words(v_scope_id, p_name_folded);
    insert into tagd.name (scope_id, slot, folded, words) values (v_scope_id, v_slot, p_name_folded, v_new_words);
  else
    select nullif(r.resource_name, p_name) into v_old_name
      from tagd.resource r
     where r.scope_id = v_scope_id and r.slot = v_slot;
    update tagd.resource r set resource_name = p_name, detail = p_detail
     where r.scope_id = v_scope_id and r.slot = v_slot
       and (r.resource_name, r.detail::text collate "C") is distinct from (p_name, p_detail::text);
    select n.old_words, n.new_words into v_old_words, v_new_words
      from tagd.rename_resource(v_scope_id, v_slot, p_name_folded) n;
  end if;
  if tags is distinct from v_old or v_old_name is not null then
    perform tagd.change_tags(v_scope_id, array[row(
      v_slot, v_old, tags, null, v_old_words, v_new_words, p_caller, p_resource_id, case when created then 'register' else 'update' end,
      v_old_name, case when created or v_old_name is not null then p_name end, null)::tagd.resource_change]);
  end if;
  detail := p_detail;
  etag := tagd.etag_of(p_name, p_detail, tags);
end
$$;
comment on function tagd.register_resource(text, text, text, text, text, json, text[], text[], boolean, tagd.caller) is 'Registers a resource or replaces an existing one, if it has one of the etags in p_match (see lock_resource) or, with p_absent, if it does not exist. Null tags keep the existing tags. Returns whether it is new, and its current state.';
revoke execute on function tagd.register_resource(text, text, text, text, text, json, text[], text[], boolean, tagd.caller) from public;
grant execute on function tagd.register_resource(text, text, text, text, text, json, text[], text[], boolean, tagd.caller) to tagd_service;
