-- Baseline 4 of 4: what the functions in functions/ need besides the tables: the record of the set that was applied, and the
-- types in which they pass rows to one another.
--
-- A database of schema 20 has the tables of the files before this one. It skips those and runs this one
-- (adopt/schema_20.sql), so everything that schema 20 did not have is here.

create table tagd.function_file (
  file       text collate "C" not null,
  checksum   text collate "C" not null,
  set_number integer not null,
  constraint function_file_pkey primary key (file)
);
comment on table tagd.function_file is 'The set of functions that was applied last, file by file; kept by tagd migrate.';
comment on column tagd.function_file.file is 'Path of the file below migrations/.';
comment on column tagd.function_file.checksum is 'Of its text, SHA-256: a file that differs in a program with the same number is refused.';
comment on column tagd.function_file.set_number is 'Number of the set, the same in every row.';

create type tagd.label_flip as (key text collate "C", kind smallint, value text collate "C", slot integer, is_on boolean);
comment on type tagd.label_flip is 'A slot that is to be set or cleared in a label.';
create type tagd.label_slots as (key text collate "C", kind smallint, value text collate "C", slots integer[]);
comment on type tagd.label_slots is 'A label with some slots.';
create type tagd.caller as (principal text, request_id text, address text, domain_id text);
comment on type tagd.caller is 'Who causes a change, in which request and from which address, both of which a command does not have; and the only domain whose projects it may change, null for all.';
create type tagd.resource_change as (
  slot integer, old_tags text[], new_tags text[], keys text[], old_words text[], new_words text[], caller tagd.caller);
comment on type tagd.resource_change is 'A change of one locked resource: its tags, as in tagd.resource, and the words of its name that are labels, before and after; null if its name stays. Null tags: the resource is not there. Keys: those of which the tags may differ; null for all.';
