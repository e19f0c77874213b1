-- What the wire dialects write beside whole sets of tags: one tag by key, and the predefined tags of an account.
-- States that a caller can cause: TG004 (too many predefined tags), TG005 (no such predefined tag),
-- TG006 (there is such a predefined tag already).

create function tagd.remove_tag(p_scope_id bigint, p_resource_id text, p_key text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_tags text[];
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  -- locked before it is looked at, so that of two removals of one tag one is told that it is gone
  select r.tags into v_tags from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if not exists (select from tagd.pairs_of(v_tags) p where p.key = p_key) then
    if not exists (select from tagd.resource r where r.scope_id = p_scope_id and r.resource_id = p_resource_id) then
      raise exception using errcode = 'TG001', message = 'unknown resource';
    end if;
    return false;
  end if;
  perform tagd.change_tags(p_scope_id, p_resource_id, '{}', array[p_key, null], false);
  return true;
end
$$;
comment on function tagd.remove_tag(bigint, text, text) is 'Removes one tag by key. False if the resource has none with it.';

create table tagd.predefined_tag (
  domain_id  text collate "C" not null,
  key        text collate "C" not null,
  value      text collate "C" not null,
  updated_at timestamptz not null default clock_timestamp(),
  constraint predefined_tag_pkey primary key (domain_id, key, value)
);
comment on table tagd.predefined_tag is 'Tags that an account keeps ready for its resources. They are on no resource by that.';
comment on column tagd.predefined_tag.domain_id is 'Account; empty where tagd knows no accounts.';
comment on column tagd.predefined_tag.key is 'Key.';
comment on column tagd.predefined_tag.value is 'Value; may be empty.';
comment on column tagd.predefined_tag.updated_at is 'When the tag was last written.';

create function tagd.put_predefined(p_domain_id text, p_tags text[], p_quota integer)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_count bigint;
  v_now   timestamptz;
begin
  -- one writer of an account at a time: the quota is exact
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  -- the tags of a call are of one age; read behind the lock, so later calls are younger
  v_now := clock_timestamp();
  insert into tagd.predefined_tag (domain_id, key, value, updated_at)
  select p_domain_id, p.key, p.value, v_now from tagd.pairs_of(p_tags) p
  on conflict (domain_id, key, value) do update set updated_at = v_now;
  select count(*) into v_count from tagd.predefined_tag t where t.domain_id = p_domain_id;
  if v_count > p_quota then
    raise exception using errcode = 'TG004', message = 'too many predefined tags', detail = v_count || ' ' || p_quota;
  end if;
end
$$;
comment on function tagd.put_predefined(text, text[], integer) is 'Adds predefined tags, given as key, value, key, value ...; one that is there becomes the newest.';

create function tagd.remove_predefined(p_domain_id text, p_tags text[])
returns void
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  delete from tagd.predefined_tag t
   using tagd.pairs_of(p_tags) p
   where t.domain_id = p_domain_id and t.key = p.key and t.value = p.value
$$;
comment on function tagd.remove_predefined(text, text[]) is 'Removes predefined tags; absent ones are no error.';

create function tagd.replace_predefined(p_domain_id text, p_old_key text, p_old_value text, p_new_key text, p_new_value text)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('tagd.predefined_tag ' || p_domain_id, 0));
  if (p_old_key, p_old_value) <> (p_new_key, p_new_value)
     and exists (select from tagd.predefined_tag t
                  where t.domain_id = p_domain_id and t.key = p_new_key and t.value = p_new_value) then
    raise exception using errcode = 'TG006', message = 'the predefined tag exists';
  end if;
  update tagd.predefined_tag t
     set key = p_new_key, value = p_new_value, updated_at = clock_timestamp()
   where t.domain_id = p_domain_id and t.key = p_old_key and t.value = p_old_value;
  if not found then
    raise exception using errcode = 'TG005', message = 'no such predefined tag';
  end if;
end
$$;
comment on function tagd.replace_predefined(text, text, text, text, text) is 'Makes one predefined tag another.';

revoke execute on function
  tagd.remove_tag(bigint, text, text), tagd.put_predefined(text, text[], integer), tagd.remove_predefined(text, text[]),
  tagd.replace_predefined(text, text, text, text, text)
from public;
grant execute on function
  tagd.remove_tag(bigint, text, text), tagd.put_predefined(text, text[], integer), tagd.remove_predefined(text, text[]),
  tagd.replace_predefined(text, text, text, text, text)
to tagd_service;
grant select on tagd.predefined_tag to tagd_service;
