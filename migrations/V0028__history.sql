-- The history of changes of resources and their tags, and the audit log of administrative acts (docs/adr/0030).
--
-- Both are partitioned by month, so that old months are dropped instead of deleted. tagd.prepare_months() makes the partitions
-- ahead; an entry for which there is none goes to the default partition.

create sequence tagd.change_id_seq as bigint;
comment on sequence tagd.change_id_seq is 'Numbers the entries of tagd.history. An entry is numbered while its resource is locked, so the numbers of a resource are in order.';

create table tagd.history (
  scope_id       bigint not null,
  change_id      bigint not null,
  changed_at     timestamptz not null,
  span_id        integer not null,
  slot           integer not null,
  resource_id    text collate "C" not null,
  domain_id      text collate "C" not null,
  operation      text collate "C" not null,
  principal      text collate "C" not null,
  credential_id  text collate "C",
  request_id     text collate "C" not null,
  registered_at  timestamptz,
  old_name       text collate "C",
  new_name       text collate "C",
  old_tags       text[] collate "C",
  new_tags       text[] collate "C",
  constraint history_pkey primary key (scope_id, change_id, changed_at)
) partition by range (changed_at);
create index history_resource_idx on tagd.history (scope_id, resource_id, change_id);
create index history_change_idx on tagd.history (change_id);
create table tagd.history_default partition of tagd.history default;
comment on table tagd.history is 'An entry for each change of a resource or its tags, written in the transaction of the change and never changed. A resource that an import registers has no entry for it: the tags before its first entry, or its present ones if it has no entry, are those that it was registered with.';
comment on column tagd.history.scope_id is 'Scope of the resource.';
comment on column tagd.history.change_id is 'Number of the entry; a later change of the same resource has a higher one.';
comment on column tagd.history.changed_at is 'When the change was made, with the resource locked.';
comment on column tagd.history.span_id is 'Span of tagd.history_span in which it was made.';
comment on column tagd.history.slot is 'Slot of the resource, by which a resource is told from an earlier one with the same identifier.';
comment on column tagd.history.resource_id is 'Identifier of the resource.';
comment on column tagd.history.domain_id is 'Domain that the project had then; whoever reads that domain may read the entry. Empty if it had none.';
comment on column tagd.history.operation is 'What was done: register, update, tag, untag, replace, restore, import, remove, prune or remove_project.';
comment on column tagd.history.principal is 'Name of the principal, or a command such as cli:import.';
comment on column tagd.history.credential_id is 'Its credential, since several may have one name; null for a command, and if tagd requires no credentials.';
comment on column tagd.history.request_id is 'Identifier of the request; empty for a command.';
comment on column tagd.history.registered_at is 'Of a removal, when the resource had been registered; otherwise null.';
comment on column tagd.history.old_name is 'Name before; null if the change left the name alone, or before the resource was registered.';
comment on column tagd.history.new_name is 'Name after; null if the change left the name alone, or after the resource was removed.';
comment on column tagd.history.old_tags is 'All tags before as key, value, key, value ... by key; null if the resource was registered by the change.';
comment on column tagd.history.new_tags is 'All tags after, in the same form; null if the resource was removed by the change.';
comment on index tagd.history_resource_idx is 'The history of a resource.';
comment on index tagd.history_change_idx is 'The feed of all changes.';
comment on table tagd.history_default is 'Entries of months without a partition.';

create table tagd.history_span (
  span_id        integer generated always as identity,
  token          bigint not null default hashtextextended(gen_random_uuid()::text, 0),
  began_at       timestamptz not null,
  ended_at       timestamptz,
  last_change_id bigint,
  constraint history_span_pkey primary key (span_id),
  constraint history_span_check check (ended_at >= began_at)
);
create unique index history_span_current_idx on tagd.history_span ((true)) where ended_at is null;
comment on table tagd.history_span is 'The times in which changes were recorded. The one that has not ended says that history is on.';
comment on column tagd.history_span.span_id is 'Number; a later span has a higher one.';
comment on column tagd.history_span.token is 'A random number, by which spans of one number are told apart that two restores of one backup begin.';
comment on column tagd.history_span.began_at is 'When history was turned on, with no writer active.';
comment on column tagd.history_span.ended_at is 'When history was turned off, or when the database was found to be restored, which begins a span without a gap; null for the current span.';
comment on column tagd.history_span.last_change_id is 'The last number that was given out before it ended: a marker of the feed beyond it is of what was lost with a restore.';
comment on index tagd.history_span_current_idx is 'At most one span has not ended.';

create sequence tagd.audit_id_seq as bigint;
comment on sequence tagd.audit_id_seq is 'Numbers the entries of tagd.audit.';

create table tagd.audit (
  entry_id      bigint not null default nextval('tagd.audit_id_seq'),
  recorded_at   timestamptz not null default clock_timestamp(),
  operation     text collate "C" not null,
  object        text collate "C" not null,
  domain_id     text collate "C",
  principal     text collate "C" not null,
  credential_id text collate "C",
  request_id    text collate "C" not null,
  address       text collate "C",
  detail        jsonb not null default '{}',
  constraint audit_pkey primary key (entry_id, recorded_at)
) partition by range (recorded_at);
create table tagd.audit_default partition of tagd.audit default;
comment on table tagd.audit is 'An entry for each administrative act, written in its transaction and never changed. It has no secrets.';
comment on column tagd.audit.entry_id is 'Number of the entry.';
comment on column tagd.audit.recorded_at is 'When it was written.';
comment on column tagd.audit.operation is 'What was done, such as project.put or credential.revoke.';
comment on column tagd.audit.object is 'What it was done to: a name or an identifier.';
comment on column tagd.audit.domain_id is 'Domain of the object; null if it belongs to none.';
comment on column tagd.audit.principal is 'Name of the principal, or a command such as cli:token; empty for failed authentications.';
comment on column tagd.audit.credential_id is 'Its credential, since several may have one name; null for a command, and if tagd requires no credentials.';
comment on column tagd.audit.request_id is 'Identifier of the request; empty for a command.';
comment on column tagd.audit.address is 'Address of the client; null for a command.';
comment on column tagd.audit.detail is 'What the act set, or how often it happened.';
comment on table tagd.audit_default is 'Entries of months without a partition.';

create table tagd.history_state (
  is_only          boolean not null default true,
  has_begun        boolean not null default false,
  origin           text collate "C",
  keep_days        integer,
  audit_keep_days  integer,
  kept_from        timestamptz,
  pruned_change_id bigint not null default 0,
  marker_secret    bytea not null,
  constraint history_state_pkey primary key (is_only),
  constraint history_state_is_only_check check (is_only),
  constraint history_state_keep_days_check check (keep_days between 1 and 36500),
  constraint history_state_audit_keep_days_check check (audit_keep_days between 1 and 36500)
);
comment on table tagd.history_state is 'One row: what holds for the history as a whole.';
comment on column tagd.history_state.is_only is 'True: there is one row.';
comment on column tagd.history_state.keep_days is 'Days that an entry is kept at least, since entries are dropped by the month; null for ever. The owner of the schema sets it, so that whoever serves cannot shorten it.';
comment on column tagd.history_state.audit_keep_days is 'The same for entries of the audit log.';
comment on column tagd.history_state.has_begun is 'Whether history was ever on. The first program that opens the database turns it on.';
comment on column tagd.history_state.origin is 'System, timeline and database that it was last opened in: another one was restored from a backup.';
comment on column tagd.history_state.kept_from is 'Entries before this time were pruned; null if none were.';
comment on column tagd.history_state.pruned_change_id is 'Number of the last entry that was pruned: an older marker of the feed has missed entries.';
comment on column tagd.history_state.marker_secret is '32 bytes, the key by which markers of the history are sealed: their numbers would show how much happens in other domains.';
-- a random UUID has 122 random bits, so three have more than the key
insert into tagd.history_state (marker_secret)
values (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

alter table tagd.project add column domain_since timestamptz not null default clock_timestamp();
comment on column tagd.project.domain_since is 'Since when it belongs to its domain, to which earlier states of its resources are not shown.';

alter type tagd.caller add attribute credential_id text;
comment on type tagd.caller is 'Who causes a change, in which request and from which address, both of which a command does not have; the only domain whose projects it may change, null for all; and the credential, if there is one.';
alter type tagd.resource_change
  add attribute resource_id text,
  add attribute operation text,
  add attribute old_name text,
  add attribute new_name text,
  add attribute registered_at timestamptz;
comment on type tagd.resource_change is 'A change of one locked resource: its tags, as in tagd.resource, and the words of its name that are labels, before and after; null if its name stays. Null tags: the resource is not there. Keys: those of which the tags may differ; null for all. For the history its identifier and what was done; its names where it is registered, renamed or removed; and when it was registered where it is removed.';
