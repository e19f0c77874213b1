-- Aliases of resource types: the names by which clients of the cross-service API know types that their own service calls
-- otherwise (docs/adr/0019). An alias is a row of resource_type, so one primary key keeps all names apart: of a type and an
-- alias of one name that come at the same time, in whatever transactions, the second is refused. No scope can be of an alias,
-- which its foreign key holds. All tables here are small.

alter table tagd.resource_type
  add column alias_of text collate "C",
  add column is_alias boolean generated always as (alias_of is not null) stored,
  add constraint resource_type_alias_of_fkey foreign key (alias_of) references tagd.resource_type on delete cascade,
  add constraint resource_type_is_alias_key unique (resource_type, is_alias);
comment on table tagd.resource_type is 'A kind of resource, such as images or DNS-public_zone, or an alias of one.';
comment on column tagd.resource_type.alias_of is 'The type that this name is an alias of; null for a type. The rest of an alias repeats its type.';
comment on column tagd.resource_type.is_alias is 'Whether the name is an alias: for the foreign key of tagd.scope.';

alter table tagd.scope
  add column of_alias boolean not null default false,
  add constraint scope_of_alias_check check (not of_alias),
  drop constraint scope_resource_type_fkey,
  add constraint scope_resource_type_fkey foreign key (resource_type, of_alias) references tagd.resource_type (resource_type, is_alias);
comment on column tagd.scope.of_alias is 'Always false: with the foreign key it keeps scopes of aliases out.';

create function tagd.put_type_with_aliases(
  p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer, p_aliases text[],
  out created boolean, out aliases text[])
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_place    bigint;
  v_name     text;
  v_alias_of text;
  v_found    boolean;
begin
  insert into tagd.resource_type as t (resource_type, service, regional, tag_quota)
  values (p_resource_type, p_service, p_regional, p_tag_quota)
  on conflict (resource_type) do update
    set service = excluded.service, regional = excluded.regional, tag_quota = excluded.tag_quota
    where t.alias_of is null
  -- a row that this statement made was never locked or changed
  returning xmax = 0 into created;
  if not found then
    select t.alias_of into v_alias_of from tagd.resource_type t where t.resource_type = p_resource_type;
    raise exception using errcode = 'TG011', message = 'the name is taken', detail = concat_ws(' ', 'resource_type', p_resource_type, v_alias_of);
  end if;

  if p_aliases is not null then
    delete from tagd.resource_type t where t.alias_of = p_resource_type and t.resource_type <> all (p_aliases);
    insert into tagd.resource_type (resource_type, service, regional, tag_quota, alias_of)
    select a.name, p_service, p_regional, p_tag_quota, p_resource_type
      from unnest(p_aliases) as a (name)
     order by a.name collate "C"
    on conflict (resource_type) do nothing;
    -- a name that was there and is no alias of this type is somebody else's
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
end
$$;
comment on function tagd.put_type_with_aliases(text, text, boolean, integer, text[]) is 'Registers a resource type or changes a known one, and makes these its aliases; null leaves those it has. Whether it is new, and its aliases. TG011: a name that is an alias or type already; in the detail stand field, name and, of an alias, its type.';

create or replace function tagd.put_type(p_resource_type text, p_service text, p_regional boolean, p_tag_quota integer)
returns boolean
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
  select created from tagd.put_type_with_aliases(p_resource_type, p_service, p_regional, p_tag_quota, null)
$$;

revoke execute on function tagd.put_type_with_aliases(text, text, boolean, integer, text[]) from public;
grant execute on function tagd.put_type_with_aliases(text, text, boolean, integer, text[]) to tagd_service;

-- The names that shipped clients use: Terraform's provider has the first five, Cloud Custodian private_image and elb.
insert into tagd.resource_type (resource_type, service, regional, tag_quota) values ('loadbalancers', 'TMS', true, 20)
on conflict (resource_type) do nothing;

do $$
declare
  v_shipped record;
begin
  for v_shipped in
    select s.alias, s.resource_type
      from (values
        ('DNS_public_zone',       'DNS-public_zone'),
        ('DNS_private_zone',      'DNS-private_zone'),
        ('DNS_public_recordset',  'DNS-public_recordset'),
        ('DNS_private_recordset', 'DNS-private_recordset'),
        ('DNS_ptr_record',        'DNS-ptr_record'),
        ('private_image',         'images'),
        ('vpc',                   'vpcs'),
        ('elb',                   'loadbalancers')) as s (alias, resource_type)
      join tagd.resource_type t on t.resource_type = s.resource_type
  loop
    if exists (select from tagd.resource_type t where t.resource_type = v_shipped.alias) then
      raise warning 'the alias % of the resource type % is left out: a resource type of that name is registered', v_shipped.alias, v_shipped.resource_type;
    else
      insert into tagd.resource_type (resource_type, service, regional, tag_quota, alias_of)
      select v_shipped.alias, t.service, t.regional, t.tag_quota, t.resource_type
        from tagd.resource_type t
       where t.resource_type = v_shipped.resource_type;
    end if;
  end loop;
end
$$;
