-- The tables: projects, resource types, scopes, resources and their tags (the truth),
-- labels and bitmaps (the index, which can always be rebuilt from the truth).
--
-- Ids, keys and values compare and sort by byte (collate "C"): that is the order the API promises.
-- scope_id stands first in every key but those of project, resource_type and scope, so that scopes
-- can be spread over machines one day (docs/ARCHITECTURE.md, "Rules that keep the index distributable").

create table tagd.project (
  project_id   text collate "C" not null,
  project_name text collate "C" not null default '',
  domain_id    text collate "C" not null default '',
  constraint project_pkey primary key (project_id)
);
comment on table tagd.project is 'A tenant: the owner of resources.';
comment on column tagd.project.project_id is 'Identifier as it stands in request paths.';
comment on column tagd.project.project_name is 'Display name; empty if none was given.';
comment on column tagd.project.domain_id is 'Account that the project belongs to; empty if none was given.';

create table tagd.resource_type (
  resource_type text collate "C" not null,
  service       text collate "C" not null,
  regional      boolean not null,
  tag_quota     integer not null,
  constraint resource_type_pkey primary key (resource_type),
  constraint resource_type_service_check check (service in ('IMS', 'DNS', 'CTS', 'TMS')),
  constraint resource_type_tag_quota_check check (tag_quota between 1 and 1000)
);
comment on table tagd.resource_type is 'A kind of resource, such as images or DNS-public_zone.';
comment on column tagd.resource_type.resource_type is 'Name as it stands in requests; case-sensitive.';
comment on column tagd.resource_type.service is 'Service whose own API owns the type: IMS, DNS or CTS; TMS for those that only the cross-service API reaches.';
comment on column tagd.resource_type.regional is 'True if a cross-service query must name the project, false if it may span all projects of a domain.';
comment on column tagd.resource_type.tag_quota is 'Most tags that one resource may carry; system tags are not counted.';

insert into tagd.resource_type (resource_type, service, regional, tag_quota) values
  ('images',                'IMS', true, 10),
  ('DNS-public_zone',       'DNS', true, 20),
  ('DNS-private_zone',      'DNS', true, 20),
  ('DNS-public_recordset',  'DNS', true, 20),
  ('DNS-private_recordset', 'DNS', true, 20),
  ('DNS-ptr_record',        'DNS', true, 20),
  ('cts-tracker',           'CTS', true, 20),
  ('ecs',                   'TMS', true, 20),
  ('scaling_group',         'TMS', true, 20),
  ('disk',                  'TMS', true, 20),
  ('vpcs',                  'TMS', true, 20),
  ('security-groups',       'TMS', true, 20),
  ('shared_bandwidth',      'TMS', true, 20),
  ('eip',                   'TMS', true, 20),
  ('cdn',                   'TMS', false, 20);

create table tagd.scope (
  scope_id      bigint generated always as identity,
  project_id    text collate "C" not null,
  resource_type text collate "C" not null,
  constraint scope_pkey primary key (scope_id),
  constraint scope_name_key unique (resource_type, project_id),
  constraint scope_project_fkey foreign key (project_id) references tagd.project,
  constraint scope_resource_type_fkey foreign key (resource_type) references tagd.resource_type
);
comment on table tagd.scope is 'The resources of one type in one project: what a query runs over. A scope is never deleted, so its number may be remembered for ever.';
comment on column tagd.scope.scope_id is 'Number of the scope.';
comment on column tagd.scope.project_id is 'Project of the scope.';
comment on column tagd.scope.resource_type is 'Resource type of the scope.';

create table tagd.scope_counter (
  scope_id  bigint not null,
  next_slot integer not null default 0,
  constraint scope_counter_pkey primary key (scope_id)
) with (fillfactor = 50);
comment on table tagd.scope_counter is 'Hands out slots. Its row lock puts the registrations of one scope in line.';
comment on column tagd.scope_counter.scope_id is 'Scope.';
comment on column tagd.scope_counter.next_slot is 'Slot of the next resource that is registered. Slots are never used twice.';

create table tagd.resource (
  scope_id      bigint not null,
  slot          integer not null,
  registered_at timestamptz not null default now(),
  resource_id   text collate "C" not null,
  resource_name text collate "C" not null default '',
  tags          text[] collate "C" not null default '{}',
  detail        jsonb,
  constraint resource_pkey primary key (scope_id, slot),
  constraint resource_id_key unique (scope_id, resource_id)
) with (fillfactor = 90);
comment on table tagd.resource is 'A resource of a scope.';
comment on column tagd.resource.scope_id is 'Scope of the resource.';
comment on column tagd.resource.slot is 'Position in the order of registration, from 0; its bit in every bitmap of the scope.';
comment on column tagd.resource.registered_at is 'When tagd first heard of the resource. For people: the order of answers is that of slot.';
comment on column tagd.resource.resource_id is 'Identifier, unique in the scope.';
comment on column tagd.resource.resource_name is 'Display name; empty if it has none.';
comment on column tagd.resource.tags is 'Copy of the resource''s rows in tagd.tag as key, value, key, value ... by key: one fetch answers a resource whole.';
comment on column tagd.resource.detail is 'The owning service''s own JSON, answered as resource_detail; null if there is none.';

create table tagd.name (
  scope_id bigint not null,
  slot     integer not null,
  folded   text collate "C" not null,
  constraint name_pkey primary key (scope_id, slot)
);
create index name_empty_idx on tagd.name (scope_id, slot) where folded = '';
comment on table tagd.name is 'The names of the resources as they are searched: a narrow table beside the wide one, since a search may have to look at every name of a scope.';
comment on column tagd.name.scope_id is 'Scope of the resource.';
comment on column tagd.name.slot is 'Slot of the resource.';
comment on column tagd.name.folded is 'resource_name in lower case, as domain::matching::fold makes it; empty if the resource has no name.';

create table tagd.tag (
  scope_id bigint not null,
  slot     integer not null,
  key      text collate "C" not null,
  value    text collate "C" not null,
  constraint tag_pkey primary key (scope_id, slot, key)
);
comment on table tagd.tag is 'The tags of the resources: the truth that the index is made from.';
comment on column tagd.tag.scope_id is 'Scope of the resource.';
comment on column tagd.tag.slot is 'Slot of the resource.';
comment on column tagd.tag.key is 'Key; one that starts with _sys_ makes it a system tag.';
comment on column tagd.tag.value is 'Value; may be empty.';

create table tagd.label (
  scope_id bigint not null,
  label_id bigint generated always as identity,
  kind     smallint not null,
  key      text collate "C" not null,
  value    text collate "C" not null,
  constraint label_pkey primary key (scope_id, label_id),
  constraint label_name_key unique (scope_id, key, kind, value),
  constraint label_kind_check check (kind between 0 and 3)
);
comment on table tagd.label is 'What a bitmap of the index stands for.';
comment on column tagd.label.scope_id is 'Scope of the label.';
comment on column tagd.label.label_id is 'Number of the label.';
comment on column tagd.label.kind is '0: every resource; 1: resources without a tag (system tags do not count); 2: resources with the key; 3: resources with key and value.';
comment on column tagd.label.key is 'Key; empty for the kinds 0 and 1.';
comment on column tagd.label.value is 'Value; empty for the kinds 0, 1 and 2.';

create table tagd.bitmap (
  scope_id bigint not null,
  label_id bigint not null,
  block    integer not null,
  bits     bit(16384) not null,
  constraint bitmap_pkey primary key (scope_id, label_id, block)
) with (fillfactor = 70);
-- 2 KB of bits are just enough that Postgres compresses the row: a few bits set take some 50 bytes.
-- A row that does not shrink stays in place (main), so reading never leaves the page.
alter table tagd.bitmap alter column bits set storage main;
do $$
begin
  alter table tagd.bitmap alter column bits set compression lz4;
exception
  -- built without lz4: the default does, somewhat slower
  when feature_not_supported then null;
end
$$;
comment on table tagd.bitmap is 'The index: which resources of a scope bear a label, 16,384 slots a row. A row with no bit set is left out.';
comment on column tagd.bitmap.scope_id is 'Scope of the label.';
comment on column tagd.bitmap.label_id is 'Label.';
comment on column tagd.bitmap.block is 'Slots block * 16384 to block * 16384 + 16383.';
comment on column tagd.bitmap.bits is 'Bit i, counted from the left, stands for slot block * 16384 + i.';

-- Substring searches: names, and values behind a leading asterisk. The extensions may already
-- live in a schema of the administrator's choice, so their operator class is named through the catalogue.
do $$
declare
  trgm text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm');
  gin  text := (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'btree_gin');
begin
  execute format(
    'create index name_folded_idx on tagd.name using gin (scope_id %1$I.int8_ops, folded %2$I.gin_trgm_ops) with (gin_pending_list_limit = 512)',
    gin, trgm);
  execute format(
    'create index label_value_idx on tagd.label using gin (scope_id %1$I.int8_ops, key %1$I.text_ops, value %2$I.gin_trgm_ops) with (gin_pending_list_limit = 512) where kind = 3',
    gin, trgm);
end
$$;
