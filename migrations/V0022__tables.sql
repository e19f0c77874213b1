-- Baseline 2 of 4: projects, resource types, scopes, resources and their tags. This is the truth; the index (V0023) can
-- always be rebuilt from it.
--
-- Ids, keys and values compare and sort by byte (collate "C"): that is the order the API promises.
-- scope_id comes first in every key but those of project, resource_type and scope, so that scopes can be spread over
-- machines one day (migrations/README.md, "Rules that keep the index distributable").

create table tagd.project (
  project_id   text collate "C" not null,
  project_name text collate "C" not null default '',
  domain_id    text collate "C" not null default '',
  constraint project_pkey primary key (project_id)
);
comment on table tagd.project is 'A tenant: the owner of resources. A deleted project has no row; its scopes remain and are empty.';
comment on column tagd.project.project_id is 'Identifier as it appears in request paths.';
comment on column tagd.project.project_name is 'Display name; empty if none was given.';
comment on column tagd.project.domain_id is 'Account that the project belongs to; empty if none was given.';

-- An alias is a row too, so one primary key keeps all names apart: of a type and an alias of one name that are added at the
-- same time, in whatever transactions, the second is refused. A scope cannot be of an alias: its foreign key includes
-- is_alias (docs/adr/0019).
create table tagd.resource_type (
  resource_type text collate "C" not null,
  service       text collate "C" not null,
  regional      boolean not null,
  tag_quota     integer not null,
  alias_of      text collate "C",
  is_alias      boolean generated always as (alias_of is not null) stored,
  constraint resource_type_pkey primary key (resource_type),
  constraint resource_type_service_check check (service in ('IMS', 'DNS', 'CTS', 'TMS')),
  constraint resource_type_tag_quota_check check (tag_quota between 1 and 1000),
  constraint resource_type_alias_of_fkey foreign key (alias_of) references tagd.resource_type on delete cascade,
  constraint resource_type_is_alias_key unique (resource_type, is_alias)
);
comment on table tagd.resource_type is 'A kind of resource, such as images or DNS-public_zone, or an alias of one.';
comment on column tagd.resource_type.resource_type is 'Name as it appears in requests; case-sensitive.';
comment on column tagd.resource_type.service is 'Service whose own API owns the type: IMS, DNS or CTS; TMS for those that only the cross-service API reaches.';
comment on column tagd.resource_type.regional is 'True if a cross-service query must name the project, false if it may span all projects of a domain.';
comment on column tagd.resource_type.tag_quota is 'Most tags that one resource may carry; system tags are not counted.';
comment on column tagd.resource_type.alias_of is 'The type that this name is an alias of; null for a type. The other columns of an alias repeat those of its type.';
comment on column tagd.resource_type.is_alias is 'Whether the name is an alias: for the foreign key of tagd.scope.';

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
  ('cdn',                   'TMS', false, 20),
  ('loadbalancers',         'TMS', true, 20);
-- the names that existing clients use: Terraform's provider has the first five, Cloud Custodian private_image and elb
insert into tagd.resource_type (resource_type, service, regional, tag_quota, alias_of)
select a.alias, t.service, t.regional, t.tag_quota, t.resource_type
  from (values
    ('DNS_public_zone',       'DNS-public_zone'),
    ('DNS_private_zone',      'DNS-private_zone'),
    ('DNS_public_recordset',  'DNS-public_recordset'),
    ('DNS_private_recordset', 'DNS-private_recordset'),
    ('DNS_ptr_record',        'DNS-ptr_record'),
    ('private_image',         'images'),
    ('vpc',                   'vpcs'),
    ('elb',                   'loadbalancers')) as a (alias, resource_type)
  join tagd.resource_type t on t.resource_type = a.resource_type;

create table tagd.scope (
  scope_id      bigint generated always as identity,
  project_id    text collate "C" not null,
  resource_type text collate "C" not null,
  of_alias      boolean not null default false,
  constraint scope_pkey primary key (scope_id),
  constraint scope_name_key unique (resource_type, project_id),
  constraint scope_of_alias_check check (not of_alias),
  constraint scope_resource_type_fkey foreign key (resource_type, of_alias)
    references tagd.resource_type (resource_type, is_alias)
);
create index scope_project_id_idx on tagd.scope (project_id);
comment on table tagd.scope is 'The resources of one type in one project: what a query runs over. A scope is never deleted, so its number may be remembered for ever.';
comment on column tagd.scope.scope_id is 'Number of the scope.';
comment on column tagd.scope.project_id is 'Project of the scope; without a row in tagd.project once the project was deleted.';
comment on column tagd.scope.resource_type is 'Resource type of the scope.';
comment on column tagd.scope.of_alias is 'Always false: with the foreign key it keeps scopes of aliases out.';
comment on index tagd.scope_project_id_idx is 'The scopes of a project, for its deletion.';

create table tagd.scope_counter (
  scope_id  bigint not null,
  next_slot integer not null default 0,
  constraint scope_counter_pkey primary key (scope_id)
) with (fillfactor = 50);
comment on table tagd.scope_counter is 'Hands out slots. Its row lock serializes the registrations of one scope.';
comment on column tagd.scope_counter.scope_id is 'Scope.';
comment on column tagd.scope_counter.next_slot is 'Slot of the next resource that is registered. Slots are never used twice.';

create table tagd.resource (
  scope_id      bigint not null,
  slot          integer not null,
  registered_at timestamptz not null default now(),
  resource_id   text collate "C" not null,
  resource_name text collate "C" not null default '',
  tags          text[] collate "C" not null default '{}',
  detail        json,
  constraint resource_pkey primary key (scope_id, slot),
  constraint resource_id_key unique (scope_id, resource_id)
) with (fillfactor = 90);
-- A resource by its identifier alone, in any project. A hash index, since identifiers are only compared for equality. On an
-- expression, so that only a statement that names the expression uses it: within a scope resource_id_key is the right one,
-- however many projects have the same identifier. Not unique: no constraint spans scopes.
create index resource_id_idx on tagd.resource using hash ((resource_id || ''));
comment on table tagd.resource is 'A resource of a scope.';
comment on column tagd.resource.scope_id is 'Scope of the resource.';
comment on column tagd.resource.slot is 'Position in the order of registration, from 0; its bit in every bitmap of the scope.';
comment on column tagd.resource.registered_at is 'When tagd first heard of the resource. For people: the order of answers is that of slot.';
comment on column tagd.resource.resource_id is 'Identifier, unique in the scope.';
comment on column tagd.resource.resource_name is 'Display name; empty if it has none.';
comment on column tagd.resource.tags is 'Copy of the resource''s rows in tagd.tag as key, value, key, value ... by key: one fetch answers a resource whole.';
comment on column tagd.resource.detail is 'The owning service''s own JSON as it was sent, answered as resource_detail; null if there is none. Line breaks between its parts are spaces.';
comment on index tagd.resource_id_idx is 'Resources by identifier, for requests that name no project.';

create table tagd.name (
  scope_id bigint not null,
  slot     integer not null,
  folded   text collate "C" not null,
  words    text[] collate "C" not null default '{}',
  constraint name_pkey primary key (scope_id, slot)
);
create index name_empty_idx on tagd.name (scope_id, slot) where folded = '';
comment on table tagd.name is 'The names of the resources as they are searched: a narrow table beside the wide one, since a search may have to read every name of a scope.';
comment on column tagd.name.scope_id is 'Scope of the resource.';
comment on column tagd.name.slot is 'Slot of the resource.';
comment on column tagd.name.folded is 'resource_name in lower case, as domain::matching::fold makes it; empty if the resource has no name.';
comment on column tagd.name.words is 'Words of the name by which the resource is in a label of kind 4; the grams within them are not in name_gram_idx.';

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

create table tagd.predefined_tag (
  domain_id  text collate "C" not null,
  key        text collate "C" not null,
  value      text collate "C" not null,
  updated_at timestamptz not null default clock_timestamp(),
  constraint predefined_tag_pkey primary key (domain_id, key, value)
);
comment on table tagd.predefined_tag is 'Tags that an account keeps ready for its resources. They are not the tags of any resource.';
comment on column tagd.predefined_tag.domain_id is 'Account; empty where tagd knows no accounts.';
comment on column tagd.predefined_tag.key is 'Key.';
comment on column tagd.predefined_tag.value is 'Value; may be empty.';
comment on column tagd.predefined_tag.updated_at is 'When the tag was last written.';
