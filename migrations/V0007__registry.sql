-- What the registry writes: resource types, projects, and resources with a condition on what is there now.
-- Lock order as in V0002, with the row of the project in front: project, scope_counter, resource, label, bitmap.
-- Whoever registers a resource holds its project (for key share), so that a project that is deleted meanwhile is
-- either deleted with that resource or made anew before it (docs/adr/0006).
-- States that a caller can cause: TG007 (the condition does not hold), TG008 (unknown resource type),
-- TG009 (the project has resources).

-- A scope outlives its project: a project is deleted, a scope never is (docs/adr/0002).
alter table tagd.scope drop constraint scope_project_fkey;
comment on table tagd.project is 'A tenant: the owner of resources. A project that was deleted has no row; its scopes stay and are empty.';
comment on column tagd.scope.project_id is 'Project of the scope; without a row in tagd.project once the project was deleted.';

create index scope_project_id_idx on tagd.scope (project_id);
comment on index tagd.scope_project_id_idx is 'The scopes of a project, for its deletion. Scopes are few: made in no time.';

create function tagd.etag_of(p_name text, p_detail jsonb, p_tags text[])
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select left(encode(sha256(convert_to(jsonb_build_array(p_name, p_detail, p_tags)::text, 'UTF8')), 'hex'), 32)
$$;
comment on function tagd.etag_of(text, jsonb, text[]) is 'Short name of what a resource is now: two that differ in name, detail or tags have different ones.';

create function tagd.hold_project(p_project_id text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  loop
    perform from tagd.project p where p.project_id = p_project_id for key share;
    exit when found;
    insert into tagd.project (project_id) values (p_project_id) on conflict (project_id) do nothing;
  end loop;
end
$$;
comment on function tagd.hold_project(text) is 'Keeps a project from being deleted until the transaction ends; made if it is new.';

create function tagd.hold_import_projects()
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_wanted bigint;
  v_held   bigint;
begin
  select count(distinct i.project_id) into v_wanted from pg_temp.import_line i;
  loop
    select count(*) into v_held
      from (select from tagd.project p
             where p.project_id in (select i.project_id from pg_temp.import_line i)
             order by p.project_id
               for key share) held;
    exit when v_held = v_wanted;
    insert into tagd.project (project_id)
    select distinct i.project_id from pg_temp.import_line i
     where not exists (select from tagd.project p where p.project_id = i.project_id)
     order by i.project_id
    on conflict (project_id) do nothing;
  end loop;
end
$$;
comment on function tagd.hold_import_projects() is 'tagd.hold_project for every project in pg_temp.import_line; before tagd.import_batch, in its transaction.';

create function tagd.check_resource(p_scope_id bigint, p_resource_id text, p_match text[])
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_etag text;
begin
  select tagd.etag_of(r.resource_name, r.detail, r.tags) into v_etag from tagd.resource r
   where r.scope_id = p_scope_id and r.resource_id = p_resource_id
     for update;
  if p_match is not null and (v_etag is null or not (v_etag = any (p_match) or '*' = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold', detail = coalesce(v_etag, '');
  end if;
  if v_etag is null then
    raise exception using errcode = 'TG001', message = 'unknown resource';
  end if;
end
$$;
comment on function tagd.check_resource(bigint, text, text[]) is 'Inner part of the functions below: locks a resource, which must be one of those that p_match names by tagd.etag_of; * is any, null is no condition.';

create function tagd.register_resource(
  p_project_id text, p_resource_type text, p_resource_id text, p_name text, p_name_folded text, p_detail jsonb,
  p_tags text[], p_match text[], p_absent boolean,
  out created boolean, out detail jsonb, out tags text[], out etag text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scope_id bigint;
  v_slot     integer;
  v_new_slot integer;
  v_old      text[];
  v_new      text[];
  v_etag     text;
  v_user     bigint;
  v_had      bigint;
  v_quota    integer;
begin
  select t.tag_quota into v_quota from tagd.resource_type t where t.resource_type = p_resource_type;
  if not found then
    raise exception using errcode = 'TG008', message = 'unknown resource type';
  end if;
  perform tagd.hold_project(p_project_id);
  v_scope_id := tagd.put_scope(p_project_id, p_resource_type);
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (v_scope_id % 2147483647)::integer);

  select r.slot, r.tags, tagd.etag_of(r.resource_name, r.detail, r.tags) into v_slot, v_old, v_etag
    from tagd.resource r
   where r.scope_id = v_scope_id and r.resource_id = p_resource_id
     for update;
  if not found and p_match is null then
    update tagd.scope_counter c set next_slot = c.next_slot + 1
     where c.scope_id = v_scope_id
    returning c.next_slot - 1 into strict v_new_slot;
    -- the counter's lock is held now: whoever registered the same resource meanwhile has committed
    select r.slot, r.tags, tagd.etag_of(r.resource_name, r.detail, r.tags) into v_slot, v_old, v_etag
      from tagd.resource r
     where r.scope_id = v_scope_id and r.resource_id = p_resource_id
       for update;
  end if;
  created := v_slot is null;
  if p_absent and not created
     or p_match is not null and (created or not (v_etag = any (p_match) or '*' = any (p_match))) then
    raise exception using errcode = 'TG007', message = 'the condition does not hold';
  end if;

  if p_tags is null then
    v_new := coalesce(v_old, '{}');
  else
    select coalesce(array_agg(x.part order by p.key collate "C", x.i), '{}') into v_new
      from tagd.pairs_of(p_tags) p, lateral (values (1, p.key), (2, p.value)) x (i, part);
    select count(*) into v_user from tagd.pairs_of(v_new) n where not starts_with(n.key, '_sys_');
    select count(*) into v_had from tagd.pairs_of(v_old) o where not starts_with(o.key, '_sys_');
    -- a resource above a quota that was lowered later may still lose and change tags
    if v_user > v_had and v_user > v_quota then
      raise exception using errcode = 'TG002', message = 'too many tags', detail = v_user || ' ' || v_quota;
    end if;
  end if;

  -- tags and index in one go: bitmaps are locked in one order
  if created then
    insert into tagd.resource (scope_id, slot, resource_id, resource_name, tags, detail)
    values (v_scope_id, v_new_slot, p_resource_id, p_name, v_new, p_detail);
    insert into tagd.name (scope_id, slot, folded) values (v_scope_id, v_new_slot, p_name_folded);
    perform tagd.apply_tags(v_scope_id, v_new_slot, null, v_new);
  else
    update tagd.resource r set resource_name = p_name, detail = p_detail
     where r.scope_id = v_scope_id and r.slot = v_slot
       and (r.resource_name, r.detail) is distinct from (p_name, p_detail);
    update tagd.name n set folded = p_name_folded
     where n.scope_id = v_scope_id and n.slot = v_slot and n.folded <> p_name_folded;
    if v_new is distinct from v_old then
      perform tagd.apply_tags(v_scope_id, v_slot, v_old, v_new);
    end if;
  end if;
  detail := p_detail;
  tags := v_new;
  etag := tagd.etag_of(p_name, p_detail, v_new);
end
$$;
comment on function tagd.register_resource(text, text, text, text, text, jsonb, text[], text[], boolean) is 'Registers a resource or makes a known one this, if it is one of p_match (see check_resource) or, with p_absent, if there is none. Null tags leave the tags as they are. What it is now.';

create function tagd.unregister_resource(p_scope_id bigint, p_resource_id text, p_match text[])
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  perform tagd.check_resource(p_scope_id, p_resource_id, p_match);
  perform tagd.remove_resource(p_scope_id, p_resource_id);
end
$$;
comment on function tagd.unregister_resource(bigint, text, text[]) is 'Forgets a resource with its tags, if it is one of p_match (see check_resource).';

create function tagd.replace_tags_if(p_scope_id bigint, p_resource_id text, p_tags text[], p_match text[])
returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock_shared(tagd.scope_lock_class(), (p_scope_id % 2147483647)::integer);
  perform tagd.check_resource(p_scope_id, p_resource_id, p_match);
  perform tagd.change_tags(p_scope_id, p_resource_id, p_tags, '{}', true);
  return (select tagd.etag_of(r.resource_name, r.detail, r.tags) from tagd.resource r
           where r.scope_id = p_scope_id and r.resource_id = p_resource_id);
end
$$;
comment on function tagd.replace_tags_if(bigint, text, text[], text[]) is 'tagd.replace_tags, if the resource is one of p_match (see check_resource). Its new tagd.etag_of.';

create function tagd.put_project(p_project_id text, p_project_name text, p_domain_id text)
returns boolean
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into tagd.project (project_id, project_name, domain_id) values (p_project_id, p_project_name, p_domain_id)
  on conflict (project_id) do update set project_name = excluded.project_name, domain_id = excluded.domain_id
  -- a row that this statement made was never locked or changed
  returning xmax = 0
$$;
comment on function tagd.put_project(text, text, text) is 'Registers a project, or changes name and account of a known one. True if it is new.';

create function tagd.remove_project(p_project_id text, p_with_resources boolean)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_scopes   bigint[];
  v_scope_id bigint;
begin
  perform from tagd.project p where p.project_id = p_project_id for update;
  if not found then
    return false;
  end if;
  -- nobody registers a resource from here on, nor makes a scope
  select coalesce(array_agg(s.scope_id order by s.scope_id), '{}') into v_scopes
    from tagd.scope s
   where s.project_id = p_project_id;
  if not p_with_resources then
    foreach v_scope_id in array v_scopes loop
      if exists (select from tagd.resource r where r.scope_id = v_scope_id) then
        raise exception using errcode = 'TG009', message = 'the project has resources';
      end if;
    end loop;
  end if;
  foreach v_scope_id in array v_scopes loop
    -- as a rebuild of the index: labels go, so no writer may be under way
    perform pg_advisory_xact_lock(tagd.scope_lock_class(), (v_scope_id % 2147483647)::integer);
    perform from tagd.scope_counter c where c.scope_id = v_scope_id for no key update;
  end loop;
  foreach v_scope_id in array v_scopes loop
    delete from tagd.tag t where t.scope_id = v_scope_id;
    delete from tagd.name n where n.scope_id = v_scope_id;
    delete from tagd.resource r where r.scope_id = v_scope_id;
    delete from tagd.bitmap b where b.scope_id = v_scope_id;
    delete from tagd.label l where l.scope_id = v_scope_id;
  end loop;
  delete from tagd.project p where p.project_id = p_project_id;
  return true;
end
$$;
comment on function tagd.remove_project(text, boolean) is 'Deletes a project; its resources too if that is said. Its scopes stay, empty. False if it is unknown.';

create function tagd.put_type(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer)
returns boolean
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into tagd.resource_type (resource_type, service, regional, tag_quota)
  values (p_resource_type, p_service, p_regional, p_tag_quota)
  on conflict (resource_type) do update
    set service = excluded.service, regional = excluded.regional, tag_quota = excluded.tag_quota
  returning xmax = 0
$$;
comment on function tagd.put_type(text, text, boolean, integer) is 'Registers a resource type or changes a known one. True if it is new.';

create function tagd.remove_type(p_resource_type text)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from tagd.resource_type t where t.resource_type = p_resource_type;
  return found;
end
$$;
comment on function tagd.remove_type(text) is 'Deletes a resource type that no scope is of: the constraint scope_resource_type_fkey refuses any other. False if it is unknown.';

revoke execute on function
  tagd.etag_of(text, jsonb, text[]), tagd.hold_project(text), tagd.hold_import_projects(),
  tagd.check_resource(bigint, text, text[]),
  tagd.register_resource(text, text, text, text, text, jsonb, text[], text[], boolean),
  tagd.unregister_resource(bigint, text, text[]), tagd.replace_tags_if(bigint, text, text[], text[]),
  tagd.put_project(text, text, text), tagd.remove_project(text, boolean),
  tagd.put_type(text, text, boolean, integer), tagd.remove_type(text)
from public;
grant execute on function
  tagd.etag_of(text, jsonb, text[]), tagd.hold_import_projects(),
  tagd.register_resource(text, text, text, text, text, jsonb, text[], text[], boolean),
  tagd.unregister_resource(bigint, text, text[]), tagd.replace_tags_if(bigint, text, text[], text[]),
  tagd.put_project(text, text, text), tagd.remove_project(text, boolean),
  tagd.put_type(text, text, boolean, integer), tagd.remove_type(text)
to tagd_service;
