create or replace function tagd.register_in_scope(
  p_scope_id bigint, p_resource_id text, p_name text, p_name_folded text, p_detail json, p_tags text[], p_match text[], p_absent boolean,
  p_quota integer, p_caller text, out created boolean, out tags text[], out etag text)
language plpgsql
set search_path = pg_catalog, pg_temp
set gin_pending_list_limit = 64
as $$
declare
  v_slot      integer;
  v_new_slot  integer;
  v_old       text[];
  v_etag      text;
  -- the current etag is computed only if the condition needs it
  v_by_etag   boolean not null := p_match is not null and not '*' = any (p_match);
  v_old_words text[] := '{}';
  v_new_words text[];
  v_old_name  text;
begin
  perform tagd.lock_scope_shared(p_scope_id);
  -- the lock of the project does not keep it in its domain while this waits
  perform tagd.check_domain(p_scope_id, p_caller::tagd.caller);

  select r.slot, r.tags, case when v_by_etag then tagd.etag_of(r.resource_name, r.detail, r.tags) end
    into v_slot, v_old, v_etag
    from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if not found and p_match is null then
    update tagd.scope_counter c set next_slot = c.next_slot + 1
     where c.scope_id = p_scope_id
    returning c.next_slot - 1 into strict v_new_slot;
    -- look again, now with the lock of the counter: another transaction may have registered the resource and committed
    select r.slot, r.tags, case when v_by_etag then tagd.etag_of(r.resource_name, r.detail, r.tags) end
      into v_slot, v_old, v_etag
      from tagd.resource r
     where r.scope_id = p_scope_id and r.resource_id = p_resource_id
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
    perform tagd.check_quota(v_old, tags, p_quota);
  end if;
  if tags is distinct from v_old then
    perform tagd.check_policies(p_scope_id, v_old, tags);
  end if;

  -- change_tags gets tags and words in one call, so that labels are locked in one order
  if created then
    v_slot := v_new_slot;
    -- not when the transaction began: it may have waited, and the tags as of a time are none before it is registered
    insert into tagd.resource (scope_id, slot, resource_id, resource_name, tags, detail, registered_at)
    values (p_scope_id, v_slot, p_resource_id, p_name, register_in_scope.tags, p_detail, clock_timestamp());
    v_new_words := tagd.labelled_words(p_scope_id, p_name_folded);
    insert into tagd.name (scope_id, slot, folded, words) values (p_scope_id, v_slot, p_name_folded, v_new_words);
  else
    select nullif(r.resource_name, p_name) into v_old_name
      from tagd.resource r
     where r.scope_id = p_scope_id and r.slot = v_slot;
    update tagd.resource r set resource_name = p_name, detail = p_detail
     where r.scope_id = p_scope_id and r.slot = v_slot
       and (r.resource_name, r.detail::text collate "C") is distinct from (p_name, p_detail::text);
    select n.old_words, n.new_words into v_old_words, v_new_words
      from tagd.rename_resource(p_scope_id, v_slot, p_name_folded) n;
  end if;
  if tags is distinct from v_old or v_old_name is not null then
    perform tagd.change_tags(p_scope_id, array[row(
      v_slot, v_old, tags, null, v_old_words, v_new_words, p_caller::tagd.caller, p_resource_id, case when created then 'register' else 'update' end,
      v_old_name, case when created or v_old_name is not null then p_name end, null)::tagd.resource_change]);
  end if;
  etag := tagd.etag_of(p_name, p_detail, tags);
end
$$;
comment on function tagd.register_in_scope(bigint, text, text, text, json, text[], text[], boolean, integer, text) is 'The part of register_resource behind the scope, with the quota of the type: what happens where the scope is.';
revoke execute on function tagd.register_in_scope(bigint, text, text, text, json, text[], text[], boolean, integer, text) from public;
